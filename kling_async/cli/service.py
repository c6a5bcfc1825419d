"""The service that a command uses: that of the environment, or an emulator that runs as long as the command."""

import contextlib
import secrets
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from kling_async.cli import endpoints
from kling_async.client import KlingClient
from kling_async.io.submission import OnIntent
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.wire.codec import to_wire

if TYPE_CHECKING:
    from kling_async.protocol.budget import Budget

EMULATED_SECONDS: Final = 6.0
"""Seconds that a task takes with `--emulator`: long enough to see the progress, short enough to watch it."""

CONCURRENCY: Final = 20
"""Slots of that emulator: more than any request takes, such as one for a series of pictures."""


def polling(options: Namespace) -> Polling | AimedPolling:
    """Returns the polling: at a fixed interval with `--poll`, else when a result can be expected.

    Raises:
        ConfigurationError: the interval is too short.
    """
    if options.poll is None:
        return AimedPolling(deadline=options.deadline)
    return Polling(first=options.poll, maximum=options.poll, deadline=options.deadline)


@contextlib.asynccontextmanager
async def client_for(options: Namespace, request: Any, on_intent: OnIntent | None = None) -> AsyncIterator[KlingClient]:
    """Yields a client of the service, or of an emulator that runs as long as this context."""
    makes_task = endpoints.kind_of(request) is not None
    async with (
        _where(options, lambda: emulator_speed(request) if makes_task else 20.0) as where,
        KlingClient(**where, polling=_when(options) if makes_task else None, on_intent=on_intent) as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def batch_client(
    options: Namespace, requests: Iterable[Any], budget: "Budget | None"
) -> AsyncIterator[KlingClient]:
    """Yields such a client for many requests."""
    slowest = max(map(endpoints.typical_seconds, requests), default=EMULATED_SECONDS)
    async with (
        _where(options, lambda: slowest / EMULATED_SECONDS) as where,
        KlingClient(**where, polling=_when(options), budget=budget, concurrency=options.concurrency) as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def _where(options: Namespace, speed: Callable[[], float]) -> AsyncIterator[dict[str, Any]]:
    """Yields the client's arguments for the address of the service; an emulator ends with this context."""
    if not options.emulator:
        yield {"base_url": options.base_url}
        return
    from kling_async.emulator import Emulator  # noqa: PLC0415  (half of aiohttp.web; only with --emulator)

    # Random, since with the same task ids a second run would name its file in a directory like the first one.
    seed = secrets.randbits(32)
    async with Emulator(speed=speed(), concurrency=CONCURRENCY, seed=seed) as emulator:
        yield {"base_url": emulator.base_url, "api_key": emulator.api_key}


def _when(options: Namespace) -> Polling | AimedPolling:
    return often(options.deadline) if options.emulator and options.poll is None else polling(options)


def often(deadline: float) -> Polling:
    """Returns the polling for an emulator, whose tasks take seconds."""
    return Polling(first=0.2, factor=1.2, maximum=0.4, deadline=deadline)


def emulator_speed(request: Any) -> float:
    """Returns the speed at which the request's task takes `EMULATED_SECONDS` on an emulator."""
    from kling_async.emulator import mean_generation_seconds  # noqa: PLC0415  (as above)

    mean = mean_generation_seconds(endpoints.path(request), to_wire(request))
    return (mean or endpoints.typical_seconds(request)) / EMULATED_SECONDS
