"""Uploads of pictures and sounds, which are read, encoded as base64 and streamed while the request is sent."""

import asyncio
import errno
import io
import os
import stat
from collections.abc import AsyncIterator
from typing import Self

from kling_async.io import system
from kling_async.io.threads import in_thread
from kling_async.protocol.errors import ConnectionFailed, InvalidRequest, Problem
from kling_async.protocol.media.given import Media
from kling_async.protocol.wire import requests

READ_BYTES = 4 * requests.FILE_PIECE
"""Bytes of a file that are encoded in one step of the loop: about a millisecond, and enough to be worth a thread."""


def opened(given: Media) -> io.FileIO:
    """Opens a local file to send.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    descriptor = os.open(given.path or "", os.O_RDONLY | system.HERE.nonblocking)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return io.FileIO(descriptor, "rb")


_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def shortage(error: BaseException) -> ConnectionFailed | None:
    """Returns the transient error to raise if this machine ran out of open files or memory; None for other errors."""
    if not isinstance(error, OSError) or error.errno not in _SHORTAGES:
        return None
    text = (
        f"this machine is short of open files or memory ({os.strerror(error.errno)}); lower concurrency and downloads"
    )
    return ConnectionFailed(f"{text}, or raise the limit of open files (ulimit -n)", sent=False)


def reason(error: Exception) -> str:
    """Returns why a file cannot be read, in a few words."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


class UploadBody:
    """A JSON body whose files are read, encoded and sent piece by piece.

    Args:
        segments: pieces of JSON text, and the files whose base64 is inserted between them.
    """

    def __init__(self, segments: tuple[bytes | Media, ...]) -> None:
        self._segments = segments
        self._files: dict[int, io.FileIO] = {}
        self._sizes: dict[int, int] = {}
        self.failure: InvalidRequest | None = None
        """Why the body could not be sent completely: a file became shorter meanwhile."""
        self.begun = False
        """Whether any of the body was sent; without a body the service cannot act on a request."""

    async def open(self) -> int:
        """Opens the files and returns the length of the body in bytes.

        Raises:
            InvalidRequest: a file cannot be read any more.
            ConnectionFailed: this machine is short of open files or memory, which is transient.
        """
        try:
            if any(isinstance(segment, Media) and segment.data is None for segment in self._segments):
                await in_thread(self._open)
            else:  # without files, a thread would cost more than the work
                self._open()
        except OSError as error:
            self.close()
            given = self._segments[max(self._sizes, default=-1) + 1 :]
            unopened = next(segment for segment in given if isinstance(segment, Media))
            raise shortage(error) or _refusal(unopened, f"cannot be read any more: {reason(error)}") from None
        texts = sum(len(segment) for segment in self._segments if isinstance(segment, bytes))
        return texts + sum(requests.encoded_length(size) for size in self._sizes.values())

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yields the body, with at most `READ_BYTES` of a file and one encoded piece in memory."""
        self.begun = True
        for index, segment in enumerate(self._segments):
            if isinstance(segment, bytes):
                yield segment
            else:
                async for block in self._blocks(index) if segment.data is None else _slices(segment.data):
                    for start in range(0, len(block), requests.FILE_PIECE):
                        yield requests.encode_piece(block[start : start + requests.FILE_PIECE])

    def _open(self) -> None:
        for index, segment in enumerate(self._segments):
            if isinstance(segment, Media) and segment.data is not None:
                self._sizes[index] = len(segment.data)
            elif isinstance(segment, Media):
                self._files[index] = file = opened(segment)
                self._sizes[index] = os.fstat(file.fileno()).st_size

    async def _blocks(self, index: int) -> AsyncIterator[memoryview]:
        left = self._sizes[index]
        while left:
            # `in_thread` waits even if cancelled: a file must not be closed while a thread reads it.
            block = await in_thread(_read_exactly, self._files[index], min(READ_BYTES, left))
            left -= len(block)
            if not block:
                self.failure = _refusal(self._segments[index], "the file became shorter while it was sent")
                raise self.failure
            yield memoryview(block)


class UploadPlace:
    """One of the `UPLOADS` places for bodies. It is released once the body is sent, since the answer may take long."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = False

    async def __aenter__(self) -> Self:
        """Waits for the place."""
        await self._places.acquire()
        self._held = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Releases it."""
        self._release()

    async def released_after(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yields the same chunks; releases the place after the last one."""
        async for chunk in chunks:
            yield chunk
        self._release()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._places.release()


def _refusal(segment: bytes | Media, message: str) -> InvalidRequest:
    return InvalidRequest.of([Problem(type(segment).__name__.lower(), message)])


def _read_exactly(file: io.FileIO, count: int) -> bytes:
    """Reads exactly `count` bytes, so that pieces stay multiples of 3; returns none if the file ends before."""
    blocks: list[bytes] = []
    while count:
        block = file.read(count)
        if not block:
            return b""
        blocks.append(block)
        count -= len(block)
    return b"".join(blocks)


async def _slices(data: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(data)
    for start in range(0, len(view), READ_BYTES):
        await asyncio.sleep(0)
        yield view[start : start + READ_BYTES]
