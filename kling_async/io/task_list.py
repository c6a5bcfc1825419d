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
"""Names of statuses that differ in the current generation."""


async def all_tasks(
    api: Api, endpoint: Endpoint, page_size: int, *, since: datetime | None = None, status: TaskStatus | None = None
) -> AsyncGenerator[Task, None]:
    """Fetches page after page, and yields each task once.

    Args:
        api: sends the requests.
        endpoint: of the tasks.
        page_size: tasks per request.
        since: earliest creation time; current generation only.
        status: of the tasks; current generation only.

    Raises:
        KlingError: a page could not be fetched.
        BadResponse: the list repeats a cursor.
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
            if task.task_id not in seen:  # tasks created meanwhile shift others to the next page
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
