"""Injects faults between a request and its answer, on real connections.

All waits are `asyncio.sleep`, so that tests whose event loop has virtual time do not wait.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from email.utils import formatdate
from typing import Final

import attrs
from aiohttp import web

from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.service.errors import Refusal

from .false_answers import foreign_answer, reshaped_answer
from .fault import Fault
from .kinds import CallKind
from .rules import Call, Faults

Answer = Callable[[web.Request], Awaitable[web.Response]]
Sleep = Callable[[float], Awaitable[None]]
Serve = Callable[[web.Request, Fault | None, int, Sleep], Awaitable[web.StreamResponse]]

# A reset discards data in flight, so the data sent before it gets a moment to arrive.
_FLIGHT_SECONDS: Final = 0.05

# Each request has its own asyncio task, and so its own context.
_present_fault: ContextVar[Fault | None] = ContextVar("kling_async_emulator_fault", default=None)
_delay: ContextVar[float] = ContextVar("kling_async_emulator_delay", default=0.0)


class Injector:
    """Wraps the handlers of one run of the server.

    Args:
        faults: The rules.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._waiting: set[asyncio.Task[None]] = set()

    async def close(self, _app: web.Application) -> None:
        """Cancels waiting handlers; the server no longer tracks handlers whose clients have disconnected."""
        waiting = [*self._waiting]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def api(
        self,
        kind: CallKind,
        endpoint: str,
        request: web.Request,
        answer: Answer,
        refuse: Callable[[Refusal], web.Response],
    ) -> web.StreamResponse:
        """Answers a call to the API, with its fault if there is one.

        Args:
            kind: The kind of the call.
            endpoint: The name of the endpoint, "" if it creates no tasks.
            request: The request.
            answer: Makes the call take effect, and returns the answer.
            refuse: Makes the answer of a refusal.
        """
        fault = self._faults.fault_for(_call(kind, endpoint, request))
        if fault is None:
            return await answer(request)
        _present_fault.set(fault)
        if fault.kind == "delay" and not fault.after_effect:
            return await self._answer_late(request, answer, fault.wait)
        whole = None
        if fault.after_effect:
            whole = await answer(request)
        elif fault.kind != "reset" or fault.wait:
            await drain_body(request)
        await self._sleep(fault.wait)
        if fault.kind == "error":
            return refuse(Refusal(fault.code, fault.message))
        if fault.kind in {"gateway", "foreign"}:
            return foreign_answer(fault)
        if whole is None or (fault.kind == "reset" and fault.share is None):
            return _reset(request)
        return await self._send_altered(request, whole, fault)

    async def file(self, request: web.Request, serve: Serve) -> web.StreamResponse:
        """Serves a result file, with its fault if there is one.

        Args:
            request: The request.
            serve: Serves the file, and applies the fault to headers and bytes.
        """
        fault = self._faults.fault_for(_call("file", "", request))
        if fault is not None:
            _present_fault.set(fault)
            await self._sleep(fault.wait)
            if fault.kind in {"gateway", "foreign"}:
                return foreign_answer(fault)
            if fault.kind == "reset" and fault.share is None:
                return _reset(request)
            if fault.kind == "changed":
                self._faults.revisions[request.path] += 1
        response = await serve(request, fault, self._faults.revisions[request.path], self._sleep)
        if fault is not None and response.prepared:
            await self._end(request, response, fault)
        return response

    async def hold(self) -> None:
        """Waits before the effect of a delayed call, once its request has been received."""
        await self._sleep(_delay.get())

    async def _answer_late(self, request: web.Request, answer: Answer, wait: float) -> web.Response:
        if request.method != "POST":
            await self._sleep(wait)
            return await answer(request)
        token = _delay.set(wait)
        try:
            return await answer(request)
        finally:
            _delay.reset(token)

    async def _send_altered(self, request: web.Request, whole: web.Response, fault: Fault) -> web.StreamResponse:
        """Returns or sends the true answer, altered by a fault."""
        if fault.kind in {"delay", "undated", "dated"}:
            return whole
        if fault.kind == "other_headers":
            whole.set_status(fault.status or whole.status)
            return whole
        if fault.kind == "reshaped":
            return reshaped_answer(whole, fault)
        if fault.kind == "surplus":
            return await self._send_twice(request, whole)
        return await self._send_in_part(request, whole, fault)

    async def _send_twice(self, request: web.Request, whole: web.Response) -> web.Response:
        with contextlib.suppress(ConnectionError):
            await whole.prepare(request)
            await whole.write_eof()
        await self._sleep(_FLIGHT_SECONDS)  # until the connection waits for its next request
        if request.transport is not None:
            head = "".join(f"{name}: {value}\r\n" for name, value in whole.headers.items())
            assert isinstance(whole.body, bytes)  # noqa: S101 - answers of the API are made of text
            request.transport.write(f"HTTP/1.1 {whole.status} {whole.reason}\r\n{head}\r\n".encode() + whole.body)
        return whole

    async def _send_in_part(self, request: web.Request, whole: web.Response, fault: Fault) -> web.StreamResponse:
        body = whole.body
        assert isinstance(body, bytes)  # noqa: S101 - answers of the API are made of text
        response = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.headers["Content-Type"]})
        response.content_length = len(body)
        end = apply_length(response, fault, 0, len(body))
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            if end:
                await response.write(body[:end])
        await self._end(request, response, fault)
        return response

    async def _end(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> None:
        """Ends a response as its fault requires, after the part that was sent."""
        with contextlib.suppress(ConnectionError):
            await response.write_eof()  # sends the headers, if nothing else was sent
        if fault.kind == "reset":
            await self._sleep(_FLIGHT_SECONDS)
            _reset(request)
        elif fault.kind == "stall":
            await self._stall(request, fault.seconds)
            _reset(request)
        elif fault.kind == "wrong_length" and request.transport is not None:
            request.transport.close()  # with a clean end, too early

    async def _stall(self, request: web.Request, seconds: float) -> None:
        """Waits until the client has disconnected; looks at doubling intervals, because virtual time passes quickly."""
        look = 1.0
        while seconds > 0 and request.transport is not None and not request.transport.is_closing():
            await self._sleep(min(look, seconds))
            seconds -= look
            look *= 2

    async def _sleep(self, seconds: float) -> None:
        task = asyncio.current_task()
        if seconds <= 0 or task is None:
            return
        self._waiting.add(task)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting.discard(task)


def apply_length(response: web.StreamResponse, fault: Fault | None, start: int, end: int) -> int:
    """Sets the length that a fault requires on a response that is not prepared yet.

    Args:
        response: The response, with its true length.
        fault: The fault, if any.
        start: The first byte.
        end: The byte after the last.

    Returns:
        The byte after the last to send.
    """
    if fault is None:
        return end
    if fault.kind == "wrong_length":
        response.content_length = max(end - start + fault.by, 0)
        return min(end, start + response.content_length)
    if fault.share is None:
        return end
    if fault.kind == "truncated":
        response.content_length = None
    return start + int((end - start) * fault.share)


def finish_headers(response: web.StreamResponse, now: float) -> None:
    """Sets the date of a response, and the headers that the request's fault requires, right before it is sent.

    Args:
        response: The response to the present request.
        now: The time of the service's clock.
    """
    fault = _present_fault.get()
    late = fault.by if fault is not None and fault.kind == "dated" else 0
    # A client whose own clock is wrong can take the time from this header.
    response.headers["Date"] = formatdate(now + late, usegmt=True)
    for name, value in ((fault and fault.headers) or {}).items():
        if value is None:
            response.headers.pop(name, None)
        else:
            response.headers[name] = value


def ignores_if_range(fault: Fault | None) -> bool:
    """Whether a range is served although the client has a part of another file."""
    return fault is not None and not fault.if_range


def revised(task: EmulatedTask, revision: int) -> EmulatedTask:
    """Returns a copy of a task whose result looks different."""
    if not revision:
        return task
    request = attrs.evolve(task.request, result=task.request.result.revised(revision))
    return attrs.evolve(task, task_id=str(int(task.task_id) + revision), request=request)


async def drain_body(request: web.Request, most: int = 100 * 2**20) -> None:
    """Receives the rest of a request's body, unless its announced length exceeds `most` bytes.

    Closing a connection while a body is arriving would reset it, and lose the answer.
    """
    if (request.content_length or 0) <= most:
        with contextlib.suppress(ConnectionError, web.PayloadAccessError, web.RequestPayloadError):
            async for _ in request.content.iter_chunked(2**16):
                pass


def _call(kind: CallKind, endpoint: str, request: web.Request) -> Call:
    keys = [request.match_info.get(name) for name in ("key", "task_id")]
    keys += [request.query.get(name) for name in ("task_ids", "external_task_ids")]
    return Call(
        kind=kind,
        endpoint=endpoint,
        method=request.method,
        path=request.path,
        headers={name.lower(): value for name, value in request.headers.items()},
        key=",".join(filter(None, keys)),
    )


def _reset(request: web.Request) -> web.Response:
    """Resets the connection; the returned response is not sent."""
    transport = request.transport
    if transport is not None:
        peer = transport.get_extra_info("socket")
        # Without lingering, closing sends RST instead of FIN.
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        transport.abort()
    return web.Response()


_NO_LINGERING: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
