"""Backends in separate processes, started as users start them; the emulator is in the test's process."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Self

import attrs

from kling_async.emulator import Emulator

ROOT: Final = Path(__file__).parents[3]


def free_port() -> int:
    """Returns a free port, kept over restarts, since callbacks are sent there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@attrs.define
class Backend:
    """A backend that can be killed and started again.

    Attributes:
        command: the command that starts it.
        port: the port it listens on.
        environment: its environment variables.
        log: the output of all its processes.
    """

    command: list[str]
    port: int
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    @classmethod
    def of(cls, name: str, emulator: Emulator, directory: Path, **settings: str) -> Self:
        """Creates a backend by name that uses an emulator; `settings` are added to its environment."""
        port = free_port()
        environment = {
            "CLIPS_DIRECTORY": str(directory / "data"),
            "CLIPS_URL": f"http://127.0.0.1:{port}",
            "KLING_BASE_URL": emulator.base_url,
            "KLING_API_KEY": emulator.api_key,
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith(("KLING_", "CLIPS_"))}
        command = [sys.executable, "-W", "error", "-m", f"examples.{name}", "--port", str(port)]
        return cls(command, port, others | environment | settings, directory / f"log-{port}.txt")

    @property
    def url(self) -> str:
        """The backend's address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Starts it; returns once it answers."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(60):
            while True:
                assert self.process.returncode is None, self.log.read_text()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def end(self, how: signal.Signals) -> int:
        """Ends it by a signal; returns its exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def kill(self) -> None:
        """Kills it, as in a power cut."""
        await self.end(signal.SIGKILL)

    def complaints(self) -> list[str]:
        """Returns the lines of its log that are warnings or errors."""
        words = ("warning", "error", "traceback", "exception", "unfinished")
        return [line for line in self.log.read_text().splitlines() if any(word in line.lower() for word in words)]


@contextlib.asynccontextmanager
async def started(*backends: Backend) -> AsyncIterator[None]:
    """Starts backends, and kills at the end those that still run."""
    try:
        for each in backends:
            await each.start()
        yield
    finally:
        for each in backends:
            if each.process is not None and each.process.returncode is None:
                await each.kill()
