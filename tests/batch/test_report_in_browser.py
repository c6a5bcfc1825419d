from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kling_async.batch.report import write_report
from kling_async.batch.result import RowStatus
from kling_async.emulator.results.placeholder.png import painted
from kling_async.emulator.results.placeholder.sound import wav
from kling_async.emulator.results.placeholder.video import VideoSpec
from tests.emulator.browser import MISSING, Browser

from .results import result, row

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "a browser is here")

SCRIPT = "</script><script>document.title = 'broken into'</script><b>bold</b>"
AWKWARD = "100% #1? \"é' &amp;"
SHOWN = "return [...document.querySelectorAll('tbody tr')].filter((row) => row.offsetHeight).length"
PLAYING = "const media = document.querySelector('{}'); return media && !media.error && media.currentTime > 0.2"


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, list[str]]]:
    """Starts a server; gives its address and the list of requests to it."""
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", paths
    await runner.cleanup()


@pytest.fixture
def report(tmp_path: Path, server: tuple[str, list[str]]) -> Path:
    """A report of a video, a sound, pictures, a failure and a row whose picture is an address."""
    out, pictures = tmp_path / "out", tmp_path / "in"
    out.mkdir()
    pictures.mkdir()
    picture, video = pictures / f"{AWKWARD}.png", out / f"{AWKWARD}.mp4"
    picture.write_bytes(painted(320, 200, "1", []))
    video.write_bytes(VideoSpec(width=160, height=96, fps=10, seconds=4, label="1").make())
    (out / "sound.wav").write_bytes(wav("la", "1", 3000))
    for name in ("drawn.png", "drawn-2.png"):
        (out / name).write_bytes(picture.read_bytes())
    (out / "broken.mp4").write_text("no video")
    money: dict[str, Any] = {"units": Decimal("1.5"), "usd": Decimal("0.21")}
    address = f"{server[0]}/picture.png"
    results = [
        result("video", row=row("video", str(picture), prompt=SCRIPT), files=(video,), **money, seconds=100),
        result("sound", files=(out / "sound.wav",), usd=Decimal("0.5"), seconds=300),
        result("drawn", files=(out / "drawn.png", out / "drawn-2.png"), seconds=20),
        result("broken", files=(out / "broken.mp4",)),
        result(SCRIPT, RowStatus.FAILED, row=row("x", address), error=f"{SCRIPT} {address}"),
    ]
    write_report(out, results, title=SCRIPT)
    return out / "report.html"


@pytest.fixture
async def browser(tmp_path: Path, report: Path) -> AsyncIterator[Browser]:
    """A browser that has the report open."""
    async with Browser(tmp_path / "profile") as browser:
        await browser.open(report.as_uri())
        yield browser


async def click(browser: Browser, selector: str) -> None:
    """Clicks like a user."""
    await browser.run("document.querySelector(arguments[0]).click()", selector)


async def test_it_opens_from_disk_and_plays(browser: Browser, server: tuple[str, list[str]]) -> None:
    """Pictures are visible, a click plays video and sound in place, one at a time, without network requests."""
    await browser.until("return document.querySelector('.shot img').naturalWidth === 320")
    assert await browser.run("return document.querySelectorAll('video, audio').length") == 0

    await click(browser, "a.shot.video")
    await browser.until(PLAYING.format("video"))
    assert await browser.run("return document.querySelector('video').videoWidth") == 160
    await click(browser, "a.shot.sound")
    await browser.until(PLAYING.format("audio"))
    assert await browser.run("return document.querySelector('video').paused")
    await click(browser, "a.shot.picture")
    seen = "return [...document.querySelectorAll('.viewer img')].map((image) => image.naturalWidth)"
    await browser.until(f"{seen}.join() === '320,320'")

    assert await browser.run("return document.title") == SCRIPT
    assert await browser.run("return document.querySelectorAll('tbody b, tbody script').length") == 0
    assert server[1] == []
    assert await browser.complaints() == []


