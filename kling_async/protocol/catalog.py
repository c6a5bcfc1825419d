"""Finds an endpoint: by a request, by its record, or by the first half of a reference."""

import functools
import importlib
from collections.abc import Iterator

from kling_async.lazy_exports import exports
from kling_async.protocol import endpoints
from kling_async.protocol.endpoint import Endpoint


def endpoint_of(request: object) -> Endpoint | None:
    """The endpoint that takes this request, or None."""
    return endpoint_for(type(request))


def endpoint_for(record: type) -> Endpoint | None:
    """The endpoint whose requests are of this class, or None."""
    if record.__module__ not in exports(endpoints.__name__).values():
        return None
    found: Endpoint = importlib.import_module(record.__module__).ENDPOINT
    return found if record is found.record else None


@functools.lru_cache(maxsize=256)
def endpoint_named(name: str) -> Endpoint | None:
    """The endpoint whose references begin with this name, or None."""
    return next((endpoint for endpoint in all_endpoints() if endpoint.name == name), None)


def all_endpoints() -> Iterator[Endpoint]:
    """One after the other, in the order of their exports; each is imported when it is its turn."""
    for module in dict.fromkeys(exports(endpoints.__name__).values()):
        yield importlib.import_module(module).ENDPOINT
