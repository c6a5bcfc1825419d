"""Destinations of a download: a part on disk, or the consumer of a stream."""

import asyncio
import functools
import hashlib
from typing import Final, Protocol

import attrs

from kling_async.io.part_file import Ended, PartFile
from kling_async.io.threads import begin, finished, in_thread
from kling_async.protocol import transfer
from kling_async.protocol.errors import DownloadError
from kling_async.protocol.ranges import KnownFile
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.transfer import Body, End, Part, judge_end

PIECE: Final = 2**20
"""Bytes buffered before a thread writes them: a thread per network read would cost more than the write."""


class Sink(Protocol):
    """Receives the bytes of one file, over any number of connections."""

    kind: ResultKind
    """The kind of the file."""
    size: int
    """Bytes received so far."""
    part: Part
    """The file that they are a part of."""
    stop: int | None
    """The offset at which the requested bytes end; None for the end of the file."""

    @property
    def is_complete(self) -> bool:
        """Whether all requested bytes were received; False if their number is unknown."""
        ...

    def wanted(self, *, anew: bool) -> tuple[dict[str, str], Part | None, int]:
        """Returns the next request to send; with `anew`, for all requested bytes.

        Returns:
            Headers; for a range request also the file that the range must belong to, and the offset of its beginning.
        """
        ...

    def fits(self, body: Body) -> bool:
        """Whether the sink can use an answer; else everything is requested anew."""
        ...

    async def begin(self, body: Body) -> None:
        """Prepares for the bytes of an answer, which begin at `body.offset`."""

    async def take(self, chunk: bytes) -> bytes:
        """Receives the next bytes; returns those that are new."""
        ...


class _WholeFile:
    """A sink that requests a whole file."""

    part: Part
    size: int
    stop: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the whole file was received; False if its length is unknown."""
        return self.size == (self.part.length if self.stop is None else self.stop)

    def wanted(self, *, anew: bool) -> tuple[dict[str, str], Part | None, int]:
        """Requests the rest if an ETag or date proves that both parts match, else the whole file; `anew` always."""
        headers = {} if anew else transfer.range_headers(self.part, self.size)
        return (headers, self.part, self.size) if headers else ({}, None, 0)

    def fits(self, body: Body) -> bool:  # noqa: ARG002  (any body fits)
        """Returns True: an answer from the beginning of the file fits, too."""
        return True


class FileSink(_WholeFile):
    """Writes to a part; buffers pieces while a write is in progress.

    Args:
        file: the part.
    """

    def __init__(self, file: PartFile) -> None:
        self._file = file
        self.kind = file.kind
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None
        self.size = file.size
        self.part = file.part

    async def begin(self, body: Body) -> None:
        """Notes what the answer contains; discards the part if the answer does not begin where it ends."""
        if body.offset != self.size:
            self._taken()
            await self._written()
            await in_thread(self._file.restart)
            self.size = 0
        self.part = body.part_of(self.part.video_id)

    async def take(self, chunk: bytes) -> bytes:
        """Buffers the bytes, and passes a full piece to a thread."""
        self._pieces.append(chunk)
        self._gathered += len(chunk)
        self.size += len(chunk)
        if self._gathered >= PIECE and not self.is_complete:  # `finish` writes the last one: no note
            await self._written()
            self._writing = begin(self._file.write, self._taken(), self.part)
        return chunk

    async def finish(self, *, overwrite: bool, before: bytes | None, checked_for_more: bool) -> Ended:
        """Publishes the file if it is complete, and returns the outcome: as `PartFile.finish`."""
        await self._written()
        finish = functools.partial(
            self._file.finish, overwrite=overwrite, before=before, checked_for_more=checked_for_more
        )
        return await in_thread(finish, self._taken(), self.part)

    async def flush(self) -> None:
        """Writes the buffered bytes; also after a broken connection or a cancellation."""
        await self._written()
        if pieces := self._taken():
            await in_thread(self._file.write, pieces, self.part)

    def _taken(self) -> list[bytes]:
        pieces, self._pieces, self._gathered = self._pieces, [], 0
        return pieces

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await finished(writing)


class StreamSink(_WholeFile):
    """Tracks the bytes that a consumer has received, which cannot be withdrawn.

    If a host starts over, the bytes that the consumer has must come again unchanged, and are skipped.

    Args:
        label: identifies the file.
        kind: of the file.
    """

    def __init__(self, label: str, kind: ResultKind) -> None:
        self.kind = kind
        self.part = Part(label)
        self.size = 0
        self._follower = kind.follower()
        self._given = hashlib.sha256()
        self._again = hashlib.sha256()
        self._passed = 0
        self._anew = False

    async def begin(self, body: Body) -> None:
        """Continues at the consumer's position, or skips the bytes that it has."""
        self._anew = body.offset != self.size
        self._again, self._passed = hashlib.sha256(), body.offset
        self.part = body.part_of(self.part.video_id)

    async def take(self, chunk: bytes) -> bytes:
        """Tracks the bytes, and returns those that the consumer does not have yet.

        Raises:
            DownloadError: the bytes that the consumer has are no longer the beginning of the file.
        """
        if self._anew:
            known, chunk = chunk[: self.size - self._passed], chunk[self.size - self._passed :]
            self._again.update(known)
            self._passed += len(known)
            if self._passed < self.size:
                return b""
            if self._again.digest() != self._given.digest():
                raise DownloadError(
                    f"the {self.kind.value} cannot be resumed where the stream stopped; save it instead"
                )
            self._anew = False
        self.size += len(chunk)
        self._given.update(chunk)
        self._follower.take(chunk)
        return chunk

    def end(self, *, again: bool) -> End:
        """Judges the stream after a body that ended cleanly: as `judge_end`."""
        if self._anew:  # it ended before the consumer's position
            return End.CUT
        return judge_end(self.size, self.part.length, self._follower.shape(), again=again)


class FileChanged(DownloadError):
    """The file has changed since it was announced."""


class SpanSink(StreamSink):
    """Tracks the bytes of a range that was announced to a consumer.

    Args:
        label: identifies the file.
        kind: of the file.
        file: the announced metadata.
        span: offsets of the first byte of the range, and of the one after its last.
    """

    def __init__(self, label: str, kind: ResultKind, file: KnownFile, span: tuple[int, int]) -> None:
        super().__init__(label, kind)
        self.part = Part(label, file.length, file.etag, file.modified)
        self._span = span
        self.size = span[0]
        self.stop: int | None = span[1]

    def wanted(self, *, anew: bool) -> tuple[dict[str, str], Part | None, int]:
        """Requests the rest of the range; all of it with `anew`, or if nothing proves that the rest matches."""
        first, end = self._span
        part = Part(self.part.video_id, self.part.length) if anew else self.part
        headers, offset = transfer.span_headers(part, first, first if anew else self.size, end)
        return headers, part if headers else None, offset

    def fits(self, body: Body) -> bool:
        """Whether the answer begins at the range or at the consumer's position."""
        return body.offset in {self._span[0], self.size}

    async def begin(self, body: Body) -> None:
        """Continues at the consumer's position, or skips the bytes that it has.

        Raises:
            FileChanged: the answer is another file, or another range.
        """
        first = self._span[0]
        again = body.offset == first < self.size  # then the repeated bytes show whether it is the same file
        same = body.length == self.part.length and (again or self.part.etag in {None, body.etag})
        if not same or not self.fits(body):
            raise FileChanged(f"the {self.kind.value} changed at its host meanwhile; ask for it again")
        await super().begin(attrs.evolve(body, etag=self.part.etag, modified=self.part.modified))
