from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from kling_async.protocol.converters import instead_of
from kling_async.protocol.endpoint import Request
from kling_async.protocol.endpoints.videos.avatar import ENDPOINT, Avatar
from kling_async.protocol.media.picture import Picture
from kling_async.protocol.results import Audio, Video
from kling_async.protocol.rules.earlier_results import ages, stand_ins
from kling_async.protocol.wire.codec import task_from_wire, to_wire
from tests.protocol.requests_made import URL

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MADE = datetime(2026, 10, 2, tzinfo=UTC)


@attrs.frozen
class Extend(Request):
    """A request that takes an earlier video."""

    video_id: str | None = None
    video: Video | None = attrs.field(default=None, metadata=instead_of("video_id", "id"), kw_only=True)
    video_url: str | None = attrs.field(default=None, kw_only=True)
    clip: Video | None = attrs.field(default=None, metadata=instead_of("video_url", "url"), kw_only=True)


@pytest.mark.parametrize(
    ("parameters", "sent"),
    [
        ({"video": Video(id="7", url=URL)}, {"video_id": "7"}),
        ({"clip": Video(id="7", url=URL)}, {"video_url": URL}),
        ({"video_id": "8"}, {"video_id": "8"}),
        ({"video_id": "8", "video": "7"}, {"video_id": "8"}),
        ({}, {}),
    ],
)
def test_what_stands_in_is_sent_as_the_other(parameters: dict[str, Any], sent: dict[str, Any]) -> None:
    """An earlier result goes as its id or its address, under the documented name, and as nothing else."""
    assert to_wire(Extend(**parameters)) == sent


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("7", "expected what an earlier request made, with its id, got text; video_id takes the id by itself"),
        (URL, "got text; video_id takes the id by itself, video_url an address"),
        (7, "with its id, got int"),
        (Audio(id="7", url=URL), "with its id, got Audio"),
        (Video, "with its id, got type"),
        (Video(id="", url=URL), "this one came without id: give video_id or another one"),
    ],
)
def test_what_stands_in_has_what_is_sent(given: Any, says: str) -> None:
    """A result without an id cannot stand in for one."""
    [problem] = stand_ins(Extend(video=given))
    assert (problem.field, says in problem.message, problem.only_warns) == ("video", True, False)


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (timedelta(days=28), None),
        (timedelta(days=28, seconds=1), "until 2026-11-02 23:59 UTC (30 days after it was made)"),
        (timedelta(days=30), "kept this result until 2026-11-01 00:00 UTC (30 days), and probably has it no more"),
        (timedelta(days=400), "probably has it no more"),
        (timedelta(days=-1), None),
    ],
)
@pytest.mark.parametrize("kind", ["video", "audio", "image"])
def test_what_is_near_its_end_warns(kind: str, age: timedelta, says: str | None) -> None:
    """A result made more than 28 days ago passes with a warning that contains the end of its 30 days."""
    made = NOW - age
    request: Request = {
        "video": Extend(video=Video(id="7", url=URL, created_at=made)),
        "audio": Avatar(URL, audio=Audio(id="7", url=URL, created_at=made)),
        "image": Avatar(Picture(index=0, url=URL, created_at=made), audio_id="7"),
    }[kind]
    found = list(ages(request, NOW))
    assert [(each.field, each.only_warns) for each in found] == [(kind, True)] * (says is not None)
    assert all((says or "") in each.message for each in found)


def test_without_a_time_nothing_is_said() -> None:
    """An endpoint checks ages only if it gets the time, and a result without a creation time has no age."""
    old = Avatar(Picture(index=0, url=URL, created_at=MADE), audio=Audio(id="7", url=URL))
    assert ENDPOINT.problems(old, {}) == []
    assert [each.field for each in ENDPOINT.problems(old, {}, now=NOW)] == ["image"]


def test_an_earlier_picture_is_its_address() -> None:
    """The picture of a task is sent as its address; one without an address is a problem."""
    assert to_wire(Avatar(Picture(index=3, url=URL), audio_id="7"))["image"].url == URL
    [problem] = ENDPOINT.problems(Avatar(Picture(index=3, url=""), audio_id="7"), {})
    assert (problem.field, "has no address" in problem.message) == ("image", True)


def test_results_know_when_they_were_made() -> None:
    """Of either generation: from the time at which the task changed last."""
    moment = int(MADE.timestamp() * 1000)
    results: dict[str, Any] = {
        "videos": [{"id": "1", "url": URL}],
        "images": [{"index": 0, "url": URL}],
        "audios": [{"id": "2", "url": URL}, {"id": "3", "url_mp3": URL}],
    }
    legacy = {"task_id": "8", "task_status": "succeed", "updated_at": moment, "created_at": 1, "task_result": results}
    outputs = [{"type": kind, "id": "1", "url": URL} for kind in ("video", "image", "audio")]
    new = {"id": "8", "status": "succeeded", "update_time": moment, "create_time": 1, "outputs": outputs}
    for data in (legacy, new):
        task = task_from_wire(data, "image2video")
        made: list[Any] = [*task.videos, *task.images, *task.audios]
        assert len(made) >= 3
        assert {each.created_at for each in made} == {MADE}


def test_the_same_result_is_the_same_whenever_it_was_read() -> None:
    """When it was made is not compared: an id and its addresses are what a result is."""
    assert Video(id="7", url=URL, created_at=MADE) == Video(id="7", url=URL)
