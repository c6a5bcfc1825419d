"""One call: authorise, send, decipher, retry; and a create, brought to certainty by look-ups."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kling_async.clock import ServiceClock
from kling_async.protocol import auth, requests, responses
from kling_async.protocol.creation import Ask, Creation, Pause
from kling_async.protocol.durations import EDGES
from kling_async.protocol.endpoints import Endpoint
from kling_async.protocol.errors import (
    BadResponse,
    ConnectionFailed,
    KlingError,
    RequestRefused,
    TaskNotFound,
    TokenTimeError,
    UnknownStatus,
    row_for,
)
from kling_async.protocol.models import Reference, Task, TaskStatus
from kling_async.protocol.requests import HttpRequest
from kling_async.protocol.responses import HttpResponse, Listed
from kling_async.protocol.schedule import Retry, Uniform
from kling_async.slots import Slot
from kling_async.transport import Transport

logger = logging.getLogger("kling_async")

_T = TypeVar("_T")

_FULL = 1303  # no failure: the task waits its turn


class Api:
    """The service's calls, each with its errors typed.

    Args:
        transport: sends.
        credentials: of the account.
        clock: the service's time of day.
        retry: how calls that fail in passing are repeated.
        uniform: random numbers for the delays.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: auth.ApiKey | auth.KeyPair,
        clock: ServiceClock,
        retry: Retry,
        uniform: Uniform,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._retry = retry
        self._uniform = uniform
        self._token: auth.Token | None = None

    async def query(self, endpoint: Endpoint, task_id: str) -> Task:
        """Asks for one task, once.

        Raises:
            KlingError: as `responses.task`, and for no answer.
        """
        request = requests.query(endpoint, task_id)
        return await self._call(request, lambda response: responses.task(response, endpoint.name))

    async def get_task(self, endpoint: Endpoint, task_id: str) -> Task:
        """Asks for one task; failures in passing are retried for `retry.budget` seconds.

        Raises:
            TaskNotFound: the service does not know it.
            KlingError: as `query`.
        """
        reference = str(Reference(endpoint.name, task_id))
        try:
            return await self.persistently(lambda: self.query(endpoint, task_id))
        except (RequestRefused, TaskNotFound) as error:
            raise TaskNotFound(
                f"the service does not know this task: {error.message}",
                code=error.code,
                http_status=error.http_status,
                request_id=error.request_id,
                reference=reference,
            ) from None
        except KlingError as error:
            error.about(reference)
            raise

    async def page(self, endpoint: Endpoint, number: int, size: int) -> list[Task]:
        """Asks for one page of the list; failures in passing are retried.

        Raises:
            KlingError: as `query`.
        """
        request = requests.page(endpoint, number, size)
        return await self.persistently(
            lambda: self._call(request, lambda response: responses.tasks(response, endpoint.name))
        )

    async def listed(
        self, endpoint: Endpoint, number: int, size: int, known: Callable[[str], TaskStatus | None]
    ) -> Listed:
        """Asks for one page of the list, once, for those who wait for some of its tasks.

        Raises:
            KlingError: as `query`.
        """
        request = requests.page(endpoint, number, size)
        return await self._call(request, lambda response: responses.listed(response, endpoint.name, known))

    def service_time(self) -> float:
        """The service's time of day, as far as its answers tell: seconds since 1970."""
        return self._clock.wall() + self._clock.seen_offset

    def age_of(self, task: Task) -> float:
        """Seconds since the service accepted a task, as far as its answers tell; 0 where they do not."""
        if task.created_at is None:
            return 0.0
        age = self.service_time() - task.created_at.timestamp()
        return age if 0 < age < EDGES[-1] else 0.0  # else a clock is wrong, or it ended long ago

    async def persistently(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Repeats what failed in passing, until it has failed for `retry.budget` seconds."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + self._retry.budget
        for delay in self._retry.delays(self._uniform):
            try:
                return await attempt()
            except KlingError as error:
                if not passes(error) or loop.time() + delay > gives_up_at:
                    raise
            await self._transport.pause(delay)
        raise AssertionError("delays never end")

    async def create(self, endpoint: Endpoint, request: HttpRequest, creation: Creation, slot: Slot) -> Task:
        """Drives the create machine to its end.

        Args:
            endpoint: where.
            request: the create request, sent as often as the machine says.
            creation: the machine; it decides everything.
            slot: held; given back and waited for again when the account turns out to be full.

        Raises:
            KlingError: the machine's verdict.
        """
        loop = asyncio.get_running_loop()
        while True:
            match creation.next(loop.time()):
                case Task() as task:
                    return task
                case KlingError() as error:
                    raise error
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Ask.TAKE_SLOT:
                    await slot.wait_again()
                    creation.slot_taken()
                case Ask.SEND:
                    outcome = await self._outcome(self._send_create(endpoint, request, creation))
                    creation.answered(loop.time(), outcome)
                    if creation.undecided:
                        slot.in_doubt()
                    if isinstance(outcome, KlingError) and creation.error is not outcome and outcome.code != _FULL:
                        logger.warning("still creating %s: %s", creation.reference, outcome)
                case Ask.LOOK_UP:
                    outcome = await self._outcome(self.query(endpoint, creation.external_task_id))
                    creation.looked_up(loop.time(), outcome, self._clock.seen_offset)

    async def _send_create(self, endpoint: Endpoint, request: HttpRequest, creation: Creation) -> Task:
        return await self._call(
            request,
            lambda response: responses.task(response, endpoint.name),
            began=lambda: creation.sending(self._clock.wall()),
        )

    async def _outcome(self, attempt: Awaitable[Task]) -> Task | KlingError:
        try:
            return await attempt
        except KlingError as error:
            logger.debug("create: %s", error)
            return error

    async def _call(
        self, request: HttpRequest, read: Callable[[HttpResponse], _T], began: Callable[[], None] = lambda: None
    ) -> _T:
        """Sends with a token and reads the answer; a token that the clocks spoiled is renewed once."""
        token = self._valid_token()
        response = await self._send(request, token, began)
        try:
            return read(response)
        except TokenTimeError:
            if isinstance(self._credentials, auth.ApiKey):
                raise
            self._renew(token)
        response = await self._send(request, self._valid_token(), began)
        try:
            return read(response)
        except TokenTimeError as error:
            error.message = f"{error.message}; {self._clock.describe()}"
            raise

    async def _send(self, request: HttpRequest, token: auth.Token, began: Callable[[], None]) -> HttpResponse:
        response = await self._transport.send(request, token.header, began)
        self._clock.observe(responses.service_time(response))
        logger.debug("%s %s: HTTP %d", request.method, request.path, response.status)
        return response

    def _valid_token(self) -> auth.Token:
        now = self._clock.now()
        if self._token is None or now >= self._token.renew_at:
            self._token = auth.mint(self._credentials, now)
        return self._token

    def _renew(self, refused: auth.Token) -> None:
        # Many calls may learn at once that one token is refused: only the first makes the next.
        if self._token is refused:
            self._clock.correct()
            self._token = None


def passes(error: KlingError) -> bool:
    """Whether the same read may succeed when it is sent again."""
    if isinstance(error, ConnectionFailed):
        return True
    if isinstance(error, BadResponse):
        return not isinstance(error, UnknownStatus)
    return error.http_status is not None and row_for(error.http_status, error.code).transient
