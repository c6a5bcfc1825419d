"""The stores that make result files, off the event loop, and keep the latest."""

import asyncio
import contextlib
import hashlib
import io
import logging
import threading
from collections import OrderedDict
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import attrs

from kling_async.emulator.account.task import EmulatedTask

from .image_store import ImageStore, MissingImageError
from .result import Placeholder, Rendering

_PLACEHOLDER_BYTES: Final = 64 * 2**20  # in memory
_RENDERED_BYTES: Final = 512 * 2**20  # on disk

# A clip takes one core, and some 30 MB at 720p, 70 MB at 1080p.
_RENDERERS: Final = 2

_log = logging.getLogger("kling_async.emulator")


@attrs.frozen(kw_only=True, eq=False)
class ResultFile:
    """A result file.

    Attributes:
        size: Bytes.
        etag: A strong validator.
        source: Its bytes, or the file that holds them.
    """

    size: int
    etag: str
    source: bytes | Path = attrs.field(repr=False)

    def open(self) -> BinaryIO:
        """Opens it for reading; an open file stays readable when it is removed."""
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")


class ResultStore(Protocol):
    """Makes the result files of tasks that have succeeded."""

    async def file(self, task: EmulatedTask, name: str) -> ResultFile:
        """Returns a result file, by its name."""
        ...

    async def close(self) -> None:
        """Stops making files."""
        ...


class PlaceholderResults:
    """Makes small files without an encoder, one at a time, and keeps the latest few in memory.

    One at a time, because Python code in several threads at once would block the event loop for longer.

    Args:
        worker: Runs the work.
    """

    def __init__(self, worker: Executor) -> None:
        self._worker = worker
        self._turn = asyncio.Lock()
        self._cache: OrderedDict[Placeholder, ResultFile] = OrderedDict()
        self._bytes = 0  # of all kept files

    async def file(self, task: EmulatedTask, name: str) -> ResultFile:
        """Returns a result file, always with the same bytes for the same task."""
        return await self.made(task.request.result.placeholder(name, task.task_id))

    async def made(self, placeholder: Placeholder) -> ResultFile:
        """Returns the file of a placeholder."""
        async with self._turn:
            made = self._cache.get(placeholder)
            if made is None:
                made = await asyncio.get_running_loop().run_in_executor(self._worker, _make, placeholder)
                self._cache[placeholder] = made
                self._bytes += made.size
                while self._bytes > _PLACEHOLDER_BYTES and len(self._cache) > 1:
                    self._bytes -= self._cache.popitem(last=False)[1].size
            self._cache.move_to_end(placeholder)
            return made

    async def close(self) -> None:
        """Does nothing: a file takes only a moment to make."""


class RenderedResults:
    """Renders the submitted images into files, a few at a time, and keeps the latest ones.

    A result is made when it is first requested. Tasks with the same rendering share a file.

    Args:
        directory: The directory of the files.
        images: The submitted images.
        placeholders: Makes the files that cannot be rendered.
        limit: Bytes of all kept files, at most.
    """

    def __init__(
        self, directory: Path, images: ImageStore, placeholders: PlaceholderResults, limit: int = _RENDERED_BYTES
    ) -> None:
        self._directory = directory
        self._images = images
        self._placeholders = placeholders
        self._limit = limit
        self._workers = ThreadPoolExecutor(_RENDERERS, thread_name_prefix="emulator rendering")
        self._closing = threading.Event()
        self._alone = asyncio.Lock()
        self._kept: OrderedDict[Rendering, ResultFile] = OrderedDict()
        self._jobs: dict[Rendering, asyncio.Task[ResultFile]] = {}

    async def file(self, task: EmulatedTask, name: str) -> ResultFile:
        """Returns a result file, or a placeholder, with a log record, when rendering fails."""
        try:
            return await self.rendered(task.request.result.rendering(name, task.request.images))
        except MissingImageError:
            _log.warning("task %s: its image is not kept any more, so its result is a placeholder", task.task_id)
        except Exception:  # noqa: BLE001 - whatever an encoder raises, a task that has succeeded has a result
            _log.exception("task %s: rendering failed, so its result is a placeholder", task.task_id)
        return await self._placeholders.file(task, name)

    async def rendered(self, rendering: Rendering) -> ResultFile:
        """Returns a rendered file; concurrent callers wait for the same one."""
        if (kept := self._kept.get(rendering)) is not None:
            self._kept.move_to_end(rendering)
            return kept
        job = self._jobs.get(rendering)
        if job is None:
            job = asyncio.create_task(self._render(rendering), name="emulator rendering")
            self._jobs[rendering] = job
            job.add_done_callback(lambda _: self._jobs.pop(rendering))
        return await asyncio.shield(job)

    async def close(self) -> None:
        """Stops rendering; takes as long as one frame."""
        self._closing.set()
        jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        self._workers.shutdown(cancel_futures=True)

    async def _render(self, rendering: Rendering) -> ResultFile:
        target = self._target(rendering)
        async with self._alone if rendering.is_large else contextlib.nullcontext():
            size = await asyncio.get_running_loop().run_in_executor(self._workers, self._work, rendering, target)
        # Equal renderings have the same bytes, so a hash of the rendering is a strong validator.
        made = ResultFile(size=size, etag=f'"{target.stem}"', source=target)
        self._kept[rendering] = made
        while sum(each.size for each in self._kept.values()) > self._limit and len(self._kept) > 1:
            self._target(self._kept.popitem(last=False)[0]).unlink(missing_ok=True)
        return made

    def _target(self, rendering: Rendering) -> Path:
        return self._directory / f"{hashlib.sha256(repr(rendering).encode()).hexdigest()[:32]}.rendered"

    def _work(self, rendering: Rendering, target: Path) -> int:
        try:
            rendering.make(self._images.load, target, self._closing.is_set)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target.stat().st_size


def _make(placeholder: Placeholder) -> ResultFile:
    content = placeholder.make()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return ResultFile(size=len(content), etag=etag, source=content)
