"""The options of a client process, and the types of its work."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

BEAT: Final = 3.0
"""Seconds between polls in hand-written loops."""
DOWNLOADS: Final = 8
"""Files saved at once."""
WARM_UP: Final = "warm-up"
MEASURED: Final = "measured"
"""The directories of the files."""
IMAGE: Final = "https://example.org/cat.jpg"
PROMPT: Final = "the cat turns its head"


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of a client process.

    Attributes:
        url: Of the server, without a trailing slash.
        tls: Host and port of the same server with TLS.
        count: Tasks to make at once.
        beat: Seconds between polls; None for the client's default.
        warm_up: Tasks that the same client makes before the measurement.
        out: Directory of the files.
        at_once: Creates under way at once, where tasks are only waited for.
    """

    url: str
    tls: str
    count: int
    beat: float | None
    warm_up: int
    out: str
    at_once: int = 100


Detected = Callable[[str], None]
"""Called with the task's id when the client learns that the task is done."""

Generate = Callable[[Path, Detected], Awaitable[object]]
"""Makes one video: creates the task, waits for it, saves its file."""

Opened = Callable[[Options], AbstractAsyncContextManager[Generate]]
"""Opens a client."""

Begin = Callable[[], Awaitable[tuple[str, asyncio.Future[Any]]]]
"""Creates a task and begins to wait for it: returns its id, and a future that is done when its end is known."""

OpenedToWait = Callable[[Options], AbstractAsyncContextManager[Begin]]
"""Opens a client that waits for tasks and saves nothing."""
