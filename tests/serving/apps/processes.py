"""Backends in processes of their own, as people start them; the emulator is in the test's process."""

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
    """A port that nobody uses; the same one again after a restart, since callbacks go there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@attrs.define
class Backend:
    """A backend that can be killed and started again.

    Attributes:
        command: what starts it.
        port: where it listens.
        environment: that it has.
        log: what all of its processes said.
    """

    command: list[str]
    port: int
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    @classmethod
    def of(cls, name: str, emulator: Emulator, directory: Path, **settings: str) -> Self:
        """A backend by its name, which uses an emulator; `settings` are more of its environment."""
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
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Starts it; returns once it can be asked."""
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
        """Ends it by a signal; gives its exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def kill(self) -> None:
        """Ends it as a power cut does."""
        await self.end(signal.SIGKILL)

    def complaints(self) -> list[str]:
        """Lines of its log that are warnings or errors."""
        words = ("warning", "error", "traceback", "exception", "unfinished")
        return [line for line in self.log.read_text().splitlines() if any(word in line.lower() for word in words)]


@contextlib.asynccontextmanager
async def started(*backends: Backend) -> AsyncIterator[None]:
    """Backends that run, and are gone in the end."""
    try:
        for each in backends:
            await each.start()
        yield
    finally:
        for each in backends:
            if each.process is not None and each.process.returncode is None:
                await each.kill()
