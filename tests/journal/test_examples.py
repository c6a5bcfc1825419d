"""The examples with a journal behave as their docstrings describe."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from kling_async.emulator import Emulator
from tests.shell.test_examples import EXAMPLES, is_video, key_of_the_emulator, load

__all__ = ["key_of_the_emulator"]


async def test_run_batch(tmp_path: Path, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`run_batch.py` makes what the budget allows, each row once; which of two rows of equal cost is not specified."""
    jobs = str(EXAMPLES / "batch" / "jobs.csv")
    for _ in range(2):
        await load("run_batch").main(jobs, f"{tmp_path}/out/", "6.5")
    lines = [line.split(" ")[:3] for line in capsys.readouterr().out.splitlines()]
    assert ["cat", "done", "cat.mp4"] in lines
    assert len({line[0] for line in lines if line[1] == "done"}) == 2
    assert len([line for line in lines if line[1:] == ["over", "budget"]]) == 2
    assert emulator.ledger.charged == 6.5


async def test_recovering_service(tmp_path: Path, emulator: Emulator) -> None:
    """`recovering_service.py` continues its work after a restart; the same request makes one clip."""
    module = load("recovering_service")
    async with aiohttp.ClientSession() as session:
        for time in ("before", "after"):
            runner = web.AppRunner(module.app(str(tmp_path / "out")))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            clip = f"http://127.0.0.1:{runner.addresses[0][1]}/clips/cat"
            if time == "before":
                assert (await session.get(clip)).status == 404
                assert (await session.put(clip, json={"promt": "a cat"})).status == 400
                assert (await session.put(clip, json={"prompt": "a cat"})).status == 202
                assert (await session.put(clip, json={"prompt": "a dog"})).status == 409
            else:
                await asyncio.sleep(1000)
                assert (await session.put(clip, json={"prompt": "a cat"})).status == 202
                answer = await (await session.get(clip)).json()
                assert answer == {
                    "state": "saved",
                    "status": "succeed",
                    "files": [str(tmp_path / "out/cat.mp4")],
                    "error": "",
                }
            await runner.cleanup()
    assert is_video(tmp_path / "out" / "cat.mp4")
    assert emulator.ledger.created == 1
