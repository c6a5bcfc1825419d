"""Result files over HTTP, served like a CDN: separate from the API and without its credentials."""

import asyncio
import hashlib
import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from email.utils import formatdate
from functools import partial
from pathlib import PurePosixPath
from typing import Final
from xml.sax.saxutils import escape

import attrs
from aiohttp import web

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.ledger import Ledger
from kling_async.emulator.faults.fault import Fault
from kling_async.emulator.faults.injection import Sleep, apply_length, ignores_if_range, revised
from kling_async.emulator.results.result_store import ResultFile, ResultStore
from kling_async.emulator.service.guard import Guard

from .links import Links, requested_range

_PIECE: Final = 256 * 1024
_CONTENT_TYPES: Final = {".mp4": "video/mp4", ".png": "image/png", ".mp3": "audio/mpeg", ".wav": "audio/wav"}
_NO_SUCH_KEY: Final = "The specified key does not exist."

Record = Callable[[int, int, int], None]
"""Records sent bytes: the first byte, the one after the last, the size of the whole file."""


async def _no_sleep(_seconds: float) -> None:
    """Returns at once."""


@attrs.frozen
class _Sending:
    """Options of sending a file.

    Attributes:
        record: Records the sent bytes.
        modified_at: Time of the file's creation, seconds since the epoch.
        fault: The fault, if any.
        sleep: Waits.
    """

    record: Record
    modified_at: float
    fault: Fault | None = None
    sleep: Sleep = _no_sleep


class FileServer:
    """Answers requests for result files.

    Args:
        account: The account.
        ledger: Its ledger.
        links: Checks the links.
        results: Makes the files.
        guard: Determines the address by which a request came.
        worker: Compresses files.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        account: AccountModel,
        ledger: Ledger,
        links: Links,
        results: ResultStore,
        guard: Guard,
        worker: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._links = links
        self._results = results
        self._guard = guard
        self._worker = worker
        self._clock = clock

    async def handle(
        self, request: web.Request, fault: Fault | None, revision: int, sleep: Sleep
    ) -> web.StreamResponse:
        """Serves a file, whole or in part, or refuses in XML as object stores do.

        Args:
            request: The request.
            fault: The fault to apply to headers and bytes, if any.
            revision: Number of times the file has changed.
            sleep: Waits.
        """
        self._ledger.requests["file"] += 1
        if "Authorization" in request.headers:
            self._ledger.credentials_at_files += 1
            return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
        if (refusal := self._refusal(request, fault)) is not None:
            return refusal
        name = request.match_info["file"]
        try:
            task = self._account.task(request.match_info["task_id"])
        except KeyError:
            return _xml(404, "NoSuchKey", _NO_SUCH_KEY)
        made = await self._results.file(revised(task, revision), name)
        if fault is not None and fault.kind == "gzipped":
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(self._worker, _compressed, made, fault.by)
        record = partial(self._ledger.record_bytes, task.task_id, name)
        return await self._send(request, made, _Sending(record, task.finished_at + revision, fault, sleep))

    def _refusal(self, request: web.Request, fault: Fault | None) -> web.Response | None:
        """Returns the answer in place of a file, if the link is not valid or a fault requires it."""
        now, kind = self._clock(), None if fault is None else fault.kind
        detour = self._links.detour_problem(request.raw_path, now)
        problem = self._links.problem(request.path, request.query, now) if detour is None else detour
        if problem := "Request has expired" if kind == "expired" else problem:
            return _xml(403, "AccessDenied", problem)
        if kind == "missing":
            return _xml(404, "NoSuchKey", _NO_SUCH_KEY)
        if fault is not None and kind == "redirected" and detour is None:
            location = self._links.detour(request.path, request.query["expires"], self._guard.address(request))
            return web.Response(status=fault.status, headers={"Location": location})
        return None

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Serves a file to the emulator's own page: without an expiring link, and without a record in the ledger."""
        name = request.match_info["file"]
        try:
            task = self._account.task(request.match_info["task_id"])
        except KeyError:
            raise web.HTTPNotFound from None
        if task.status(self._clock()) != "succeed" or name not in task.request.result.files:
            raise web.HTTPNotFound
        made = await self._results.file(task, name)
        return await self._send(request, made, _Sending(lambda *_: None, task.finished_at))

    async def _send(self, request: web.Request, made: ResultFile, sending: _Sending) -> web.StreamResponse:
        size, fault = made.size, sending.fault
        headers = {
            "Content-Type": _CONTENT_TYPES.get(PurePosixPath(request.path).suffix, "application/octet-stream"),
            "ETag": made.etag,
            "Last-Modified": formatdate(sending.modified_at, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        range_header = None if fault is not None and fault.kind == "no_ranges" else request.headers.get("Range")
        same = {None, made.etag, headers["Last-Modified"]}
        if request.headers.get("If-Range") not in same and not ignores_if_range(fault):
            range_header = None  # the client's part is of another file
        try:
            span = requested_range(range_header, size)
        except ValueError:
            return _xml(
                416, "InvalidRange", "The requested range is not satisfiable", {"Content-Range": f"bytes */{size}"}
            )
        start, end = span or (0, size)
        if fault is not None and fault.kind == "gzipped":
            headers["Content-Encoding"] = "gzip"
        status = fault.status if fault is not None and fault.kind == "other_headers" else 0
        response = web.StreamResponse(status=status or (200 if span is None else 206), headers=headers)
        response.content_length = end - start
        if span is not None:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if request.method == "HEAD":
            return response
        end = apply_length(response, fault, start, end)
        sent = start
        try:
            with made.open() as file:
                file.seek(start)
                await response.prepare(request)
                pace = _PIECE if fault is None or fault.rate is None else int(fault.rate)
                for piece in range(start, end, pace):
                    stop = min(piece + pace, end)
                    await response.write(file.read(stop - piece))
                    if stop == end:
                        await response.write_eof()  # the last piece counts once the connection has accepted all of it
                    elif pace < _PIECE:
                        await sending.sleep(1)
                    sent = stop
        except ConnectionError:
            pass  # the client has disconnected; it may resume from here
        finally:
            sending.record(start, sent, size)
        return response


def _compressed(made: ResultFile, zeros: int) -> ResultFile:
    """Compresses a file with appended zeros. The result is reproducible."""
    # A real video does not shrink, so a placeholder must not either: it is stored, and only the zeros shrink.
    pack = zlib.compressobj(level=9 if zeros else 0, wbits=31)
    pieces = []
    with made.open() as file:
        while piece := file.read(_PIECE):
            pieces.append(pack.compress(piece))
    empty = bytes(_PIECE)
    pieces.extend(pack.compress(empty[: zeros - start]) for start in range(0, zeros, _PIECE))
    data = b"".join([*pieces, pack.flush()])
    return ResultFile(size=len(data), etag=f'"{hashlib.sha256(data).hexdigest()[:32]}"', source=data)


def _xml(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}\n'
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)
