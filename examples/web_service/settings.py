"""Settings from the environment and the command line, and the clips with their client or an emulator."""

import argparse
import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from examples.web_service.clips import Clips
from kling_async import Budget, Durations, ImageToVideo, KlingClient, capabilities
from kling_async.emulator import Emulator, mean_generation_seconds
from kling_async.web import CallbackReceiver

PAGE: Final = Path(__file__).parents[1] / "web_page"
"""Directory of the files for the browser."""
SPEED: Final = 12.0
"""How many times faster than the service the emulator is."""
DRAIN_SECONDS: Final = 1.0
"""Seconds for which a process still answers after a signal to end, so that health checks notice it."""


@attrs.frozen(kw_only=True)
class Settings:
    """The settings; `KLING_API_KEY` and other variables of the client apply as well.

    Attributes:
        directory: of clips and journal; None for a temporary one.
        url: the public URL, for browsers and the service; if given, callbacks are requested.
        units: daily budget, in units of the resource pack.
        concurrency: tasks in flight per process: of an account's 5, two workers can have 2 each.
        secrets: `whsec_...`, which sign callbacks.
        emulator: whether to use an emulator in place of the service.
    """

    directory: Path | None
    url: str | None = None
    units: str = "20"
    concurrency: int = 5
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    emulator: bool = False

    @classmethod
    def from_environment(cls, **given: Any) -> "Settings":
        """Reads `CLIPS_DIRECTORY`, `CLIPS_URL`, `CLIPS_UNITS`, `CLIPS_CONCURRENCY` and `KLING_WEBHOOK_SECRETS`."""
        with _naming("CLIPS_CONCURRENCY"):
            concurrency = int(os.environ.get("CLIPS_CONCURRENCY", "5"))
        directory = os.environ.get("CLIPS_DIRECTORY") or (None if given.get("emulator") else "clips-data")
        found = {
            "directory": None if directory is None else Path(directory).absolute(),
            "url": os.environ.get("CLIPS_URL", "").strip().rstrip("/") or None,
            "units": os.environ.get("CLIPS_UNITS", "20"),
            "concurrency": concurrency,
            "secrets": tuple(os.environ.get("KLING_WEBHOOK_SECRETS", "").split()),
        }
        return cls(**(found | {name: value for name, value in given.items() if value is not None}))

    @property
    def callback_url(self) -> str | None:
        """Where the service posts callbacks; None if there is no public URL."""
        return None if self.url is None else f"{self.url}/kling/{{token}}"

    def check(self) -> None:
        """Checks the settings before anything starts, and creates the directory.

        Raises:
            ValueError: a setting is invalid; the message names the variable.
        """
        key = "emulator" if self.emulator else None
        kling = KlingClient(api_key=key)  # its error names the variable
        with _naming("CLIPS_UNITS"):
            Budget(units=self.units)
        with _naming("CLIPS_CONCURRENCY"):
            KlingClient(api_key=key, concurrency=self.concurrency)
        with _naming("CLIPS_URL"):
            KlingClient(api_key=key, callback_url=self.callback_url)
        with _naming("KLING_WEBHOOK_SECRETS"):
            CallbackReceiver(kling, self.secrets)
        with _naming("CLIPS_DIRECTORY"):
            if self.directory is not None:
                (self.directory / "clips").mkdir(parents=True, exist_ok=True)

    @property
    def host(self) -> str:
        """The host name of the public URL."""
        return urlsplit(self.url or "").hostname or ""

    @property
    def is_https(self) -> bool:
        """Whether the public URL is https."""
        return (self.url or "").startswith("https:")


@contextlib.contextmanager
def _naming(variable: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise ValueError(f"{variable}: {error}") from None


@contextlib.asynccontextmanager
async def clips(settings: Settings) -> AsyncIterator[Clips]:
    """Opens the client of this process, and yields the clips."""
    async with contextlib.AsyncExitStack() as stack:
        more: dict[str, Any] = {}
        if settings.emulator:
            emulator = await stack.enter_async_context(Emulator(speed=SPEED, concurrency=settings.concurrency))
            more = {"base_url": emulator.base_url, "api_key": emulator.api_key, "durations": _emulated_durations()}
        directory = settings.directory or Path(stack.enter_context(TemporaryDirectory(prefix="clips-")))
        directory.mkdir(parents=True, exist_ok=True)
        kling = await stack.enter_async_context(
            KlingClient(
                journal=directory / "journal.sqlite",
                budget=Budget(units=settings.units, per="day", change=True),
                concurrency=settings.concurrency,
                callback_url=settings.callback_url,
                **more,
            )
        )
        callbacks = None if settings.url is None else CallbackReceiver(kling, settings.secrets)
        yield await stack.enter_async_context(Clips(kling, directory, callbacks).running())


def _emulated_durations() -> Durations:
    """Returns the emulator's durations: else progress would assume those of the service."""
    durations = Durations()
    for row in capabilities(ImageToVideo):
        members = {"model_name": row.model_name, "mode": row.mode or "std", "duration": f"{row.duration}"}
        seconds = mean_generation_seconds("/v1/videos/image2video", members) or 1.0
        durations.of("/".join(["image2video", *members.values()]), max(1.0, seconds / SPEED))
    return durations


def drain(closing: asyncio.Event, then: Callable[[], object]) -> None:
    """Announces the end of the process, and ends it after `DRAIN_SECONDS`; at once on a second call."""
    seconds = 0.0 if closing.is_set() else DRAIN_SECONDS
    closing.set()
    asyncio.get_running_loop().call_later(seconds, then)


def from_command_line() -> tuple[socket.socket, Settings]:
    """Returns a listening socket and the settings; prints the URL to open, and reports errors without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m examples.<app>", description="Pictures into clips.")
    parser.add_argument("--emulator", action="store_true", help="no key is needed, nothing is paid")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for other machines, too")
    parser.add_argument("--port", type=int, default=8000, help="0 for a free one")
    options = parser.parse_args()
    if not 0 <= options.port < 2**16:
        parser.exit(2, f"--port: {options.port} is no port; they go from 0 to 65535\n")
    is_v6 = ":" in options.host
    host = f"[{options.host}]" if is_v6 else options.host
    try:
        family = socket.AF_INET6 if is_v6 else socket.AF_INET
        listener = socket.create_server((options.host, options.port), family=family)
    except (OSError, UnicodeError) as error:
        parser.exit(2, f"cannot listen on {host}:{options.port}: {error}; --host and --port take others\n")
    address = f"http://{host}:{listener.getsockname()[1]}"
    try:
        settings = Settings.from_environment(emulator=options.emulator, url=address if options.emulator else None)
        settings.check()
    except ValueError as error:
        listener.close()
        parser.exit(2, f"{error}\n")
    print(f"Open {address}", flush=True)
    return listener, settings
