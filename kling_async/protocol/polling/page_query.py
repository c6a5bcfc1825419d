"""A scan of the list in progress, and its next page."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

import attrs

from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.listing import ListScan
from kling_async.protocol.tasks import TaskStatus
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.requests import HttpRequest

PAGE_SECONDS: Final = 10.0
"""Timeout in seconds of a page of the list, and how long a task waits for pages before it is queried by id."""

_F = TypeVar("_F", bound=FollowedTask)


@attrs.define
class Scan(Generic[_F]):
    """A scan of the list in progress.

    Attributes:
        pages: which page to request, and whether another one follows.
        wanted: ids of the tasks for which the scan was begun.
        waiting: due tasks that wait for the scan, by id; some may have become due after it began.
        since: when the oldest task that it could answer was created; None if unknown.
        cursor: cursor of its next page, in a list with cursors.
    """

    pages: ListScan
    wanted: frozenset[str]
    waiting: dict[str, _F]
    since: datetime | None = None
    cursor: str | None = None


class PageQuery(NamedTuple, Generic[_F]):
    """A page of the list to request.

    Attributes:
        endpoint: endpoint that is listed.
        number: number of the page, from 1.
        size: number of tasks on a page.
        ends_at: when the request times out.
        known: returns the known status of a task that the page may update; None for all others.
        scan: the scan that the page belongs to.
    """

    endpoint: Endpoint
    number: int
    size: int
    ends_at: float
    known: Callable[[str], TaskStatus | None]
    scan: Scan[_F]

    @property
    def request(self) -> HttpRequest:
        """The HTTP request for the page."""
        if self.endpoint.generation is Generation.CURRENT:
            return requests.page_from(self.size, self.scan.cursor, since=self.scan.since)
        return requests.page(self.endpoint, self.number, self.size)


def outlives_a_page(followed: FollowedTask, now: float) -> bool:
    """Whether a page requested now is answered, or has timed out, by the task's deadline."""
    return now + PAGE_SECONDS <= followed.deadline_at
