"""One client process: does the work and prints its figures, as a line of JSON.

    python -m benchmarks.clients floor:single '{"url": ..., "tls": ..., "count": 50, ...}'

The import and the construction of the client are not measured.
"""

import asyncio
import importlib
import json
import re
import selectors
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.clients.options import MEASURED, WARM_UP, Generate, Opened, Options


class TimedSelector(selectors.DefaultSelector):
    """Records the longest turn of the event loop: the largest delay of anything that becomes due meanwhile.

    A periodic timer would measure the same, and cost more than some clients do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.woke = time.perf_counter()
        self.worst = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Called where a turn ends and the next begins."""
        self.worst = max(self.worst, time.perf_counter() - self.woke)
        events = super().select(timeout)
        self.woke = time.perf_counter()
        return events


async def measure(opened: Opened, options: Options, turns: TimedSelector) -> dict[str, Any]:
    """Opens the client and makes all videos at once, after those for warming up."""
    async with opened(options) as generate:
        if options.warm_up:
            await make(generate, options.warm_up, Path(options.out) / WARM_UP)
        await asyncio.to_thread(begin_round, options)
        turns.worst = 0.0
        cpu, start = time.process_time(), time.monotonic()
        detected, errors = await make(generate, options.count, Path(options.out) / MEASURED)
        end = time.monotonic()
        cpu = time.process_time() - cpu
    return {
        "cpu": cpu,
        "start": start,
        "end": end,
        "stall": turns.worst,
        "memory": peak_memory(),
        "detected": detected,
        "errors": errors,
    }


async def make(generate: Generate, count: int, out: Path) -> tuple[dict[str, float], list[str]]:
    """Makes videos at once; returns when each task was known to be done, and the errors."""
    detected: dict[str, float] = {}

    def note(task_id: str) -> None:
        detected[task_id] = time.monotonic()

    work = [generate(out / f"{index}.mp4", note) for index in range(count)]
    ends = await asyncio.gather(*work, return_exceptions=True)
    return detected, [f"{type(end).__name__}: {end}"[:200] for end in ends if isinstance(end, BaseException)]


def begin_round(options: Options) -> None:
    """Makes the server reset its figures: the measurement begins."""
    urllib.request.urlopen(f"{options.url}/_round?count={options.count}", timeout=30).close()


def peak_memory() -> int:
    """Returns the peak resident memory of this process in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    """Runs the client given on the command line."""
    options = Options(**json.loads(sys.argv[2]))
    module, _, function = sys.argv[1].partition(":")
    opened: Opened = getattr(importlib.import_module(f"benchmarks.clients.{module}"), function)
    for name in (WARM_UP, MEASURED):
        (Path(options.out) / name).mkdir()
    turns = TimedSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(turns)) as runner:
        print(json.dumps(runner.run(measure(opened, options, turns))))


if __name__ == "__main__":
    main()
