"""Result files: who makes them, off the event loop, and which of them are kept."""

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

from kling_async.emulator.account.account_model import EmulatedTask
from kling_async.emulator.service import catalog
from kling_async.emulator.service.answers import Variant

from .image_store import ImageStore, MissingImageError
from .placeholder.video import VideoSpec, render
from .rendering.spec import RenderSpec, render_spec

_FLAT_BYTES: Final = 64 * 2**20  # in memory
_FILM_BYTES: Final = 512 * 2**20  # on disk

# A clip takes one core, and some 30 MB at 720p, 70 MB at 1080p.
_RENDERERS: Final = 2

# Pixels of a frame from which on clips are rendered one at a time: 4K takes some 300 MB.
_LARGE: Final = 5_000_000

_log = logging.getLogger("kling_async.emulator")


@attrs.frozen(kw_only=True, eq=False)
class ResultFile:
    """A result.

    Attributes:
        size: Bytes.
        etag: A strong validator.
        source: Its bytes, or the file that holds them.
    """

    size: int
    etag: str
    source: bytes | Path = attrs.field(repr=False)

    def open(self) -> BinaryIO:
        """Open it for reading; what is open stays readable when the file is removed."""
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")


class ResultStore(Protocol):
    """Makes the result files of tasks that have succeeded."""

    async def file(self, task: EmulatedTask, variant: Variant) -> ResultFile:
        """Give a result file."""
        ...

    async def close(self) -> None:
        """Stop what is being made."""
        ...


class PlaceholderResults:
    """Makes small programs to play without an encoder, one at a time, and keeps the latest few in memory.

    One at a time, because Python code in several threads at once would make the event loop wait for its turn.

    Args:
        worker: Where the work is done.
    """

    def __init__(self, worker: Executor) -> None:
        self._worker = worker
        self._turn = asyncio.Lock()
        self._cache: OrderedDict[VideoSpec, ResultFile] = OrderedDict()

    async def file(self, task: EmulatedTask, variant: Variant) -> ResultFile:
        """Give a result file; the same task gives the same bytes always."""
        return await self.flat(video_spec(task, variant))

    async def flat(self, spec: VideoSpec) -> ResultFile:
        """Do the same for a spec."""
        async with self._turn:
            made = self._cache.get(spec)
            if made is None:
                made = await asyncio.get_running_loop().run_in_executor(self._worker, _make, spec)
                self._cache[spec] = made
                while sum(each.size for each in self._cache.values()) > _FLAT_BYTES and len(self._cache) > 1:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(spec)
            return made

    async def close(self) -> None:
        """Do nothing: what is being made is done in a moment."""


class RenderedResults:
    """Renders the submitted images into files, a few at a time, and keeps the latest ones.

    A result is made when it is first asked for. Tasks that ask for the same picture share it.

    Args:
        directory: Where the files are.
        images: The images.
        flat: Makes what cannot be rendered.
        limit: Bytes of all the files that are kept.
    """

    def __init__(self, directory: Path, images: ImageStore, flat: PlaceholderResults, limit: int = _FILM_BYTES) -> None:
        self._directory = directory
        self._images = images
        self._flat = flat
        self._limit = limit
        self._workers = ThreadPoolExecutor(_RENDERERS, thread_name_prefix="emulator rendering")
        self._closing = threading.Event()
        self._alone = asyncio.Lock()
        self._kept: OrderedDict[RenderSpec, ResultFile] = OrderedDict()
        self._jobs: dict[RenderSpec, asyncio.Task[ResultFile]] = {}

    async def file(self, task: EmulatedTask, variant: Variant) -> ResultFile:
        """Give a result file; a flat one, with a line in the log, when rendering fails."""
        try:
            return await self.film(render_spec(task, variant))
        except MissingImageError:
            _log.warning("task %s: its image is not kept any more, so its video is a flat picture", task.task_id)
        except Exception:  # noqa: BLE001 - whatever an encoder may come up with, a task that has succeeded has a video
            _log.exception("task %s: rendering failed, so its video is a flat picture", task.task_id)
        return await self._flat.file(task, variant)

    async def film(self, spec: RenderSpec) -> ResultFile:
        """Give a rendered file; whoever asks for it while it is made waits for the same one."""
        if (kept := self._kept.get(spec)) is not None:
            self._kept.move_to_end(spec)
            return kept
        job = self._jobs.get(spec)
        if job is None:
            job = asyncio.create_task(self._render(spec), name="emulator rendering")
            self._jobs[spec] = job
            job.add_done_callback(lambda _: self._jobs.pop(spec))
        return await asyncio.shield(job)

    async def close(self) -> None:
        """Stop rendering; takes as long as one frame does."""
        self._closing.set()
        jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        self._workers.shutdown(cancel_futures=True)

    async def _render(self, spec: RenderSpec) -> ResultFile:
        target = self._target(spec)
        async with self._alone if spec.width * spec.height > _LARGE else contextlib.nullcontext():
            size = await asyncio.get_running_loop().run_in_executor(self._workers, self._work, spec, target)
        # The same spec gives the same bytes, so what it is does for a validator.
        made = ResultFile(size=size, etag=f'"{target.stem}"', source=target)
        self._kept[spec] = made
        while sum(each.size for each in self._kept.values()) > self._limit and len(self._kept) > 1:
            self._target(self._kept.popitem(last=False)[0]).unlink(missing_ok=True)
        return made

    def _target(self, spec: RenderSpec) -> Path:
        return self._directory / f"{hashlib.sha256(repr(spec).encode()).hexdigest()[:32]}.mp4"

    def _work(self, spec: RenderSpec, target: Path) -> int:
        from .rendering.render import render as render_film  # noqa: PLC0415 - imports PyAV, which is an extra

        try:
            render_film(spec, self._images.load, target, self._closing.is_set)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target.stat().st_size


def _make(spec: VideoSpec) -> ResultFile:
    content = render(spec)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return ResultFile(size=len(content), etag=etag, source=content)


def video_spec(task: EmulatedTask, variant: Variant) -> VideoSpec:
    """Say what the flat result of a task looks like."""
    request = task.request
    width, height = catalog.video_size(request.model_name, request.mode, request.picture.width, request.picture.height)
    return VideoSpec(
        width=width,
        height=height,
        fps=catalog.MODELS[request.model_name].fps,
        seconds=request.duration,
        label=task.task_id,
        watermark=variant == "watermark",
    )
