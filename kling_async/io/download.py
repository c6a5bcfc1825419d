"""Downloads results: a file is complete or absent, and an interrupted download is resumed."""

import asyncio
import contextlib
import filecmp
import functools
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from os import PathLike
from pathlib import Path

import attrs

from kling_async.io import system
from kling_async.io.directory_sync import DirectorySync, NoSync
from kling_async.io.fetching import LOOKS, Fetching, warn_of
from kling_async.io.part_file import PartFile
from kling_async.io.result_addresses import Refresh, Source
from kling_async.io.sinks import FileSink, StreamSink
from kling_async.io.target import Target, check_target_for, shown, text_of
from kling_async.io.threads import in_thread
from kling_async.io.transport import Transport
from kling_async.protocol import transfer
from kling_async.protocol.errors import (
    DownloadError,
    KlingError,
    Remedy,
    SaveInProgress,
    TargetError,
    TargetExists,
)
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task
from kling_async.protocol.transfer import End


class Downloads:
    """The downloads of one client.

    Args:
        transport: sends the requests.
        limit: number of files saved at once.
        retry: how a broken download is resumed.
        uniform: random numbers for the delays.
        now: the service's time of day, seconds since 1970.
        durable: whether files survive a power cut.
    """

    def __init__(
        self,
        transport: Transport,
        limit: int,
        retry: Retry,
        uniform: Uniform,
        now: Callable[[], float] = time.time,
        *,
        durable: bool = True,
    ) -> None:
        self.fetching = Fetching(transport, retry, uniform, now)
        self._places = asyncio.Semaphore(limit)
        self._targets: set[tuple[int, int, str]] = set()
        self._sync = DirectorySync() if durable else NoSync()

    @contextlib.asynccontextmanager
    async def reserve(
        self,
        path: str | PathLike[str],
        task_id: str | None,
        *,
        watermark: bool,
        overwrite: bool,
        kind: ResultKind | None = None,
        several: bool | None = None,
        name: str | None = None,
    ) -> AsyncIterator[Target]:
        """Checks that the target is writable, and locks out a second save, before anything is paid or awaited.

        Args:
            path: a file or a directory.
            task_id: names the file in a directory; None if not known yet.
            watermark: whether the watermarked variant is saved.
            overwrite: whether an existing file may be replaced.
            kind: what is saved; None if only the finished task determines it.
            several: True if the target must be a directory, False if it must be a file; None for either.
            name: stem of the file names in a directory; None for the id of the task.

        Raises:
            DownloadError: results of this kind are not files.
            TargetError: the target cannot be used.
            TargetExists: the file exists.
            SaveInProgress: another save writes to the file.
        """
        if kind is not None and not kind.is_file:
            raise DownloadError(f"the result ({kind.value}) is no file: submit, and await the task, which has its id")
        check = functools.partial(
            check_target_for, watermark=watermark, overwrite=overwrite, kind=kind, several=several, name=name
        )
        place = await in_thread(check, text_of(path), task_id)
        with contextlib.nullcontext() if place.is_directory else self._alone(place, place.path):
            yield place

    async def save(
        self, task: Task, place: Target, refresh: Refresh, *, watermark: bool, overwrite: bool
    ) -> list[Path]:
        """Saves all files of a finished task that fit the target; returns their paths."""
        source = await self.fetching.source(task, refresh, watermark=watermark, place=place)
        paths = [source.path(place, index) for index in range(source.count())]
        for index, path in enumerate(paths):
            if source.problem(index) is not None:
                continue  # save the others first
            # `reserve` locked the target's own file; the names of the others are known only now.
            with contextlib.nullcontext() if path == place.path else self._alone(place, path):
                async with self._places:
                    paths[index] = await self._save_one(source, index, path, place, overwrite=overwrite)
        for index in range(len(paths)):
            if (problem := source.problem(index)) is not None:
                raise problem
        return paths

    async def save_again(self, task: Task, place: Target, refresh: Refresh, *, watermark: bool) -> list[Path]:
        """Repeats a save that broke off and may have finished: an existing file with the same contents is kept.

        Only the contents show whether it is the same file: all files are fetched again, into a temporary folder.

        Raises:
            TargetExists: an existing file has other contents.
        """
        folder = place.path if place.is_directory else place.path.parent
        beside = folder / f".{hashlib.sha256(task.reference.encode()).hexdigest()[:16]}.again"
        try:
            await in_thread(functools.partial(beside.mkdir, exist_ok=True))
            there = attrs.evolve(place, path=beside if place.is_directory else beside / place.path.name)
            paths = await self.save(task, there, refresh, watermark=watermark, overwrite=True)
            paths = [await in_thread(_put, path, folder / path.name) for path in paths]
            await in_thread(self._sync.sync, folder)
        except KlingError as error:
            error.about(task.reference)
            raise
        except OSError as error:
            raise TargetError(f"{shown(place.path)} cannot be written: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):  # not empty: it keeps partial files
                await in_thread(beside.rmdir)
        return paths

    async def stream(self, task: Task, refresh: Refresh, *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """Yields the bytes of a finished task's first file."""
        source = await self.fetching.source(task, refresh, watermark=watermark)
        source.count()
        async with contextlib.aclosing(self.streamed(source)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def streamed(self, source: Source) -> AsyncGenerator[bytes, None]:
        """Yields the bytes of the first file to its end, even if its host does not announce the length."""
        sink = StreamSink(source.label(0), source.kind(0))
        try:
            before = -1
            anew = more = False
            for _ in range(LOOKS):
                async with contextlib.aclosing(self.fetching.chunks(source, 0, sink, anew=anew)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                end = sink.end(again=anew and sink.size == before)
                if end is End.SHORT:
                    more = await self.fetching.is_more(source, 0, sink)
                    end = End.CUT if more else End.ODD
                if end is not End.CUT:
                    warn_of(end, source, sink.kind, "the stream")
                    return
                # Request the rest first, if possible; then the whole file, which must repeat the bytes already yielded.
                anew = anew or more or before >= 0 or not transfer.range_headers(sink.part, sink.size)
                before = sink.size
            raise DownloadError(f"the stream ended before the {sink.kind.value} did; save it instead")
        except KlingError as error:
            error.about(source.reference)
            raise

    async def _save_one(self, source: Source, index: int, path: Path, place: Target, *, overwrite: bool) -> Path:
        kind = source.kind(index)
        named = not place.is_directory or kind is not ResultKind.ANY
        file = PartFile(path, source.label(index), self._sync, kind, named=named)
        try:
            await in_thread(functools.partial(file.open, overwrite=overwrite))
            end = await self._fill(source, index, FileSink(file), overwrite=overwrite)
            warn_of(end, source, kind, shown(file.target))
        except KlingError as error:
            error.about(source.reference)
            raise
        except FileExistsError:
            raise TargetExists(
                f"{shown(file.target)} appeared meanwhile and was left alone; the {kind.value} is kept beside it",
                remedy=Remedy.OVERWRITE,
                reference=source.reference,
            ) from None
        except OSError as error:
            raise TargetError(
                f"{shown(path)} cannot be written: {error.strerror or type(error).__name__}; what came is kept, save "
                "again to go on",
                reference=source.reference,
            ) from None
        finally:
            file.close()
        return file.target

    async def _fill(self, source: Source, index: int, sink: FileSink, *, overwrite: bool) -> End:
        before: bytes | None = None
        looks, shorts, anew, checked_for_more, rest_requested = 0, 0, False, False, False
        while True:
            try:
                async with contextlib.aclosing(self.fetching.chunks(source, index, sink, anew=anew)) as chunks:
                    async for _ in chunks:
                        pass
                ended = await sink.finish(overwrite=overwrite, before=before, checked_for_more=checked_for_more)
                if ended.end is End.SHORT:
                    shorts += 1
                    anew = await self.fetching.is_more(source, index, sink)
                    checked_for_more = not anew or shorts == LOOKS  # the check does not hold for a file fetched anew
                    continue
            except asyncio.CancelledError:
                with contextlib.suppress(OSError):  # the cancellation matters more; the next save meets the same error
                    await sink.flush()
                raise
            except BaseException:
                await sink.flush()
                raise
            if ended.end is not End.CUT:
                return ended.end
            # The length was not announced, and the file looks cut off: request the rest first, then the whole file.
            if not rest_requested and transfer.range_headers(sink.part, sink.size):
                rest_requested, anew = True, False
                continue
            looks += 1
            if looks == LOOKS:
                raise DownloadError(
                    f"the file host ends the {sink.kind.value} at another place each time, before its end; save again "
                    "later"
                )
            before, anew = ended.digest, True

    @contextlib.contextmanager
    def _alone(self, place: Target, path: Path) -> Iterator[None]:
        """Prevents a second save of this process from writing the same file."""
        key = (*place.directory, path.name)
        if key in self._targets:
            raise SaveInProgress(f"another save writes to {shown(path)} already")
        self._targets.add(key)
        try:
            yield
        finally:
            self._targets.discard(key)


def _put(path: Path, target: Path) -> Path:
    """Publishes a file under its name, unless the same file is there already; blocking."""
    try:
        system.HERE.publish(path, target)
    except FileExistsError:
        is_same = target.is_file() and filecmp.cmp(path, target, shallow=False)
        path.unlink()
        if not is_same:
            raise TargetExists(f"{shown(target)} is another file", remedy=Remedy.OVERWRITE) from None
    return target
