"""How the service is set up: by its environment, or with an emulator in place of the service."""

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
"""What a browser is given."""
SPEED: Final = 12.0
"""How many times faster than the service the emulator is."""
DRAIN_SECONDS: Final = 1.0
"""For which a process that was told to end still answers, so that whoever asks for its health hears of it."""


@attrs.frozen(kw_only=True)
class Settings:
    """What can be set; the client's own `KLING_API_KEY` and so on stand beside it.

    Attributes:
        directory: of clips and journal; None for one that goes with the process.
        url: under which people and the service reach it: callbacks are asked for where it is given.
        units: budget of a day, in units of the resource pack.
        concurrency: tasks at once by each process: of an account's 5, two workers can have 2 each.
        secrets: `whsec_...`, which sign callbacks.
        emulator: whether an emulator takes the place of the service.
    """

    directory: Path | None
    url: str | None = None
    units: str = "20"
    concurrency: int = 5
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    emulator: bool = False

    @classmethod
    def from_environment(cls, **given: Any) -> "Settings":
        """From `CLIPS_DIRECTORY`, `CLIPS_URL`, `CLIPS_UNITS`, `CLIPS_CONCURRENCY` and `KLING_WEBHOOK_SECRETS`."""
        with _told_of("CLIPS_CONCURRENCY"):
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
        """Where the service posts what becomes of a task; None where nobody can reach this."""
        return None if self.url is None else f"{self.url}/kling/{{token}}"

    def check(self) -> None:
        """Finds mistakes before anything starts, and makes the directory.

        Raises:
            ValueError: with the name of the variable.
        """
        key = "emulator" if self.emulator else None
        kling = KlingClient(api_key=key)  # its message names the variable
        with _told_of("CLIPS_UNITS"):
            Budget(units=self.units)
        with _told_of("CLIPS_CONCURRENCY"):
            KlingClient(api_key=key, concurrency=self.concurrency)
        with _told_of("CLIPS_URL"):
            KlingClient(api_key=key, callback_url=self.callback_url)
        with _told_of("KLING_WEBHOOK_SECRETS"):
            CallbackReceiver(kling, self.secrets)
        with _told_of("CLIPS_DIRECTORY"):
            if self.directory is not None:
                (self.directory / "clips").mkdir(parents=True, exist_ok=True)

    @property
    def host(self) -> str:
        """The name in the address."""
        return urlsplit(self.url or "").hostname or ""

    @property
    def is_https(self) -> bool:
        """Whether browsers reach it by https."""
        return (self.url or "").startswith("https:")


@contextlib.contextmanager
def _told_of(variable: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise ValueError(f"{variable}: {error}") from None


@contextlib.asynccontextmanager
async def clips(settings: Settings) -> AsyncIterator[Clips]:
    """The clips, with the one client of this process, as long as that lives."""
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
    """How long the emulator takes: else progress would be shown by the minutes of the service."""
    durations = Durations()
    for row in capabilities(ImageToVideo):
        members = {"model_name": row.model_name, "mode": row.mode or "std", "duration": f"{row.duration}"}
        seconds = mean_generation_seconds("/v1/videos/image2video", members) or 1.0
        durations.of("/".join(["image2video", *members.values()]), max(1.0, seconds / SPEED))
    return durations


def drain(closing: asyncio.Event, then: Callable[[], object]) -> None:
    """Says that the process is about to end, and ends it a moment later; at once where it is told so again."""
    seconds = 0.0 if closing.is_set() else DRAIN_SECONDS
    closing.set()
    asyncio.get_running_loop().call_later(seconds, then)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**16:
        raise argparse.ArgumentTypeError("a number from 0 to 65535")
    return int(text)


def from_command_line() -> tuple[socket.socket, Settings]:
    """A socket that listens, and the settings; prints the address to open. Mistakes are told without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m examples.<app>", description="Pictures into clips.")
    parser.add_argument("--emulator", action="store_true", help="no key is needed, nothing is paid")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for other machines, too")
    parser.add_argument("--port", type=_port, default=8000, help="0 for a free one")
    options = parser.parse_args()
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
