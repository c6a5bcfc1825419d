"""The report on the work: tables, and goals that were met or missed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.figures import Goal, Spread, table
from benchmarks.work.plan import CASES, label

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
    "its worst, ms": "probe_worst_ms",
}
GOALS: Final = {
    "cpu": ("CPU per task, 500 tasks, every 3 s", "at most 1.0 x the single-poll floor"),
    "listing": ("the same, beside the loop that lists", "at most 1.2 x"),
    "requests": ("requests per task, 500 tasks, every 3 s", "at most 2.1"),
    "lag": ("mean lag, the same", "at most the floor's"),
    "learned": ("mean lag after learning from 50 of the kind, 500 tasks", "below 500 ms at 2.3 requests per task"),
    "stall": ("worst loop stall, 500 tasks, every 3 s", "below 50 ms"),
    "memory": ("peak memory, the same", "at most 1.2 x the floor"),
}
"""Name and goal of each row, whether or not it could be measured."""

_HOW: Final = """
Each client creates all tasks at once; they are done 8 to 16 s later, spread evenly. It polls, and saves 1 MiB per
task: pieces of up to 1 MiB, `.part`, fsync, rename, eight at once; a client without a download uses the code of the
floor. The server's list shows the newest first and contains this client's tasks only. CPU is the client process's,
user and system: imports together with the client or on entering it (`async with`) do not count, later ones do;
`kling_async` after tasks that it learned from is warm from these. Lag is from the end of the task on the server until
the caller has it. Ideal is the time of the longest task. A stall is one turn of the event loop: the largest delay of
anything that becomes due meanwhile. Medians, with the lowest and highest run. Each run has its own server, in another
process; its load, and the time of its answers to another process that sends a request every 50 ms, are in the second
table. With 500 tasks both loops by hand and `kling_async` at 3 s run alone, and fal-client, once; the others two or
three side by side. With 50 tasks six or seven do, and fal-client as shipped runs alone, once. A row with a star ran
beside others; its CPU and stall are somewhat inflated by that. fal-client uses TLS, all others plain HTTP.
"""


def markdown(data: Mapping[str, Any]) -> str:
    """Returns the section of the report."""
    parts = ["## The work of a batch", _HOW.strip()]
    for count in sorted(data["runs"], key=int, reverse=True):
        runs = data["runs"][count]
        parts += [
            f"**{count} tasks**\n\n" + table(["client", *columns], _rows(runs, columns, int(count)))
            for columns in (_COSTS, _REST)
        ]
        if failures := _failures(runs):
            parts.append("\n".join(failures))
    return "\n\n".join(parts) + "\n"


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """Returns the goals for 500 tasks with their figures; "not measured" where whole runs are missing."""
    runs: Runs = data.get("runs", {}).get("500", {})
    cpu, memory = _ratio(runs, "cpu_ms"), _ratio(runs, "memory_mb")
    ours, floor, learned = (good(runs.get(name, [])) for name in ("kling-3", "floor", "kling-learned"))
    found: dict[str, tuple[str, float]] = {}
    if cpu and memory:
        lag, floor_lag = _spread(ours, "lag_mean", 1000), _spread(floor, "lag_mean", 1000)
        each = f"{_spread(ours, 'cpu_ms').text(2)} ms against {_spread(floor, 'cpu_ms').text(2)} ms"
        found["cpu"] = f"{cpu.text(2)} x ({each})", cpu.median / 1.0 - 1
        found["memory"] = f"{memory.text(2)} x", memory.median / 1.2 - 1
        found["lag"] = f"{lag} ms against {floor_lag} ms", lag.median / floor_lag.median - 1
    if listing := _ratio(runs, "cpu_ms", "floor-list"):
        by_hand = _spread(good(runs["floor-list"]), "cpu_ms")
        found["listing"] = f"{listing.text(2)} x (against {by_hand.text(2)} ms)", listing.median / 1.2 - 1
    if ours:
        requests, stall = _spread(ours, "requests"), _spread(ours, "stall_ms")
        found["requests"] = requests.text(2), requests.median / 2.1 - 1
        found["stall"] = f"{stall} ms", stall.median / 50 - 1
    if learned:
        lag, requests = _spread(learned, "lag_mean", 1000), _spread(learned, "requests")
        found["learned"] = f"{lag} ms at {requests.text(2)}", max(lag.median / 500, requests.median / 2.3) - 1
    return [Goal(*title, *found[key]) if key in found else Goal(*title) for key, title in GOALS.items()]


def good(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the runs that count: without errors, with all tasks ended, and all files whole if there are files."""
    return [run for run in runs if _is_good(run)]


def marked(name: str, runs: Sequence[Mapping[str, Any]]) -> str:
    """Returns the name of a row, with the number of its runs that count if not all do."""
    whole = len(good(runs))
    return name if whole == len(runs) else f"{name} ({whole} of {len(runs)} runs whole)"


def _is_good(run: Mapping[str, Any]) -> bool:
    if "error" in run or run["errors"]:
        return False
    return bool(run["ended"] == run["count"] == run.get("whole", run["count"]))


def _rows(runs: Runs, columns: Mapping[str, str], count: int) -> list[list[object]]:
    return [
        [marked(label(name, count), runs[name]), *(_cell(runs[name], key) for key in columns.values())]
        for name in CASES
        if name in runs
    ]


def _cell(runs: Sequence[Mapping[str, Any]], key: str) -> object:
    """Returns the figure of the runs that count; the number of whole files of all runs."""
    measured = [run for run in runs if "error" not in run] if key == "whole" else good(runs)
    measured = [run for run in measured if run.get(key, 0) is not None]
    return _spread(measured, key) if measured else ""


def _spread(runs: Sequence[Mapping[str, Any]], key: str, scale: float = 1) -> Spread:
    return Spread(scale * _figure(run, key) for run in runs)


def _ratio(runs: Runs, key: str, other: str = "floor") -> Spread | None:
    """Returns the ratio of ours at 3 s to the floor or another, of consecutive runs that both count."""
    pairs = zip(runs.get("kling-3", []), runs.get(other, []), strict=False)
    ratios = [_figure(ours, key) / _figure(base, key) for ours, base in pairs if _is_good(ours) and _is_good(base)]
    return Spread(ratios) if ratios else None


def _figure(run: Mapping[str, Any], key: str) -> float:
    return float(100 * run["server_cpu"] if key == "server_percent" else run[key])


def _failures(runs: Runs) -> list[str]:
    """Returns a line for each client with errors in its runs."""
    lines = []
    for name, of_case in runs.items():
        errors = [error for run in of_case for error in run.get("errors", [run.get("error")])]
        if errors:
            lines.append(f"- {CASES[name].name}: {len(errors)} errors, the first: {errors[0]}")
    return lines
