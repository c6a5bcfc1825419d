import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.results.links import RETENTION, Links, merged, requested_range
from kling_async.emulator.service.endpoints.image2video import ENDPOINT
from tests.repeatable import same_draws

NOW = 1_800_000_000.0


def made_task() -> EmulatedTask:
    """Returns a task that will succeed."""
    rng = same_draws(0)
    request = ENDPOINT.accept({"image": "https://images.example/cat.png", "watermark_info": {"enabled": True}})
    return AccountModel(rng=rng, speed=1.0, concurrency=5, balance=100.0).create(NOW, ENDPOINT, request)


def test_a_link_is_stable_and_good_when_handed_out() -> None:
    """A link is the same in consecutive queries, and always has at least half of its lifetime left."""
    task = made_task()
    links = Links("http://host", b"key", 100.0)
    end = task.finished_at

    made = [links.make(task, "plain", end + seconds) for seconds in (0, 49, 51, 99, 101)]

    assert made[0] == made[1] != made[2] == made[3] != made[4]
    assert links.make(task, "watermark", end) not in made


@given(st.floats(0, 1000))
def test_a_link_lasts_half_of_its_lifetime_at_least(seconds: float) -> None:
    """At any time a new link is valid for between half and all of its lifetime."""
    task = made_task()
    now = task.finished_at + seconds

    url = Links("http://host", b"key", 100.0).make(task, "plain", now)

    assert 50 <= int(url.partition("expires=")[2].partition("&")[0]) - now <= 101


def test_no_link_outlives_the_retention() -> None:
    """Thirty days after the end of its task no link to a result is valid."""
    task = made_task()
    links = Links("http://host", b"key", RETENTION)
    late = task.finished_at + RETENTION - 1

    url = links.make(task, "plain", late)
    path, _, query = url.removeprefix("http://host").partition("?")
    members = dict(pair.split("=") for pair in query.split("&"))

    assert links.problem(path, members, late) == ""
    assert links.problem(path, members, late + 2) == "Request has expired"


@pytest.mark.parametrize(
    "change", [{"expires": "9999999999"}, {"signature": "0" * 64}, {"signature": ""}, {"signature": "\udcff"}]
)
def test_a_changed_link_is_refused(change: dict[str, str]) -> None:
    """Neither the expiry nor the path of a link can be changed without its signature."""
    task = made_task()
    links = Links("http://host", b"key", 100.0)
    path, _, query = links.make(task, "plain", NOW).removeprefix("http://host").partition("?")
    members = dict(pair.split("=") for pair in query.split("&"))

    assert links.problem(path, members, NOW) == ""
    assert "signature" in links.problem(path, members | change, NOW)
    assert "signature" in links.problem(path.replace("plain", "watermark"), members, NOW)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=99-99", (99, 100)),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
    ],
)
def test_a_range_is_parsed_as_in_rfc_9110(header: str | None, span: tuple[int, int] | None) -> None:
    """A single range of bytes is supported in its three forms; anything else returns the whole file."""
    assert span == requested_range(header, 100)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_of_the_file_is_an_error(header: str) -> None:
    """A range that begins after the last byte cannot be satisfied."""
    with pytest.raises(ValueError, match="outside"):
        requested_range(header, 100)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10)).map(lambda pair: (pair[0], sum(pair)))))
def test_merged_pieces_cover_the_same_bytes(pieces: list[tuple[int, int]]) -> None:
    """Joining pieces keeps the covered bytes, and leaves no two pieces that touch."""
    joined = merged(pieces)

    assert {byte for start, end in pieces for byte in range(start, end)} == {
        byte for start, end in joined for byte in range(start, end)
    }
    assert all(first[1] < second[0] for first, second in itertools.pairwise(joined))


@pytest.mark.parametrize(
    ("url", "address", "found"),
    [
        ("http://host{}", "", True),
        ("http://other{}", "http://other", True),
        ("http://other{}", "", False),
        ("http://host.example{}", "", False),
        ("http://host{}0", "", False),
        ("http://host/files/", "", False),
        ("{}", "", False),
        ("", "", False),
    ],
)
def test_a_link_resolves_to_its_file(url: str, address: str, *, found: bool) -> None:
    """A valid link with a known address resolves to the task and the file; anything else to None."""
    task = made_task()
    links = Links("http://host", b"key", 100.0)
    target = links.make(task, "watermark", task.finished_at).removeprefix("http://host")

    file = links.file(url.format(target), task.finished_at, address)
    assert file == ((task.task_id, "watermark") if found else None)
    assert links.file(url.format(target), task.finished_at + 200, address) is None
