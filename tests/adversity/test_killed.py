"""A process that is killed while it saves, and started again."""

import asyncio
import contextlib
import hashlib
import os
import random
import sys
from pathlib import Path

import aiohttp

from kling_async import KlingClient, Polling
from kling_async.emulator import Call, Emulator, Fault

KILLS = int(os.environ.get("KLING_ASYNC_KILLS", "12"))
"""How often: more in a session of its own."""

FILES = 6
SECONDS = 0.6
"""The time in which a process is killed."""


def slowly(call: Call) -> Fault | None:
    """Gives a third of what is asked for, and the rest to who asks again."""
    return Fault.stall(share=0.3, seconds=0.02 + call.number % 3 / 50)


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """A process that has begun to save."""
    script = Path(__file__).with_name("save_loop.py")
    process = await asyncio.create_subprocess_exec(sys.executable, script, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n"
    return process


async def killed_again_and_again(image: Path, directory: Path, rng: random.Random) -> None:
    """Kills process after process; whatever file is there is whole, and it is taken away, so that there is more."""
    partly = 0
    async with (
        Emulator(render=False, speed=10_000, concurrency=FILES) as emulator,
        KlingClient(base_url=emulator.base_url, api_key=emulator.api_key, polling=Polling(first=0.1)) as client,
        aiohttp.ClientSession() as session,
    ):
        handles = [await client.image_to_video(image, mode="pro", duration=10) for _ in range(FILES)]
        whole = {}
        for handle in handles:
            task = await handle
            async with session.get(task.videos[0].url) as answer:
                whole[f"{task.task_id}.mp4"] = hashlib.sha256(await answer.read()).digest()
        arguments = [emulator.base_url, str(directory), *(handle.reference for handle in handles)]
        emulator.faults.add(slowly, on="file", probability=0.8)
        for _ in range(KILLS):
            process = await started(*arguments)
            await asyncio.sleep(rng.uniform(0, SECONDS))
            with contextlib.suppress(ProcessLookupError):  # it was quicker, and saved all
                process.kill()
            await process.wait()
            for path in directory.glob("*.mp4"):
                assert hashlib.sha256(path.read_bytes()).digest() == whole[path.name]
                path.unlink()
            partly += any(path.stat().st_size for path in directory.glob("*.part"))
        emulator.faults.clear()
        process = await started(*arguments)
        assert await process.wait() == 0
    assert partly > KILLS // 4
    assert {path.name: hashlib.sha256(path.read_bytes()).digest() for path in directory.iterdir()} == whole


def test_killed_at_random_moments(image: Path, tmp_path: Path) -> None:
    """Whenever a process is killed, each file is whole or absent; started again with the references, all are whole."""
    asyncio.run(killed_again_and_again(image, tmp_path, random.Random(4)))  # noqa: S311  (to repeat it)
