"""Many at once: all files complete, a limit on those in flight, no leaks, constant memory."""

import asyncio
import collections
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kling_async import InvalidRequest, Polling, Problem, TextToVideo
from kling_async.emulator import Emulator
from kling_async.io import request_checks
from kling_async.io.api import CHECKS_AT_ONCE
from tests.shell.conftest import ClientMaker

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.many])])
async def test_many_at_once(
    make_client: ClientMaker, image: Path, emulator: Emulator, tmp_path: Path, count: int
) -> None:
    """More generations than the 20 slots: as many different complete files, and never more than 20 in flight."""
    client = make_client(concurrency=20, polling=Polling(first=60))

    async def one() -> Path:
        handle = await client.image_to_video(image)
        return await handle.save(tmp_path)

    paths = await asyncio.gather(*(one() for _ in range(count)))
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert len(digests) == len(set(paths)) == count
    assert all(path.read_bytes()[4:8] == b"ftyp" for path in paths)
    assert (emulator.ledger.created, emulator.ledger.delivered) == (count, count)
    assert emulator.ledger.peak() == 20
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.slow
def test_large_images_cost_little_memory() -> None:
    """Thirty uploads of a 9 MB image at once stay within 60 MB of the idle client."""
    command = [sys.executable, str(ROOT / "benchmarks" / "uploads.py"), "30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=80, check=True)
    measured = json.loads(done.stdout.splitlines()[0])
    assert measured["accepted"] == 30
    assert measured["memory_mb"] < 60


async def test_checks_take_turns(make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many concurrent requests are checked over several turns of the loop, so that other tasks run between."""
    turns, checked = 0, list[int]()
    loop = asyncio.get_running_loop()

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(checked) < 50:
            loop.call_soon(turn)

    async def check(*_: object) -> list[Problem]:
        checked.append(turns)
        return [Problem("prompt", "is enough")]

    monkeypatch.setattr(request_checks, "problems_of", check)
    kling = make_client()
    loop.call_soon(turn)
    ended = await asyncio.gather(*(kling.submit(TextToVideo("a cat")) for _ in range(50)), return_exceptions=True)
    monkeypatch.undo()
    assert {type(each) for each in ended} == {InvalidRequest}
    assert max(collections.Counter(checked).values()) <= CHECKS_AT_ONCE
