"""Walks through a request: rules about a kind of value apply wherever it stands."""

from collections.abc import Iterator
from typing import Any, TypeVar

import attrs

from kling_async.protocol.media.given import Media

T = TypeVar("T")


def values_in(value: Any, path: str = "", field: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """A value and all within it, records and lists: the path of each, the field that it is in, and itself."""
    yield path, field, value
    if value is None or isinstance(value, str):  # most are, and asking for fields takes time
        return
    if isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from values_in(item, f"{path}[{place}]", field)
    elif attrs.has(type(value)) and not isinstance(value, Media):
        for inner in attrs.fields(type(value)):
            within = f"{path}.{inner.name}" if path else inner.name
            yield from values_in(getattr(value, inner.name), within, inner)


def each_of(request: object, kind: type[T]) -> dict[str, T]:
    """All values of a kind in a request, each under its field path (`dynamic_masks[0].mask`)."""
    return {path: value for path, _, value in values_in(request) if isinstance(value, kind)}
