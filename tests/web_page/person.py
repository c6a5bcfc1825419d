"""Actions of a person on the page, and what it shows."""

from pathlib import Path
from typing import Any

from tests.emulator.browser import Browser

CAT = Path(__file__).parents[2] / "examples" / "images" / "cat.png"
PATIENCE = 150.0
"""Seconds; a busy machine is slow."""

_SET = """
const node = document.getElementById(arguments[0]);
node.value = arguments[1];
node.dispatchEvent(new Event("input", { bubbles: true }));
"""
_CLIPS = """
return [...document.querySelectorAll(".clip")].map((clip) => ({
  status: clip.dataset.status, share: clip.querySelector("progress").value,
  prompt: clip.querySelector(".prompt").innerText, message: clip.querySelector(".message").innerText,
}));
"""


async def fill(browser: Browser, **fields: str) -> None:
    """Sets fields, with the events of user input."""
    for name, value in fields.items():
        await browser.run(_SET, name, value)


async def send(browser: Browser) -> None:
    """Clicks the button that submits the form."""
    await browser.run("document.getElementById('send').click()")


async def clips(browser: Browser) -> list[dict[str, Any]]:
    """Returns the clips in the gallery, newest first."""
    found: list[dict[str, Any]] = await browser.run(_CLIPS)
    return found


async def make(browser: Browser, prompt: str = "", picture: Path = CAT) -> None:
    """Submits a clip, and waits until the gallery shows it."""
    before = len(await clips(browser))
    await browser.choose("#picture", picture)
    await fill(browser, prompt=prompt, model_name="kling-v2-6")
    await send(browser)
    await until(browser, f"return document.querySelectorAll('.clip').length === {before + 1}")


async def until(browser: Browser, script: str) -> Any:
    """Waits until a script returns a true value."""
    return await browser.until(script, PATIENCE)


async def until_status(browser: Browser, status: str) -> None:
    """Waits until the newest clip has a status."""
    await until(browser, f"return document.querySelector('.clip')?.dataset.status === '{status}'")


async def problem(browser: Browser, field: str) -> str:
    """Waits for a message at a field, and returns it."""
    found: str = await until(browser, f"return document.getElementById('{field}-problem').innerText")
    return found
