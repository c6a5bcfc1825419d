"""Queries of tasks: by their ids, or all within a period, page by page. Pure."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs.validators import instance_of

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.endpoint import CurrentEndpoint, Origin
from kling_async.emulator.service.errors import invalid

from .answers import WORDS

MOST_IDS: Final = 20
DEFAULT_LIMIT: Final = 100
MOST_TASKS: Final = 500
DAYS: Final = 30 * 86400.0
"""Length in seconds of a period without a start."""

LIST: Final = Origin(
    path="/tasks",
    members={
        "start_time": int,
        "end_time": int,
        "cursor": str,
        "limit": int,
        "filters": [{"key": str, "values": [str]}],
    },
)
"""The endpoint of lists."""

_BAD_CURSOR: Final = invalid("cursor is invalid")
_STATUSES: Final = ("submitted", "processing", "succeeded", "failed")
_PRODUCTS: Final = ("video", "image", "try_on")


def by_ids(account: AccountModel, query: Mapping[str, str], now: float, *, strict: bool = False) -> list[EmulatedTask]:
    """Returns the tasks with the requested ids, newest first; unknown ids are omitted.

    Args:
        account: The account.
        query: Contains `task_ids` or `external_task_ids`.
        now: Seconds since the epoch.
        strict: Whether only one of the two may be given, as documented.

    Raises:
        Refusal: 1201.
    """
    requested = {name: _ids(query.get(name, "")) for name in ("task_ids", "external_task_ids")}
    ids, external_ids = requested.values()
    if not ids and not external_ids:
        raise invalid("task_ids or external_task_ids is required")
    if strict and ids and external_ids:
        raise invalid("task_ids and external_task_ids can not be used at the same time")
    if len(ids) + len(external_ids) > MOST_IDS:
        raise invalid(f"task_ids and external_task_ids cannot exceed {MOST_IDS} in total")
    found = [account.known(key, now) for key in ids]
    found += [account.known(key, now, external=True) for key in external_ids]
    tasks = {task.task_id: task for task in reversed(found) if task is not None}
    if account.conditions.legacy_ids != "shown":
        of_legacy = [task.task_id for task in tasks.values() if not isinstance(task.endpoint, CurrentEndpoint)]
        if of_legacy and account.conditions.legacy_ids == "refused":
            raise invalid(f"Task not found by id: {of_legacy[0]}")
        tasks = {key: task for key, task in tasks.items() if key not in of_legacy}
    return sorted(tasks.values(), key=lambda task: task.created_at, reverse=True)


def _ids(text: str) -> list[str]:
    return [each for each in text.split(",") if each]


@attrs.frozen(kw_only=True)
class Window:
    """The selection of a list, which its cursor contains.

    Attributes:
        start: Milliseconds since the epoch on the wire: the earliest creation.
        end: Milliseconds since the epoch on the wire: the latest creation.
        filters: The requested filters.
        last: Id of the last task of the previous page, "" on the first one.
    """

    start: int = attrs.field(validator=instance_of(int))
    end: int = attrs.field(validator=instance_of(int))
    filters: list[dict[str, Any]] = attrs.field(validator=instance_of(list))
    last: str = attrs.field(default="", validator=instance_of(str))

    def cursor(self, last: str) -> str:
        """Returns the cursor of the page after a task."""
        return base64.urlsafe_b64encode(json.dumps([self.start, self.end, self.filters, last]).encode()).decode()


def page(account: AccountModel, body: Mapping[str, Any], now: float) -> tuple[list[EmulatedTask], str]:
    """Returns a page of tasks, newest first or shuffled, and the cursor of the next one, "" if there is none.

    Args:
        account: The account.
        body: Documented members of the request, unchecked.
        now: Seconds since the epoch.

    Raises:
        Refusal: 1201.
    """
    limit = fields.number(body, "limit", 1, MOST_TASKS)
    skew = account.conditions.clock_skew
    window = _window(body, now + skew)
    tasks = account.all_known(now)
    if window.last:
        tasks = _after(window.last, tasks)
    wanted = [
        task
        for task in tasks
        if window.start <= int((task.created_at + skew) * 1000) <= window.end and _passes(task, window.filters, now)
    ]
    shown = wanted[: int(limit or DEFAULT_LIMIT)]
    return shown, window.cursor(shown[-1].task_id) if len(wanted) > len(shown) else ""


def _window(body: Mapping[str, Any], now: float) -> Window:
    filters = [_filter(each) for each in fields.objects(body, "filters", limit=10)]
    if cursor := fields.text(body, "cursor"):
        window = _opened(cursor)
        if window.filters != filters:
            raise invalid("filters must be the same as those of the cursor")
        return window
    end = fields.member(body, "end_time", int)
    end = int(now * 1000) if end is None else end
    start = fields.member(body, "start_time", int)
    start = end - int(DAYS * 1000) if start is None else start
    if not start < end:
        raise invalid("start_time must be earlier than end_time")
    return Window(start=start, end=end, filters=filters)


def _opened(cursor: str) -> Window:
    try:
        start, end, filters, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return Window(start=start, end=end, filters=filters, last=last)
    except (TypeError, ValueError, RecursionError):
        raise _BAD_CURSOR from None


def _after(last: str, tasks: list[EmulatedTask]) -> list[EmulatedTask]:
    places = {task.task_id: place for place, task in enumerate(tasks)}
    if last not in places:
        raise _BAD_CURSOR
    return tasks[places[last] + 1 :]


def _filter(each: Mapping[str, Any]) -> dict[str, Any]:
    key = fields.choice(each, "key", ("status", "product_type"), "")
    values = fields.required(each, "values", list, "filters")
    known = {"status": _STATUSES, "product_type": _PRODUCTS}.get(key)
    if known is None:
        raise invalid("filters: key can not be null")
    for value in values:
        if value not in known:
            raise invalid(f"filters: {key} value '{value}' is invalid")
    return {"key": key, "values": values}


def _passes(task: EmulatedTask, filters: list[dict[str, Any]], now: float) -> bool:
    """Whether a task passes all filters; it passes a filter if it has any of the values."""
    status = task.status(now)
    facts = {"status": WORDS.get(status, status), "product_type": task.endpoint.pack.replace("-", "_")}
    return all(facts[each["key"]] in each["values"] for each in filters)
