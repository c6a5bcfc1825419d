"""Makes faults happen: what comes between a request and its answer, on real connections.

Time passes on the event loop here, in `asyncio.sleep`, so that tests whose loop has a time of its own need not wait.
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

from .false_answers import not_the_service, reshaped_answer
from .fault import Fault
from .kinds import CallKind
from .rules import Call, Faults

Answer = Callable[[web.Request], Awaitable[web.Response]]
Sleep = Callable[[float], Awaitable[None]]
Serve = Callable[[web.Request, Fault | None, int, Sleep], Awaitable[web.StreamResponse]]

# A reset discards what is under way, so that what was sent gets a moment to arrive.
_FLIGHT_SECONDS: Final = 0.05

# Each request is handled by a task, and so has a context, of its own.
_present_fault: ContextVar[Fault | None] = ContextVar("kling_async_emulator_fault", default=None)
_delay: ContextVar[float] = ContextVar("kling_async_emulator_delay", default=0.0)


class Injector:
    """Stands before the handlers of one run of the server.

    Args:
        faults: What goes wrong.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._waiting: set[asyncio.Task[None]] = set()

    async def close(self, _app: web.Application) -> None:
        """End what waits; the server does not know handlers any more whose clients have gone."""
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
        """Answer a call to the API, with the fault that happens to it.

        Args:
            kind: What it is for.
            endpoint: The name of the endpoint, "" if it is none where tasks are made.
            request: The call.
            answer: Takes effect, and gives the answer.
            refuse: Words a refusal.
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
            await take_the_rest(request)
        await self._sleep(fault.wait)
        if fault.kind == "error":
            return refuse(Refusal(fault.code, fault.message))
        if fault.kind in {"gateway", "foreign"}:
            return not_the_service(fault)
        if whole is None or (fault.kind == "reset" and fault.share is None):
            return _reset(request)
        return await self._send_altered(request, whole, fault)

    async def file(self, request: web.Request, serve: Serve) -> web.StreamResponse:
        """Serve a result file, with the fault that happens to it.

        Args:
            request: The call.
            serve: Serves it, as the fault wants as far as headers and bytes go.
        """
        fault = self._faults.fault_for(_call("file", "", request))
        if fault is not None:
            _present_fault.set(fault)
            await self._sleep(fault.wait)
            if fault.kind in {"gateway", "foreign"}:
                return not_the_service(fault)
            if fault.kind == "reset" and fault.share is None:
                return _reset(request)
            if fault.kind == "changed":
                self._faults.revisions[request.path] += 1
        response = await serve(request, fault, self._faults.revisions[request.path], self._sleep)
        if fault is not None and response.prepared:
            await self._end(request, response, fault)
        return response

    async def hold(self) -> None:
        """Wait before an effect, where its call is delayed: all that it needs has been received by then."""
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
        """Give or send the true answer, as far as a fault lets it be."""
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
        await self._sleep(_FLIGHT_SECONDS)  # so that the connection waits for its next request by then
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
        """Do what comes after the part that went out."""
        with contextlib.suppress(ConnectionError):
            await response.write_eof()  # where nothing else went out, this sends the headers
        if fault.kind == "reset":
            await self._sleep(_FLIGHT_SECONDS)
            _reset(request)
        elif fault.kind == "stall":
            await self._fall_silent(request, fault.seconds)
            _reset(request)
        elif fault.kind == "wrong_length" and request.transport is not None:
            request.transport.close()  # with a clean end, too early

    async def _fall_silent(self, request: web.Request, seconds: float) -> None:
        """Wait until the client has gone, and look after it ever more rarely: virtual time has much of it."""
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
    """Give a response that was not prepared yet the length that a fault wants.

    Args:
        response: Has its true length.
        fault: What goes wrong, if anything.
        start: The first byte.
        end: The byte after the last.

    Returns:
        The byte after the last that goes out.
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
    """Give a response, right before it goes out, its date, and the headers that the request's fault wants.

    Args:
        response: To the present request.
        now: The time that the service believes it is.
    """
    fault = _present_fault.get()
    late = fault.by if fault is not None and fault.kind == "dated" else 0
    # A client whose own clock is wrong can learn the time from here.
    response.headers["Date"] = formatdate(now + late, usegmt=True)
    for name, value in ((fault and fault.headers) or {}).items():
        if value is None:
            response.headers.pop(name, None)
        else:
            response.headers[name] = value


def ignores_if_range(fault: Fault | None) -> bool:
    """Tell whether a range is served although the client has a part of another file."""
    return fault is not None and not fault.if_range


def revised(task: EmulatedTask, revision: int) -> EmulatedTask:
    """Give a task like another one, whose result looks different."""
    if not revision:
        return task
    request = attrs.evolve(task.request, result=task.request.result.revised(revision))
    return attrs.evolve(task, task_id=str(int(task.task_id) + revision), request=request)


async def take_the_rest(request: web.Request, most: int = 100 * 2**20) -> None:
    """Receive what was not received of a body, unless it is announced to be large.

    Closing on a body that is still coming would reset the connection, and lose the answer with it.
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
    """Reset the connection; the response that this gives goes nowhere."""
    transport = request.transport
    if transport is not None:
        peer = transport.get_extra_info("socket")
        # Without lingering, closing resets instead of saying goodbye.
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        transport.abort()
    return web.Response()


_NO_LINGERING: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
