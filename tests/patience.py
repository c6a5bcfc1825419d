"""Virtual time that waits for the journal's thread."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kling_async.journal.store import Store
from kling_async.journal.writer import Writer
from tests.virtual_time import VirtualTimeLoop


def wait_for_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock does not jump while a caller waits for a write."""
    begin, leave = Writer.begin, Writer.leave

    def patient_begin(self: Writer, work: Callable[[Store], Any], **options: bool) -> "asyncio.Future[Any]":
        writing = begin(self, work, **options)
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualTimeLoop):
            loop.threads_at_work += 1
            writing.add_done_callback(loop._thread_done)
        return writing

    async def patient_leave(self: Writer) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualTimeLoop):
            await leave(self)
            return
        loop.threads_at_work += 1
        try:
            await leave(self)
        finally:
            loop.threads_at_work -= 1

    monkeypatch.setattr(Writer, "begin", patient_begin)
    monkeypatch.setattr(Writer, "leave", patient_leave)
