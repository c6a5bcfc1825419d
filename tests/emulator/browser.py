"""A headless Chromium, driven over WebDriver by plain HTTP."""

import asyncio
import base64
import os
import re
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MISSING = "" if CHROMIUM and DRIVER else "no browser here: needs chromium and chromedriver"

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
)

_CODES = {key: {"windowsVirtualKeyCode": code} for key, code in {"Tab": 9, "Enter": 13, "Escape": 27}.items()}


class Browser:
    """One window.

    Args:
        profile: An empty directory for its data.
        width: Of the window, in pixels.
        height: The same.
        dark: Whether its user prefers dark colours.
    """

    def __init__(self, profile: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self._profile = profile
        self._size = width, height
        self._dark = dark
        self._driver: asyncio.subprocess.Process | None = None
        self._http = aiohttp.ClientSession()
        self._url = ""

    async def __aenter__(self) -> Self:
        """Opens it."""
        self._driver = await asyncio.create_subprocess_exec(
            str(DRIVER), "--port=0", stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        assert self._driver.stdout is not None
        port = None
        while port is None:
            line = (await self._driver.stdout.readline()).decode()
            assert line, "chromedriver did not start"
            port = re.search(r"on port (\d+)\.", line)
        options = {"binary": CHROMIUM, "args": [*_FLAGS, f"--user-data-dir={self._profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        root = f"http://127.0.0.1:{port[1]}"
        async with self._http.post(f"{root}/session", json=wanted) as answer:
            session = (await answer.json())["value"]
        assert "sessionId" in session, session
        self._url = f"{root}/session/{session['sessionId']}"
        features = [{"name": "prefers-color-scheme", "value": "dark" if self._dark else "light"}]
        await self._command("Emulation.setEmulatedMedia", features=features)
        await self.resize(*self._size)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the browser and all of its processes."""
        try:
            if self._url:
                await self._call("DELETE", "")
        finally:
            await self._http.close()
            if self._driver is not None:
                os.killpg(self._driver.pid, signal.SIGTERM)
                await self._driver.wait()

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"{self._url}/{path}" if path else self._url
        async with self._http.request(method, url, json=body) as answer:
            value = (await answer.json())["value"]
        assert answer.status == 200, value
        return value

    async def _command(self, name: str, **parameters: Any) -> Any:
        return await self._call("POST", "goog/cdp/execute", {"cmd": name, "params": parameters})

    async def resize(self, width: int, height: int) -> None:
        """Shows the page at a screen size; below 600 pixels, as a phone does."""
        # Windows have a smallest width, an emulated device has none.
        mobile = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        await self._command("Emulation.setDeviceMetricsOverride", **size)

    async def open(self, url: str) -> None:
        """Goes to a page."""
        await self._call("POST", "url", {"url": url})

    async def run(self, script: str, *arguments: Any) -> Any:
        """Runs JavaScript in the page and returns what it returns, awaited."""
        return await self._call("POST", "execute/sync", {"script": script, "args": list(arguments)})

    async def until(self, script: str, seconds: float = 15.0) -> Any:
        """Runs JavaScript over and over until it returns something true."""
        async with asyncio.timeout(seconds):
            while not (value := await self.run(script)):  # noqa: ASYNC110 - the page is another process
                await asyncio.sleep(0.1)
        return value

    async def forget(self) -> None:
        """Deletes the cookies of the page's host."""
        await self._call("DELETE", "cookie")

    async def choose(self, selector: str, *files: Path) -> None:
        """Chooses files in a field, as its dialog does."""
        element = await self._call("POST", "element", {"using": "css selector", "value": selector})
        await self._call("POST", f"element/{next(iter(element.values()))}/value", {"text": "\n".join(map(str, files))})

    async def drop(self, selector: str, *files: Path) -> None:
        """Drags files to the middle of an element, and drops them."""
        box = await self.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self._command("Input.dispatchDragEvent", type=kind, data=data, **place)

    async def press(self, key: str) -> None:
        """Presses a key, by its name in the DOM: `Enter`, `Escape`."""
        text = "\r" if key == "Enter" else ""
        for kind in ("keyDown", "keyUp"):
            await self._command("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text, **_CODES[key])

    async def unnamed(self) -> list[str]:
        """Returns the roles of focusable elements without a name for screen readers."""
        await self._command("Accessibility.enable")
        nodes = (await self._command("Accessibility.getFullAXTree"))["nodes"]
        return [
            node["role"]["value"]
            for node in nodes
            if not node["ignored"]
            and any(each["name"] == "focusable" for each in node.get("properties", ()))
            and node["role"]["value"] != "RootWebArea"
            and not node.get("name", {}).get("value")
        ]

    async def screenshot(self, target: Path) -> None:
        """Saves a screenshot as a PNG."""
        data = base64.b64decode(await self._call("GET", "screenshot"))
        target.write_bytes(data)

    async def complaints(self) -> list[str]:
        """Returns the console messages since the last call, warnings and worse."""
        return [entry["message"] for entry in await self._call("POST", "se/log", {"type": "browser"})]
