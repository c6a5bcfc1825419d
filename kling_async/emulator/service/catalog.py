"""All emulated endpoints, collected from the modules of their package."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, Final

from . import endpoints
from .endpoint import CurrentEndpoint, Endpoint, NotEmulated
from .synchronous import CallEndpoint

Emulated = Endpoint | CurrentEndpoint | CallEndpoint | NotEmulated


def _found() -> Iterator[Emulated]:
    for found in pkgutil.iter_modules(endpoints.__path__):
        module = importlib.import_module(f"{endpoints.__name__}.{found.name}")
        yield from module.ENDPOINTS if hasattr(module, "ENDPOINTS") else (module.ENDPOINT,)


FOUND: Final[tuple[Emulated, ...]] = tuple(_found())
"""All endpoints, in the order of their modules' names."""

ENDPOINTS: Final[tuple[Endpoint, ...]] = tuple(each for each in FOUND if isinstance(each, Endpoint))
"""Endpoints of the legacy generation that create tasks."""

CURRENT: Final[tuple[CurrentEndpoint, ...]] = tuple(each for each in FOUND if isinstance(each, CurrentEndpoint))
"""Endpoints of the current generation that create tasks."""

CALLS: Final[tuple[CallEndpoint, ...]] = tuple(each for each in FOUND if isinstance(each, CallEndpoint))
"""Endpoints that answer at once."""


def mean_generation_seconds(path: str, body: Mapping[str, Any]) -> float | None:
    """Returns the mean of the times that the emulator draws for a task, from submitted to succeed, at a speed of 1.

    Args:
        path: The endpoint's path, where its tasks are created.
        body: A request to it, as on the wire; omitted members have the service's defaults.

    Returns:
        Seconds; None if there is no such endpoint, or if it does not have the model or the mode.
    """
    return next((each.generation_seconds(body) for each in (*ENDPOINTS, *CURRENT) if each.path == path), None)
