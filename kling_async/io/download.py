"""From an address to a file: whole or absent, resumed where it stopped, never blocking the loop."""

import asyncio
import contextlib
import functools
import itertools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Final

from kling_async.io.directory_sync import DirectorySync
from kling_async.io.part_file import PartFile
from kling_async.io.result_addresses import Refresh, Source
from kling_async.io.sinks import FileSink, Sink, StreamSink
from kling_async.io.target import Target, check_target_for, shown, text_of
from kling_async.io.threads import in_thread
from kling_async.io.transport import Fetched, Transport
from kling_async.protocol import content_encoding, transfer
from kling_async.protocol.content_encoding import Decoder
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
from kling_async.protocol.media import contents
from kling_async.protocol.redaction import printable
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task
from kling_async.protocol.transfer import Answer, Body, End, Patience

logger = logging.getLogger("kling_async")

NEW_SECONDS: Final = 60.0
"""Seconds from a task's end in which its file may not have reached all of the file hosts."""
LOOKS: Final = 3
"""Times that a file is fetched at most whose host does not say how long it is, and which looks cut off."""


class Downloads:
    """The downloads of one client.

    Args:
        transport: fetches.
        limit: files saved at once.
        retry: how a broken download is gone on with.
        uniform: random numbers for the delays.
        now: the service's time of day, seconds since 1970.
    """

    def __init__(
        self,
        transport: Transport,
        limit: int,
        retry: Retry,
        uniform: Uniform,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._places = asyncio.Semaphore(limit)
        self._retry = retry
        self._uniform = uniform
        self._now = now
        self._targets: set[tuple[int, int, str]] = set()
        self._sync = DirectorySync()

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
        source = await self._source(task, refresh, watermark=watermark, place=place)
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

    async def stream(self, task: Task, refresh: Refresh, *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """The bytes of a finished task's first file."""
        source = await self._source(task, refresh, watermark=watermark)
        source.count()
        sink = StreamSink(source.label(0), source.kind(0))
        try:
            before = -1
            anew = more = False
            for _ in range(LOOKS):
                async with contextlib.aclosing(self._chunks(source, 0, sink, anew=anew)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                end = sink.end(again=anew and sink.size == before)
                if end is End.SHORT:
                    more = await self._is_more(source, 0, sink)
                    end = End.CUT if more else End.ODD
                if end is not End.CUT:
                    self._warn(end, source, sink.kind, "the stream")
                    return
                # The rest first, where it can be asked for; then all of it, for what was given must come again.
                anew = anew or more or before >= 0 or not transfer.range_headers(sink.part, sink.size)
                before = sink.size
            raise DownloadError(f"the stream ended before the {sink.kind.value} did; save it instead")
        except KlingError as error:
            error.about(source.reference)
            raise

    async def _source(self, task: Task, refresh: Refresh, *, watermark: bool, place: Target | None = None) -> Source:
        """Where the files are; a task may be said to have succeeded before they are there."""
        loop = asyncio.get_running_loop()
        began = loop.time()

        def is_new(task: Task) -> bool:
            if task.updated_at is None:
                return loop.time() - began < NEW_SECONDS
            return self._now() - task.updated_at.timestamp() < NEW_SECONDS

        scheme = self._transport.scheme
        source = Source(task, refresh, watermark=watermark, scheme=scheme, is_new=is_new, place=place)
        attempts = self._retry.attempts(self._uniform, began + self._retry.budget)
        while not source.is_complete() and (delay := attempts.failed(loop.time())) is not None:
            await self._transport.pause(delay)
            await source.ask_anew()
        return source

    async def _save_one(self, source: Source, index: int, path: Path, place: Target, *, overwrite: bool) -> Path:
        kind = source.kind(index)
        named = not place.is_directory or kind is not ResultKind.ANY
        file = PartFile(path, source.label(index), self._sync, kind, named=named)
        try:
            await in_thread(functools.partial(file.open, overwrite=overwrite))
            end = await self._fill(source, index, FileSink(file), overwrite=overwrite)
            self._warn(end, source, kind, shown(file.target))
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
                async with contextlib.aclosing(self._chunks(source, index, sink, anew=anew)) as chunks:
                    async for _ in chunks:
                        pass
                ended = await sink.finish(overwrite=overwrite, before=before, asked=asked)
                if ended.end is End.SHORT:
                    shorts += 1
                    anew = await self._is_more(source, index, sink)
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

    async def _is_more(self, source: Source, index: int, sink: Sink) -> bool:
        """Whether a file is longer than its host announced; as long as nobody says so, it is not."""
        wanted = {"Range": f"bytes={sink.size}-"}
        loop = asyncio.get_running_loop()
        attempts = self._retry.attempts(self._uniform, loop.time() + self._retry.budget)
        while attempts.failures < LOOKS:
            with contextlib.suppress(ConnectionFailed, BadResponse, DownloadError):
                async with self._transport.fetch(source.address(index), wanted) as answer:
                    length = transfer.announced(answer.status, answer.headers)
                    if length is not None and length >= sink.size:
                        return length > sink.size
            if (delay := attempts.failed(loop.time())) is None:
                break
            await self._transport.pause(delay)
        return False

    async def _chunks(self, source: Source, index: int, sink: Sink, *, anew: bool) -> AsyncGenerator[bytes, None]:
        """The bytes that the sink still lacks, over as many connections as it takes; `anew` from the beginning."""
        loop = asyncio.get_running_loop()
        patience = Patience(self._retry.budget, loop.time(), sink.size)
        attempts = self._retry.attempts(self._uniform)
        best = sink.size
        while anew or sink.part.length is None or sink.size != sink.part.length:
            part = sink.part
            failure: KlingError = _Passing(f"the connection ended before the {sink.kind.value} did")
            try:
                async with contextlib.aclosing(self._connection(source, index, sink, patience, anew=anew)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                if sink.part.length is None or sink.size == sink.part.length:
                    return
            except (ConnectionFailed, BadResponse, _Passing) as error:
                failure = error
            anew = anew and sink.part is part  # else a body began
            if sink.size > best:
                best = sink.size
                attempts.progressed()
            now = loop.time()
            patience.broke(now, sink.size, sink.part.length)
            attempts.ends_at = patience.ends_at
            if (delay := attempts.failed(now)) is None:
                raise DownloadError(
                    f"the {sink.kind.value} could not be fetched: {failure.message}; save again to go on"
                )
            logger.debug("%s; goes on", failure, extra={"kling_event": "download_failed"})
            await self._transport.pause(delay)

    async def _connection(
        self, source: Source, index: int, sink: Sink, patience: Patience, *, anew: bool
    ) -> AsyncGenerator[bytes, None]:
        """What one connection gives of it."""
        while True:
            wanted = {} if anew else transfer.range_headers(sink.part, sink.size)
            part, offset = (sink.part, sink.size) if wanted else (None, 0)
            async with self._transport.fetch(source.address(index), wanted) as answer:
                match transfer.classify(answer.status, answer.headers, part, offset):
                    case Answer.WHOLE:
                        await sink.begin(Body(sink.size, sink.size, sink.part.etag, sink.part.modified))
                        return
                    case Answer.RESTART if not wanted:
                        raise _Passing("the file host gave a part that nobody asked for")
                    case Answer.RESTART:
                        anew = True
                    case Answer.BUSY:
                        raise _Passing(f"the file host answered HTTP {answer.status}")
                    case Answer.EXPIRED:
                        if not await source.renew(index, answer.status):
                            raise _Passing(f"the file host does not have it yet (HTTP {answer.status})")
                    case Body() as body:
                        async with contextlib.aclosing(_taken(answer, body, sink, patience)) as chunks:
                            async for chunk in chunks:
                                yield chunk
                        return

    def _warn(self, end: End, source: Source, kind: ResultKind, what: str) -> None:
        if end is End.ODD:
            logger.warning(
                "%s: all bytes came, but they do not look like %s; kept as the file host sent it (%s)",
                what,
                kind.looks,
                source.reference,
                extra={"kling_event": "odd_file", "kling_reference": source.reference},
            )

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


class _Passing(DownloadError):
    """Worth another try."""


class _Incoming:
    """The bytes of one body as they come, unpacked where they are packed.

    Args:
        chunks: as the connection gives them.
        patience: ends it where they come too slowly; the time that their taker needs does not count.
    """

    def __init__(self, chunks: AsyncIterator[bytes], patience: Patience) -> None:
        self._chunks = chunks
        self._patience = patience
        self._back = b""
        self._unpacked: Iterator[bytes] = iter(())
        self.decoder: Decoder | None = None
        patience.connected()

    async def next(self) -> bytes:
        """The next bytes; none at the end."""
        while not (piece := next(self._unpacked, b"")):
            chunk, self._back = self._back or await self._received(), b""
            if not chunk or self.decoder is None:
                return chunk
            self._unpacked = self.decoder.take(chunk)
        return piece

    async def look(self, enough: Callable[[bytes], bool]) -> bytes:
        """The next bytes, as many as are enough or all; `next` gives them once more."""
        head = b""
        while not enough(head) and (more := await self.next()):
            head += more
        if self.decoder is None:
            self._back = head
        else:
            self._unpacked = itertools.chain((head,), self._unpacked)
        return head

    async def _received(self) -> bytes:
        loop = asyncio.get_running_loop()
        began = loop.time()
        chunk = await anext(self._chunks, b"")
        if chunk and not self._patience.came(loop.time() - began, len(chunk)):
            raise _Passing(f"it gives less than {transfer.LEAST_RATE:.0f} bytes in a second")
        return chunk


async def _taken(answer: Fetched, body: Body, sink: Sink, patience: Patience) -> AsyncGenerator[bytes, None]:
    """Lets the sink take a body, unless it is text; what is kept stays until then."""
    incoming = _Incoming(answer.chunks, patience)
    body = await _unpacked(incoming, body)
    if body.offset == 0:
        await _refuse_text(incoming, sink.kind, answer.headers.get("content-type", "no type"))
    await sink.begin(body)
    place = body.offset
    while chunk := await incoming.next():
        if body.length is not None:
            chunk = chunk[: body.length - place]  # no more than it said
        elif place + len(chunk) > transfer.MOST_BYTES:
            raise DownloadError(
                f"the file host does not say how long the {sink.kind.value} is, and sent {transfer.MOST_BYTES} bytes: "
                "too many"
            )
        place += len(chunk)
        if new := await sink.take(chunk):
            yield new
        if place == body.length:
            return
    if incoming.decoder is not None and not incoming.decoder.ended:
        raise _Passing(f"the connection ended before the {sink.kind.value} did")
    if incoming.decoder is not None and place == sink.size:
        await sink.begin(Body(place, place))  # its own end mark tells the length


async def _unpacked(incoming: _Incoming, body: Body) -> Body:
    """What a body is once it is unpacked: its length and its ETag were those of the packed one."""
    if body.encoding is None:
        return body
    head = await incoming.look(lambda head: len(head) >= content_encoding.HEAD_BYTES)
    incoming.decoder = content_encoding.decoder_for(body.encoding, head)
    return body if incoming.decoder is None else Body(0)


async def _refuse_text(incoming: _Incoming, kind: ResultKind, content_type: str) -> None:
    head = await incoming.look(contents.is_decided)
    if not head:
        raise _Passing("the file host sent nothing")
    if (text := contents.text_in(head)) is not None and kind.refuses(text):
        raise DownloadError(f"the file host sent {text} ({printable(content_type, 40)}) instead of a {kind.value}")
