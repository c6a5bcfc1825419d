"""The account's deductions, page by page: from its packs, and in money. There is no lag."""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

import attrs
from attrs.validators import and_, deep_mapping, ge, instance_of, le

from kling_async.emulator.account.task import EmulatedTask, no_link, worth
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.answers import milliseconds
from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.current.contents import VIDEOS, unchecked_types
from kling_async.emulator.service.endpoint import PACKS, Body
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.synchronous import CallContext, CallEndpoint

from .account_costs import pack_id, pack_name

_MEMBERS: Final[dict[str, Any]] = {
    "start_time": int,
    "end_time": int,
    "limit": int,
    "filters": [{"key": str, "values": [str]}],
    "cursor": str,
}
_MOST: Final = 500
_KEY_NAME: Final = "emulator"
_RESOLUTIONS: Final = {"std": "720p", "pro": "1080p"}
_VIDEO_MEMBERS: Final = {"video_list", "video_url", "video_id"}

Detail = dict[str, Any]
Rows = Callable[[CallContext], Iterator[Detail]]


@attrs.frozen(kw_only=True)
class Window:
    """The selection of a list, which its cursor contains.

    Attributes:
        start: Milliseconds since the epoch: the earliest deduction.
        end: Milliseconds since the epoch: the latest deduction.
        limit: Deductions per page.
        filters: Accepted values by key.
        last: The task of the last deduction of the previous page, "" on the first one.
    """

    start: int = attrs.field(validator=instance_of(int))
    end: int = attrs.field(validator=instance_of(int))
    limit: int = attrs.field(validator=and_(instance_of(int), ge(1), le(_MOST)))
    filters: dict[str, list[str]] = attrs.field(validator=deep_mapping(instance_of(str), instance_of(list)))
    last: str = attrs.field(default="", validator=instance_of(str))

    def passes(self, detail: Detail, names: Mapping[str, str]) -> bool:
        """Whether a deduction matches; `names` are the packs' names by id, for filters by name."""
        known = detail | {"package_name": names.get(detail.get("package_id", ""))}
        matches = all(known.get(key) in values for key, values in self.filters.items())
        return matches and self.start <= int(detail["deduction_time"]) <= self.end


def _billed(rows: Rows, keys: tuple[str, ...], body: Body, context: CallContext) -> dict[str, Any]:
    """Answers a list, newest first; `next_cursor` and `has_more` are next to the result, not in it."""
    cursor = fields.text(body, "cursor")
    window = _opened(cursor) if cursor else _window(body, keys)
    details = [*rows(context)][::-1]
    if window.last:
        after = itertools.dropwhile(lambda detail: detail["task_id"] != window.last, details)
        details = list(after)[1:]
    names = {pack_id(pack): pack_name(pack, context) for pack in PACKS}
    wanted = [detail for detail in details if window.passes(detail, names)]
    shown = wanted[: window.limit]
    answer: dict[str, Any] = {"result": {"detail": shown, "count": len(shown)}}
    if has_more := len(wanted) > len(shown):
        values = attrs.asdict(attrs.evolve(window, last=shown[-1]["task_id"]))
        answer["next_cursor"] = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
    return answer | {"has_more": has_more}


def _window(body: Body, keys: tuple[str, ...]) -> Window:
    start, end = (fields.required(body, name, int, "billing") for name in ("start_time", "end_time"))
    if not start < end:
        raise invalid("start_time must be earlier than end_time")
    filters: dict[str, list[str]] = {}
    for each in fields.objects(body, "filters", limit=10):
        key = fields.choice(each, "key", keys, "") or "package_id and package_name"
        if key not in keys or {key, *filters} >= {"package_id", "package_name"}:
            raise invalid(f"filters: {key} is not supported here")
        filters[key] = fields.required(each, "values", list, "filters")
    limit = fields.number(body, "limit", 1, _MOST)
    return Window(start=start, end=end, limit=int(limit or _MOST), filters=filters)


def _opened(cursor: str) -> Window:
    try:
        return Window(**json.loads(base64.urlsafe_b64decode(cursor.encode())))
    except (TypeError, ValueError, RecursionError):
        raise invalid("cursor is invalid") from None


# ------------------------------------------------------------------------------------------------- deductions


def _of_packs(context: CallContext) -> Iterator[Detail]:
    left = dict(context.account.initial)
    for task in _paid(context):
        pack = task.endpoint.pack
        if task.paid_in == "unit":
            before, left[pack] = left[pack], left[pack] - task.request.units
            amounts = {
                "unit_before_deduction": float(before),
                "deduction_amount": float(task.request.units),
                "unit_after_deduction": float(left[pack]),
            }
            which = {"package_id": pack_id(pack), "product_type": pack}
            yield {**which, **_facts(task, context.skew), **amounts}


def _of_money(context: CallContext) -> Iterator[Detail]:
    spent: dict[str, Decimal] = {}
    for task in _paid(context):
        currency, amount = task.paid_in, task.paid(context.now)
        if currency == "unit":
            continue
        first = worth(context.account.initial["video"], "video", currency)
        before = first - spent.get(currency, Decimal(0))
        spent[currency] = spent.get(currency, Decimal(0)) + amount
        amounts = {
            "cash_type": "balance",
            "balance_before_deduction": float(before),
            "deduction_amount": float(amount),
            "balance_after_deduction": float(before - amount),
            "list_price": float(amount),
            "currency": currency,
        }
        yield {**_facts(task, context.skew), **amounts}


def _paid(context: CallContext) -> list[EmulatedTask]:
    """Returns the tasks paid for by now, oldest first; failed and free tasks are not among them."""
    made = [*context.account.tasks, *context.account.made_at_once]
    paid = [task for task in made if task.status(context.now) == "succeed" and task.request.units]
    return sorted(paid, key=lambda task: task.finished_at)


def _facts(task: EmulatedTask, skew: float) -> Detail:
    """Returns the facts about a task in its deduction."""
    request = task.request
    facts: Detail = {
        "task_id": task.task_id,
        "api_key_name": _KEY_NAME,
        "product_function": _in_words(task.endpoint.name, request.model_name),
        "model_name": request.model_name,
    }
    if isinstance(request.result, VideoResult):
        (video,) = request.result.task_result(task.result_id, partial(no_link, task))["videos"]
        given = request.parameters
        facts |= {
            "resolution": _RESOLUTIONS.get(request.mode, request.mode),
            "duration": f"{float(video['duration']):.2f}",
            "refer_video_input": bool(VIDEOS & {*unchecked_types(given)} or _VIDEO_MEMBERS & given.keys()),
            "video_sound": request.sound or ("native" if request.result.spec.sound else "off"),
            "voice_control": bool(given.get("voice_list")) or "voice" in unchecked_types(given),
        }
    return facts | {"deduction_time": str(milliseconds(task.finished_at + skew))}


def _in_words(name: str, model: str) -> str:
    """Returns the name of an endpoint in words: "Image to Video"."""
    words = re.findall("[a-z]+|2", name.removesuffix(f"/{model}"))
    return " ".join("to" if word in {"2", "to"} else word.capitalize() for word in words)


ENDPOINTS: Final = (
    CallEndpoint(
        path="/account/billing/balance",
        kind="account",
        is_current=True,
        members=_MEMBERS,
        answer=partial(_billed, _of_money, ("api_key_name",)),
    ),
    CallEndpoint(
        path="/account/billing/package",
        kind="account",
        is_current=True,
        members=_MEMBERS,
        answer=partial(_billed, _of_packs, ("api_key_name", "product_type", "package_name", "package_id")),
    ),
)
