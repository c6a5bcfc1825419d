"""From an address to a file: whole or absent, resumed where it stopped, never blocking the loop."""

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
        transport: sends.
        limit: files saved at once.
        retry: how a broken download is gone on with.
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
        """Proves the place to save to, and keeps it from a second save, before anything is paid or waited for.

        Args:
            path: a file or a directory.
            task_id: whose file it is in a directory, where that is known already.
            watermark: whether it is the watermarked one.
            overwrite: whether it may exist.
            kind: what is to be saved; None where only the finished task will tell.
            several: whether it must be a directory, for several files, or must be a file; None for either.
            name: what the files are called after in a directory; None for their task.

        Raises:
            DownloadError: nothing of this kind can be saved.
            TargetError: it cannot be used.
            TargetExists: there is a file.
            SaveInProgress: another save writes there.
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
        """Saves all files of a finished task that the place takes; tells where they are."""
        source = await self.fetching.source(task, refresh, watermark=watermark, place=place)
        paths = [source.path(place, index) for index in range(source.count())]
        for index, path in enumerate(paths):
            if source.problem(index) is not None:
                continue  # the others are worth having
            # The place's own file is reserved; the others' names are known only now.
            with contextlib.nullcontext() if path == place.path else self._alone(place, path):
                async with self._places:
                    paths[index] = await self._save_one(source, index, path, place, overwrite=overwrite)
        for index in range(len(paths)):
            if (problem := source.problem(index)) is not None:
                raise problem
        return paths

    async def save_again(self, task: Task, place: Target, refresh: Refresh, *, watermark: bool) -> list[Path]:
        """As `save`, where one broke off that may have come to its end: a file that is there stays if it is the same.

        Whether it is, only its bytes tell: so all files are fetched anew, into a folder beside.

        Raises:
            TargetExists: there is another file.
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
            with contextlib.suppress(OSError):  # what has come of a file stays there
                await in_thread(beside.rmdir)
        return paths

    async def stream(self, task: Task, refresh: Refresh, *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """The bytes of a finished task's first file."""
        source = await self.fetching.source(task, refresh, watermark=watermark)
        source.count()
        async with contextlib.aclosing(self.streamed(source)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def streamed(self, source: Source) -> AsyncGenerator[bytes, None]:
        """The bytes of the first file, to its end, however its host tells it."""
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
                # The rest first, where it can be asked for; then all of it, for what was given must come again.
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
        looks, shorts, anew, asked, asked_for_the_rest = 0, 0, False, False, False
        while True:
            try:
                async with contextlib.aclosing(self.fetching.chunks(source, index, sink, anew=anew)) as chunks:
                    async for _ in chunks:
                        pass
                ended = await sink.finish(overwrite=overwrite, before=before, asked=asked)
                if ended.end is End.SHORT:
                    shorts += 1
                    anew = await self.fetching.is_more(source, index, sink)
                    asked = not anew or shorts == LOOKS  # what comes anew is another file, of which nothing was asked
                    continue
            except asyncio.CancelledError:
                with contextlib.suppress(OSError):  # who was cancelled is; the next save hears of the disk
                    await sink.flush()
                raise
            except BaseException:
                await sink.flush()
                raise
            if ended.end is not End.CUT:
                return ended.end
            # Nobody had said how much comes, and by its boxes the file goes on: the rest first, then all of it again.
            if not asked_for_the_rest and transfer.range_headers(sink.part, sink.size):
                asked_for_the_rest, anew = True, False
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
        """Keeps a second save of this process from the same file of a place."""
        key = (*place.directory, path.name)
        if key in self._targets:
            raise SaveInProgress(f"another save writes to {shown(path)} already")
        self._targets.add(key)
        try:
            yield
        finally:
            self._targets.discard(key)


def _put(path: Path, target: Path) -> Path:
    """Gives a file its name, unless the same file has it; blocking."""
    try:
        system.HERE.publish(path, target)
    except FileExistsError:
        is_same = target.is_file() and filecmp.cmp(path, target, shallow=False)
        path.unlink()
        if not is_same:
            raise TargetExists(f"{shown(target)} is another file", remedy=Remedy.OVERWRITE) from None
    return target
