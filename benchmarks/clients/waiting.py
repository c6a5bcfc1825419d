"""One client process that has many tasks in flight and only waits for them; prints a line of JSON.

    python -m benchmarks.clients.waiting floor:waiting '{"url": ..., "tls": ..., "count": 50, ...}'

The server holds the tasks until all are in flight, so that creating and waiting are measured separately.
"""

import asyncio
import dataclasses
import functools
import gc
import importlib
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from benchmarks.clients.__main__ import TimedSelector, begin_round, peak_memory
from benchmarks.clients.options import Begin, OpenedToWait, Options

WARM_BEAT: Final = 0.1
WARM_SCALE: Final = 0.01
"""Factor for the duration of the warm-up tasks."""


async def measure(opened: OpenedToWait, options: Options, turns: TimedSelector) -> dict[str, Any]:
    """Gets all tasks in flight, then lets them end; a first client does the same for warming up."""
    warm = dataclasses.replace(options, count=options.warm_up, beat=WARM_BEAT)
    async with opened(warm) as begin:
        await asyncio.to_thread(begin_round, warm)
        under_way = await begun(begin, warm)
        await asyncio.to_thread(release, options, WARM_SCALE)
        await ended(under_way)
    async with opened(options) as begin:
        await asyncio.to_thread(begin_round, options)
        empty = memory()
        turns.worst = 0.0
        moments = [(time.process_time(), time.monotonic())]
        under_way = await begun(begin, options)
        moments.append((time.process_time(), time.monotonic()))
        stall = turns.worst
        full = memory()
        await asyncio.to_thread(release, options, 1.0)
        turns.worst = 0.0
        moments.append((time.process_time(), time.monotonic()))
        detected, errors = await ended(under_way)
        moments.append((time.process_time(), time.monotonic()))
    (cpu, start), (cpu_created, created), (cpu_released, _), (cpu_end, end) = moments
    return {
        "cpu": cpu_created - cpu + cpu_end - cpu_released,
        "cpu_create": cpu_created - cpu,
        "cpu_wait": cpu_end - cpu_released,
        "creating": created - start,
        "start": start,
        "end": end,
        "in_flight": full - empty,
        "stall": max(stall, turns.worst),
        "memory": peak_memory(),
        "detected": detected,
        "errors": errors,
    }


async def begun(begin: Begin, options: Options) -> dict[str, asyncio.Future[Any]]:
    """Creates all tasks; returns futures that are done when their ends are known, by task id."""
    under_way: dict[str, asyncio.Future[Any]] = {}
    left = iter(range(options.count))

    async def create() -> None:
        for _ in left:
            task_id, end = await begin()
            under_way[task_id] = end

    await asyncio.gather(*(create() for _ in range(min(options.at_once, options.count))))
    return under_way


async def ended(under_way: dict[str, asyncio.Future[Any]]) -> tuple[dict[str, float], list[str]]:
    """Waits for all ends; returns when each was known, and the errors."""
    detected: dict[str, float] = {}

    def note(task_id: str, _: asyncio.Future[Any]) -> None:
        detected[task_id] = time.monotonic()

    for task_id, future in under_way.items():
        future.add_done_callback(functools.partial(note, task_id))
    ends = await asyncio.gather(*under_way.values(), return_exceptions=True)
    return detected, [f"{type(end).__name__}: {end}"[:200] for end in ends if isinstance(end, BaseException)]


def release(options: Options, scale: float) -> None:
    """Makes the server let the tasks end, once all are in flight."""
    urllib.request.urlopen(f"{options.url}/_release?scale={scale}", timeout=30).close()


def memory() -> int:
    """Returns the resident memory of this process in bytes, after a garbage collection."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def main() -> None:
    """Runs the client given on the command line."""
    options = Options(**json.loads(sys.argv[2]))
    module, _, function = sys.argv[1].partition(":")
    opened: OpenedToWait = getattr(importlib.import_module(f"benchmarks.clients.{module}"), function)
    turns = TimedSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(turns)) as runner:
        print(json.dumps(runner.run(measure(opened, options, turns))))


if __name__ == "__main__":
    main()
