"""A batch that is killed at random moments and restarted; the emulator's ledger is checked."""

import asyncio
import contextlib
import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kling_async import EntryState, Journal
from kling_async.emulator import Emulator, Fault
from kling_async.journal.files import are_whole
from tests.repeatable import same_draws

KILLS = int(os.environ.get("KLING_ASYNC_KILLS", "5"))
"""Number of rounds; more in a dedicated run."""
ROWS = 6 * KILLS
"""Ensures that each run has something to do."""
KINDS = (
    {"image": "cat.png"},
    {"endpoint": "text_to_video"},
    {"endpoint": "current.image_to_video", "model": "kling-3.0-turbo", "first_frame": "cat.png"},
    {"endpoint": "current.text_to_video", "model": "kling-3.0"},
)
"""The endpoints of rows."""


def write_jobs(directory: Path, rows: int) -> Path:
    """Rows of two endpoints in either generation, every third one with a given id."""
    jobs = directory / "jobs.jsonl"
    picture = directory / "cat.png"
    picture.write_bytes(Path("examples/images/cat.png").read_bytes())
    lines = []
    for number in range(rows):
        row = {"prompt": f"a cat, number {number}"} | ({"id": f"row {number}"} if number % 3 == 0 else {})
        lines.append(json.dumps(row | KINDS[number % len(KINDS)]))
    jobs.write_text("\n".join(lines), "utf-8")
    return jobs


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """Starts a process that runs the batch."""
    script = Path(__file__).with_name("batch_loop.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", script, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n"
    return process


async def lives(arguments: list[str], kills: int, rng: random.Random) -> AsyncIterator[int]:
    """Kills one process after the other, until one ends by itself."""
    for number in range(kills):
        process = await started(*arguments)
        await asyncio.sleep(rng.random() * 1.5)
        with contextlib.suppress(ProcessLookupError):  # it has already ended
            process.kill()
        await process.communicate()
        yield number
    process = await started(*arguments)
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert output.count(b"done") == 1


async def whole(emulator: Emulator, out: Path, rows: int) -> None:
    """Everything is paid once and saved, and the report contains it."""
    assert emulator.ledger.created == rows
    entries = [entry async for entry in Journal(out / "journal.sqlite").entries()]
    assert {entry.state for entry in entries} == {EntryState.SAVED}
    assert len(entries) == len({entry.key for entry in entries}) == rows
    assert all(are_whole(entry.files) for entry in entries)
    reported = [*csv.DictReader((out / "report.csv").read_text("utf-8").splitlines())]
    assert {each["status"] for each in reported} == {"done"}
    assert len({each["id"] for each in reported}) == rows
    assert sum(float(each["units"]) for each in reported) == emulator.ledger.charged
    assert sorted(path.name for path in out.glob("*.mp4")) == sorted(each["files"] for each in reported)
    assert not [*out.glob("*.part*")]


@pytest.mark.parametrize("lost", [0.0, 0.1], ids=["all-answers", "a-tenth-lost"])
@pytest.mark.parametrize(
    ("kills", "rows"),
    [(2, 8), pytest.param(KILLS, ROWS, marks=[pytest.mark.slow, pytest.mark.many])],
    ids=["few", "many"],
)
async def test_killed_at_random_moments(tmp_path: Path, kills: int, rows: int, lost: float) -> None:
    """However often a batch is killed, it pays for each row once, saves each file completely, and reports all rows."""
    arguments = [str(write_jobs(tmp_path, rows)), str(tmp_path / "out")]
    async with Emulator(render=False, speed=400, concurrency=8) as emulator:
        if lost:
            emulator.faults.add(Fault.reset(after_effect=True), on="create", probability=lost)
            emulator.faults.add(Fault.reset(after_effect=True), on="query", probability=lost)
        async for _ in lives([emulator.base_url, *arguments], kills, same_draws(12)):
            pass
        await whole(emulator, tmp_path / "out", rows)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={8 * KILLS + 32}m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607  (found via PATH)


@pytest.mark.slow
async def test_a_disk_that_is_full_for_a_while(tmp_path: Path, small_disk: Path) -> None:
    """A full disk costs only time: nothing is sent that could not be recorded, and everything is saved later."""
    rows = 4 * KILLS
    out, filler = small_disk / "out", small_disk / "filler"
    arguments = [str(write_jobs(tmp_path, rows)), str(out)]
    async with Emulator(render=False, speed=400, concurrency=8) as emulator:
        async for number in lives([emulator.base_url, *arguments], KILLS, same_draws(12)):
            if number % 3 == 2:
                filler.unlink(missing_ok=True)
            else:
                fill(filler)
            if number == KILLS - 1:
                filler.unlink(missing_ok=True)
        await whole(emulator, out, rows)


def fill(path: Path) -> None:
    """Fills the rest of a disk, to the last byte."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (2**16, 2**8, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
