"""Checking rows before anything is paid."""

import asyncio
import itertools
from pathlib import Path

import pytest

from kling_async import RawTask
from kling_async.batch.check import problems_of
from kling_async.batch.jobs import Jobs, read_jobs, rows_of
from kling_async.io import request_checks
from kling_async.protocol.media.given import FileFacts, Media
from tests.batch.writing import read

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NOW = 1_800_000_000.0


def open_files() -> int:
    """The number of files that this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


async def found(jobs: Jobs) -> list[str]:
    """The problems of the rows, as text."""
    assert jobs.problems == ()
    return [str(problem) for problem in await problems_of(jobs.rows, NOW)]


@pytest.mark.parametrize("name", ["batch/jobs.jsonl", "batch/jobs.csv", "images"])
async def test_examples_are_right(name: str) -> None:
    """The examples of each kind of jobs are read without problems, and pass all checks."""
    jobs = read_jobs(EXAMPLES / name)
    assert len(jobs.rows) >= 3
    assert await found(jobs) == []


async def test_all_problems_of_all_rows(tmp_path: Path) -> None:
    """Each problem has its line and id: missing or broken files, rules, and those from the capability map."""
    (tmp_path / "text.png").write_text("no picture")
    cat = str(EXAMPLES / "images" / "cat.png")
    jobs = read(
        tmp_path,
        {"id": "right", "image": cat},
        {"id": "gone", "image": "gone.png", "prompt": "x" * 2501},
        {"id": "text", "image": "text.png"},
        {"id": "map", "image": cat, "sound": True, "mode": "std"},
        {"id": "none", "prompt": "x"},
    )
    texts = await found(jobs)
    starts = ["line 2 (gone): image: there is no file", "line 2 (gone): prompt: has 2501", "line 3 (text): image: this"]
    starts += ["line 4 (map): sound", "line 5 (none): image: give image"]
    assert [text[: len(start)] for text, start in zip(texts, starts, strict=True)] == starts


async def test_a_raw_task_of_the_current_generation_is_a_problem() -> None:
    """A record given in code is checked like any row: no batch pays for an input it could not find."""
    jobs = rows_of([RawTask("/text-to-video/kling-3.0-turbo", {"prompt": "a"}), RawTask("/v1/new", {"prompt": "a"})])
    [text] = await found(jobs)
    assert "use current.TextToVideo(model='kling-3.0-turbo')" in text


async def test_warnings_are_no_problems(tmp_path: Path) -> None:
    """A problem that only warns, such as a retired model, does not keep a row from being sent."""
    cat = str(EXAMPLES / "images" / "cat.png")
    assert await found(read(tmp_path, {"image": cat, "model_name": "kling-v1"})) == []


async def test_the_loop_stays_free(tmp_path: Path) -> None:
    """However many rows are checked, other tasks run after each, even between rows without files."""
    jobs = read(tmp_path, *({"endpoint": "text_to_video", "prompt": str(number)} for number in range(50)))
    turns = itertools.count()
    done = asyncio.Event()

    async def other() -> None:
        while not done.is_set():
            next(turns)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    assert await found(jobs) == []
    done.set()
    await beside
    assert next(turns) >= 50


async def test_few_files_are_open_at_once(tmp_path: Path) -> None:
    """Checking a thousand rows does not need a thousand open files."""
    cat = (EXAMPLES / "images" / "cat.png").read_bytes()
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(cat)
    most = 0
    facts = request_checks._facts

    def counting(given: Media) -> FileFacts:
        nonlocal most
        most = max(most, open_files())
        return facts(given)

    before = open_files()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_checks, "_facts", counting)
        assert await found(read_jobs(tmp_path)) == []
    assert 0 < most < before + 10
