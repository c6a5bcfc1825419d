"""Tests of a user's project."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import batch
import pytest
import service
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from kling_async import KlingClient, TextToVideo
from kling_async.testing import Answer, FakeClock, Fault, KlingEmulator, Script

Browser = TestClient[web.Request, web.Application]


@pytest.fixture
async def browser(kling: KlingClient) -> AsyncIterator[Browser]:
    """A client of the service."""
    async with TestClient(TestServer(service.application(kling))) as client:
        yield client


async def test_a_clip(browser: Browser, kling_emulator: KlingEmulator) -> None:
    """A clip is made, served, and paid once."""
    answer = await browser.post("/clips", json={"prompt": "a cat on a skateboard"})
    assert answer.status == 202
    clip = await browser.get(f"/clips/{(await answer.json())['reference']}")
    assert (await clip.read())[4:8] == b"ftyp"
    kling_emulator.assert_paid(1)


@pytest.mark.kling_faults(Fault.error(1102), on="create")
async def test_no_money(browser: Browser, kling_emulator: KlingEmulator) -> None:
    """If the account is empty the service responds with 503, and nothing is paid."""
    assert (await browser.post("/clips", json={"prompt": "a cat"})).status == 503
    kling_emulator.assert_paid(0)


@pytest.mark.kling_faults(Fault.reset(after_effect=True), on="create", at=1)
async def test_a_lost_answer(browser: Browser, kling_emulator: KlingEmulator) -> None:
    """If the connection breaks after the create was accepted, the clip is paid once."""
    assert (await browser.post("/clips", json={"prompt": "a cat"})).status == 202
    kling_emulator.assert_paid(1)


async def test_what_cannot_be_made(browser: Browser) -> None:
    """An invalid parameter is reported by its field."""
    answer = await browser.post("/clips", json={"prompt": "a cat", "duration": 7})
    assert (answer.status, await answer.json()) == (422, {"problems": ["duration"]})


async def test_it_takes_a_while(kling: KlingClient, kling_clock: FakeClock) -> None:
    """A clip is finished after the service's duration, which the fake clock skips."""
    handle = await kling.submit(TextToVideo("a cat"))
    assert not handle.done()
    kling_clock.advance(3600)
    assert (await handle).videos


async def test_without_sockets(tmp_path: Path) -> None:
    """The client works with scripted answers."""
    async with Script([Answer.error(1303), Answer.task("submitted"), Answer.task(), Answer.file()]) as script:
        await script.client().generate(TextToVideo("a cat"), tmp_path / "cat.mp4")


async def test_the_batch(kling: KlingClient, kling_emulator: KlingEmulator, tmp_path: Path) -> None:
    """Each row is made once, however often it runs."""
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text('{"id": "a", "endpoint": "text-to-video", "prompt": "a cat"}\n', "utf-8")
    for _ in range(2):
        (row,) = await batch.run(str(jobs), str(tmp_path / "out"), kling)
        assert row.files
    kling_emulator.assert_paid(1)


def test_the_batch_as_a_process(kling_server: KlingEmulator, tmp_path: Path) -> None:
    """The script takes the address of the service from its environment."""
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text('{"id": "a", "endpoint": "text-to-video", "prompt": "a cat"}\n', "utf-8")
    command = [sys.executable, "-W", "error", "batch.py", str(jobs), str(tmp_path / "out")]
    environment = os.environ | kling_server.environment | {"FIRST_SECONDS": "0.1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.startswith("a ")
    kling_server.assert_paid(1)
