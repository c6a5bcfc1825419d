"""The form in Chromium: dropped pictures, refusals and their reasons, keyboard, and screens."""

from pathlib import Path

import pytest

from kling_async.emulator.results.placeholder.png import painted
from tests.emulator.browser import MISSING, Browser

from .person import CAT, clips, fill, make, problem, send, until, until_status
from .stage import BACKENDS, Stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(MISSING), reason=MISSING or "a browser is here"),
]
ON_ONE = pytest.mark.parametrize("backend", BACKENDS[:1], indirect=True)
"""For tests that do not depend on the backend."""


def posts(served: Stage) -> int:
    """Returns how often the form was submitted."""
    return len([each for each in served.relay.requests if (each.method, each.path) == ("POST", "/api/clips")])


async def test_a_picture_is_dropped_anywhere(served: Stage, browser: Browser) -> None:
    """A dropped picture is previewed and becomes a clip; of several pictures only the first one is used."""
    served.hurry()
    await browser.drop("h1", CAT, CAT)
    await until(browser, "return document.getElementById('preview').naturalWidth === 451")
    assert "the first of 2" in await problem(browser, "picture")
    await browser.drop("#drop", CAT)
    await until(browser, "return document.getElementById('picture-problem').hidden")
    await send(browser)
    await until_status(browser, "done")
    assert await browser.run("return location.pathname") == "/"
    assert len(served.entries) == 1


async def test_refusals_have_reasons(served: Stage, browser: Browser, tmp_path: Path) -> None:
    """Each problem is shown at its field, before anything is sent where possible; nothing is paid."""
    small, text, large = tmp_path / "small.png", tmp_path / "text.jpg", tmp_path / "large.jpg"
    small.write_bytes(painted(100, 100, "1", []))
    text.write_text("no picture")
    with large.open("wb") as file:
        file.truncate(60 * 2**20)

    await send(browser)
    assert "Choose a picture" in await problem(browser, "picture")
    await browser.choose("#picture", large)
    assert "60 MB" in await problem(browser, "picture")
    await send(browser)
    assert posts(served) == 0

    await browser.choose("#picture", text)
    assert "no picture" in await problem(browser, "picture")
    await send(browser)
    await until(browser, "return document.getElementById('send').ariaDisabled === 'false'")
    assert "JPEG" in await problem(browser, "picture")

    await browser.choose("#picture", small)
    await fill(browser, prompt="x" * 2600)
    await send(browser)
    assert "300" in await problem(browser, "picture")
    assert "2500" in await problem(browser, "prompt")
    assert await browser.run("return document.activeElement.id") == "picture"
    await fill(browser, prompt="x")
    assert await browser.run("return document.getElementById('prompt').ariaInvalid") is None
    assert (await clips(browser), served.entries) == ([], [])


async def test_a_failed_clip_has_a_reason_and_is_made_again(served: Stage, browser: Browser) -> None:
    """The service's reason is shown; the form can be filled with the clip's parameters again."""
    served.hurry()
    await make(browser, "this is forbidden")
    await until_status(browser, "failed")
    assert "risk control" in (await clips(browser))[0]["message"]
    assert await browser.run(
        "return document.querySelector('.play').disabled && document.querySelector('.save').hidden"
    )
    await browser.choose("#picture", CAT.parent / "rocket.jpg")
    await browser.run("document.querySelector('.again').click()")
    await until(browser, "return document.getElementById('preview').naturalWidth === 451")
    await fill(browser, prompt="this is not")
    await send(browser)
    await until_status(browser, "done")
    assert [clip["status"] for clip in await clips(browser)] == ["done", "failed"]
    assert [entry.units for entry in served.entries] == [0, 1.5]


async def test_too_many_at_once_are_refused(served: Stage, browser: Browser) -> None:
    """The limit of a session is shown below the form, which keeps its text."""
    served.emulator.account.limit = 1
    for number in range(3):
        await make(browser, str(number))
    await fill(browser, prompt="one more")
    await send(browser)
    assert "wait" in await until(browser, "return document.getElementById('refusal').innerText")
    assert await browser.run("return document.getElementById('prompt').value") == "one more"
    assert len(await clips(browser)) == 3


@ON_ONE
async def test_options_and_price_follow_the_model(browser: Browser) -> None:
    """The form offers the modes, lengths and sound of the model, and the price of the chosen options."""
    lengths = "return [...document.getElementById('duration').options].map((each) => each.value).join(' ')"
    price = "return document.getElementById('price').innerText === '{}'"
    await fill(browser, model_name="kling-v2-6", mode="std")
    assert await browser.run(lengths) == "5 10"
    assert await browser.run("return document.getElementById('sound').disabled")
    await until(browser, price.format("1.5 units, about $0.21"))
    await fill(browser, mode="pro", duration="10")
    assert not await browser.run("return document.getElementById('sound').disabled")
    await until(browser, price.format("5 units, about $0.70"))
    await browser.run("document.getElementById('sound').click()")
    await until(browser, price.format("10 units, about $1.40"))
    await fill(browser, mode="std")
    await until(browser, price.format("3 units, about $0.42"))
    await fill(browser, model_name="kling-v3")
    assert (await browser.run(lengths)).split()[0] == "3"


@ON_ONE
async def test_it_works_by_keyboard_and_for_screen_readers(browser: Browser) -> None:
    """Tab reaches each control, which has a name; Enter submits; changes of a clip are announced."""
    await browser.choose("#picture", CAT)
    await browser.run("document.getElementById('picture').focus()")
    reached = []
    for _ in range(6):
        await browser.press("Tab")
        reached.append(await browser.run("return document.activeElement.id"))
    assert reached[:4] == ["prompt", "model_name", "mode", "duration"]
    assert reached[-1] == "send" or reached[-2] == "send"
    await browser.run("document.getElementById('send').focus()")
    await browser.press("Enter")
    await until(browser, "return document.getElementById('news').innerText.startsWith('Taken')")
    assert await browser.run("return document.activeElement.id") == "send"
    await until(browser, "return document.getElementById('news').innerText.startsWith('Done')")
    assert await browser.unnamed() == []
    await browser.run("document.querySelector('.play').focus()")
    await browser.press("Enter")
    await until(browser, "return document.activeElement.currentTime > 0.2")


@ON_ONE
async def test_it_fits_phones_and_laptops(browser: Browser) -> None:
    """Nothing overflows the screen, even with long words and a video open; the button is visible without scrolling."""
    fits = (
        "return document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('main *')]"
        ".every((each) => each.getBoundingClientRect().right <= innerWidth)"
    )
    seen = "return document.getElementById('send').getBoundingClientRect().bottom <= innerHeight"
    await make(browser, "w" * 500)
    await until_status(browser, "done")
    await browser.run("document.querySelector('.play').click()")
    for width, height in ((1366, 768), (850, 600), (390, 844), (320, 640)):
        await browser.resize(width, height)
        assert await browser.run(fits), width
    for width, height in ((1366, 768), (390, 844)):
        await browser.resize(width, height)
        await browser.run("scrollTo(0, 0)")
        assert await browser.run(seen), width
