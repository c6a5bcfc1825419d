import functools

import pytest

from kling_async import KlingClient, Retry
from kling_async.cli.commands import listing
from kling_async.cli.commands.listing import page_size
from kling_async.emulator import Emulator

from .conftest import CAT, Run

pytestmark = pytest.mark.usefixtures("hurry")


@pytest.mark.usefixtures("service")
def test_no_tasks(run: Run) -> None:
    """An account without tasks is reported."""
    ran = run("list")
    assert (ran.code, ran.out) == (0, "no tasks\n")


def test_tasks(run: Run, service: Emulator) -> None:
    """Tasks are shown with their references, status and cost; failed ones with the reason."""
    made = run("generate", CAT, "-o", "a.mp4", "--external-task-id", "mine", "--json").data
    failed = run("generate", CAT, "-o", "b.mp4", "--prompt", "forbidden", "--json").data
    text = run("list").out
    [line] = [line for line in text.splitlines() if made["reference"] in line]
    assert line.split()[1] == "succeed"
    assert line.split()[4:] == ["5.041", "s", "1.5", "mine"]
    assert "risk control" in text
    data = run("list", "--json").data
    assert data["more"] is False
    assert {task["reference"] for task in data["tasks"]} == {made["reference"], failed["reference"]}
    assert run("list", "-q").out.split() == [task["reference"] for task in data["tasks"]]
    assert service.ledger.created == 2


def test_limit(run: Run, service: Emulator) -> None:
    """Tasks beyond the limit are reported, and not fetched."""
    for name in "ab":
        run("generate", CAT, "-o", f"{name}.mp4")
    ran = run("list", "--limit", "1", "--page-size", "1")
    assert len(ran.out.splitlines()) == 2
    assert "--limit 2" in ran.err
    assert run("list", "--limit", "1", "--json").data["more"] is True
    assert len(run("list", "--limit", "0", "-q").out.split()) == service.ledger.created


@pytest.mark.usefixtures("service")
def test_page_size_out_of_range(run: Run) -> None:
    """A page size above the service's limit is an error."""
    ran = run("list", "--page-size", "501")
    assert ran.code == 2
    assert "page_size" in ran.err


@pytest.mark.parametrize(("limit", "size"), [(1, 2), (30, 31), (499, 500), (10_000, 500), (0, 500)])
def test_size_of_a_page(limit: int, size: int) -> None:
    """Only one task beyond the limit is requested."""
    assert size == page_size(limit, 500)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("words", [[], ["image-to-video"], ["image_to_video"], ["image2video"]])
def test_of_one_endpoint(run: Run, words: list[str]) -> None:
    """An endpoint is named by its command, the client's method, or as in a reference; the default may be omitted."""
    reference = run("generate", CAT, "-o", "a.mp4", "--json").data["reference"]
    assert run("list", *words, "-q").out.split() == [reference]


@pytest.mark.usefixtures("service")
def test_of_a_path_without_a_record(run: Run) -> None:
    """`raw:PATH` lists the tasks of any path, each with a reference for `save`."""
    reference = run("generate", CAT, "-o", "a.mp4", "--json").data["reference"]
    assert run("list", "raw:/v1/videos/image2video", "-q").out.split() == [f"raw:/v1/videos/{reference}"]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("text", ["image2vidoe", "/v1/videos/image2video", "raw:v1/videos/image2video"])
def test_of_no_endpoint(run: Run, text: str) -> None:
    """An unknown endpoint is an error that suggests known ones."""
    ran = run("list", text)
    assert ran.code == 2
    assert ("did you mean image-to-video?" in ran.err) is (text == "image2vidoe")
    assert "raw:PATH is for any other path" in ran.err


def test_without_a_network(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first retry is reported, once; not with `--json` or `--quiet`."""
    monkeypatch.setenv("KLING_API_KEY", "key")
    retry = Retry(first=0.01, maximum=0.02, budget=0.5)
    monkeypatch.setattr(listing, "KlingClient", functools.partial(KlingClient, retry=retry))
    words = ("list", "--base-url", "http://127.0.0.1:9")
    ran = run(*words)
    assert ran.code == 5
    tried, ended = ran.err.splitlines()
    assert tried.endswith("still trying")
    assert ended.startswith("error: ConnectionFailed: ")
    assert (run(*words, "--json").err, len(run(*words, "-q").err.splitlines())) == ("", 1)
