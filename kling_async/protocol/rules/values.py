"""Checks of single values of any type. Messages never contain a picture or a long input."""

import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final, TypeVar

from kling_async.protocol.converters import Malformed
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.given import host_of, without_query
from kling_async.protocol.rules.plain import Strange

T = TypeVar("T")

LONG_MOST: Final = 2**63 - 1
"""Maximum of a number that the documentation calls a "long"."""


def shown(value: object) -> str:
    """Formats a value for a message: about 60 characters at most, and only the type of a large or strange value.

    An address is shown without its query, which may contain a signature.
    """
    if type(value) is Strange:
        return value.described
    if isinstance(value, str):
        named = without_query(value) if "://" in value else value
        return repr(named) if len(named) <= 60 else f"{named[:60]!r}..."
    if isinstance(value, int) and not -(10**30) < value < 10**30:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a value of type {type(value).__name__[:60]}"


def is_whole(value: object) -> bool:
    """Whether it is a whole number; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(field: str, value: Any, *, most: int | None = None) -> Iterator[Problem]:
    """Requires text of at most `most` characters that can be sent as UTF-8."""
    if not isinstance(value, str):
        yield Problem(field, f"expected text, got {shown(value)}")
        return
    if most is not None and len(value) > most:
        yield Problem(field, f"has {len(value)} characters; at most {most} are possible")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        yield Problem(field, f"character {error.start} is half of a surrogate pair, which cannot be sent as UTF-8")


def filled(field: str, value: Any, *, most: int | None = None) -> Iterator[Problem]:
    """Requires text; "" counts as omitted."""
    if value is None or value == "":
        yield Problem(field, "is required")
    else:
        yield from text(field, value, most=most)


_PATH: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def is_path(value: object) -> bool:
    """Whether it is a path that can be called: host-relative, without `..` or characters that need quoting."""
    return isinstance(value, str) and _PATH.fullmatch(value) is not None


def segment(field: str, value: Any) -> Iterator[Problem]:
    """Requires a model of the current generation, which is a segment of the path."""
    if value is None:
        yield Problem(field, "is required")
    elif not isinstance(value, str):
        yield Problem(field, f"expected text, got {shown(value)}")
    elif not value.strip():
        yield Problem(field, "is blank")
    elif _SEGMENT.fullmatch(value) is None:
        meant = "a segment of a path, such as kling-3.0-turbo: letters, digits, '.', '_' and '-'"
        yield Problem(field, f"expected {meant}")


def is_address(value: str) -> bool:
    """Whether it is an `http(s)://` address with a host and without spaces, which the service can call."""
    return (
        " " not in value
        and value.isprintable()
        and value.lower().startswith(("http://", "https://"))
        and bool(host_of(value))
    )


def whole(field: str, value: Any, low: int, high: int | None = None) -> Iterator[Problem]:
    """Requires a whole number from `low` to `high`."""
    if not is_whole(value):
        yield Problem(field, f"expected a whole number, got {shown(value)}")
    elif value < low or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"{low} to {high}"
        yield Problem(field, f"{shown(value)} is out of range; use {span}")
    elif value > LONG_MOST:
        yield Problem(field, f"{shown(value)} is out of range; use at most {LONG_MOST}")


def number(field: str, value: Any, low: float, high: float) -> Iterator[Problem]:
    """Requires a number from `low` to `high`; NaN is in no range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Problem(field, f"expected a number, got {shown(value)}")
    elif not low <= value <= high:
        yield Problem(field, f"{shown(value)} is out of range; use {low} to {high}")


def switch(field: str, value: Any) -> Iterator[Problem]:
    """Requires True, False, or None for omitted."""
    if value is not None and not isinstance(value, bool):
        yield Problem(field, f"expected True or False, got {shown(value)}")


def one_of(field: str, value: Any, choices: Sequence[str]) -> Iterator[Problem]:
    """Requires one of the documented words."""
    if not isinstance(value, str) or value not in choices:
        yield Problem(field, f"{shown(value)} is not possible; use {in_words(choices)}")


def in_words(choices: Sequence[str], last: str = "or") -> str:
    """Joins choices as in `a, b or c`."""
    return f" {last} ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))


def listed(
    field: str, values: Any, kind: type[T], *, most: int | None
) -> Generator[Problem, None, list[tuple[str, T]]]:
    """Requires a list of at most `most` records; returns the valid ones, each with its field path.

    Of a list that is too long, only the first `most` records are checked: one problem is enough for the rest.
    """
    if values is None:
        return []
    if isinstance(values, Malformed):
        yield Problem(field, values.complaint)
        return []
    if most is not None and len(values) > most:
        yield Problem(field, f"has {len(values)} entries; at most {most} are possible")
    read = []
    for place, value in enumerate(values[:most]):
        path = f"{field}[{place}]"
        if isinstance(value, kind):
            read.append((path, value))
        else:
            yield Problem(path, unread(value, kind))
    return read


def unread(value: object, kind: type) -> str:
    """Returns why a nested value is not the record that it should be."""
    return value.complaint if isinstance(value, Malformed) else f"expected {kind.__name__}, got {shown(value)}"


def exactly_one(request: object, *fields: str) -> Iterator[Problem]:
    """Requires exactly one of several parameters; None, "" and an empty list count as omitted."""
    given = [field for field in fields if getattr(request, field) not in (None, "", ())]
    if not given:
        yield Problem(fields[0], f"give {in_words(fields)}: one of them is required")
    elif len(given) > 1:
        yield Problem(given[-1], f"{in_words(given, last='and')} exclude each other; use one")
