"""One call: authorise, send, read, retry."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from kling_async.io.threads import in_thread
from kling_async.io.transport import Transport
from kling_async.protocol.auth import ApiKey, KeyPair, Token, TokenCache
from kling_async.protocol.call import CallEndpoint
from kling_async.protocol.clock_offset import ClockOffset
from kling_async.protocol.endpoint import LEGACY_PREFIX, Described, Endpoint, Generation
from kling_async.protocol.errors import BadResponse, ClientClosed, ConnectionFailed, KlingError, Problem, TokenTimeError
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.lifecycle import is_missing, not_found
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform, is_transient
from kling_async.protocol.send_failures import after_a_lost_answer, made_nothing, of_a_call, refused
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests, responses, several
from kling_async.protocol.wire.envelope import LARGE_BYTES, HttpResponse
from kling_async.protocol.wire.redacted import read_without
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.protocol.wire.responses import Listed, Page
from kling_async.protocol.wrong_address import Recognition

logger = logging.getLogger("kling_async")

_T = TypeVar("_T")

CHECKS_AT_ONCE: Final = 16
"""Requests checked in one turn of the loop, each for half a millisecond."""


class Api:
    """The service's calls, each with its errors typed.

    Args:
        transport: sends.
        credentials: of the account.
        wall: this machine's time of day, in seconds since 1970.
        retry: how calls that fail in passing are repeated.
        uniform: random numbers for the delays.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: ApiKey | KeyPair,
        wall: Callable[[], float],
        retry: Retry,
        uniform: Uniform,
    ) -> None:
        self._transport = transport
        self._wall = wall
        self._retry = retry
        self._uniform = uniform
        self._tokens = TokenCache(credentials)
        self._clock_warned = False
        self._recognition = Recognition()
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self.own_secrets: frozenset[str] = frozenset()
        """What no text may show besides credentials."""

    async def query(self, endpoint: Endpoint, task_id: str, *, by_external: bool = False) -> Task:
        """Asks for one task, once.

        Args:
            endpoint: of the task.
            task_id: the second half of its reference.
            by_external: whether that is known to be the caller's id.

        Raises:
            KlingError: as `responses.task`, and for no answer.
        """
        if endpoint.generation is Generation.CURRENT:
            request = requests.several([task_id])
            return await self.send(request, lambda response: several.one(response, endpoint.name, task_id))
        request = requests.query(endpoint, task_id)
        try:
            return await self.send(
                request, lambda response: responses.task(response, endpoint.name, task_id, by_external=by_external)
            )
        except KlingError as error:
            is_elsewhere = endpoint.is_raw and not endpoint.path.startswith(LEGACY_PREFIX) and error.http_status == 404
            told = await self._as_current(endpoint, task_id) if is_elsewhere and not by_external else None
            if told is None:
                raise
            return told

    async def _as_current(self, endpoint: Endpoint, task_id: str) -> Task | None:
        """A task that its own path does not tell: what is known of no path may be of the current generation."""
        try:
            request = requests.several([task_id])
            return await self.send(request, lambda response: several.one(response, endpoint.name, task_id))
        except KlingError:
            return None

    async def query_all(self, endpoint: Endpoint, names: Sequence[str]) -> Mapping[str, Task | KlingError]:
        """Asks for some tasks of the current generation, once, for those who wait for them.

        Args:
            endpoint: of the tasks.
            names: the second halves of their references.

        Returns:
            Those that the answer has, by the same names.

        Raises:
            KlingError: as `query`.
        """
        request = requests.several(names)
        return await self.send(request, lambda response: several.found(response, endpoint.name, names))

    async def get_task(self, endpoint: Endpoint, task_id: str, *, by_external: bool = False) -> Task:
        """Asks for one task, as `query`; failures in passing are retried for `retry.budget` seconds.

        Raises:
            TaskNotFound: the service does not know it.
            KlingError: as `query`.
        """
        reference = str(Reference(endpoint.name, task_id))
        try:
            return await self.persistently(lambda: self.query(endpoint, task_id, by_external=by_external))
        except KlingError as error:
            if is_missing(error):
                raise not_found(error, reference) from None
            error.about(reference)
            raise

    async def page(self, endpoint: Endpoint, request: HttpRequest) -> Page:
        """Asks for one page of the list; failures in passing are retried.

        Raises:
            KlingError: as `query`.
        """
        read = several.page if endpoint.generation is Generation.CURRENT else responses.tasks
        return await self.persistently(lambda: self.send(request, lambda response: read(response, endpoint.name)))

    async def listed(
        self, endpoint: Endpoint, request: HttpRequest, known: Callable[[str], TaskStatus | None]
    ) -> Listed:
        """Asks for one page of the list, once, for those who wait for some of its tasks.

        Raises:
            KlingError: as `query`.
        """
        read = several.listed if endpoint.generation is Generation.CURRENT else responses.listed
        return await self.send(request, lambda response: read(response, endpoint.name, known))

    async def answer(self, request: HttpRequest) -> Any:
        """Sends a call that makes no task, once, and gives the `data` of its answer.

        Raises:
            ClientClosed: the client was closed meanwhile.
            KlingError: as `query`.
        """
        try:
            return await self.send(request, responses.answer)
        except ConnectionFailed:
            if self._transport.closed:
                raise ClientClosed("the client was closed before the answer came; the call may have worked") from None
            raise

    async def call(
        self,
        endpoint: CallEndpoint,
        request: HttpRequest,
        estimate: Estimate,
        *,
        on_send: Callable[[], None] = lambda: None,
        on_repeat: Callable[[KlingError], None] = lambda _: None,
    ) -> Any:
        """Sends a call that makes no task, and gives its value.

        One that charges is sent again only where it surely did nothing: it never left, or the service was too busy. Any
        other is repeated for `retry.budget` seconds.

        Args:
            endpoint: where.
            request: to send.
            estimate: of what it costs.
            on_send: called right before the first byte of each send.
            on_repeat: called where it charges, and is going to be sent again, with what the last send came to.

        Raises:
            CallInDoubt: it charges, and its answer was lost.
            ClientClosed: the client was closed before it was sent.
            KlingError: as `query`.
        """
        sent_at: datetime | None = None
        is_lost = False  # an answer to something that has an effect

        def began() -> None:
            nonlocal sent_at
            sent_at = datetime.fromtimestamp(self._wall(), UTC)
            on_send()

        async def attempt() -> Any:
            nonlocal is_lost
            try:
                return await self.send(request, lambda response: responses.value(response, endpoint.read), began)
            except KlingError as error:
                if isinstance(error, ConnectionFailed) and self._transport.closed and not error.sent:
                    raise ClientClosed("the client was closed; nothing was sent") from None
                if is_lost:
                    raise after_a_lost_answer(error) from None
                is_lost = endpoint.has_effect and not (made_nothing(error) or refused(error))
                raise

        if not endpoint.charges:
            return await self.persistently(attempt)
        try:
            return await self.persistently(attempt, may_repeat=made_nothing, on_repeat=on_repeat)
        except KlingError as error:
            raise error if sent_at is None else of_a_call(error, endpoint.name, sent_at, estimate) from None
        except asyncio.CancelledError:
            if sent_at is not None:
                logger.warning(
                    "cancelled while calling %s: it may have been done, and be billed",
                    endpoint.name,
                    extra={"kling_event": "call_cancelled"},
                )
            raise

    async def problems_of(self, endpoint: Described, request: object) -> list[Problem]:
        """Finds all problems of a request, its files included, by the service's clock."""
        from kling_async.io.request_checks import problems_of  # noqa: PLC0415  (on first use: the rules take time)

        async with self._checks:  # some in each turn of the loop: a thousand at once would hold up all else
            await asyncio.sleep(0)
        return await self.persistently(lambda: problems_of(endpoint, request, self.service_time()))

    def time(self) -> float:
        """This machine's time of day: seconds since 1970."""
        return self._wall()

    @property
    def clock_offset(self) -> ClockOffset:
        """By how much the service's clock differs, as far as its answers tell."""
        return self._tokens.clock_offset

    def service_time(self) -> float:
        """The service's time of day, as far as the `Date` of its answers tells: seconds since 1970."""
        return self._wall() + self._tokens.clock_offset.seen

    def task_time(self) -> float:
        """The time that a task has at most that is made now, as far as answers tell: seconds since 1970."""
        return self._wall() + self._tokens.clock_offset.of_tasks

    def task_clock_error(self) -> float:
        """Seconds by which a task may be younger than its time says, by what answers have shown."""
        return self._tokens.clock_offset.task_error

    async def persistently(
        self,
        attempt: Callable[[], Awaitable[_T]],
        *,
        may_repeat: Callable[[KlingError], bool] = lambda _: True,
        on_repeat: Callable[[KlingError], None] = lambda _: None,
    ) -> _T:
        """Repeats what failed in passing; the last attempt begins `retry.budget` seconds after the first.

        Args:
            attempt: to repeat.
            may_repeat: whether it may be after an error that passes.
            on_repeat: called with each error after which it will be.
        """
        loop = asyncio.get_running_loop()
        attempts = self._retry.attempts(self._uniform, loop.time() + self._retry.budget)
        while True:
            try:
                return await attempt()
            except KlingError as error:
                delay = attempts.failed(loop.time()) if is_transient(error) and may_repeat(error) else None
                if delay is None:
                    raise
                logger.debug("%s; asking again", error, extra={"kling_event": "read_failed"})
                on_repeat(error)
            await self._transport.pause(delay)

    async def send(
        self, request: HttpRequest, read: Callable[[HttpResponse], _T], began: Callable[[], None] = lambda: None
    ) -> _T:
        """Sends with a token and reads the answer; a token that is refused for its times is renewed.

        Args:
            request: to send.
            read: reads the answer.
            began: called right before the first byte of each send.

        Raises:
            KlingError: as `read`, and for no answer.
        """
        renewals = 0
        while True:
            token = self._tokens.token(self._wall())
            try:
                return await self._exchange(request, read, token, began)
            except TokenTimeError as error:
                renew = self._tokens.refused(token, renewals)
                self._warn_of_clock()
                if not renew:
                    error.message = f"{error.message}; {self._tokens.clock_offset.describe()}"
                    raise
            renewals += 1

    async def _exchange(
        self, request: HttpRequest, read: Callable[[HttpResponse], _T], token: Token, began: Callable[[], None]
    ) -> _T:
        try:
            response = await self._transport.send(request, token.header, began)
            logger.debug("%s %s: HTTP %d", request.method, request.path, response.status)
            return await self._read(response, read, token)
        except BadResponse as error:
            if not error.foreign:
                raise
            raise self._recognition.foreign(asyncio.get_running_loop().time(), error) from None

    async def _read(self, response: HttpResponse, read: Callable[[HttpResponse], _T], token: Token) -> _T:
        """Reads an answer, a large one off the loop, without our secrets in its words."""
        secrets = self._secrets(token)
        try:
            if len(response.body) <= LARGE_BYTES:
                result = read_without(secrets, read, response)
            else:
                result = await in_thread(read_without, secrets, read, response)
        except KlingError as error:
            if not (isinstance(error, BadResponse) and error.foreign):
                self._remember(response)
            raise
        self._remember(response)
        return result

    def _secrets(self, token: Token) -> frozenset[str]:
        return self._tokens.secrets(token) | self._transport.secrets | self.own_secrets

    def called_back(self, body: bytes) -> Task:
        """Reads a callback, which names no endpoint, as `_read` reads an answer.

        Raises:
            BadResponse: it is no task.
        """
        secrets = self._secrets(self._tokens.token(self._wall()))
        return read_without(secrets, lambda sent: responses.callback(sent.body, ""), HttpResponse(200, {}, body))

    def _remember(self, response: HttpResponse) -> None:
        """Keeps what an answer of the service itself shows: that it is there, and its clock."""
        self._recognition.answered()
        self._tokens.clock_offset.observe(responses.service_time(response), self._wall())

    def _warn_of_clock(self) -> None:
        """Says once that this machine's clock is wrong."""
        offset = self._tokens.clock_offset
        if offset.used and not self._clock_warned:
            self._clock_warned = True
            logger.warning(
                "%s; tokens are corrected for it, but set the clock right",
                offset.describe(),
                extra={"kling_event": "clock_corrected", "kling_seconds": offset.used},
            )
