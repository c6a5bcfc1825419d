"""The endpoints that rows can name: the client's methods that create tasks."""

import functools
from collections.abc import Callable
from typing import Any, Final

from kling_async.client import KlingClient
from kling_async.methods import calls, lists, nearest, submits
from kling_async.protocol.catalog import current_record, has_current
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import shown

DEFAULT: Final = "image_to_video"
"""The endpoint of rows that do not name one."""


CURRENT: Final = "current."
"""Prefix of endpoints of the current generation, whose rows have a `model`."""


@functools.cache
def _records() -> dict[str, Callable[[], Any]]:
    """Returns a function for each method that creates tasks, which imports and returns its record."""
    found = {name: each.record for name, each in vars(KlingClient).items() if isinstance(each, submits)}
    current = {f"{CURRENT}{name}": functools.partial(current_record, name) for name in found if has_current(name)}
    return found | current


def names() -> list[str]:
    """Returns the names of all endpoints."""
    return list(_records())


@functools.cache
def record(name: str) -> Any:
    """Returns the record type for rows of this endpoint."""
    return _records()[name]()


def method_of(request: object) -> str | None:
    """Returns the client's method for such a request; None if there is none."""
    method = type(request).__module__.rpartition(".")[2]
    names = (name for name in (method, f"{CURRENT}{method}") if name in _records())
    return next((name for name in names if record(name) is type(request)), None)


def read(given: object) -> str | Problem:
    """Returns the method with this name, which may be written with dashes, or the problem with the name."""
    if not isinstance(given, str):
        return Problem("endpoint", f"expected the name of one, such as {DEFAULT}, got {shown(given)}")
    name = given.strip().replace("-", "_")
    if name in _records():
        return name
    if isinstance(vars(KlingClient).get(name), calls | lists):
        advice = "it makes no task by which a crash could find it again; use the client's method in a program"
        return Problem("endpoint", f"{name} answers at once and is not for batches: {advice}")
    near = nearest(name, names())
    return Problem("endpoint", f"{shown(given)} is unknown; " + (f"did you mean {near}?" if near else _known()))


def _known() -> str:
    return f"known: {', '.join(names())}"
