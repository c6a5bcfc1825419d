"""One call: authorise, send, decipher, retry; and a create, brought to certainty by look-ups."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kling_async.io.slots import Slot
from kling_async.io.threads import in_thread
from kling_async.io.transport import Transport
from kling_async.protocol import auth
from kling_async.protocol.clock_offset import ClockOffset
from kling_async.protocol.create import Ask, Create, Pause
from kling_async.protocol.endpoints import Endpoint
from kling_async.protocol.errors import BadResponse, KlingError, TokenTimeError
from kling_async.protocol.lifecycle import is_missing, not_found, passes
from kling_async.protocol.recognition import Recognition
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests, responses
from kling_async.protocol.wire.redacted import read_without
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.protocol.wire.responses import HttpResponse, Listed, Page

logger = logging.getLogger("kling_async")

_T = TypeVar("_T")

_FULL = 1303  # no failure: the task waits its turn

MOST_RENEWALS = 2
"""Tokens made anew for one call at most."""


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
        credentials: auth.ApiKey | auth.KeyPair,
        wall: Callable[[], float],
        retry: Retry,
        uniform: Uniform,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._wall = wall
        self._retry = retry
        self._uniform = uniform
        self._token: auth.Token | None = None
        self._clock_offset = ClockOffset()
        self._clock_warned = False
        self._recognition = Recognition()

    async def query(self, endpoint: Endpoint, task_id: str) -> Task:
        """Asks for one task, once.

        Raises:
            KlingError: as `responses.task`, and for no answer.
        """
        request = requests.query(endpoint, task_id)
        return await self._call(request, lambda response: responses.task(response, endpoint.name, task_id))

    async def get_task(self, endpoint: Endpoint, task_id: str) -> Task:
        """Asks for one task; failures in passing are retried for `retry.budget` seconds.

        Raises:
            TaskNotFound: the service does not know it.
            KlingError: as `query`.
        """
        reference = str(Reference(endpoint.name, task_id))
        try:
            return await self.persistently(lambda: self.query(endpoint, task_id))
        except KlingError as error:
            if is_missing(error):
                raise not_found(error, reference) from None
            error.about(reference)
            raise

    async def page(self, endpoint: Endpoint, number: int, size: int) -> Page:
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
        return self._wall() + self._clock_offset.seen

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
                logger.debug("%s; asking again", error, extra={"kling_event": "read_failed"})
            await self._transport.pause(delay)
        raise AssertionError("delays never end")

    async def create(self, endpoint: Endpoint, request: HttpRequest, creation: Create, slot: Slot) -> Task:
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
                        logger.warning(
                            "still creating %s: %s",
                            creation.reference,
                            outcome,
                            extra={"kling_event": "create_failed", "kling_reference": creation.reference},
                        )
                case Ask.LOOK_UP:
                    outcome = await self._outcome(self.query(endpoint, creation.external_task_id))
                    creation.looked_up(loop.time(), outcome, self._clock_offset.seen)

    async def _send_create(self, endpoint: Endpoint, request: HttpRequest, creation: Create) -> Task:
        return await self._call(
            request,
            lambda response: responses.created(response, endpoint.name, creation.external_task_id),
            began=lambda: creation.sending(self._wall()),
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
        """Sends with a token and reads the answer; a token that the clocks spoiled is renewed.

        Once, and once more where the second answer shows another time than the first: that one was wrong.
        """
        for renewals in range(MOST_RENEWALS + 1):
            token = self._valid_token()
            try:
                return await self._exchange(request, read, token, began)
            except TokenTimeError as error:
                changed = isinstance(self._credentials, auth.KeyPair) and self._renew(token)
                last = renewals == MOST_RENEWALS or isinstance(self._credentials, auth.ApiKey)
                if last or (renewals and not changed):
                    error.message = f"{error.message}; {self._clock_offset.describe()}"
                    raise
        raise AssertionError("the last try ends it")

    async def _exchange(
        self, request: HttpRequest, read: Callable[[HttpResponse], _T], token: auth.Token, began: Callable[[], None]
    ) -> _T:
        try:
            response = await self._transport.send(request, token.header, began)
            logger.debug("%s %s: HTTP %d", request.method, request.path, response.status)
            return await self._heard(response, read, token)
        except BadResponse as error:
            if not error.foreign:
                raise
            raise self._recognition.foreign(asyncio.get_running_loop().time(), error) from None

    async def _heard(self, response: HttpResponse, read: Callable[[HttpResponse], _T], token: auth.Token) -> _T:
        """Reads an answer, a large one off the loop, without our secrets in its words."""
        secrets = auth.secrets_of(self._credentials, token) | self._transport.secrets
        try:
            if len(response.body) <= responses.LARGE_BYTES:
                result = read_without(secrets, read, response)
            else:
                result = await in_thread(read_without, secrets, read, response)
        except KlingError as error:
            if not (isinstance(error, BadResponse) and error.foreign):
                self._remember(response)
            raise
        self._remember(response)
        return result

    def _remember(self, response: HttpResponse) -> None:
        """Keeps what an answer of the service itself shows: that it is there, and its clock."""
        self._recognition.answered()
        self._clock_offset.observe(responses.service_time(response), self._wall())

    def _valid_token(self) -> auth.Token:
        now = self._wall() + self._clock_offset.used
        if self._token is None or now >= self._token.renew_at:
            self._token = auth.mint(self._credentials, now)
        return self._token

    def _renew(self, refused: auth.Token) -> bool:
        """Drops a refused token; returns whether the next one differs in more than its time.

        Many calls may meet the same refusal at once: only the first makes the next token.
        """
        if self._token is not refused:
            return True
        self._token = None
        changed = self._clock_offset.correct()
        if changed and self._clock_offset.used and not self._clock_warned:
            self._clock_warned = True
            logger.warning(
                "%s; tokens are corrected for it, but set the clock right",
                self._clock_offset.describe(),
                extra={"kling_event": "clock_corrected", "kling_seconds": self._clock_offset.used},
            )
        return changed
