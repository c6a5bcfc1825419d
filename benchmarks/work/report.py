"""What the runs say, as tables and as goals that were met or missed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.figures import Goal, Spread, table
from benchmarks.work.plan import CASES

Runs = Mapping[str, Sequence[Mapping[str, Any]]]

_COSTS: Final = {
    "CPU ms/task": "cpu_ms",
    "requests/task": "requests",
    "lag mean s": "lag_mean",
    "p95 s": "lag_p95",
    "worst s": "lag_worst",
}
_REST: Final = {
    "wall over ideal": "over_ideal",
    "peak MB": "memory_mb",
    "worst stall ms": "stall_ms",
    "files whole": "whole",
    "server's CPU %": "server_percent",
    "server's answer, p95 ms": "probe_ms",
}
_HOW: Final = """
Each client creates all tasks at once; they are done 8 to 16 s later, spread evenly. It polls, and saves 1 MiB per
task: pieces of up to 1 MiB, `.part`, fsync, rename, eight at once; where a client brings no download, by the same
code as the floor. CPU is the client process's, user and system, after its import and the making of the client; what
it imports later counts. Lag is from the end of the task on the server to the moment the caller knows. Ideal is the
time of the longest task. A stall is one turn of the event loop: so late can anything be that is due meanwhile.
Medians, with the lowest and highest run. Each run has a server of its own, in another process; how busy it was, and
how soon it answered another process that asked every 50 ms, is in the second table. With 500 tasks the floor and
`kling_async` at 3 s run alone, and fal-client, once; the others two or three side by side. With 50 tasks seven do.
fal-client speaks TLS, all others plain HTTP.
"""


def markdown(data: Mapping[str, Any]) -> str:
    """The section of the report."""
    parts = ["## The work of a batch", _HOW.strip()]
    for count in sorted(data["runs"], key=int, reverse=True):
        runs = data["runs"][count]
        parts += [
            f"**{count} tasks**\n\n" + table(["client", *columns], _rows(runs, columns)) for columns in (_COSTS, _REST)
        ]
        if failures := _failures(runs):
            parts.append("\n".join(failures))
    return "\n\n".join(parts) + "\n"


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """What was aimed at for 500 tasks; nothing where runs are missing."""
    runs = data["runs"].get("500", {})
    if not all(good(runs.get(name, [])) for name in ("floor", "kling-3", "kling-learned")):
        return []
    cpu, memory = _ratio(runs, "cpu_ms"), _ratio(runs, "memory_mb")
    requests, lag, floor_lag = (
        _spread(runs, "kling-3", "requests"),
        _spread(runs, "kling-3", "lag_mean", 1000),
        _spread(runs, "floor", "lag_mean", 1000),
    )
    learned, asked = _spread(runs, "kling-learned", "lag_mean", 1000), _spread(runs, "kling-learned", "requests")
    stall = _spread(runs, "kling-3", "stall_ms")
    return [
        Goal(
            "CPU per task, 500 tasks, every 3 s",
            "at most 1.0 x the single-poll floor",
            f"{cpu} x ({_spread(runs, 'kling-3', 'cpu_ms')} ms against {_spread(runs, 'floor', 'cpu_ms')} ms)",
            cpu.median <= 1.0,
        ),
        Goal("requests per task, the same", "at most 2.1", str(requests), requests.median <= 2.1),
        Goal(
            "mean lag, the same",
            "at most the floor's",
            f"{lag} ms against {floor_lag} ms",
            lag.median <= floor_lag.median,
        ),
        Goal(
            "mean lag after learning from 50 of the kind, 500 tasks",
            "below 500 ms at 2.3 requests per task",
            f"{learned} ms at {asked}",
            learned.median < 500 and asked.median <= 2.3,
        ),
        Goal("worst loop stall, 500 tasks, every 3 s", "below 50 ms", f"{stall} ms", stall.median < 50),
        Goal("peak memory, the same", "at most 1.2 x the floor", f"{memory} x", memory.median <= 1.2),
    ]


def good(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The runs in which at least something was done."""
    return [run for run in runs if "error" not in run and run["lag_mean"] is not None]


def _rows(runs: Runs, columns: Mapping[str, str]) -> list[list[object]]:
    return [
        [case.name, *(_spread(runs, name, key) for key in columns.values())]
        for name, case in CASES.items()
        if good(runs.get(name, []))
    ]


def _spread(runs: Runs, name: str, key: str, scale: float = 1) -> Spread:
    return Spread(scale * _figure(run, key) for run in good(runs[name]))


def _ratio(runs: Runs, key: str) -> Spread:
    """Ours at 3 s over the floor, of the runs that were made one after the other."""
    pairs = zip(good(runs["kling-3"]), good(runs["floor"]), strict=False)
    return Spread(_figure(ours, key) / _figure(floor, key) for ours, floor in pairs)


def _figure(run: Mapping[str, Any], key: str) -> float:
    match key:
        case "server_percent":
            return float(100 * run["server_cpu"])
        case "probe_ms":
            return float(1000 * (run["probe"] or 0))
        case _:
            return float(run[key])


def _failures(runs: Runs) -> list[str]:
    """One line per client in whose runs something went wrong."""
    lines = []
    for name, of_case in runs.items():
        errors = [error for run in of_case for error in run.get("errors", [run.get("error")])]
        if errors:
            lines.append(f"- {CASES[name].name}: {len(errors)} errors, the first: {errors[0]}")
    return lines
