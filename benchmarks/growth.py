"""Measures the cost of each task while it is created and waited for, with ten to ten thousand tasks in flight.

All are created, then the server lets them end. Nothing is downloaded.
"""

import collections
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Goal, Spread, number, table
from benchmarks.work.report import good, marked
from benchmarks.work.runs import Case, Stage, answered, figures, probed, seen, served, slowness

Runs = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]

BEAT: Final = 10.0
SHORTEST: Final = 5.0
LONGEST: Final = 25.0
"""Seconds from when all are in flight to the first and to the last end."""
WARM_UP: Final = 20
SIDE_BY_SIDE: Final = 100
"""Creates under way at once, unless all are."""
MEMORY_GOAL: Final = 4.0
"""KB per task in flight."""

CASES: Final = {
    "floor": Case("aiohttp by hand, a GET per task", "aiohttp", "floor:waiting", BEAT, WARM_UP),
    "floor-list": Case("aiohttp by hand, listing", "aiohttp", "floor:waiting_listing", BEAT, WARM_UP),
    "kling-beat": Case(f"kling_async, {BEAT:g} s", "kling_async", "kling:waiting", BEAT, WARM_UP),
    "kling": Case("kling_async as shipped", "kling_async", "kling:waiting", None, WARM_UP),
    "kling-at-once": Case("kling_async, all creates at once", "kling_async", "kling:waiting", BEAT, WARM_UP),
}
AT_ONCE: Final = "kling-at-once"
MOST: Final = 10_000
_LARGE: Final = [(MOST, name) for name in CASES]
_SMALL: Final = 2 * [(count, name) for count in (1_000, 100, 10) for name in CASES if name != AT_ONCE]
_BETWEEN: Final = 4
PLAN: Final = [
    *(plan for index, large in enumerate(_LARGE) for plan in (large, *_SMALL[_BETWEEN * index :][:_BETWEEN])),
    *_SMALL[_BETWEEN * len(_LARGE) :],
]
"""Number of tasks and client of each run; runs are started one after the other and overlap, the largest far apart."""
APART: Final = 3.5
"""Seconds between two beginnings."""

_COLUMNS: Final = {
    "CPU per create, ms": "create_ms",
    "CPU of waiting per task, ms": "wait_ms",
    "CPU per task in all, ms": "cpu_ms",
    "polls per task, single and pages": "polls",
    "mean lag, s": "lag_mean",
    "memory per task in flight, KB": "task_kb",
    "peak memory of the process, MB": "memory_mb",
    "worst stall of the loop, ms": "stall_ms",
    "server's CPU, %": "server_percent",
    "server's answer, p95, ms": "probe_ms",
    "server's worst answer, ms": "probe_worst_ms",
}


