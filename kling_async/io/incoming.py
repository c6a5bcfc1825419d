"""The bytes of one body on their way to a sink: unpacked where they are packed, refused where they are text."""

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


class Passing(DownloadError):
    """Worth another try."""


class Incoming:
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
            raise Passing(f"it gives less than {transfer.LEAST_RATE:.0f} bytes in a second")
        return chunk


async def taken(answer: Fetched, body: Body, sink: Sink, patience: Patience) -> AsyncGenerator[bytes, None]:
    """Lets the sink take a body, unless it is text; what is kept stays until then."""
    incoming = Incoming(answer.chunks, patience)
    body = await _unpacked(incoming, body)
    if body.offset == 0:
        await _refuse_text(incoming, sink.kind, answer.headers.get("content-type", "no type"))
    await sink.begin(body)
    place = body.offset
    end = body.length if sink.stop is None else sink.stop
    while chunk := await incoming.next():
        if end is not None:
            chunk = chunk[: end - place]  # no more than it said
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
        raise Passing(f"the connection ended before the {sink.kind.value} did")
    if incoming.decoder is not None and place == sink.size:
        await sink.begin(Body(place, place))  # its own end mark tells the length


async def refuse_text(answer: Fetched, body: Body, kind: ResultKind, patience: Patience) -> None:
    """Looks at the beginning of a body of which no more is wanted.

    Raises:
        DownloadError: it is text in place of the file.
    """
    incoming = Incoming(answer.chunks, patience)
    await _unpacked(incoming, body)
    await _refuse_text(incoming, kind, answer.headers.get("content-type", "no type"))


async def _unpacked(incoming: Incoming, body: Body) -> Body:
    """What a body is once it is unpacked: its length and its ETag were those of the packed one."""
    if body.encoding is None:
        return body
    head = await incoming.look(lambda head: len(head) >= content_encoding.HEAD_BYTES)
    incoming.decoder = content_encoding.decoder_for(body.encoding, head)
    return body if incoming.decoder is None else Body(0)


async def _refuse_text(incoming: Incoming, kind: ResultKind, content_type: str) -> None:
    head = await incoming.look(contents.is_decided)
    if not head:
        raise Passing("the file host sent nothing")
    if (text := contents.text_in(head)) is not None and kind.refuses(text):
        raise DownloadError(f"the file host sent {text} ({printable(content_type, 40)}) instead of a {kind.value}")
