"""The endpoints as the shell command offers them: a subcommand each, named as the client's method.

This module alone knows where endpoints and their records are found; the others ask here.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

from kling_async.cli import record_options
from kling_async.client import KlingClient
from kling_async.methods import submits
from kling_async.protocol.catalog import endpoint_for, endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Endpoint

DEFAULT: Final = "image-to-video"
"""What `generate` makes, and `list` and `models` show."""


@functools.cache
def _records() -> dict[str, Callable[[], Any]]:
    """What gives the record of each subcommand; none is imported for that."""
    methods = {name: method for name, method in vars(KlingClient).items() if isinstance(method, submits)}
    return {name.replace("_", "-"): method.record for name, method in methods.items()}


def names() -> list[str]:
    """The subcommands."""
    return list(_records())


def record(name: str) -> Any:
    """The record that the subcommand's options make."""
    return _records()[name]()


def that_take(option: str | None) -> list[str]:
    """The subcommands that have this option; those that take a file without an option, where it is None."""
    records = {name: record(name) for name in names()}
    if option is None:
        return [name for name, each in records.items() if record_options.positional(each)]
    return [
        name
        for name, each in records.items()
        if any(field.option == option for field in record_options.fields_of(each))
    ]


def endpoint(text: str) -> Endpoint | None:
    """The endpoint of this name: a subcommand, also written as the client's method, or the beginning of references."""
    name = text.replace("_", "-")
    return endpoint_for(record(name)) if name in _records() else endpoint_named(text)


def default() -> Endpoint:
    """The endpoint that is meant where none is named."""
    endpoint = endpoint_for(record(DEFAULT))
    if endpoint is None:
        raise LookupError(f"{DEFAULT} is no endpoint")
    return endpoint


def kind(text: str) -> str:
    """First half of the references of an endpoint's tasks; other text is given back, for the client to judge."""
    named = endpoint(text)
    return named.name if named else text


def suffix(name: str) -> str:
    """What the name of a file ends in that the subcommand saves."""
    found = endpoint(name)
    return found.result.suffix if found else ""


def page_maximum(text: str) -> int:
    """Tasks that a page of an endpoint's list can hold."""
    found = endpoint(text)
    return found.page_maximum if found else 1


def path(request: Any) -> str:
    """Where the request is sent to."""
    return _of(request).path


def typical_seconds(request: Any) -> float:
    """Seconds after which the service has usually done what is requested."""
    return _of(request).typical_seconds(request)


def _of(request: Any) -> Endpoint:
    endpoint = endpoint_of(request)
    if endpoint is None:
        raise TypeError(f"{type(request).__name__} is no request")
    return endpoint