@pytest.mark.slow
async def test_it_works_by_keyboard(browser: Browser) -> None:
    """The picture can be reached and opened by keyboard, the player then has the focus, and Escape returns it."""
    await browser.run("document.querySelector('a.shot').focus()")
    await browser.press("Enter")
    await browser.until("return document.activeElement.tagName === 'VIDEO'")
    await browser.press("Escape")
    await browser.until("return document.activeElement.className === 'shot video'")
    assert await browser.run("return document.querySelectorAll('.viewer, .open').length") == 0


@pytest.mark.slow
async def test_a_file_that_cannot_be_played(browser: Browser) -> None:
    """A broken or missing file does not leave an empty box."""
    await browser.run("document.querySelectorAll('a.shot.video')[1].click()")
    await browser.until("return document.querySelector('.viewer')?.textContent.includes('cannot be played')")


async def test_rows_are_filtered_searched_and_ordered(browser: Browser) -> None:
    """Buttons filter by status, the search covers id, prompt and error, and rows can be sorted by cost or time."""
    assert await browser.run("return document.getElementById('tools').offsetHeight") > 0
    assert await browser.run(SHOWN) == 5
    await click(browser, "button[data-status=failed]")
    assert await browser.run(SHOWN) == 1
    assert await browser.run("return document.querySelector('[aria-pressed=true]').textContent") == "failed 1"
    assert await browser.run("return document.getElementById('shown').textContent") == "1 shown"

    search = "const s = document.getElementById('search'); s.value = arguments[0]; s.dispatchEvent(new Event('input'));"
    assert await browser.run(search + SHOWN, "nowhere") == 0
    assert await browser.run("return !document.getElementById('nothing').hidden")
    await click(browser, "button[data-status='']")
    assert [await browser.run(search + SHOWN, words) for words in ("BOLD", "sou", "sou video", "")] == [2, 1, 0, 5]

    order = (
        "const o = document.getElementById('order'); o.value = arguments[0]; o.dispatchEvent(new Event('change'));"
        "return [...document.querySelectorAll('tbody .id')].map((id) => id.textContent).slice(0, 3)"
    )
    assert await browser.run(order, "cost") == ["sound", "video", "drawn"]
    assert await browser.run(order, "seconds") == ["sound", "video", "drawn"]
    assert await browser.run(order, "") == ["video", "sound", "drawn"]


@pytest.mark.slow
async def test_what_is_not_seen_is_not_loaded(tmp_path: Path, browser: Browser) -> None:
    """Of hundreds of rows only visible ones are laid out, and only their pictures are loaded."""
    for number in range(300):
        (tmp_path / f"{number}.png").write_bytes(painted(64, 40, "1", []))
    rows = [result(str(number), row=row(str(number), str(tmp_path / f"{number}.png"))) for number in range(300)]
    write_report(tmp_path, rows, title="")
    await browser.open((tmp_path / "report.html").as_uri())
    loaded = "return [...document.images].filter((image) => image.naturalWidth).length"
    await browser.until(loaded)
    seen = "return document.querySelector('tr:last-child h2').checkVisibility({contentVisibilityAuto: true})"
    assert not await browser.run(seen)
    await browser.run("scrollTo(0, document.documentElement.scrollHeight)")
    await browser.until("return [...document.images].at(-1).naturalWidth")
    assert await browser.run(loaded) < 100


@pytest.mark.slow
async def test_it_fits_a_phone(browser: Browser) -> None:
    """Nothing overflows a wide screen, a narrow one or a phone, with or without an open player."""
    fits = (
        "return document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('main *')]"
        ".every((each) => each.getBoundingClientRect().right <= innerWidth)"
    )
    for width in (1280, 850, 390, 320):
        await browser.resize(width, 800)
        assert await browser.run(fits), width
    await click(browser, "a.shot.video")
    await browser.until(PLAYING.format("video"))
    assert await browser.run(fits)
