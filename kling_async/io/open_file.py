"""Serves results over HTTP, including the range requests of a browser that plays or seeks."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from kling_async.io.result_addresses import Refresh, Source
from kling_async.io.sinks import FileChanged, SpanSink
from kling_async.protocol.errors import InvalidRequest, KlingError, Problem
from kling_async.protocol.ranges import METHODS, KnownFile, RangeAnswer, answer_for
from kling_async.protocol.tasks import Task

if TYPE_CHECKING:
    from kling_async.io.download import Downloads

MAX_LOOKUPS: Final = 3
"""How often at most a file is requested whose metadata differs each time."""


class OpenFile:
    """The answer to a request for a result: status, headers, and the body, as an async iterator of bytes.

    Attributes:
        status: 200, 206, 304, 412 or 416.
        headers: all headers of the answer except those of the connection.
    """

    def __init__(self, status: int, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> None:
        self.status = status
        self.headers = headers
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterates over the bytes of the body, once; empty for HEAD, 304, 412 and 416.

        Raises:
            DownloadError: the rest cannot be fetched; the answer has to be aborted.
        """
        return self._chunks

    def __repr__(self) -> str:
        """Status and range."""
        return f"<OpenFile {self.status} {self.headers.get('Content-Range', '')}>"


def check_method(method: str) -> None:
    """Refuses methods other than GET and HEAD.

    Raises:
        InvalidRequest: the method is neither.
    """
    if method not in METHODS:
        raise InvalidRequest.of([Problem("method", "expected GET or HEAD; answer others with 405")])


@contextlib.asynccontextmanager
async def opened(
    downloads: "Downloads", task: Task, refresh: Refresh, *, method: str, headers: Mapping[str, str], watermark: bool
) -> AsyncIterator[OpenFile]:
    """Answers a request for a finished task's first file.

    Args:
        downloads: fetches the file.
        task: the finished task.
        refresh: queries the task again.
        method: GET or HEAD.
        headers: of the request.
        watermark: whether to serve the watermarked variant.
    """
    source = await downloads.fetching.source(task, refresh, watermark=watermark)
    source.count()
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        answer, first, chunks = await _begun(downloads, source, method, lowered)
    except KlingError as error:
        error.about(source.reference)
        raise
    async with contextlib.aclosing(chunks), contextlib.aclosing(_given(first, chunks, source)) as given:
        yield OpenFile(answer.status, answer.headers, given)


async def _begun(
    downloads: "Downloads", source: Source, method: str, headers: Mapping[str, str]
) -> tuple[RangeAnswer, bytes, AsyncGenerator[bytes, None]]:
    """Returns the answer, its first bytes and the rest; so that failures occur before the answer is sent."""
    file = await downloads.fetching.known(source)
    look = 1
    while True:
        answer = answer_for(method, headers, file)
        chunks = _body(downloads, source, file, answer.span)
        try:
            return answer, await anext(chunks, b""), chunks
        except FileChanged:
            if look == MAX_LOOKUPS:
                raise
        look += 1
        file = await downloads.fetching.known(source, anew=True)
        if look == MAX_LOOKUPS:
            # Its hosts serve different files or ETags: only the length is reliable.
            file = attrs.evolve(file, in_parts=False, etag=None, modified=None)


async def _body(
    downloads: "Downloads", source: Source, file: KnownFile, span: tuple[int, int | None] | None
) -> AsyncGenerator[bytes, None]:
    if span is None:
        return
    first, end = span
    if end is None:
        chunks = downloads.streamed(source)
    else:
        sink = SpanSink(source.label(0), source.kind(0), file, (first, end))
        chunks = downloads.fetching.chunks(source, 0, sink, anew=False)
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            yield chunk


async def _given(first: bytes, chunks: AsyncIterator[bytes], source: Source) -> AsyncGenerator[bytes, None]:
    if not first:
        return
    yield first
    try:
        async for chunk in chunks:
            yield chunk
    except KlingError as error:
        error.about(source.reference)
        raise
