"""The common parts of the two lists of deductions: `/account/billing/balance` and `/account/billing/package`."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar, cast

import attrs

from kling_async.protocol.call import CursorPage
from kling_async.protocol.converters import Malformed, as_record, each, read
from kling_async.protocol.errors import BadResponse, Problem
from kling_async.protocol.redaction import service_text
from kling_async.protocol.rules.values import in_words, listed, one_of, text, whole
from kling_async.protocol.wire.members import decimal, items, mapping, moment

ROWS_MOST: Final = 500
"""Maximum number of deductions on one page, which is also the service's default."""
PRODUCT_TYPES: Final = ("video", "image", "try-on")
"""With a hyphen here, and `try_on` in the list of tasks."""

T = TypeVar("T", bound="Deduction")


@attrs.frozen
class BillingFilter:
    """A filter of deductions: those that have one of these values.

    Attributes:
        key: the member that is compared.
        values: the values to select.
    """

    key: str
    values: tuple[str, ...]


FiltersGiven = Mapping[str, str | Iterable[str]] | Iterable[BillingFilter | Mapping[str, Any]]


def filters(value: FiltersGiven | None) -> tuple[BillingFilter, ...] | None:
    """Converts the documented list, and also `{"product_type": "video"}` or `{"product_type": ["video", "image"]}`."""
    given: Any = read(_listed, value)
    found: Any = given if isinstance(given, Malformed) else each(_filter, given)
    return found  # type: ignore[no-any-return]  # the rules refuse anything else


def _listed(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return [{"key": key, "values": values} for key, values in value.items()]


def _filter(value: Any) -> Any:
    made = as_record(BillingFilter, value)
    if not isinstance(made, BillingFilter):
        return made
    values = each(lambda one: one, [made.values] if isinstance(made.values, str) else made.values)
    return values if isinstance(values, Malformed) else attrs.evolve(made, values=values)


@attrs.frozen(kw_only=True)
class Deduction:
    """The deduction for one task or call, with the members that both lists have.

    Attributes:
        task_id: id of the task.
        api_key_name: the name of the API key that the request was made with.
        product_function: description of the product, such as `Image to Video`.
        model_name: the model.
        resolution: resolution of a video: `720p`, `1080p` or `4k`.
        duration: duration of a video, in seconds.
        refer_video_input: whether a video was given.
        video_sound: `native`, `original` or `off`.
        voice_control: whether a voice was given.
        deduction_time: when it was deducted (UTC).
        deduction_amount: the amount: units of a pack, or money.
        raw: all members as received, also those without an attribute. Not compared.
    """

    task_id: str = ""
    api_key_name: str = ""
    product_function: str = ""
    model_name: str = ""
    resolution: str = ""
    duration: Decimal | None = None
    refer_video_input: bool | None = None
    video_sound: str = ""
    voice_control: bool | None = None
    deduction_time: datetime | None = None
    deduction_amount: Decimal | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)


def of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the members that both lists have; unreadable ones are omitted."""
    texts = ("task_id", "api_key_name", "product_function", "model_name", "resolution", "video_sound")
    task_id = row.get("task_id")
    return {
        **{name: service_text(row.get(name)) for name in texts},
        "task_id": str(task_id) if type(task_id) is int and abs(task_id) < 10**30 else service_text(task_id),
        "duration": decimal(row.get("duration")),
        "refer_video_input": _switch(row.get("refer_video_input")),
        "voice_control": _switch(row.get("voice_control")),
        "deduction_time": moment(row.get("deduction_time")),
        "deduction_amount": decimal(row.get("deduction_amount")),
        "raw": row,
    }


def _switch(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


# -------------------------------------------------------------------------------------------------- the request


def limit(request: Any) -> Iterator[Problem]:
    """1 to 500."""
    yield from whole("limit", request.limit, 1, ROWS_MOST)


def filtered_by(request: Any, *keys: str) -> Iterator[Problem]:
    """Each key is one of `keys`, occurs once, and has values.

    The service was not observed to refuse an unknown filter: without this rule, all deductions might be returned.
    """
    read = yield from listed("filters", request.filters, BillingFilter, most=None)
    for path, each_filter in read:
        yield from one_of(f"{path}.key", each_filter.key, keys)
        if not each_filter.values:
            yield Problem(f"{path}.values", "needs a value at least; leave the filter out for all")
        for place, value in enumerate(each_filter.values):
            if each_filter.key == "product_type":
                yield from one_of(f"{path}.values[{place}]", value, PRODUCT_TYPES)
            else:
                yield from text(f"{path}.values[{place}]", value)
    given = [one.key for _, one in read if isinstance(one.key, str)]
    twice = [key for key in dict.fromkeys(given) if given.count(key) > 1]
    if twice:
        yield Problem("filters", f"has {in_words(twice, 'and')} more than once; give all values in one filter")
    if {"package_name", "package_id"} <= {*given}:
        yield Problem("filters", "package_name and package_id exclude each other; use one")


def page(data: Any, row: type[T], more: Any) -> CursorPage:
    """Reads a page: `next_cursor` and `has_more` are beside `result`, which is missing on an empty page.

    Args:
        data: the data of the answer.
        row: the class of its rows.
        more: reads the members that only this list has.

    Raises:
        BadResponse: it is not a page.
    """
    if not isinstance(data, Mapping):
        raise BadResponse(f"expected a page of deductions, got {type(data).__name__}")
    rows = [each_row for each_row in items(mapping(data.get("result")).get("detail")) if isinstance(each_row, Mapping)]
    cursor = data.get("next_cursor")
    goes_on = isinstance(cursor, str) and cursor and data.get("has_more") is not False
    return CursorPage(tuple(row(**of(one), **more(one)) for one in rows), cast("str", cursor) if goes_on else None)
