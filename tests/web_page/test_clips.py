"""The page in Chromium, on both backends: from a picture to the video, in one session."""

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.conftest import RENDERS
from tests.emulator.browser import MISSING, Browser

from .person import CAT, PATIENCE, clips, fill, make, send, until, until_status
from .stage import BACKENDS, Stage

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(MISSING), reason=MISSING or "a browser is here"),
]

SCRIPT = "<script>document.title = 'broken into'</script><b>bold</b>"
QUICK = pytest.mark.parametrize(
    "backend",
    [BACKENDS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in BACKENDS[1:])],
    indirect=True,
)
"""One of the two backends is also in the fast set."""


@QUICK
async def test_from_a_picture_to_a_video(served: Stage, browser: Browser) -> None:
    """The progress of a clip only grows, its video plays, also after a reload, and no text becomes markup."""
    await until(browser, "return !document.getElementById('empty').hidden")
    await make(browser, SCRIPT)
    shares: list[float] = []
    async with asyncio.timeout(PATIENCE):
        while (shown := (await clips(browser))[0])["status"] != "done":
            assert shown["status"] in {"waiting", "running"}, shown
            shares.append(shown["share"])
    assert len(set(shares)) > 2
    assert shares == sorted(shares)

    for _ in range(2):
        await browser.run("document.querySelector('.play').click()")
        await until(browser, "return document.querySelector('video').currentTime > 0.2")
        assert await browser.run("const v = document.querySelector('video'); return [v.error, v.duration]") == [None, 5]
        await browser.open(served.url)
        await until_status(browser, "done")
    assert (await clips(browser))[0]["prompt"] == SCRIPT
    assert await browser.run("return document.querySelectorAll('.clip b, .clip script').length") == 0
    assert await browser.run("return document.title") == "Picture to clip"
    assert await browser.complaints() == []
    assert len(served.entries) == 1


@pytest.mark.slow
@pytest.mark.skipif(not RENDERS, reason="without PyAV a video is one picture, which cannot be read in parts")
async def test_seeking_loads_nothing_between(served: Stage, browser: Browser) -> None:
    """Seeking to 85 % of a video shows that place before anything in between is loaded."""
    served.hurry()
    await fill(browser, model_name="kling-v2-6", duration="10")
    await make(browser)
    await until_status(browser, "done")
    served.relay.wall = range(300_000, 1_200_000)  # the browser may briefly return to its old place
    await browser.run("document.querySelector('.play').click()")
    await until(browser, "return document.querySelector('video').readyState >= 2")
    await browser.run("const v = document.querySelector('video'); v.pause(); v.currentTime = v.duration * 0.85")
    await until(browser, "const v = document.querySelector('video'); return !v.seeking && v.readyState >= 2")
    head = "await fetch(document.querySelector('.save').href, {method: 'HEAD'})"
    size = await browser.run(f"return ({head}).headers.get('Content-Length')")

    requests = [request for request in served.relay.videos() if request.method == "GET"]
    spans = [(request.first, request.first + request.sent) for request in requests]
    assert int(size) > 1_500_000
    # Requests up to the seek only: afterwards a browser may fill the gap by itself.
    before = list(itertools.takewhile(lambda span: span[0] < 0.65 * int(size), spans))
    assert len(before) < len(spans), spans
    assert all(end < 0.25 * int(size) for _, end in before), spans


@pytest.mark.slow
async def test_another_session_sees_nothing(served: Stage, browser: Browser, tmp_path: Path) -> None:
    """Another browser sees no clip of this one, not even by its addresses."""
    served.hurry()
    await make(browser, "mine")
    await until_status(browser, "done")
    addresses = await browser.run(
        "return ['.save', '.play img'].map((each) => document.querySelector(each)).map((each) => each.href ?? each.src)"
    )
    statuses = "return Promise.all(arguments[0].map(async (url) => (await fetch(url)).status))"
    assert await browser.run(statuses, addresses) == [200, 200]
    async with Browser(tmp_path) as other:
        await other.open(served.url)
        await until(other, "return !document.getElementById('empty').hidden")
        assert await clips(other) == []
        assert await other.run(statuses, addresses) == [404, 404]


@pytest.mark.slow
async def test_a_killed_backend_loses_nothing(served: Stage, browser: Browser) -> None:
    """The page shows that the backend is down, and the finished clip after its restart; it is paid for once."""
    await make(browser, "going on")
    await served.kill()
    await until(browser, "return document.getElementById('link').innerText.includes('does not answer')")
    await served.start()
    await until_status(browser, "done")
    await until(browser, "return document.getElementById('link').innerText === ''")
    await browser.run("document.querySelector('.play').click()")
    await until(browser, "return document.querySelector('video').currentTime > 0.2")
    assert [(entry.status, entry.units) for entry in served.entries] == [("succeed", 1.5)]


@pytest.mark.slow
async def test_a_lost_answer_is_not_paid_twice(served: Stage, browser: Browser) -> None:
    """The page reports a lost response, and submitting again returns the clip that was already accepted."""
    served.hurry()
    served.relay.loses.add("POST /api/clips")
    await browser.choose("#picture", CAT)
    await send(browser)
    await until(browser, "return document.getElementById('refusal').innerText.includes('Try again')")
    served.relay.loses.clear()
    await send(browser)
    await until(browser, "return document.getElementById('refusal').hidden")
    await until_status(browser, "done")
    assert len(await clips(browser)) == 1
    assert len(served.entries) == 1


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True)
async def test_few_streams_for_many_clips(served: Stage, browser: Browser) -> None:
    """Three clips show progress with only two event streams, since a browser has few connections."""
    served.emulator._account._speed = 10.0
    for number in range(3):
        await make(browser, str(number))
    moving = "return [...document.querySelectorAll('progress')].filter((each) => each.value > 0.01).length === 3"
    await until(browser, moving)
    await until(browser, "return document.querySelectorAll('[data-status=done]').length === 3")
    assert served.relay.streamed == 2
    await until(browser, "return document.title === 'Picture to clip'")
    assert served.relay.streaming == 0
