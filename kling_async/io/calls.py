"""Calls that make no task: checks, sending, and what their values can do afterwards."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from kling_async.io import refusals
from kling_async.io.api import Api
from kling_async.io.events import Events, emit_saved
from kling_async.io.paged_list import PagedList, by_cursor, by_number
from kling_async.io.work_events import WorkEvents
from kling_async.protocol.call import Call, CallEndpoint, CursorListEndpoint, HasFiles, ListEndpoint
from kling_async.protocol.endpoint import Generation
from kling_async.protocol.errors import KlingError
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests

if TYPE_CHECKING:
    from pathlib import PurePath

    from kling_async.io.budget import ClientBudget
    from kling_async.io.download import Downloads
    from kling_async.protocol.results import Audio

T = TypeVar("T")


class Calls:
    """The calls of one client.

    Args:
        api: sends the calls.
        downloads: of the client, created when the first file is saved.
        enter: checks that the client can be used.
        budget: of the client.
        check_current: raises if the client cannot use the current generation.
        events: of the client.
    """

    def __init__(
        self,
        api: Api,
        downloads: "Callable[[], Awaitable[Downloads]]",
        enter: Callable[[], None],
        budget: "ClientBudget | None",
        check_current: Callable[[], None],
        *,
        events: Events,
    ) -> None:
        self._api = api
        self._downloads = downloads
        self._enter = enter
        self._budget = budget
        self._check_current = check_current
        self._events = events

    async def value_of(self, request: Call[T]) -> T:
        """Sends a call, and returns its value.

        Raises:
            KlingError: as `KlingClient.submit`.
        """
        from kling_async.protocol.raw import RawCall  # noqa: PLC0415  (on first use: its rules take time)

        call: Any = request
        if isinstance(call, RawCall):
            return cast("T", await self._api.answer(refusals.raw_call(call)))
        endpoint = refusals.call_endpoint_that_takes(call)
        if isinstance(endpoint, ListEndpoint | CursorListEndpoint):
            return cast("T", await self.listed(call))
        refusals.refuse(await self._api.problems_of(endpoint, call), strict=True)
        sent = requests.of_call(endpoint, call)
        send = functools.partial(self._api.call, endpoint, sent, endpoint.estimate(call))
        work_events = self._events.of(endpoint.name)
        value = await (self._paid(endpoint, call, send, work_events) if endpoint.charges else send())
        saver = functools.partial(self._save_audio, work_events)
        return cast("T", value.with_saver(saver) if isinstance(value, HasFiles) else value)

    async def _paid(
        self, endpoint: CallEndpoint, call: Any, send: Callable[..., Awaitable[Any]], work_events: WorkEvents
    ) -> Any:
        """Sends a call that charges, emits its events, and returns its value."""
        sends = 0

        def on_send() -> None:
            nonlocal sends
            sends += 1
            work_events.sent()

        paying = functools.partial(send, on_send=on_send, on_repeat=work_events.repeated)
        try:
            value = await (self._budget.paying(endpoint, call, paying) if self._budget is not None else paying())
        except BaseException as error:
            work_events.not_created(error, undecided=sends > 0 and isinstance(error, asyncio.CancelledError))
            raise
        work_events.called(value.cost)
        return value

    def listed(self, request: Call[list[T]]) -> PagedList[T]:
        """Returns a list that is fetched page by page.

        Raises:
            InvalidRequest: the documentation forbids the request.
            ConfigurationError: the list is of the current generation, which needs an API key.
        """
        endpoint, record = refusals.list_endpoint_that_takes(request), cast("Any", request)
        if endpoint.generation is Generation.CURRENT:
            self._check_current()
        refusals.refuse(endpoint.problems(record, {}), strict=True)
        if isinstance(endpoint, ListEndpoint):
            return PagedList(lambda: by_number(self._api, endpoint, record.page_size))
        return PagedList(lambda: by_cursor(self._api, endpoint, record))

    async def _save_audio(
        self, work_events: WorkEvents, audio: "Audio", path: "str | PurePath", *, overwrite: bool
    ) -> Path:
        """Saves the sound of a call; its address cannot be refreshed, since there is no task to query."""
        self._enter()
        task = Task(task_id=audio.id, status=TaskStatus.SUCCEED, endpoint="", audios=(audio,))

        async def refresh() -> Task:
            return task

        downloads = await self._downloads()
        reserved = downloads.reserve(path, audio.id, watermark=False, overwrite=overwrite, kind=ResultKind.AUDIO)
        try:
            async with reserved as place:
                work_events.saving(watermark=False)
                begun = asyncio.get_running_loop().time()
                try:
                    saved, *_ = await downloads.save(task, place, refresh, watermark=False, overwrite=overwrite)
                except BaseException as error:
                    work_events.not_saved(error, asyncio.get_running_loop().time() - begun)
                    raise
                await emit_saved(work_events, [saved], begun)
                return saved
        except KlingError as error:
            error.reference = None
            raise
