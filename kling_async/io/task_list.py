"""All tasks of the account: the pages of a list as one iterator."""

import logging
from collections.abc import AsyncGenerator
from datetime import datetime

from kling_async.io.api import Api
from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.errors import BadResponse
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.responses import Page

logger = logging.getLogger("kling_async")

_CURRENT_WORDS = {TaskStatus.SUCCEED: "succeeded"}
"""What the current generation calls a status, where that differs."""


async def all_tasks(
    api: Api, endpoint: Endpoint, page_size: int, *, since: datetime | None = None, status: TaskStatus | None = None
) -> AsyncGenerator[Task, None]:
    """Asks for page after page, and gives each task once.

    Args:
        api: asks.
        endpoint: whose tasks.
        page_size: tasks per request.
        since: when they were made at the earliest; of the current generation only.
        status: that they have; of the current generation only.

    Raises:
        KlingError: the service could not be asked.
        BadResponse: its list goes in a circle.
    """
    seen: set[str] = set()
    warned = False
    is_current = endpoint.generation is Generation.CURRENT
    pages = _by_cursor(api, endpoint, page_size, since, status) if is_current else _by_number(api, endpoint, page_size)
    async for page in pages:
        if len(page.tasks) < page.length and not warned:
            warned = True
            logger.warning(
                "the list of %s has tasks that cannot be read; they are left out",
                endpoint.name,
                extra={"kling_event": "unreadable_tasks"},
            )
        for task in page.tasks:
            if task.task_id not in seen:  # tasks made meanwhile push others to the next page
                seen.add(task.task_id)
                yield task


async def _by_number(api: Api, endpoint: Endpoint, page_size: int) -> AsyncGenerator[Page, None]:
    for number in range(1, requests.PAGE_NUMBER_MAXIMUM + 1):
        page = await api.page(endpoint, requests.page(endpoint, number, page_size))
        yield page
        if page.length < page_size:
            return


async def _by_cursor(
    api: Api, endpoint: Endpoint, page_size: int, since: datetime | None, status: TaskStatus | None
) -> AsyncGenerator[Page, None]:
    filters = {} if status is None else {"status": [_CURRENT_WORDS.get(status, status.value)]}
    cursor, cursors = None, set[str]()
    while True:
        request = requests.page_from(page_size, cursor, since=since, filters=filters)
        page = await api.page(endpoint, request)
        yield page
        cursor = page.cursor
        if cursor is None:
            return
        if cursor in cursors:
            raise BadResponse(f"the list of {endpoint.name} goes in a circle: a cursor came twice")
        cursors.add(cursor)
