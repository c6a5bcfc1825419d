"""Calls to the service: authorise, send, read, retry."""

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
"""Requests checked per iteration of the event loop; each check takes half a millisecond."""


class Api:
    """Calls to the service, with typed errors.

    Args:
        transport: sends the requests.
        credentials: of the account.
        wall: this machine's time of day, in seconds since 1970.
        retry: how calls are repeated after transient failures.
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
        """Secrets, besides credentials, that no text may show."""

    async def query(self, endpoint: Endpoint, task_id: str, *, by_external: bool = False) -> Task:
        """Queries one task, without retries.

        Args:
            endpoint: of the task.
            task_id: the second half of its reference.
            by_external: whether `task_id` is known to be the external id.

        Raises:
            KlingError: as `responses.task`, or there was no answer.
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
            task = await self._as_current(endpoint, task_id) if is_elsewhere and not by_external else None
            if task is None:
                raise
            return task

    async def _as_current(self, endpoint: Endpoint, task_id: str) -> Task | None:
        """Queries a raw task that its own path does not have as one of the current generation; None on failure."""
        try:
            request = requests.several([task_id])
            return await self.send(request, lambda response: several.one(response, endpoint.name, task_id))
        except KlingError:
            return None

    async def query_all(self, endpoint: Endpoint, names: Sequence[str]) -> Mapping[str, Task | KlingError]:
        """Queries several tasks of the current generation in one request, without retries.

        Args:
            endpoint: of the tasks.
            names: the second halves of their references.

        Returns:
            The tasks and errors that the answer contains, by the same names.

        Raises:
            KlingError: as `query`.
        """
        request = requests.several(names)
        return await self.send(request, lambda response: several.found(response, endpoint.name, names))

    async def get_task(self, endpoint: Endpoint, task_id: str, *, by_external: bool = False) -> Task:
        """Queries one task, as `query`; transient failures are retried for `retry.budget` seconds.

        Raises:
            TaskNotFound: the service has no such task.
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
        """Fetches one page of the list; transient failures are retried.

        Raises:
            KlingError: as `query`.
        """
        read = several.page if endpoint.generation is Generation.CURRENT else responses.tasks
        return await self.persistently(lambda: self.send(request, lambda response: read(response, endpoint.name)))

    async def listed(
        self, endpoint: Endpoint, request: HttpRequest, known: Callable[[str], TaskStatus | None]
    ) -> Listed:
        """Fetches one page of the list for the poller, without retries.

        Raises:
            KlingError: as `query`.
        """
        read = several.listed if endpoint.generation is Generation.CURRENT else responses.listed
        return await self.send(request, lambda response: read(response, endpoint.name, known))

    async def answer(self, request: HttpRequest) -> Any:
        """Sends a call that makes no task, without retries, and returns the `data` of its answer.

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
        """Sends a call that makes no task, and returns its value.

        A call that charges is repeated only if it certainly had no effect: it was never sent, or the service was too
        busy. Other calls are repeated for `retry.budget` seconds.

        Args:
            endpoint: of the call.
            request: to send.
            estimate: of its cost.
            on_send: called right before the first byte of each send.
            on_repeat: called with the error of the last send before a call that charges is repeated.

        Raises:
            CallInDoubt: the call charges, and its answer was lost.
            ClientClosed: the client was closed before it was sent.
            KlingError: as `query`.
        """
        sent_at: datetime | None = None
        is_lost = False  # the answer to a call that has an effect

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
        """Returns all problems of a request and its files, by the service's clock."""
        from kling_async.io.request_checks import problems_of  # noqa: PLC0415  (on first use: the rules take time)

        async with self._checks:  # a few per loop iteration: a thousand at once would block the loop
            await asyncio.sleep(0)
        return await self.persistently(lambda: problems_of(endpoint, request, self.service_time()))

    def time(self) -> float:
        """This machine's time of day: seconds since 1970."""
        return self._wall()

    @property
    def clock_offset(self) -> ClockOffset:
        """The offset of the service's clock, as observed in its answers."""
        return self._tokens.clock_offset

    def service_time(self) -> float:
        """The service's time of day, by the `Date` header of its answers: seconds since 1970."""
        return self._wall() + self._tokens.clock_offset.seen

    def task_time(self) -> float:
        """The latest `created_at` of a task that is made now, by the answers so far: seconds since 1970."""
        return self._wall() + self._tokens.clock_offset.of_tasks

    def task_clock_error(self) -> float:
        """Seconds by which a task may be younger than its `created_at`, by the answers so far."""
        return self._tokens.clock_offset.task_error

    async def persistently(
        self,
        attempt: Callable[[], Awaitable[_T]],
        *,
        may_repeat: Callable[[KlingError], bool] = lambda _: True,
        on_repeat: Callable[[KlingError], None] = lambda _: None,
    ) -> _T:
        """Repeats an attempt after transient failures; the last one begins `retry.budget` seconds after the first.

        Args:
            attempt: to repeat.
            may_repeat: whether a transient error may be retried.
            on_repeat: called with each error that will be retried.
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
        """Sends with a token and reads the answer; renews a token that is refused for its times.

        Args:
            request: to send.
            read: reads the answer.
            began: called right before the first byte of each send.

        Raises:
            KlingError: as `read`, or there was no answer.
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
        """Reads an answer without our secrets in its texts; a large one in a thread."""
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
        """Records that the service itself answered, and the time of its clock."""
        self._recognition.answered()
        self._tokens.clock_offset.observe(responses.service_time(response), self._wall())

    def _warn_of_clock(self) -> None:
        """Warns, once, that this machine's clock is wrong."""
        offset = self._tokens.clock_offset
        if offset.used and not self._clock_warned:
            self._clock_warned = True
            logger.warning(
                "%s; tokens are corrected for it, but set the clock right",
                offset.describe(),
                extra={"kling_event": "clock_corrected", "kling_seconds": offset.used},
            )
