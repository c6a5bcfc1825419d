"""The plan of all runs, some of them side by side."""

import collections
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.work.runs import Case, Stage, run

BEAT: Final = 3.0
"""Seconds between polls at which all are compared."""
LEARNED_FROM: Final = 50

CASES: Final = {
    "floor": Case("aiohttp by hand, a GET per task", "aiohttp", "floor:single", BEAT),
    "floor-list": Case("aiohttp by hand, listing", "aiohttp", "floor:listing", BEAT),
    "kling": Case("kling_async as shipped", "kling_async", "kling:opened"),
    "kling-3": Case("kling_async, 3 s", "kling_async", "kling:opened", BEAT),
    "kling-learned": Case(
        f"kling_async after {LEARNED_FROM} tasks", "kling_async", "kling:opened", warm_up=LEARNED_FROM
    ),
    "runway": Case("runwayml as shipped (6 s)", "runwayml", "runway:httpx"),
    "runway-3": Case("runwayml, 3 s", "runwayml", "runway:httpx", BEAT),
    "runway-aiohttp": Case("runwayml on aiohttp (6 s)", "runwayml", "runway:aiohttp"),
    "runway-aiohttp-3": Case("runwayml on aiohttp, 3 s", "runwayml", "runway:aiohttp", BEAT),
    "luma": Case("lumaai, a loop of 3 s", "lumaai", "luma:opened", BEAT),
    "fal": Case("fal-client as shipped (0.1 s)", "fal", "fal:opened"),
    "fal-3": Case("fal-client, 3 s", "fal", "fal:opened", BEAT),
    "openai": Case("openai as shipped (1 s)", "openai", "openai_videos:opened"),
    "openai-3": Case("openai, 3 s", "openai", "openai_videos:opened", BEAT),
}

_OURS_500: Final = [["floor"], ["kling-3"], ["floor-list"], ["kling-learned", "kling"]]
_PEERS_500: Final = [
    ["runway", "runway-3"],
    ["luma", "runway-aiohttp", "runway-aiohttp-3"],
    ["openai", "openai-3"],
]
_MOST_50: Final = [
    ["floor", "kling-3", "kling-learned", "runway-3", "runway-aiohttp-3", "luma"],
    ["floor-list", "kling", "runway", "runway-aiohttp", "openai", "openai-3", "fal-3"],
]
PLAN: Final = [
    *[(500, side_by_side) for side_by_side in 3 * _OURS_500],
    *[(500, side_by_side) for side_by_side in 2 * _PEERS_500],
    *[(500, [keeps_a_core_busy]) for keeps_a_core_busy in ("fal", "fal-3")],
    *[(50, side_by_side) for side_by_side in 2 * _MOST_50],
    (50, ["fal"]),
]
"""Number of tasks, and clients that run side by side; one batch after the other."""
APART: Final = 0.5
"""Seconds between the starts of clients that run side by side, since the first second of each is the busiest."""


def label(name: str, count: int) -> str:
    """Returns the name of a case with `count` tasks, with a star if it ran beside others."""
    beside = any(name in names and len(names) > 1 for of_batch, names in PLAN if of_batch == count)
    return f"{CASES[name].name} *" if beside else CASES[name].name


def measure(environments: Mapping[str, Path]) -> dict[str, Any]:
    """Makes all runs of `PLAN`.

    Args:
        environments: The interpreter of each client's environment, where it could be made.

    Returns:
        The figures of the runs, by count and case.
    """
    runs: dict[str, dict[str, list[dict[str, Any]]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, _pool() as pool:
        stage = staged(Path(directory))
        for count, names in PLAN:
            print(f"{time.strftime('%H:%M:%S')} {count} tasks: {', '.join(names)}", flush=True)
            started = []
            for name in names:
                started.append(pool.submit(run, CASES[name], count, environments, stage))
                time.sleep(APART)
            for name, future in zip(names, started, strict=True):
                runs[str(count)][name].append(future.result())
    return {"runs": runs}


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(len(names) for _, names in PLAN))


def staged(directory: Path) -> Stage:
    """Returns a stage with all that the peers need."""
    from benchmarks.work import certificate  # noqa: PLC0415  (the tests, which need none, have no trustme)

    own, authority = certificate.make(directory)
    stage = Stage(directory, certificate=own, authority=authority)
    stage.video()
    return stage
