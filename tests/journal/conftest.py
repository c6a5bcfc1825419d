"""What the journal's tests share: the shell's fixtures, and virtual time that waits for the journal's thread."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_async.journal.store import Store
from kling_async.journal.writer import Writer
from tests.shell.conftest import (
    emulator,
    image,
    make_client,
    no_credentials_of_the_machine,
    nothing_is_left,
    pytest_asyncio_loop_factories,
)
from tests.virtual_time import VirtualTimeLoop

__all__ = [
    "emulator",
    "image",
    "make_client",
    "no_credentials_of_the_machine",
    "nothing_is_left",
    "pytest_asyncio_loop_factories",
]


@pytest.fixture(autouse=True)
def time_waits_for_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock does not jump while something is written."""
    do, leave = Writer.do, Writer.leave

    async def waited(working: Any) -> Any:
        loop: Any = asyncio.get_running_loop()
        if not isinstance(loop, VirtualTimeLoop):
            return await working
        loop.threads_at_work += 1
        try:
            return await working
        finally:
            loop.threads_at_work -= 1

    async def patient_do(self: Writer, work: Callable[[Store], Any]) -> Any:
        return await waited(do(self, work))

    async def patient_leave(self: Writer) -> None:
        await waited(leave(self))

    monkeypatch.setattr(Writer, "do", patient_do)
    monkeypatch.setattr(Writer, "leave", patient_leave)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "clips.sqlite"
