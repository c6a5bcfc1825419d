"""Passes the bytes of one body to a sink: decompresses them, and refuses text in place of a file."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

from kling_async.io.sinks import Sink
from kling_async.io.transport import Fetched
from kling_async.protocol import content_encoding, transfer
from kling_async.protocol.content_encoding import Decoder
from kling_async.protocol.errors import DownloadError
from kling_async.protocol.media import contents
from kling_async.protocol.redaction import printable
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.transfer import Body, Patience


class TransientError(DownloadError):
    """A failure that is worth a retry."""


class Incoming:
    """The bytes of one body as they arrive, decompressed if necessary.

    Args:
        chunks: as received from the connection.
        patience: ends the body if it arrives too slowly; time spent in the consumer does not count.
    """

    def __init__(self, chunks: AsyncIterator[bytes], patience: Patience) -> None:
        self._chunks = chunks
        self._patience = patience
        self._back = b""
        self._decoded: Iterator[bytes] = iter(())
        self.decoder: Decoder | None = None
        patience.connected()

    async def next(self) -> bytes:
        """Returns the next bytes; empty at the end."""
        while not (piece := next(self._decoded, b"")):
            chunk, self._back = self._back or await self._received(), b""
            if not chunk or self.decoder is None:
                return chunk
            self._decoded = self.decoder.take(chunk)
        return piece

    async def look(self, enough: Callable[[bytes], bool]) -> bytes:
        """Returns the next bytes without consuming them, until `enough` is true or the body ends."""
        head = b""
        while not enough(head) and (more := await self.next()):
            head += more
        if self.decoder is None:
            self._back = head
        else:
            self._decoded = itertools.chain((head,), self._decoded)
        return head

    async def _received(self) -> bytes:
        loop = asyncio.get_running_loop()
        began = loop.time()
        chunk = await anext(self._chunks, b"")
        if chunk and not self._patience.came(loop.time() - began, len(chunk)):
            raise TransientError(f"it gives less than {transfer.LEAST_RATE:.0f} bytes in a second")
        return chunk


async def taken(answer: Fetched, body: Body, sink: Sink, patience: Patience) -> AsyncGenerator[bytes, None]:
    """Passes a body to the sink and yields the new bytes; refuses text before the sink discards anything."""
    incoming = Incoming(answer.chunks, patience)
    body = await _decompressed(incoming, body)
    if body.offset == 0:
        await _refuse_text(incoming, sink.kind, answer.headers.get("content-type", "no type"))
    await sink.begin(body)
    place = body.offset
    end = body.length if sink.stop is None else sink.stop
    while chunk := await incoming.next():
        if end is not None:
            chunk = chunk[: end - place]  # no more than announced
        elif place + len(chunk) > transfer.MOST_BYTES:
            raise DownloadError(
                f"the file host does not say how long the {sink.kind.value} is, and sent {transfer.MOST_BYTES} bytes: "
                "too many"
            )
        place += len(chunk)
        if new := await sink.take(chunk):
            yield new
        if place == end:
            return
    if incoming.decoder is not None and not incoming.decoder.ended:
        raise TransientError(f"the connection ended before the {sink.kind.value} did")
    if incoming.decoder is not None and place == sink.size:
        await sink.begin(Body(place, place))  # the end mark of the compressed data confirms the length


async def refuse_text(answer: Fetched, body: Body, kind: ResultKind, patience: Patience) -> None:
    """Checks the beginning of a body without reading the rest.

    Raises:
        DownloadError: the body is text in place of the file.
    """
    incoming = Incoming(answer.chunks, patience)
    await _decompressed(incoming, body)
    await _refuse_text(incoming, kind, answer.headers.get("content-type", "no type"))


async def _decompressed(incoming: Incoming, body: Body) -> Body:
    """Sets up decompression; the result then has no length and no ETag, as both belong to the compressed body."""
    if body.encoding is None:
        return body
    head = await incoming.look(lambda head: len(head) >= content_encoding.HEAD_BYTES)
    incoming.decoder = content_encoding.decoder_for(body.encoding, head)
    return body if incoming.decoder is None else Body(0)


async def _refuse_text(incoming: Incoming, kind: ResultKind, content_type: str) -> None:
    head = await incoming.look(contents.is_decided)
    if not head:
        raise TransientError("the file host sent nothing")
    if (text := contents.text_in(head)) is not None and kind.refuses(text):
        raise DownloadError(f"the file host sent {text} ({printable(content_type, 40)}) instead of a {kind.value}")
