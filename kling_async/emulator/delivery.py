"""Result files over HTTP: as a CDN serves them, apart from the API and without its credentials."""

from collections.abc import Callable
from functools import partial
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web

from .bodies import Variant
from .errors import Refusal
from .fault import Fault
from .injection import bend, ignores_if_range, revised
from .ledger import Ledger
from .links import Links, requested_range
from .studio import ResultFile, Studio
from .world import World

_PIECE: Final = 256 * 1024

Record = Callable[[int, int, int], None]
"""Notes what went out: the first byte, the one after the last, the size of the whole file."""


class FileServer:
    """Answers requests for result files.

    Args:
        world: The account.
        ledger: Its books.
        links: Checks the links.
        studio: Makes the files.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, *, world: World, ledger: Ledger, links: Links, studio: Studio, clock: Callable[[], float]
    ) -> None:
        self._world = world
        self._ledger = ledger
        self._links = links
        self._studio = studio
        self._clock = clock

    async def handle(self, request: web.Request, fault: Fault | None, revision: int) -> web.StreamResponse:
        """Serve a file, whole or in part, or refuse in XML as object stores do.

        Args:
            request: The call.
            fault: What goes wrong with it, as far as headers and bytes go.
            revision: How many times the file has changed.
        """
        self._ledger.requests["file"] += 1
        if "Authorization" in request.headers:
            self._ledger.credentials_at_files += 1
            return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
        now = self._clock()
        expired = "Request has expired" if fault is not None and fault.kind == "expired" else ""
        if problem := expired or self._links.problem(request.path, request.query, now):
            return _xml(403, "AccessDenied", problem)
        try:
            task = self._world.find(request.match_info["task_id"])
        except Refusal:
            return _xml(404, "NoSuchKey", "The specified key does not exist.")
        variant: Variant = "watermark" if request.match_info["variant"] == "watermark" else "plain"
        made = await self._studio.file(revised(task, revision), variant)
        return await self._send(request, made, partial(self._ledger.record_bytes, task.task_id, variant), fault)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Serve a file to the emulator's own page: without a link that expires, and without an entry in the books."""
        try:
            task = self._world.find(request.match_info["task_id"])
        except Refusal:
            raise web.HTTPNotFound from None
        variant: Variant = "watermark" if request.match_info["variant"] == "watermark" else "plain"
        if task.status(self._clock()) != "succeed":
            raise web.HTTPNotFound
        return await self._send(request, await self._studio.file(task, variant), lambda *_: None, None)

    async def _send(
        self, request: web.Request, made: ResultFile, record: Record, fault: Fault | None
    ) -> web.StreamResponse:
        size = made.size
        asked = None if fault is not None and fault.kind == "no_ranges" else request.headers.get("Range")
        if request.headers.get("If-Range", made.etag) != made.etag and not ignores_if_range(fault):
            asked = None  # the client's part is of another file
        try:
            span = requested_range(asked, size)
        except ValueError:
            return _xml(
                416, "InvalidRange", "The requested range is not satisfiable", {"Content-Range": f"bytes */{size}"}
            )
        start, end = span or (0, size)
        response = web.StreamResponse(
            status=200 if span is None else 206,
            headers={"Content-Type": "video/mp4", "ETag": made.etag, "Accept-Ranges": "bytes"},
        )
        response.content_length = end - start
        if span is not None:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if request.method == "HEAD":
            return response
        end = bend(response, fault, start, end)
        sent = start
        try:
            with made.open() as file:
                file.seek(start)
                await response.prepare(request)
                for piece in range(start, end, _PIECE):
                    stop = min(piece + _PIECE, end)
                    await response.write(file.read(stop - piece))
                    if stop == end:
                        await response.write_eof()  # the last piece counts once the connection has taken it all
                    sent = stop
        except ConnectionError:
            pass  # the client is gone; what it got so far may be resumed
        finally:
            record(start, sent, size)
        return response


def _xml(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}\n'
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)
