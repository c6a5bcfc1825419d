"""Where the bytes of a download go: a part on disk, or a consumer who takes them one by one."""

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
"""Bytes gathered before a thread writes them: a hop per network read would cost more than the writing."""


class Sink(Protocol):
    """Takes the bytes of one file, over as many connections as it needs."""

    kind: ResultKind
    """What it is."""
    size: int
    """Bytes taken so far."""
    part: Part
    """What they are a part of."""
    stop: int | None
    """Where what is wanted ends; None for the end of the file."""

    @property
    def is_complete(self) -> bool:
        """Whether all that is wanted was taken, as far as it is known how much that is."""
        ...

    def wanted(self, *, anew: bool) -> tuple[dict[str, str], Part | None, int]:
        """What to ask for; `anew` for all of it.

        Returns:
            Headers; where they ask for a part of the file, what it has to be a part of, and where it has to begin.
        """
        ...

    def fits(self, body: Body) -> bool:
        """Whether an answer can be taken; else all is asked for anew."""
        ...

    async def begin(self, body: Body) -> None:
        """An answer is about to give bytes from `body.offset` on."""

    async def take(self, chunk: bytes) -> bytes:
        """Takes bytes that follow those taken; gives back those that are new."""
        ...


class _WholeFile:
    """What is wanted is a whole file."""

    part: Part
    size: int
    stop: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all of it was taken, as far as it is known how much that is."""
        return self.size == (self.part.length if self.stop is None else self.stop)

    def wanted(self, *, anew: bool) -> tuple[dict[str, str], Part | None, int]:
        """The rest, where two halves can be told to belong together; `anew` for all of it."""
        headers = {} if anew else transfer.range_headers(self.part, self.size)
        return (headers, self.part, self.size) if headers else ({}, None, 0)

    def fits(self, body: Body) -> bool:  # noqa: ARG002  (this kind takes every body)
        """Any answer can be taken: from its beginning, too."""
        return True


class FileSink(_WholeFile):
    """Writes to a part: pieces gather while one write is under way.

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
        """Remembers what comes; begins anew if it does not go on where the part ends."""
        if body.offset != self.size:
            self._taken()
            await self._written()
            await in_thread(self._file.restart)
            self.size = 0
        self.part = body.part_of(self.part.video_id)

    async def take(self, chunk: bytes) -> bytes:
        """Gathers, and hands a full piece to a thread."""
        self._pieces.append(chunk)
        self._gathered += len(chunk)
        self.size += len(chunk)
        if self._gathered >= PIECE and not self.is_complete:  # the last piece is `finish`'s: one hop less, and no note
            await self._written()
            self._writing = begin(self._file.write, self._taken(), self.part)
        return chunk

    async def finish(self, *, overwrite: bool, before: bytes | None, asked: bool) -> Ended:
        """Makes the file of it if all of it is there, and tells what became of it: as `PartFile.finish`."""
        await self._written()
        finish = functools.partial(self._file.finish, overwrite=overwrite, before=before, asked=asked)
        return await in_thread(finish, self._taken(), self.part)

    async def flush(self) -> None:
        """Writes what has come; also after a broken connection or a cancelled caller."""
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
    """Counts what a consumer was given: it cannot be taken back.

    Where a host begins anew, what was given already must come again just so, and is passed over.

    Args:
        label: which file it is.
        kind: what it is.
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
        """Goes on where the consumer is, or passes over what he has."""
        self._anew = body.offset != self.size
        self._again, self._passed = hashlib.sha256(), body.offset
        self.part = body.part_of(self.part.video_id)

    async def take(self, chunk: bytes) -> bytes:
        """Counts.

        Raises:
            DownloadError: what was given to the consumer is no longer the beginning of the file.
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
        """How a body that ended cleanly leaves the stream: as `judge_end`."""
        if self._anew:  # it ended before the place where the consumer is
            return End.CUT
        return judge_end(self.size, self.part.length, self._follower.shape(), again=again)


class FileChanged(DownloadError):
    """The file is not the one that was announced."""


class SpanSink(StreamSink):
    """Counts what a consumer was given of a part that was announced to him.

    Args:
        label: which file it is.
        kind: what it is.
        file: what was announced.
        span: the first byte of the part, and the one after its last.
    """

    def __init__(self, label: str, kind: ResultKind, file: KnownFile, span: tuple[int, int]) -> None:
        super().__init__(label, kind)
        self.part = Part(label, file.length, file.etag, file.modified)
        self._span = span
        self.size = span[0]
        self.stop: int | None = span[1]

    def wanted(self, *, anew: bool) -> tuple[dict[str, str], Part | None, int]:
        """The rest of the part; all of it where nobody could tell that the rest fits, or `anew`."""
        first, end = self._span
        part = Part(self.part.video_id, self.part.length) if anew else self.part
        headers, offset = transfer.span_headers(part, first, first if anew else self.size, end)
        return headers, part if headers else None, offset

    def fits(self, body: Body) -> bool:
        """Not the whole file in place of its part."""
        return body.offset in {self._span[0], self.size}

    async def begin(self, body: Body) -> None:
        """Goes on where the consumer is, or passes over what he has.

        Raises:
            FileChanged: it is another file, or another part of it.
        """
        first = self._span[0]
        again = body.offset == first < self.size  # then what came tells whether it is the same
        same = body.length == self.part.length and (again or self.part.etag in {None, body.etag})
        if not same or not self.fits(body):
            raise FileChanged(f"the {self.kind.value} changed at its host meanwhile; ask for it again")
        await super().begin(attrs.evolve(body, etag=self.part.etag, modified=self.part.modified))
