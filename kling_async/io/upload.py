"""Pictures on their way out: streamed as base64 when they are sent."""

import asyncio
import errno
import io
import os
import stat
from collections.abc import AsyncIterator

from kling_async.io.threads import in_thread
from kling_async.protocol.errors import ConnectionFailed, InvalidRequest, Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.wire import requests

READ_BYTES = 4 * requests.PICTURE_PIECE
"""Bytes of a picture encoded before others get the loop: a millisecond's worth, and worth a thread's hop."""


def opened(image: Image) -> io.FileIO:
    """A local picture's file.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    # Not blocking, so that a named pipe without a writer does not hold a thread for ever.
    descriptor = os.open(image.path or "", os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return io.FileIO(descriptor, "rb")


_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def shortage(error: BaseException) -> ConnectionFailed | None:
    """What passes by itself where this machine, not a picture or the network, is what fails; else None."""
    if not isinstance(error, OSError) or error.errno not in _SHORTAGES:
        return None
    text = (
        f"this machine is short of open files or memory ({os.strerror(error.errno)}); lower concurrency and downloads"
    )
    return ConnectionFailed(f"{text}, or raise the limit of open files (ulimit -n)", sent=False)


def reason(error: Exception) -> str:
    """Why a picture cannot be read, in a few words."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


class UploadBody:
    """A JSON body whose pictures are read, encoded and sent piece by piece.

    Args:
        segments: JSON text and the pictures whose base64 goes between.
    """

    def __init__(self, segments: tuple[bytes | Image, ...]) -> None:
        self._segments = segments
        self._files: dict[int, io.FileIO] = {}
        self._sizes: dict[int, int] = {}
        self.failure: InvalidRequest | None = None
        """Why the body could not be sent to its end: a file that changed meanwhile."""
        self.begun = False
        """Whether a connection has taken any of it: without its body the service can do nothing with a request."""

    async def open(self) -> int:
        """Opens the files and tells the length of the body in bytes.

        Raises:
            InvalidRequest: a file is gone.
            ConnectionFailed: this machine has no file to spare; that passes.
        """
        try:
            if any(isinstance(segment, Image) and segment.data is None for segment in self._segments):
                await in_thread(self._open)
            else:  # there is no file: a thread's hop would cost more than all the rest here
                self._open()
        except OSError as error:
            self.close()
            gone = InvalidRequest.of([Problem("image", f"cannot be read any more: {reason(error)}")])
            raise shortage(error) or gone from None
        texts = sum(len(segment) for segment in self._segments if isinstance(segment, bytes))
        return texts + sum(requests.encoded_length(size) for size in self._sizes.values())

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body; never more of a picture in memory than `READ_BYTES` and one encoded piece."""
        self.begun = True
        for index, segment in enumerate(self._segments):
            if isinstance(segment, bytes):
                yield segment
            else:
                async for block in self._blocks(index) if segment.data is None else _slices(segment.data):
                    for start in range(0, len(block), requests.PICTURE_PIECE):
                        yield requests.encode_piece(block[start : start + requests.PICTURE_PIECE])

    def _open(self) -> None:
        for index, segment in enumerate(self._segments):
            if isinstance(segment, Image) and segment.data is not None:
                self._sizes[index] = len(segment.data)
            elif isinstance(segment, Image):
                self._files[index] = file = opened(segment)
                self._sizes[index] = os.fstat(file.fileno()).st_size

    async def _blocks(self, index: int) -> AsyncIterator[memoryview]:
        left = self._sizes[index]
        while left:
            # To its end: a file must not be closed under a thread that reads it.
            block = await in_thread(_read_exactly, self._files[index], min(READ_BYTES, left))
            left -= len(block)
            if not block:
                self.failure = InvalidRequest.of([Problem("image", "the file became shorter while it was sent")])
                raise self.failure
            yield memoryview(block)


def _read_exactly(file: io.FileIO, count: int) -> bytes:
    """As many bytes as asked for, so that pieces stay multiples of 3; empty if the file ends before."""
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
