"""A scan of the list that is under way, and the page of it that is asked for."""

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
"""Seconds that a page of the list may take, and that a task waits for pages before it is asked for singly."""

_F = TypeVar("_F", bound=FollowedTask)


@attrs.define
class Scan(Generic[_F]):
    """A scan of the list that is under way.

    Attributes:
        pages: which page to ask for, and whether another one follows.
        wanted: ids of the tasks for which it began.
        waiting: tasks that are due and wait for it, by id; some of them may have become due after it began.
        since: when the first of the tasks was made that it could answer; None where that is not known.
        cursor: where its next page begins, in a list that goes on by cursor.
    """

    pages: ListScan
    wanted: frozenset[str]
    waiting: dict[str, _F]
    since: datetime | None = None
    cursor: str | None = None


class PageQuery(NamedTuple, Generic[_F]):
    """A page of the list to ask for.

    Attributes:
        endpoint: whose list.
        number: of the page, from 1.
        size: tasks on a page.
        ends_at: when an answer is not waited for any more.
        known: tells the status of a task that the page may tell about; None for all others.
        scan: that the page is of, and that knows where it begins.
    """

    endpoint: Endpoint
    number: int
    size: int
    ends_at: float
    known: Callable[[str], TaskStatus | None]
    scan: Scan[_F]

    @property
    def request(self) -> HttpRequest:
        """What is sent."""
        if self.endpoint.generation is Generation.CURRENT:
            return requests.page_from(self.size, self.scan.cursor, since=self.scan.since)
        return requests.page(self.endpoint, self.number, self.size)


def outlives_a_page(followed: FollowedTask, now: float) -> bool:
    """Whether a page that is asked for now is there before the task's deadline."""
    return now + PAGE_SECONDS <= followed.deadline_at
