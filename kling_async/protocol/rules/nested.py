"""Walks through a request: rules about a kind of value apply wherever it stands."""

from collections.abc import Iterator
from typing import Any, TypeVar

import attrs

from kling_async.protocol.media.given import Media

T = TypeVar("T")


def values_in(value: Any, path: str = "", field: Any = None, depth: int = 10) -> Iterator[tuple[str, Any, Any]]:
    """A value and all within it, records and lists: the path of each, the field that it is in, and itself.

    No request is as deep as `depth`; what is may have no end.
    """
    yield path, field, value
    kind = type(value)  # strange values may raise when they are asked themselves
    if value is None or issubclass(kind, str) or depth == 0:  # most are text, and asking for fields takes time
        return
    if issubclass(kind, tuple):
        for place, item in enumerate(tuple.__iter__(value)):
            yield from values_in(item, f"{path}[{place}]", field, depth - 1)
    elif attrs.has(kind) and not issubclass(kind, Media):
        for inner in attrs.fields(kind):
            within = f"{path}.{inner.name}" if path else inner.name
            if (held := getattr(value, inner.name)) is None:  # most are left out
                yield within, inner, None
            else:
                yield from values_in(held, within, inner, depth - 1)


def each_of(request: object, kind: type[T]) -> dict[str, T]:
    """All values of a kind in a request, each under its field path (`dynamic_masks[0].mask`)."""
    return {path: value for path, _, value in values_in(request) if issubclass(type(value), kind)}
