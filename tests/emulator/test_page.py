from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator, server
from kling_async.emulator.service import video_models

from .browser import MISSING, Browser
from .cards import RED, card
from .conftest import FAR, Caller, Clock, base64_png, finished, png
from .test_results import CARD, in_base64

SCRIPT = "<script>document.title = 'broken into'</script><b>bold</b>"


@pytest.fixture
async def emulator(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    """Yields a running emulator that renders small clips."""
    monkeypatch.setitem(video_models.SHORT_SIDE, "std", 72)
    async with Emulator(clock=clock, speed=1.0, render=True) as running:
        yield running


async def state(caller: Caller) -> Any:
    """Returns the state of the page."""
    return (await caller.request("GET", "/_emulator/state")).body


async def test_the_page_is_at_the_root(caller: Caller) -> None:
    """The page comes from the emulator without credentials, and loads nothing from elsewhere."""
    for path, kind in (("/", "html"), ("/_emulator/page.css", "css"), ("/_emulator/page.js", "javascript")):
        answer = await caller.request("GET", path)
        text = answer.content.decode()
        assert (answer.status, kind in answer.headers["content-type"]) == (200, True)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not {"http://", "https://", "innerHTML"} & {
            word for word in ("http://", "https://", "innerHTML") if word in text
        }


async def test_the_state_follows_a_task(caller: Caller, clock: Clock) -> None:
    """The state has the account, and each change of a task, with its image, video and parameters."""
    await caller.create(image=CARD, prompt=SCRIPT, watermark_info={"enabled": True}, external_task_id="mine")
    before = await state(caller)
    clock.advance(FAR)
    after = await state(caller)

    assert before["account"]["running"] == {"kling-v2-6": 1}
    assert (after["account"]["running"], after["account"]["balance"]) == ({}, "9998.5")
    assert [each["tasks"][0]["status"] for each in (before, after)] == ["submitted", "succeed"]
    task = after["tasks"][0]
    assert (task["prompt"], task["external_task_id"], task["units"]) == (SCRIPT, "mine", "1.5")
    assert (task["width"], task["height"], task["progress"]) == (76, 72, 1.0)
    assert task["parameters"]["watermark_info"] == {"enabled": True}
    assert before["tasks"][0]["files"] == {}
    assert set(task["files"]) == {"plain", "watermark"}


async def test_the_page_shows_image_and_video(caller: Caller, clock: Clock) -> None:
    """The image is the submitted one, the video the rendered one, also in parts; neither counts as a delivery."""
    await finished(caller, clock, image=base64_png())
    task = (await state(caller))["tasks"][0]

    image = await caller.request("GET", task["images"]["image"])
    video = await caller.request("GET", task["files"]["plain"], headers={"Range": "bytes=4-7"})

    assert (image.content, image.headers["content-type"]) == (png(), "image/png")
    assert (video.status, video.content) == (206, b"ftyp")
    assert caller.emulator.ledger.delivered == 0
    assert set(caller.emulator.ledger.requests) == {"create", "query"}


async def test_unknown_files_are_404(caller: Caller) -> None:
    """Unknown images, invalid names, unknown tasks and unfinished ones are 404."""
    task_id = (await caller.create(image=CARD)).body["data"]["task_id"]
    names = (
        "images/" + "0" * 64,
        "images/..%2F..%2Fetc%2Fpasswd",
        "files/1/plain/2.mp4",
        f"files/{task_id}/plain/2.mp4",
    )

    assert [(await caller.request("GET", f"/_emulator/{name}")).status for name in names] == [404] * 4


async def test_a_failed_task_has_a_message(caller: Caller, clock: Clock) -> None:
    """A failed task has its message and no video."""
    await finished(caller, clock, image=CARD, prompt="forbidden")
    task = (await state(caller))["tasks"][0]

    assert (task["status"], task["files"], task["units"]) == ("failed", {}, "0")
    assert "risk control" in task["message"]


async def test_callbacks_are_shown(caller: Caller, clock: Clock) -> None:
    """Each attempt to post a change of status is listed with its task."""
    await caller.create(image=CARD, callback_url="http://127.0.0.1:9/nobody")
    clock.advance(FAR)
    while len(notes := (await state(caller))["tasks"][0]["callbacks"]) < 2:
        pass

    assert [(note["http_status"], note["url"]) for note in notes] == [(None, "http://127.0.0.1:9/nobody")] * 2
    assert all(note["error"] for note in notes)


async def test_many_tasks_are_not_all_shown(caller: Caller) -> None:
    """The newest 60 tasks are shown, newest first, and the others are counted."""
    caller.emulator._account.concurrency = 100
    for number in range(63):
        await caller.create(image="https://example.com/a.png", prompt=str(number))
    shown = await state(caller)

    assert [task["prompt"] for task in shown["tasks"]] == [str(number) for number in range(62, 2, -1)]
    assert shown["older"] == 3
    assert shown["tasks"][0]["images"] == {}


@pytest.mark.parametrize(("render", "has_notice"), [(None, True), (False, False)])
async def test_the_page_explains_how_to_enable_rendering(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, *, render: bool | None, has_notice: bool
) -> None:
    """Without the extra the page explains how to install it, unless `render=False`; images are shown if stored."""
    monkeypatch.setattr(server, "_can_render", lambda: False)
    async with Emulator(clock=clock, render=render) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        await caller.create(image=CARD)
        shown = await state(caller)

    assert shown["notice"] == (server.HOW_TO_RENDER if has_notice else "")
    assert bool(shown["tasks"][0]["images"]) is has_notice


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "a browser is here")
async def test_the_page_works_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """A task appears and ends without a reload, its video plays, it fits a phone, and no text becomes markup."""
    monkeypatch.setitem(video_models.SHORT_SIDE, "std", 144)
    image = in_base64(card((0.5, 0.5, RED), size=(480, 300), radius=30))
    async with (
        Emulator(clock=clock, speed=1.0, render=True) as emulator,
        aiohttp.ClientSession() as session,
        Browser(tmp_path / "profile") as browser,
    ):
        caller = Caller(emulator, session)
        await browser.open(emulator.base_url)
        await browser.until("return !document.getElementById('empty').hidden")
        await browser.run("window.notReloaded = true")

        await caller.create(image=image, prompt=SCRIPT, external_task_id=SCRIPT, negative_prompt=SCRIPT)
        await browser.until("return document.querySelector('.task[data-status=submitted] img')?.naturalWidth === 480")
        clock.advance(10)
        await browser.until("return document.querySelector('.task[data-status=processing]')")
        clock.advance(FAR)
        await browser.until("return document.querySelector('.task[data-status=succeed] video')")
        await browser.run("const v = document.querySelector('video'); v.muted = true; v.play()")
        playing = "const v = document.querySelector('video'); return !v.error && v.currentTime > {} && v.videoWidth"
        assert await browser.until(playing.format(0.2)) == 230
        await browser.until(playing.format(0.9))  # across several rounds of the script

        assert await browser.run("return window.notReloaded")
        assert await browser.run("return document.querySelectorAll('.task b, .task script').length") == 0
        assert await browser.run("return document.querySelector('.prompt').textContent") == SCRIPT
        assert await browser.run("return document.title") == "Kling emulator"
        for width in (1280, 390):
            await browser.resize(width, 800)
            assert await browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [width, width]
        assert await browser.complaints() == []


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "a browser is here")
async def test_the_page_shows_that_the_emulator_has_stopped(tmp_path: Path, clock: Clock) -> None:
    """When the emulator stops, the page shows it; when it restarts, the page continues."""
    emulator = Emulator(clock=clock, render=False)
    async with Browser(tmp_path / "profile") as browser:
        async with emulator:
            await browser.open(emulator.base_url)
            await browser.until("return document.getElementById('link').className === ''")
        await browser.until("return document.getElementById('link').className === 'lost'")
        async with emulator:
            await browser.until("return document.getElementById('link').className === ''")
