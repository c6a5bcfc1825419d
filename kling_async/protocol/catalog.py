"""Finds an endpoint: by a request, by its record, or by the first half of a reference."""

import functools
import importlib
from collections.abc import Iterator
from typing import Final

from kling_async.lazy_exports import exports
from kling_async.protocol import endpoints
from kling_async.protocol.call import CallEndpoint
from kling_async.protocol.endpoint import Described, Endpoint
from kling_async.protocol.reference import RAW_PREFIX, TASKS

CURRENT: Final = f"{endpoints.__name__}.current"
"""Where the records of the current generation are; two of the same name are no trouble there."""


def endpoint_of(request: object) -> Endpoint | None:
    """The endpoint that takes this request, or None."""
    from kling_async.protocol import raw  # noqa: PLC0415  (on first use: its rules take time)

    if isinstance(request, raw.RawTask):
        return raw.endpoint_at(request.path, finds_by_external_id=request.finds_by_external_id)
    return endpoint_for(type(request))


def endpoint_for(record: type) -> Endpoint | None:
    """The endpoint whose tasks are made by requests of this class, or None."""
    found = described_by(record)
    return found if isinstance(found, Endpoint) else None


def call_endpoint_of(request: object) -> CallEndpoint | None:
    """The endpoint without tasks that takes this request, or None."""
    found = described_by(type(request))
    return found if isinstance(found, CallEndpoint) else None


def described_by(record: type) -> Described | None:
    """What is known of the endpoint, with or without tasks, whose requests are of this class; or None."""
    found = _in(record.__module__) if record.__module__ in _modules() else None
    return found if found is not None and record is found.record else None


@functools.lru_cache(maxsize=256)
def endpoint_named(name: str) -> Endpoint | None:
    """The endpoint whose references begin with this name, or None; of the current generation one for all its tasks."""
    if name.startswith(RAW_PREFIX):
        from kling_async.protocol import raw  # noqa: PLC0415  (as above)

        path = name.removeprefix(RAW_PREFIX)
        return raw.endpoint_at(path) if raw.is_path(path) else None
    if name == TASKS:
        from kling_async.protocol.endpoints.current import tasks  # noqa: PLC0415  (as above)

        return tasks.ENDPOINT
    return next((endpoint for endpoint in all_endpoints() if endpoint.name == name), None)


def all_endpoints() -> Iterator[Endpoint]:
    """All that make tasks, one after the other, in the order of their exports; each is imported when it is its turn."""
    return (each for each in _all() if isinstance(each, Endpoint))


def all_calls() -> Iterator[CallEndpoint]:
    """All that make no task, likewise."""
    return (each for each in _all() if isinstance(each, CallEndpoint))


def _all() -> Iterator[Described]:
    return (found for module in _modules() if (found := _in(module)) is not None)


@functools.cache
def _modules() -> dict[str, None]:
    """Where records are, those of the legacy generation first; some modules beside them have no endpoint."""
    return dict.fromkeys([*exports(endpoints.__name__).values(), *exports(CURRENT).values()])


def _in(module: str) -> Described | None:
    found: Described | None = getattr(importlib.import_module(module), "ENDPOINT", None)
    return found