def measure(environments: Mapping[str, Path]) -> dict[str, Any]:
    """Makes all runs of `PLAN`.

    Args:
        environments: The interpreter of each client's environment, where it could be made.

    Returns:
        The figures of the runs, by count and case.
    """
    runs: dict[str, dict[str, list[dict[str, Any]]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, ThreadPoolExecutor(len(PLAN)) as pool:
        stage = Stage(Path(directory), shortest=SHORTEST, longest=LONGEST, held=True)
        stage.video()
        started = []
        for count, name in PLAN:
            at_once = count if name == AT_ONCE else SIDE_BY_SIDE
            started.append(pool.submit(run, CASES[name], count, environments, stage, at_once))
            time.sleep(APART)
        for (count, name), future in zip(PLAN, started, strict=True):
            runs[str(count)][name].append(future.result())
    return {"runs": runs}


def run(
    case: Case, count: int, environments: Mapping[str, Path], stage: Stage, at_once: int = SIDE_BY_SIDE
) -> dict[str, Any]:
    """Runs a case with `count` tasks in flight; returns the figures, or `{"error": ...}`."""
    if case.environment not in environments:
        return {"error": "not installed"}
    began = time.monotonic()
    with served(stage) as site, probed(site["url"]) as answers:
        options = {
            **site,
            "count": count,
            "beat": case.beat,
            "warm_up": case.warm_up,
            "out": str(stage.directory),
            "at_once": at_once,
        }
        client = answered(case, environments[case.environment], options, stage, "benchmarks.clients.waiting")
        if "error" in client:
            return client | {"span": [began, time.monotonic()]}
        server = seen(site["url"])
    return (
        figures(client, server, count)
        | {
            "create_ms": 1000 * client["cpu_create"] / count,
            "wait_ms": 1000 * client["cpu_wait"] / count,
            "creating": client["creating"],
            "task_kb": client["in_flight"] / 1000 / count,
            "span": [began, time.monotonic()],
        }
        | slowness(answers)
    )


def markdown(data: Mapping[str, Any]) -> str:
    """Returns the section of the report."""
    runs: Runs = data["runs"]
    counts = sorted(runs, key=int)
    how = _HOW.strip().format(most_at_once=_most_at_once(runs))
    header = ["tasks in flight", *(f"{int(count):,}" for count in counts)]
    tables = [
        f"**{title}**\n\n" + table(header, [_row(runs, name, key, counts) for name in CASES])
        for title, key in _COLUMNS.items()
    ]
    return "\n\n".join(["## Growth", how, _growth(runs, counts), *tables, *_failures(runs)]) + "\n"


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """Returns the goal for the largest number of tasks, with its figure; "not measured" where that run is missing."""
    runs: Runs = data.get("runs", {})
    name, goal = f"memory per task in flight (handle and one waiter), {MOST:,} tasks", f"below {MEMORY_GOAL:g} KB"
    if not (ours := _good(runs, MOST, "kling-beat")):
        return [Goal(name, goal)]
    memory = Spread(run["task_kb"] for run in ours)
    floor = _good(runs, MOST, "floor")
    beside = f"; the floor {Spread(run['task_kb'] for run in floor).text(2)} KB" if floor else ""
    return [Goal(name, goal, f"{memory.text(2)} KB{beside}", memory.median / MEMORY_GOAL - 1)]


_HOW: Final = f"""
N tasks are created, {SIDE_BY_SIDE} at a time; when all are in flight and each has its handle and its waiter, the
server lets them end: {SHORTEST:g} to {LONGEST:g} s later, spread evenly. The floor has one asyncio task for each, which
polls every {BEAT:g} s; `kling_async` polls at the same interval, or as it is shipped, without learned durations.
Nothing is downloaded. CPU is the client process's, user and system. Memory per task is the growth of the process from
before the first create until all are in flight, after garbage collection and {WARM_UP} tasks of another client in the
same process. With few tasks it is mostly connections and memory reserved by the allocator. With all creates at once,
all their coroutines exist at once; the memory that they free stays with the process. Up to {{most_at_once}} runs went
on side by side on the same cores, so compare within this section only. Each has its own server. With {MOST:,} tasks one
run each; with fewer the median of two, and both where they differ.
"""


def _row(runs: Runs, name: str, key: str, counts: Sequence[str]) -> list[object]:
    return [CASES[name].name, *(_cell(runs.get(count, {}).get(name, []), key) for count in counts)]


def _cell(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    """Returns the figure of the runs that count, with their number if not all do."""
    measured = [run for run in good(runs) if run.get(key, 0) is not None]
    return marked(str(Spread(_figure(run, key) for run in measured)) if measured else "", runs).strip()


def _most_at_once(runs: Runs) -> int:
    """Returns the maximum number of runs that went on side by side."""
    spans = [run["span"] for cases in runs.values() for of_case in cases.values() for run in of_case if "span" in run]
    return max((sum(began <= moment < end for began, end in spans) for moment, _ in spans), default=0)


def _growth(runs: Runs, counts: Sequence[str]) -> str:
    """Returns the cost of a task with the largest number in flight, relative to a hundred."""
    lines = []
    for name, case in CASES.items():
        few, many = _good(runs, 100, name), _good(runs, int(counts[-1]), name)
        if few and many:
            ratios = [
                Spread(run[key] for run in many).median / Spread(run[key] for run in few).median
                for key in ("create_ms", "wait_ms")
            ]
            lines.append(f"- {case.name}: {number(ratios[0])} x for a create, {number(ratios[1])} x for waiting")
    return f"CPU per task with {int(counts[-1]):,} in flight, over that with 100:\n\n" + "\n".join(lines)


def _good(runs: Runs, count: int, name: str) -> list[Mapping[str, Any]]:
    return good(runs.get(str(count), {}).get(name, []))


def _figure(run: Mapping[str, Any], key: str) -> float:
    match key:
        case "polls":
            return float(run["requests"] - 1)
        case "server_percent":
            return float(100 * run["server_cpu"])
        case _:
            return float(run[key])


def _failures(runs: Runs) -> list[str]:
    """Returns a line for each case with errors in its runs."""
    lines = []
    for count, cases in runs.items():
        for name, of_case in cases.items():
            errors = [error for run in of_case for error in run.get("errors", [run.get("error")])]
            if errors:
                lines.append(f"- {CASES[name].name}, {count} tasks: {len(errors)} errors, the first: {errors[0]}")
    return ["\n".join(lines)] if lines else []
