"""Many at once: all whole, never more in flight than allowed, nothing left over, memory flat."""

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from kling_async import Polling
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker

ROOT = Path(__file__).parents[2]


async def test_two_hundred_at_once(make_client: ClientMaker, image: Path, emulator: Emulator, tmp_path: Path) -> None:
    """200 generations on 20 slots: 200 different files, all whole, and never more than 20 in flight."""
    client = make_client(concurrency=20, polling=Polling(first=60))

    async def one() -> Path:
        handle = await client.image_to_video(image)
        return await handle.save(tmp_path)

    paths = await asyncio.gather(*(one() for _ in range(200)))
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert len(digests) == len(set(paths)) == 200
    assert all(path.read_bytes()[4:8] == b"ftyp" for path in paths)
    assert (emulator.ledger.created, emulator.ledger.delivered) == (200, 200)
    assert emulator.ledger.peak() == 20
    assert not list(tmp_path.glob("*.part*"))


def test_large_images_cost_little_memory() -> None:
    """Thirty uploads of a 9 MB image at once stay within 60 MB of the idle client."""
    command = [sys.executable, str(ROOT / "benchmarks" / "uploads.py"), "30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=80, check=True)
    measured = json.loads(done.stdout.splitlines()[0])
    assert measured["accepted"] == 30
    assert measured["memory_mb"] < 60
