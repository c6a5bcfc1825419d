"""Finds endpoints by a request, by its record, or by the first half of a reference."""

import functools
import importlib
from collections.abc import Iterator
from typing import Final

from kling_async.lazy_exports import exports
from kling_async.protocol import endpoints
from kling_async.protocol.call import CallEndpoint
from kling_async.protocol.endpoint import Described, Endpoint, Generation
from kling_async.protocol.errors import Problem
from kling_async.protocol.reference import RAW_PREFIX, TASKS

CURRENT: Final = f"{endpoints.__name__}.current"
"""The package with the records of the current generation; their names may equal those of legacy records."""

_imported: dict[str, Endpoint] = {}
"""Endpoints that were imported, by name."""


def endpoint_of(request: object) -> Endpoint | None:
    """Returns the endpoint for a request, or None."""
    from kling_async.protocol import raw  # noqa: PLC0415  (on first use: its rules take time)

    if isinstance(request, raw.RawTask):
        return raw.endpoint_at(request.path, finds_by_external_id=request.finds_by_external_id)
    return endpoint_for(type(request))


def endpoint_for(record: type) -> Endpoint | None:
    """Returns the task endpoint for a class of requests, or None."""
    found = described_by(record)
    return found if isinstance(found, Endpoint) else None


def has_current(method: str) -> bool:
    """Whether models of the current generation have a method of this name; imports nothing."""
    return f"{CURRENT}.{method}" in _modules()


def current_record(method: str) -> type | None:
    """Returns the record of the current generation that a method of this name submits, or None."""
    found = _in(f"{CURRENT}.{method}") if has_current(method) else None
    return None if found is None else found.record


def of_the_other_generation(endpoint: Described, request: object) -> Iterator[Problem]:
    """Reports a legacy request for a model of the current generation, with the way to reach that model.

    Legacy paths do not have such models. A model in the endpoint's own map passes, even if its name is the same.
    """
    name = getattr(request, "model_name", None)
    known = endpoint.capabilities
    if endpoint.generation is not Generation.LEGACY or known is None or not isinstance(name, str):
        return
    if name in known.models:
        return
    from kling_async.protocol.endpoints.current import table  # noqa: PLC0415  (for a model that is not known only)

    if name not in {row.model for row in table.ROWS}:
        return
    method = endpoint.record.__module__.rpartition(".")[2]
    ways = f"current.{endpoint.record.__name__}(model={name!r}), kling.model({name!r}).{method}"
    how = f"use {ways}, or --model {name} in a shell" if has_current(method) else "it does nothing of this kind"
    yield Problem("model_name", f"{name} is a model of the current generation; {how}", by_map=True)


def call_endpoint_of(request: object) -> CallEndpoint | None:
    """Returns the endpoint without tasks for a request, or None."""
    found = described_by(type(request))
    return found if isinstance(found, CallEndpoint) else None


def described_by(record: type) -> Described | None:
    """Returns the endpoint, with or without tasks, for a class of requests, or None."""
    found = _in(record.__module__) if record.__module__ in _modules() else None
    return found if found is not None and record is found.record else None


@functools.lru_cache(maxsize=256)
def endpoint_named(name: str) -> Endpoint | None:
    """Returns the endpoint whose references begin with this name, or None; the current generation has a single one."""
    if name.startswith(RAW_PREFIX):
        from kling_async.protocol import raw  # noqa: PLC0415  (as above)
        from kling_async.protocol.rules.values import is_path  # noqa: PLC0415  (as above)

        path = name.removeprefix(RAW_PREFIX)
        return raw.endpoint_at(path) if is_path(path) else None
    if name == TASKS:
        from kling_async.protocol.endpoints.current import tasks  # noqa: PLC0415  (as above)

        return tasks.ENDPOINT
    known = _imported.get(name)  # importing the endpoints before it would delay the first create
    return known or next((endpoint for endpoint in all_endpoints() if endpoint.name == name), None)


def all_endpoints() -> Iterator[Endpoint]:
    """Yields all endpoints that make tasks, in the order of their exports; each is imported when it is reached."""
    return (each for each in _all() if isinstance(each, Endpoint))


def all_calls() -> Iterator[CallEndpoint]:
    """Yields all endpoints that make no task, likewise."""
    return (each for each in _all() if isinstance(each, CallEndpoint))


def _all() -> Iterator[Described]:
    return (found for module in _modules() if (found := _in(module)) is not None)


@functools.cache
def _modules() -> dict[str, None]:
    """Returns the modules of the records, the legacy generation first; some of the modules have no endpoint."""
    return dict.fromkeys([*exports(endpoints.__name__).values(), *exports(CURRENT).values()])


def _in(module: str) -> Described | None:
    found: Described | None = getattr(importlib.import_module(module), "ENDPOINT", None)
    if isinstance(found, Endpoint):
        _imported.setdefault(found.name, found)
    return found
