"""Builds a client from its parts; the public methods are in `client`."""

import abc
import asyncio
import functools
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

import aiohttp

from kling_async.handle import TaskHandle
from kling_async.io import refusals, threads
from kling_async.io.api import Api
from kling_async.io.callbacks import Callbacks
from kling_async.io.calls import Calls
from kling_async.io.config import (
    base_url_from,
    callback_url_from,
    check_arguments,
    credentials_from,
    proxies_from,
    refuse_current,
    warn_of_file_limit,
)
from kling_async.io.events import Events, OnEvent
from kling_async.io.lifetime import Lifetime
from kling_async.io.paged_list import PagedList
from kling_async.io.poller import Poller
from kling_async.io.slots import Slots
from kling_async.io.submission import OnIntent, SubmitOptions, Submitter
from kling_async.io.task_watch import TaskWatch
from kling_async.io.transport import Transport
from kling_async.io.work_events import Kept
from kling_async.protocol.call import Call
from kling_async.protocol.concurrency_limit import BEAT, Limit
from kling_async.protocol.endpoint import Endpoint, Generation, Request
from kling_async.protocol.errors import ConfigurationError, RequestRefused
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task
from kling_async.saving import Saving

if TYPE_CHECKING:
    from kling_async.io.budget import ClientBudget
    from kling_async.io.download import Downloads
    from kling_async.io.open_file import OpenFile
    from kling_async.journal.journal import AnyJournal
    from kling_async.journal.settling import Submitted
    from kling_async.journal.submission import JournalSubmitter
    from kling_async.protocol.budget import Budget

logger = logging.getLogger("kling_async")

T = TypeVar("T")


