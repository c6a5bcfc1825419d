"""Where the bytes of a download go: a part on disk, or a consumer who takes them one by one."""

import asyncio
from typing import Final, Protocol

from kling_async.files import PartFile
from kling_async.protocol.errors import DownloadError
from kling_async.protocol.transfer import Body, Boxes, Part
from kling_async.threads import begin, finished, in_thread

PIECE: Final = 2**20
"""Bytes gathered before a thread writes them: a hop per network read would cost more than the writing."""


class Sink(Protocol):
    """Takes the bytes of one video, over as many connections as it needs."""

    size: int
    """Bytes taken so far."""
    part: Part
    """What they are a part of."""

    async def begin(self, body: Body) -> None:
        """An answer is about to give bytes from `body.offset` on."""

    async def take(self, chunk: bytes) -> None:
        """Takes bytes that follow those taken."""

    async def restart(self) -> None:
        """What was taken does not fit what comes."""


class FileSink:
    """Writes to a part: pieces gather while one write is under way.

    Args:
        file: the part.
    """

    def __init__(self, file: PartFile) -> None:
        self._file = file
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None
        self.size = file.size
        self.part = file.part

    async def begin(self, body: Body) -> None:
        """Remembers what comes; begins anew if it does not go on where the part ends."""
        if body.offset != self.size:
            await self.restart()
        self.part = Part(self.part.video_id, body.length, body.etag)

    async def take(self, chunk: bytes) -> None:
        """Gathers, and hands a full piece to a thread; the last one waits for `finish`."""
        self._pieces.append(chunk)
        self._gathered += len(chunk)
        self.size += len(chunk)
        if self._gathered >= PIECE and self.size != self.part.length:
            await self._written()
            self._writing = begin(self._file.write, self._taken(), self.part)

    async def restart(self) -> None:
        """Throws away what was taken."""
        self._taken()
        await self._written()
        await in_thread(self._file.restart)
        self.size = 0
        self.part = self._file.part

    async def finish(self, *, overwrite: bool) -> bool:
        """Makes the file of it if it is whole, and tells whether it is."""
        await self._written()
        return await in_thread(self._file.finish, self._taken(), self.part, overwrite)

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


class StreamSink:
    """Counts what a consumer was given: it cannot be taken back.

    Args:
        label: which video it is.
    """

    def __init__(self, label: str) -> None:
        self.part = Part(label)
        self.size = 0
        self._boxes = Boxes()

    async def begin(self, body: Body) -> None:
        """Refuses what does not go on where the consumer is."""
        if body.offset != self.size:
            await self.restart()
        self.part = Part(self.part.video_id, body.length, body.etag)

    async def take(self, chunk: bytes) -> None:
        """Counts."""
        self.size += len(chunk)
        self._boxes.take(chunk)

    def whole(self) -> bool:
        """Whether the video may end here, by its boxes."""
        return self._boxes.whole()

    async def restart(self) -> None:
        """Cannot be done.

        Raises:
            DownloadError: some of it was given already.
        """
        if self.size:
            raise DownloadError("the video cannot be resumed where the stream stopped; save it instead")
