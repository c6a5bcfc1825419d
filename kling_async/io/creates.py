"""Drives a create to a definite outcome: sends, looks up and searches as its state machine decides."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from kling_async.io.api import Api
from kling_async.io.slots import Slot
from kling_async.io.work_events import WorkEvents
from kling_async.protocol.create_recovery import Action, Create, Pause
from kling_async.protocol.create_search import NO_OTHERS, Others
from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.errors import BadResponse, KlingError
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire import requests, responses, several
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.requests import HttpRequest

logger = logging.getLogger("kling_async")

FindOthers = Callable[[Sequence[Task]], Awaitable[Others]]
"""Returns what is known about other clients that may have made some tasks."""

SEARCHED_PAGES: Final = 10
"""Maximum number of pages, of 500 tasks each, searched for a task whose id is unknown."""


class Creates:
    """The creates of one client.

    Args:
        api: sends the requests.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def drive(
        self,
        endpoint: Endpoint,
        request: HttpRequest,
        create: Create,
        slot: Slot,
        work_events: WorkEvents,
        *,
        find_others: FindOthers,
        must_hold: Callable[[], None] = lambda: None,
    ) -> Task:
        """Drives the state machine of a create to its end.

        Args:
            endpoint: of the create.
            request: the create request, sent as often as the machine decides.
            create: the state machine.
            slot: held by the create; released and waited for again if the account is full.
            work_events: of the create.
            find_others: returns what is known about other clients that may have made some tasks.
            must_hold: called right before each first byte; raises if another client may send the create.

        Raises:
            KlingError: the outcome that the machine decided.
        """
        loop = asyncio.get_running_loop()
        while True:
            match create.next(loop.time()):
                case Task() as task:
                    return task
                case KlingError() as error:
                    raise error
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Action.TAKE_SLOT:
                    await slot.wait_again()
                    create.slot_taken()
                case Action.SEND:
                    outcome = await self._outcome(self._send_create(endpoint, request, create, work_events, must_hold))
                    create.answered(loop.time(), outcome)
                    if create.undecided:
                        slot.in_doubt()
                    work_events.answered(create, outcome)
                case Action.LOOK_UP:
                    outcome = await self._outcome(self._api.query(endpoint, create.name, by_external=True))
                    work_events.looked_up()
                    create.looked_up(
                        loop.time(), outcome, self._api.clock_offset.of_tasks, self._api.time() - loop.time()
                    )
                case Action.SEARCH:
                    await self._search_for(endpoint, create, find_others)
                    work_events.looked_up()

    async def _search_for(self, endpoint: Endpoint, create: Create, find_others: FindOthers) -> None:
        """Lists the tasks of the account, finds out which clients made them, and passes both to the machine."""
        found, others = await self._search(endpoint, create.search_since), NO_OTHERS
        if not isinstance(found, KlingError):
            try:
                others = await find_others(found)
            except KlingError as error:
                found = error
        create.searched(asyncio.get_running_loop().time(), found, others)

    async def _search(self, endpoint: Endpoint, since: datetime) -> list[Task] | KlingError:
        """Lists all tasks since a time from this endpoint's pool; returns an error if the list may be incomplete."""
        found: list[Task] = []
        cursor = None
        filters = {"product_type": [endpoint.pool.value]}
        try:
            for _ in range(SEARCHED_PAGES):
                request = requests.page_from(500, cursor, since=since, filters=filters)
                page = await self._api.send(request, lambda response: several.whole_page(response, endpoint.name))
                found += page.tasks
                if (cursor := page.cursor) is None:
                    return found
        except KlingError as error:
            return error
        return BadResponse(f"the list is longer than {SEARCHED_PAGES} pages")

    async def _send_create(
        self,
        endpoint: Endpoint,
        request: HttpRequest,
        create: Create,
        work_events: WorkEvents,
        must_hold: Callable[[], None],
    ) -> Task:
        def read(response: HttpResponse) -> Task:
            if endpoint.generation is Generation.CURRENT:
                return several.created(response, endpoint.name, create.id_sent)
            return responses.created(response, endpoint.name, create.id_sent, raw=endpoint.is_raw)

        sent_at = self._api.time()

        def began() -> None:
            nonlocal sent_at
            must_hold()
            sent_at = self._api.time()
            counts_from = self._api.time() - asyncio.get_running_loop().time()
            create.sending(self._api.time(), self._api.clock_offset.of_tasks, counts_from)
            work_events.sent()

        task = await self._api.send(request, read, began)
        if create.shows_clock and task.created_at is not None:
            self._api.clock_offset.made(task.created_at.timestamp(), sent_at, self._api.time())
        return task

    async def _outcome(self, attempt: Awaitable[Task]) -> Task | KlingError:
        try:
            return await attempt
        except KlingError as error:
            logger.debug("create: %s", error)
            return error
