"""A backend in a separate process, on an emulator, behind a relay."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs

from kling_async.emulator import Emulator
from kling_async.emulator.account.conditions import Account
from kling_async.emulator.account.ledger import Entry

from .relay import Relay, relay

ROOT = Path(__file__).parents[2]
BACKENDS = ("fastapi_app", "aiohttp_app")
SPEED = 30.0
"""How many times faster than the service tasks advance."""
_FOREIGN = re.compile("KLING_|CLIPS_|.*_proxy$", re.IGNORECASE)
"""Environment variables that would change the behaviour of a backend."""


@attrs.define
class Stage:
    """A backend that can be killed and restarted at one address.

    Attributes:
        name: of the example.
        created: tasks that the account had before the test.
    """

    name: str
    directory: Path
    emulator: Emulator
    relay: Relay
    process: asyncio.subprocess.Process | None = None
    created: int = 0

    @property
    def url(self) -> str:
        """The address to open in the browser."""
        return self.relay.url

    @property
    def entries(self) -> list[Entry]:
        """Entries of the ledger that this test has added."""
        return self.emulator.ledger.entries[self.created :]

    @property
    def upstreams(self) -> int:
        """Connections to the service and the host of its files."""
        running = self.emulator._running
        assert running is not None
        assert running.runner.server is not None
        return len(running.runner.server.connections)

    async def forget(self) -> None:
        """Resets everything for another test; starts the backend if it is not running."""
        if self.process is None or self.process.returncode is not None:
            await self.start()
        self.created = self.emulator.ledger.created
        self.emulator.faults.clear()
        self.emulator.account.change(attrs.asdict(Account()))
        self.emulator._account._speed = SPEED
        self.relay.requests.clear()
        self.relay.loses.clear()
        self.relay.wall, self.relay.streamed = None, self.relay.streaming

    def hurry(self) -> None:
        """Makes tasks end sooner, for tests of what follows."""
        self.emulator._account._speed = 4 * SPEED

    async def start(self) -> None:
        """Starts it, and waits until it listens."""
        kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        environment = kept | {
            "KLING_BASE_URL": self.emulator.base_url,
            "KLING_API_KEY": self.emulator.api_key,
            "CLIPS_DIRECTORY": str(self.directory),
            "CLIPS_URL": self.relay.url,
            "CLIPS_UNITS": "1000",
        }
        command = [sys.executable, "-m", f"examples.{self.name}", "--port", "0"]
        self.process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, f"it printed no address: {line}"
        self.relay.port = int(found[1])

    async def kill(self) -> None:
        """Kills it, as in a power cut."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        """Ends it by SIGTERM, like a service manager."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


@contextlib.asynccontextmanager
async def stage(name: str, directory: Path) -> AsyncIterator[Stage]:
    """Runs a backend; callbacks report the ends of tasks, which come sooner than its polls."""
    async with Emulator(speed=SPEED) as emulator, relay() as between:
        made = Stage(name, directory, emulator, between)
        try:
            await made.start()
            yield made
        finally:
            await made.end()
