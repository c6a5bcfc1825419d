"""All the emulated endpoints, found by looking through their package."""

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
"""All that their modules have, in the order of the modules' names."""

ENDPOINTS: Final[tuple[Endpoint, ...]] = tuple(each for each in FOUND if isinstance(each, Endpoint))
"""Those of the legacy generation that have tasks."""

CURRENT: Final[tuple[CurrentEndpoint, ...]] = tuple(each for each in FOUND if isinstance(each, CurrentEndpoint))
"""Those of the current generation."""

CALLS: Final[tuple[CallEndpoint, ...]] = tuple(each for each in FOUND if isinstance(each, CallEndpoint))
"""Those that answer at once."""


def mean_generation_seconds(path: str, body: Mapping[str, Any]) -> float | None:
    """Give the mean time from submitted to succeed that the emulator draws a task's time around, at a speed of 1.

    Args:
        path: Of the endpoint, where its tasks are created.
        body: A request to it, as on the wire; what it leaves out is the service's default.

    Returns:
        Seconds; None where there is no such endpoint, or it does not know the model or the mode.
    """
    return next((each.generation_seconds(body) for each in (*ENDPOINTS, *CURRENT) if each.path == path), None)