class ClientBase(abc.ABC):
    """The parts of a client, their lifetime, and the methods that its handles call.

    See `KlingClient` for the arguments.
    """

    _beat: ClassVar[float] = BEAT
    _is_durable: ClassVar[bool] = True

    def __init__(
        self,
        *,
        api_key: str | None,
        access_key: str | None,
        secret_key: str | None,
        base_url: str | None,
        concurrency: int,
        downloads: int,
        polling: Polling | AimedPolling | None,
        durations: Durations | None,
        retry: Retry | None,
        queue_deadline: float | None,
        on_intent: OnIntent | None,
        on_event: OnEvent | None,
        budget: "Budget | None",
        callback_url: str | None,
        session: aiohttp.ClientSession | None,
        clock: Callable[[], float],
    ) -> None:
        check_arguments(
            concurrency=concurrency,
            downloads=downloads,
            polling=polling,
            durations=durations,
            retry=retry,
            queue_deadline=queue_deadline,
            on_intent=on_intent,
            on_event=on_event,
            budget=budget,
            session=session,
            clock=clock,
        )
        self._credentials = credentials_from(api_key, access_key, secret_key)
        self._retry = retry or Retry()
        self._uniform = random.random
        self._lifetime = Lifetime()
        self._enter = self._lifetime.enter
        self._closing: asyncio.Task[None] | None = None
        self._base_url = base_url_from(base_url)
        self._transport = self._transport_of(session)
        warn_of_file_limit(concurrency + downloads)
        self._api = Api(self._transport, self._credentials, clock, self._retry, self._uniform)
        self._slots = self._slots_of(concurrency, queue_deadline)
        self.durations = durations if durations is not None else Durations()
        """How long tasks take, by kind, as observed by this client."""
        polling = polling if polling is not None else AimedPolling()
        self._events = Events(on_event, clock)
        self._poller = Poller(self._api, polling, self._retry, self._uniform, self.durations, events=self._events)
        callback_url, token = callback_url_from(callback_url, self._credentials)
        self.callbacks = Callbacks(token, self._api, self._poller, self._enter)
        """Applies callbacks that `kling_async.web` receives."""
        self._submitter = Submitter(
            self._api,
            self._slots,
            self._poller,
            retry=self._retry,
            uniform=self._uniform,
            on_intent=on_intent,
            callback_url=callback_url,
            events=self._events,
        )
        self._saved_at_once = downloads
        self._clock = clock
        self.concurrency = concurrency
        """Tasks in flight per `model_name`, as passed to the client."""
        self._budget = None if budget is None else self._budget_of(budget)
        self._works: JournalSubmitter | None = None
        self._calls = Calls(
            self._api, self._imported_downloads, self._enter, self._budget, self.check_current, events=self._events
        )
        self._saving = Saving(self._imported_downloads, self.get_task, self._events)

    @abc.abstractmethod
    async def get_task(self, reference: str) -> Task:
        """Queries a task once, to refresh a file address that has expired."""

    # ----------------------------------------------------------------------------------------- journal

    def _use_journal(self, journal: "AnyJournal | str | PathLike[str]") -> None:
        from kling_async.journal import budget, client_journal, submission  # noqa: PLC0415  (not without a journal)

        given = self._budget.budget if self._budget is not None else None
        mine = client_journal.ClientJournal.of(journal, self._clock, given)
        if self._works is not None:
            if self._works.journal.journal.place != mine.journal.place:
                raise ConfigurationError(f"this client has another journal: {self._works.journal.journal.place}")
            return
        self._works = submission.JournalSubmitter(
            mine,
            self._submitter,
            self._api,
            self.start_watching,
            poller=self._poller,
            callbacks=self.callbacks,
        )
        if self._budget is not None:
            self._budget.account = budget.InJournal(mine, self._budget.budget.terms.name)

    def _budget_of(self, budget: "Budget") -> "ClientBudget":
        from kling_async.io.budget import ClientBudget, InMemory  # noqa: PLC0415  (not without a budget)

        return ClientBudget(budget, InMemory(budget, self._clock))

    @property
    def works(self) -> "JournalSubmitter":
        """The submitter that works with the client's journal, for batches.

        Raises:
            ConfigurationError: the client has no journal.
        """
        if self._works is None:
            raise ConfigurationError("this client has no journal: KlingClient(journal='clips.sqlite')")
        return self._works

    # ---------------------------------------------------------------------------------------- requests

    async def _submit(self, request: Request, options: SubmitOptions) -> TaskHandle:
        endpoint = refusals.endpoint_that_takes(request)
        self._check_generation(endpoint)
        refusals.check_options(options, request, journal=self._works is not None)
        problems = await self._api.problems_of(endpoint, request)
        strict = options.get("strict", True)
        refuse = functools.partial(refusals.refuse, problems, strict=strict)
        if options.get("key") is None or not all(problem.comes_with_time for problem in problems):
            refuse()
            refuse = functools.partial(refusals.refuse, (), strict=strict)
        try:
            if self._works is not None:
                return self._handle_of(await self._works.submit(endpoint, request, options, refuse))
            reserved = None if self._budget is None else self._budget.record(endpoint, request)
            watch = await self._submitter.submit(endpoint, request, options, reserved)
        except RequestRefused as error:
            refusals.name_the_models(error, endpoint, request)
            raise
        return TaskHandle(self, watch.reference, watch)

    def listed(self, request: Call[list[T]]) -> PagedList[T]:
        """Returns a list that is loaded page by page; called by methods such as `preset_voices`.

        Raises:
            InvalidRequest: the documentation forbids the request.
            ClientClosed: the client is closed.
        """
        self._enter()
        return self._calls.listed(request)

    # --------------------------------------------------------------------------------- for the handles

    def start_watching(self, reference: Reference, *, own: bool = False, work: "Kept | None" = None) -> TaskWatch:
        """Starts following an attached task; returns the existing watch if this client already follows it.

        Args:
            reference: of the task.
            own: whether no other client of the journal is known to follow the task.
            work: the journal's record of the task.
        """
        self._enter()
        self._check_generation(refusals.endpoint_of_reference(reference))
        watch = self._poller.find(reference)
        if watch is None:
            pack = refusals.endpoint_of_reference(reference).pack
            self._slots.attach(pack)
            detach = functools.partial(self._slots.detach, pack)
            works = None if own else self._works
            watch = self._poller.follow(reference, created=None, held=works is not None, on_end=detach)
            if works is not None:
                works.neighbours.hold(watch)
            self._events.attached(watch, work)
        return watch

    async def save_all(
        self,
        handle: TaskHandle,
        path: str | PathLike[str] | None,
        *,
        watermark: bool,
        overwrite: bool,
        several: bool | None = None,
    ) -> list[Path]:
        """Saves a handle's files, for `TaskHandle.save` and `TaskHandle.save_all`."""
        self._enter()
        return await self._saving.save_all(handle, path, watermark=watermark, overwrite=overwrite, several=several)

    def stream(self, handle: TaskHandle, *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """Streams a handle's first file, for `TaskHandle.stream`."""
        self._enter()
        return self._saving.stream(handle, watermark=watermark)

    def open_file(
        self, handle: TaskHandle, *, method: str, headers: Mapping[str, str], watermark: bool
    ) -> "AbstractAsyncContextManager[OpenFile]":
        """Answers a request for a handle's first file, for `TaskHandle.open`."""
        self._enter()
        return self._saving.open_file(handle, method=method, headers=headers, watermark=watermark)

    # ------------------------------------------------------------------------------------------ inside

    def _slots_of(self, concurrency: int, queue_deadline: float | None) -> Slots:
        return Slots(lambda: Limit(concurrency, self._beat, self._uniform), queue_deadline)

    def _transport_of(self, session: aiohttp.ClientSession | None) -> Transport:
        return Transport(self._base_url, session, proxies_from())

    def check_current(self) -> None:
        """Checks that the client's credentials and host support the current generation; `model` and `submit` call it.

        Raises:
            ConfigurationError: they do not.
        """
        refuse_current(self._credentials, self._base_url)

    def _check_generation(self, endpoint: Endpoint) -> None:
        if endpoint.generation is Generation.CURRENT:
            self.check_current()

    def _parsed(self, reference: str) -> Reference:
        parsed = refusals.parse_reference(reference)
        self._check_generation(refusals.endpoint_of_reference(parsed))
        return parsed

    async def _imported_downloads(self) -> "Downloads":
        await threads.imported("kling_async.io.download")
        return self._downloads

    @functools.cached_property
    def _downloads(self) -> "Downloads":
        from kling_async.io.download import Downloads  # noqa: PLC0415  (on first use: saves begin minutes after start)

        return Downloads(
            self._transport,
            self._saved_at_once,
            self._retry,
            self._uniform,
            self._api.service_time,
            durable=self._is_durable,
        )

    def _handle_of(self, submitted: "Submitted") -> TaskHandle:
        return TaskHandle(self, submitted.reference, submitted.watch, submitted.record)

    # -------------------------------------------------------------------------------------------- life

    async def _close(self) -> None:
        try:
            await self._submitter.under_way.close()
        finally:
            unfinished = [str(watch.reference) for watch in self._poller.unfinished()]
            if unfinished:
                # With a journal nothing is lost: the next client that opens it continues.
                logger.log(
                    logging.WARNING if self._works is None else logging.INFO,
                    "closed with %d unfinished: %s",
                    len(unfinished),
                    ", ".join(unfinished),
                    extra={"kling_event": "closed_unfinished", "kling_references": unfinished},
                )
            await self._saving.close()
            if self._works is not None:
                await self._works.neighbours.close()
            if self._lifetime.began:
                await self._poller.close()
            if self._works is not None:
                await self._works.journal.close()
            await self._transport.close()
            self._lifetime.leave()
