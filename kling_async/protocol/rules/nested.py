"""Walks through the nested values of a request, for rules that apply to a type of value in any field."""

import functools
from collections.abc import Iterator
from typing import Any, TypeVar

import attrs

from kling_async.protocol.media.given import Media

T = TypeVar("T")


def values_in(value: Any, path: str = "", field: Any = None, depth: int = 10) -> Iterator[tuple[str, Any, Any]]:
    """Yields a value and all values nested in its records and lists: the path, the field, and the value.

    Omitted fields are skipped. No valid request is as deep as `depth`; a deeper value may be infinite.
    """
    yield path, field, value
    kind: Any = type(value)  # `isinstance` uses `__class__`, which strange values may override
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
    """Returns the fields of a record; empty for anything else."""
    return attrs.fields(kind) if attrs.has(kind) and not issubclass(kind, Media) else ()


def each_of(request: object, kind: type[T]) -> dict[str, T]:
    """Returns all values of a type in a request, by field path (`dynamic_masks[0].mask`)."""
    return {path: value for path, _, value in values_in(request) if issubclass(type(value), kind)}
