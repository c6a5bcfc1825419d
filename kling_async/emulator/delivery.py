"""Result files over HTTP: as a CDN serves them, apart from the API and without its credentials."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final
from xml.sax.saxutils import escape

import attrs
from aiohttp import web

from . import catalog
from .bodies import Variant
from .errors import Refusal
from .fault import Fault
from .injection import bend, ignores_if_range, revised
from .ledger import Ledger
from .links import Links, requested_range
from .video import VideoSpec, render
from .world import EmulatedTask, World

_PIECE: Final = 256 * 1024
_CACHE_BYTES: Final = 64 * 2**20


@attrs.frozen(kw_only=True, eq=False)
class ResultFile:
    """The bytes of a result and their strong validator, an `ETag`."""

    content: bytes = attrs.field(repr=False)
    etag: str


class Studio:
    """Makes result files when they are asked for, one at a time off the event loop, and keeps the latest few.

    One at a time, because Python code in several threads at once would make the event loop wait for its turn.

    Args:
        worker: Where the work is done.
    """

    def __init__(self, worker: Executor) -> None:
        self._worker = worker
        self._turn = asyncio.Lock()
        self._cache: OrderedDict[VideoSpec, ResultFile] = OrderedDict()
        self._cached_bytes = 0

    async def file(self, spec: VideoSpec) -> ResultFile:
        """Give a result file; the same spec gives the same bytes always."""
        async with self._turn:
            made = self._cache.get(spec)
            if made is None:
                made = await asyncio.get_running_loop().run_in_executor(self._worker, _make, spec)
                self._cache[spec] = made
                self._cached_bytes += len(made.content)
                while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
                    self._cached_bytes -= len(self._cache.popitem(last=False)[1].content)
            self._cache.move_to_end(spec)
            return made


def _make(spec: VideoSpec) -> ResultFile:
    content = render(spec)
    return ResultFile(content=content, etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def video_spec(task: EmulatedTask, variant: Variant) -> VideoSpec:
    """Say what the result of a task looks like."""
    order = task.order
    width, height = catalog.video_size(order.model_name, order.mode, order.picture.width, order.picture.height)
    return VideoSpec(
        width=width,
        height=height,
        fps=catalog.MODELS[order.model_name].fps,
        seconds=order.duration,
        label=task.task_id,
        watermark=variant == "watermark",
    )


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
        made = await self._studio.file(video_spec(revised(task, revision), variant))
        return await self._send(request, task, variant, made, fault)

    async def _send(
        self, request: web.Request, task: EmulatedTask, variant: Variant, made: ResultFile, fault: Fault | None
    ) -> web.StreamResponse:
        size = len(made.content)
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
            await response.prepare(request)
            for piece in range(start, end, _PIECE):
                stop = min(piece + _PIECE, end)
                await response.write(memoryview(made.content)[piece:stop])
                if stop == end:
                    await response.write_eof()  # the last piece counts once the connection has taken it all
                sent = stop
        except ConnectionError:
            pass  # the client is gone; what it got so far may be resumed
        finally:
            self._ledger.record_bytes(task.task_id, variant, start, sent, size)
        return response


def _xml(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}\n'
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)
