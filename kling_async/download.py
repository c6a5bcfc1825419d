"""From an address to a file: whole or absent, resumed where it stopped, never blocking the loop."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from os import PathLike
from pathlib import Path

from kling_async.files import Names, PartFile, Place, check_place
from kling_async.protocol import transfer
from kling_async.protocol.errors import (
    BadResponse,
    ConnectionFailed,
    DownloadError,
    KlingError,
    Remedy,
    SaveInProgress,
    TargetError,
    TargetExists,
)
from kling_async.protocol.models import Task, Video
from kling_async.protocol.schedule import Retry, Uniform
from kling_async.protocol.transfer import Answer, Body
from kling_async.sinks import FileSink, Sink, StreamSink
from kling_async.threads import in_thread
from kling_async.transport import Transport

Refresh = Callable[[], Awaitable[Task]]
"""Asks the service for the task anew: its addresses expire."""


class Downloads:
    """The downloads of one client.

    Args:
        transport: fetches.
        limit: files saved at once.
        retry: how a broken download is gone on with.
        uniform: random numbers for the delays.
    """

    def __init__(self, transport: Transport, limit: int, retry: Retry, uniform: Uniform) -> None:
        self._transport = transport
        self._places = asyncio.Semaphore(limit)
        self._retry = retry
        self._uniform = uniform
        self._targets: set[tuple[int, int, str]] = set()
        self._names = Names()

    @contextlib.asynccontextmanager
    async def reserve(
        self, path: str | PathLike[str], task_id: str | None, *, watermark: bool, overwrite: bool
    ) -> AsyncIterator[Place]:
        """Checks the place to save to, and keeps it from a second save, before anyone waits for minutes.

        Args:
            path: a file or a directory.
            task_id: whose file it is in a directory, where that is known already.
            watermark: whether it is the watermarked one.
            overwrite: whether it may exist.

        Raises:
            TargetError: it cannot be used.
            TargetExists: there is a file.
            SaveInProgress: another save writes there.
        """

        def check() -> Place:
            place = check_place(os.fspath(path), overwrite)
            if place.is_directory and task_id is not None:
                check_place(str(file_for(place, task_id, 0, watermark=watermark)), overwrite)
            return place

        place = await in_thread(check)
        with contextlib.nullcontext() if place.is_directory else self._alone(place, place.path):
            yield place

    async def save(self, task: Task, place: Place, refresh: Refresh, *, watermark: bool, overwrite: bool) -> Path:
        """Saves all videos of a finished task; tells where the first is."""
        source = Source(task, refresh, watermark=watermark)
        paths = [file_for(place, task.task_id, index, watermark=watermark) for index in range(source.count())]
        for index, path in enumerate(paths):
            # The place's own file is reserved; the others' names are known only now.
            with contextlib.nullcontext() if path == place.path else self._alone(place, path):
                async with self._places:
                    await self._save_one(source, index, path, overwrite=overwrite)
        return paths[0]

    async def stream(self, task: Task, refresh: Refresh, *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """The bytes of a finished task's first video."""
        source = Source(task, refresh, watermark=watermark)
        source.count()
        sink = StreamSink(source.label(0))
        try:
            for _ in range(2):  # once more where a clean end came too early: for the rest
                async with contextlib.aclosing(self._chunks(source, 0, sink)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                if sink.whole():
                    return
                if sink.part.length is not None or not transfer.range_headers(sink.part, sink.size):
                    break
            raise DownloadError("the stream ended before the video did; save it instead")
        except KlingError as error:
            error.about(source.reference)
            raise

    async def _save_one(self, source: "Source", index: int, path: Path, *, overwrite: bool) -> None:
        file = PartFile(path, source.label(index), self._names)
        try:
            await in_thread(file.open, overwrite)
            await self._fill(source, index, FileSink(file), overwrite=overwrite)
        except KlingError as error:
            error.about(source.reference)
            raise
        except FileExistsError:
            raise TargetExists(
                f"{path} appeared meanwhile and was left alone; the video is kept beside it",
                remedy=Remedy.OVERWRITE,
                reference=source.reference,
            ) from None
        except OSError as error:
            raise TargetError(
                f"{path} cannot be written: {error.strerror or type(error).__name__}; what came is kept, save again "
                "to go on",
                reference=source.reference,
            ) from None
        finally:
            file.close()

    async def _fill(self, source: "Source", index: int, sink: FileSink, *, overwrite: bool) -> None:
        anew = asked_for_the_rest = False
        while True:
            try:
                async with contextlib.aclosing(self._chunks(source, index, sink)) as chunks:
                    async for _ in chunks:
                        pass
                if await sink.finish(overwrite=overwrite):
                    return
            except asyncio.CancelledError:
                with contextlib.suppress(OSError):  # who was cancelled is; the next save hears of the disk
                    await sink.flush()
                raise
            except BaseException:
                await sink.flush()
                raise
            if sink.part.length is None and not asked_for_the_rest and transfer.range_headers(sink.part, sink.size):
                asked_for_the_rest = True  # a clean end that came too early, and nobody had said how much comes
                continue
            await sink.restart()
            if anew:
                break
            anew = True  # what an earlier process left may be spoilt: once from the beginning
        raise DownloadError("what the file host sends is not a whole MP4; save it again later")

    async def _chunks(self, source: "Source", index: int, sink: Sink) -> AsyncGenerator[bytes, None]:
        """The bytes that the sink still lacks, over as many connections as it takes."""
        loop = asyncio.get_running_loop()
        delays = self._retry.delays(self._uniform)
        gives_up_at = loop.time() + self._retry.budget
        while True:
            before = sink.size
            failure: KlingError = _Passing("the connection ended before the video did")
            try:
                async with contextlib.aclosing(self._connection(source, index, sink)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                if sink.part.length is None or sink.size >= sink.part.length:
                    return
            except (ConnectionFailed, BadResponse, _Passing) as error:
                failure = error
            if sink.size > before:  # it moves, so patience begins anew
                delays = self._retry.delays(self._uniform)
                gives_up_at = loop.time() + self._retry.budget
            delay = next(delays)
            if loop.time() + delay > gives_up_at:
                raise DownloadError(f"the video could not be fetched: {failure.message}; save again to go on")
            await self._transport.pause(delay)

    async def _connection(self, source: "Source", index: int, sink: Sink) -> AsyncGenerator[bytes, None]:
        """What one connection gives of it."""
        while True:
            wanted = transfer.range_headers(sink.part, sink.size)
            async with self._transport.fetch(source.address(index), wanted) as answer:
                match transfer.judge(answer.status, answer.headers, sink.part, sink.size):
                    case Answer.WHOLE:
                        return
                    case Answer.RESTART if sink.size == 0:
                        raise _Passing("the file host gave a part that nobody asked for")
                    case Answer.RESTART:
                        await sink.restart()
                    case Answer.BUSY:
                        raise _Passing(f"the file host answered HTTP {answer.status}")
                    case Answer.EXPIRED:
                        await source.renew(answer.status)
                    case Body() as body:
                        await sink.begin(body)
                        async for chunk in _checked(answer.chunks, sink):
                            await sink.take(chunk)
                            yield chunk
                        return

    @contextlib.contextmanager
    def _alone(self, place: Place, path: Path) -> Iterator[None]:
        """Keeps a second save of this process from the same file of a place."""
        key = (*place.directory, path.name)
        if key in self._targets:
            raise SaveInProgress(f"another save writes to {path} already")
        self._targets.add(key)
        try:
            yield
        finally:
            self._targets.discard(key)


class Source:
    """Where a task's videos are, asked for anew once when the addresses expire.

    Args:
        task: finished.
        refresh: asks for it anew.
        watermark: whether the watermarked variants are meant.
    """

    def __init__(self, task: Task, refresh: Refresh, *, watermark: bool) -> None:
        self._task = task
        self._refresh = refresh
        self._watermark = watermark
        self._renewed = False
        self.reference = task.reference

    def count(self) -> int:
        """How many videos there are.

        Raises:
            DownloadError: none, or none with a watermark.
        """
        if not self._task.videos:
            raise DownloadError("the finished task has no video", reference=self.reference)
        for index in range(len(self._task.videos)):
            self.address(index)
        return len(self._task.videos)

    def label(self, index: int) -> str:
        """Names the video for ever, whatever its address is at the moment."""
        return f"{self._task.task_id}/{self._video(index).id}" + ("/watermark" if self._watermark else "")

    def address(self, index: int) -> str:
        """Where it can be fetched at the moment."""
        video = self._video(index)
        if not self._watermark:
            return video.url
        if video.watermark_url is None:
            raise DownloadError(
                "the task has no watermarked video",
                remedy=Remedy.WATERMARK,
                reference=self.reference,
            )
        return video.watermark_url

    async def renew(self, http_status: int) -> None:
        """Asks for fresh addresses, once."""
        if self._renewed:
            raise DownloadError(
                "the file host refuses the video's address, also a fresh one; results are kept for 30 days",
                http_status=http_status,
                reference=self.reference,
            )
        self._renewed = True
        self._task = await self._refresh()

    def _video(self, index: int) -> Video:
        if index >= len(self._task.videos):
            raise DownloadError("the task does not have this video any more", reference=self.reference)
        return self._task.videos[index]


class _Passing(DownloadError):
    """Worth another try."""


def file_for(place: Place, task_id: str, index: int, *, watermark: bool) -> Path:
    """The file of one of a task's videos: the place itself, or a name of its own in a directory."""
    number = f"-{index + 1}" if index else ""
    if place.is_directory:
        name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in task_id)
        return place.path / f"{name}{'-watermark' if watermark else ''}{number}.mp4"
    return place.path.with_name(f"{place.path.stem}{number}{place.path.suffix}") if index else place.path


async def _checked(chunks: AsyncIterator[bytes], sink: Sink) -> AsyncGenerator[bytes, None]:
    """Refuses a body that begins as no MP4 does, before any of it is taken."""
    head = b""
    checked = sink.size > 0
    async for chunk in chunks:
        if checked:
            yield chunk
            continue
        head += chunk
        if len(head) >= transfer.FIRST_BOX_BYTES:
            transfer.refuse_start(head)
            checked = True
            yield head
    if not checked and head:
        raise DownloadError("what the file host sent is no MP4: it is too short")
