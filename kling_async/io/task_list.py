"""All tasks of the account: the pages of the list as one iterator."""

import logging
from collections.abc import AsyncGenerator

from kling_async.io.api import Api
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire import requests

logger = logging.getLogger("kling_async")


async def all_tasks(api: Api, endpoint: Endpoint, page_size: int) -> AsyncGenerator[Task, None]:
    """Asks for page after page, and gives each task once.

    Args:
        api: asks.
        endpoint: whose tasks.
        page_size: tasks per request.

    Raises:
        KlingError: the service could not be asked.
    """
    seen: set[str] = set()
    warned = False
    for number in range(1, requests.PAGE_NUMBER_MAXIMUM + 1):
        page = await api.page(endpoint, requests.page(endpoint, number, page_size))
        if len(page.tasks) < page.length and not warned:
            warned = True
            logger.warning(
                "the list of %s has tasks that cannot be read; they are left out",
                endpoint.name,
                extra={"kling_event": "unreadable_tasks", "kling_page": number},
            )
        for task in page.tasks:
            if task.task_id not in seen:  # tasks made meanwhile push others to the next page
                seen.add(task.task_id)
                yield task
        if page.length < page_size:
            return
