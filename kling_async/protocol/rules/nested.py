"""Walks through a request: rules about a kind of value apply wherever it stands."""

import functools
from collections.abc import Iterator
from typing import Any, TypeVar

import attrs

from kling_async.protocol.media.given import Media

T = TypeVar("T")


def values_in(value: Any, path: str = "", field: Any = None, depth: int = 10) -> Iterator[tuple[str, Any, Any]]:
    """A value and all within it, records and lists: the path of each, the field that it is in, and itself.

    Fields that were left out are passed over. No request is as deep as `depth`; what is may have no end.
    """
    yield path, field, value
    kind: Any = type(value)  # strange values may raise when they are asked themselves
    if issubclass(kind, str) or depth == 0:  # most are text
        return
    if issubclass(kind, tuple):
        for place, item in enumerate(tuple.__iter__(value)):
            yield from values_in(item, f"{path}[{place}]", field, depth - 1)
        return
    for inner in _fields_of(kind):
        if (held := getattr(value, inner.name)) is not None:
            yield from values_in(held, f"{path}.{inner.name}" if path else inner.name, inner, depth - 1)


@functools.lru_cache
def _fields_of(kind: type) -> tuple[Any, ...]:
    """The fields of a record; none of anything else."""
    return attrs.fields(kind) if attrs.has(kind) and not issubclass(kind, Media) else ()


def each_of(request: object, kind: type[T]) -> dict[str, T]:
    """All values of a kind in a request, each under its field path (`dynamic_masks[0].mask`)."""
    return {path: value for path, _, value in values_in(request) if issubclass(type(value), kind)}
