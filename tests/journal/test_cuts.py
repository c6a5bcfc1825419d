"""Each write of the journal is cut off, one by one: before it, within it, after it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from kling_async import EntryState, Journal
from kling_async.emulator import Emulator

ROOT = Path(__file__).parents[2]


async def run(base_url: str, directory: Path, when: str, number: int) -> str:
    """What the script prints; nothing if it died."""
    places = [str(directory / "clips.sqlite"), str(directory / "out")]
    command = [sys.executable, str(Path(__file__).with_name("cut_work.py")), base_url, *places, when, str(number)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    return (await process.communicate())[0].decode()


async def cut(directory: Path, when: str, first: int | None = None) -> int:
    """Cuts each write in turn, in a new journal each; tells how many there are."""
    number = first or 1
    while True:
        place = directory / f"{when}-{number}"
        place.mkdir()
        async with Emulator(render=False, speed=2000) as emulator:
            printed = await run(emulator.base_url, place, when, number)
            died = not printed
            if died:
                assert await run(emulator.base_url, place, "never", 0)
            assert emulator.ledger.created == 1
        (entry,) = [each async for each in Journal(place / "clips.sqlite").entries()]
        assert entry.state is EntryState.SAVED
        assert [path.name for path in (place / "out").iterdir()] == ["cat.mp4"]
        assert [each.name for each in (place / "clips.sqlite.files").iterdir() if "owner" not in each.name] == []
        if not died or first is not None:
            return number
        number += 1


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_each_write_is_cut(tmp_path: Path, when: str) -> None:
    """Wherever it is cut, the next run pays for nothing twice, and in the end the file and its note are there."""
    assert asyncio.run(cut(tmp_path, when)) > 6


def test_one_write_is_cut(tmp_path: Path) -> None:
    """The same for one write, which is the intent's or next to it."""
    asyncio.run(cut(tmp_path, "after", 6))
