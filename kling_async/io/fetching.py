"""Fetches files of tasks over as many connections as necessary; each resumes where the last one broke off."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Final

from kling_async.io.incoming import TransientError, refuse_text, taken
from kling_async.io.result_addresses import Refresh, Source
from kling_async.io.sinks import FileChanged, Sink
from kling_async.io.target import Target
from kling_async.io.transport import Fetched, Transport
from kling_async.protocol import transfer
from kling_async.protocol.errors import BadResponse, ConnectionFailed, DownloadError, KlingError
from kling_async.protocol.media import contents
from kling_async.protocol.ranges import KnownFile, known_file, named_type
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task
from kling_async.protocol.transfer import Answer, Body, End, Part, Patience

logger = logging.getLogger("kling_async")

NEW_SECONDS: Final = 60.0
"""Seconds after a task's end during which its file may not have reached all file hosts."""
LOOKS: Final = 3
"""How often at most a file is fetched that looks cut off and has no announced length."""

FIRST_BYTE: Final = {"Range": "bytes=0-0"}
BEGINNING: Final = {"Range": f"bytes=0-{contents.HEAD_BYTES - 1}"}
KNOWN_FILES: Final = 1024
"""Size of the cache of file metadata, which serves a browser's next range requests."""


class Fetching:
    """Fetches files of tasks.

    Args:
        transport: sends the requests.
        retry: how a broken download is resumed.
        uniform: random numbers for the delays.
        now: the service's time of day, seconds since 1970.
    """

    def __init__(self, transport: Transport, retry: Retry, uniform: Uniform, now: Callable[[], float]) -> None:
        self._transport = transport
        self._retry = retry
        self._uniform = uniform
        self._now = now
        self._known: dict[str, KnownFile] = {}

    async def source(self, task: Task, refresh: Refresh, *, watermark: bool, place: Target | None = None) -> Source:
        """Returns where the files are; waits for them, since a task may succeed before its results are listed."""
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
            await source.query_again()
        if source.lacks_watermark:  # a callback may omit what an answer contains
            await source.query_again()
        return source

    async def known(self, source: Source, *, anew: bool = False) -> KnownFile:
        """Returns the metadata of a task's first file, from its host; cached if it has a length.

        Raises:
            DownloadError: the host does not provide it.
        """
        label = source.label(0)
        known = None if anew else self._known.get(label)
        if known is None:
            known = await self._look_up(source)
            self._known.pop(label, None)
            if known.length is not None:
                self._known[label] = known
            if len(self._known) > KNOWN_FILES:
                del self._known[next(iter(self._known))]
        return known

    async def _look_up(self, source: Source) -> KnownFile:
        loop = asyncio.get_running_loop()
        attempts = self._retry.attempts(self._uniform, loop.time() + self._retry.budget)
        while True:
            try:
                return await self._look_up_once(source)
            except (ConnectionFailed, BadResponse, TransientError) as error:
                if (delay := attempts.failed(loop.time())) is None:
                    what = source.kind(0).value
                    raise DownloadError(f"the {what} could not be fetched: {error.message}; ask again later") from None
            await self._transport.pause(delay)

    async def _look_up_once(self, source: Source) -> KnownFile:
        # Not by HEAD: addresses are signed, some for GET only.
        wanted = FIRST_BYTE
        while True:
            async with self._transport.fetch(source.address(0), wanted) as answer:
                match await _meaning(source, 0, answer, None, 0):
                    case Body(length=0):
                        raise TransientError("the file host sent nothing")
                    case Body() as body:
                        if wanted is FIRST_BYTE and answer.headers.get("content-length") == "1":
                            async for _ in answer.chunks:  # to the end, so that the connection can be reused
                                pass
                            if named_type(answer.headers) is None:
                                wanted = BEGINNING  # one byte does not distinguish an HTML page from a file
                                continue
                        else:
                            patience = Patience(self._retry.budget, asyncio.get_running_loop().time(), 0)
                            await refuse_text(answer, body, source.kind(0), patience)
                        suffix = source.kind(0).suffix_at(source.address(0))
                        return known_file(answer.status, answer.headers, body, suffix)
                    case Answer.RESTART if not wanted:
                        raise TransientError(f"the file host answered HTTP {answer.status}")
                    case Answer.RESTART:
                        wanted = {}
                    case _:
                        pass  # retry at the fresh address

    async def is_more(self, source: Source, index: int, sink: Sink) -> bool:
        """Whether a file is longer than its host announced; False if the host does not confirm it."""
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

    async def chunks(self, source: Source, index: int, sink: Sink, *, anew: bool) -> AsyncGenerator[bytes, None]:
        """Yields the bytes that the sink still lacks, over any number of connections; `anew` from the beginning."""
        loop = asyncio.get_running_loop()
        patience = Patience(self._retry.budget, loop.time(), sink.size)
        attempts = self._retry.attempts(self._uniform)
        best = sink.size
        while anew or not sink.is_complete:
            part = sink.part
            failure: KlingError = TransientError(f"the connection ended before the {sink.kind.value} did")
            try:
                async with contextlib.aclosing(self._connection(source, index, sink, patience, anew=anew)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                if sink.part.length is None or sink.is_complete:
                    return
            except (ConnectionFailed, BadResponse, TransientError) as error:
                failure = error
            anew = anew and sink.part is part  # a new part means that a body has begun
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
        """Yields the bytes that one connection delivers."""
        while True:
            wanted, part, offset = sink.wanted(anew=anew)
            async with self._transport.fetch(source.address(index), wanted) as answer:
                match await _meaning(source, index, answer, part, offset):
                    case Answer.WHOLE:
                        await sink.begin(Body(sink.size, sink.size, sink.part.etag, sink.part.modified))
                        return
                    case Answer.RESTART if not wanted:
                        raise TransientError("the file host gave a part that nobody asked for")
                    case Answer.RESTART if anew:
                        raise FileChanged(f"the file host gives another {sink.kind.value} now; ask for it again")
                    case Answer.RESTART:
                        anew = True
                    case Body() as body if anew or sink.fits(body):
                        async with contextlib.aclosing(taken(answer, body, sink, patience)) as chunks:
                            async for chunk in chunks:
                                yield chunk
                        return
                    case Body():
                        anew = True
                    case _:
                        pass  # retry at the fresh address


async def _meaning(source: Source, index: int, answer: Fetched, part: Part | None, offset: int) -> Answer | Body:
    """Classifies an answer; renews the address if it has expired.

    Raises:
        TransientError: the file may be available later.
    """
    meaning = transfer.classify(answer.status, answer.headers, part, offset)
    if meaning is Answer.BUSY:
        raise TransientError(f"the file host answered HTTP {answer.status}")
    if meaning is Answer.EXPIRED and not await source.renew(index, answer.status):
        raise TransientError(f"the file host does not have it yet (HTTP {answer.status})")
    return meaning


def warn_of(end: End, source: Source, kind: ResultKind, what: str) -> None:
    """Logs a warning if a complete file does not look like its kind."""
    if end is End.ODD:
        logger.warning(
            "%s: all bytes came, but they do not look like %s; kept as the file host sent it (%s)",
            what,
            kind.looks,
            source.reference,
            extra={"kling_event": "odd_file", "kling_reference": source.reference},
        )
