"""The report on downloads: a table, and goals that were met or missed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.figures import Goal, Spread, number, table

RATIOS: Final = {"1": 0.8, "32": 1.0}
"""Minimum throughput, as a share of `curl`'s, by files at once."""
LAG_MS: Final = 20.0
LAG_RATIO: Final = 1.0
"""Maximum of the worst lag with 32 at once, as a share of that of a loop that keeps nothing."""

_NAMES: Final = {
    "kling_async": "kling_async: `save`",
    "by hand": "aiohttp by hand, nothing kept",
    "curl": "`curl`, then `sync` of the file",
    "discard": "`curl`, nothing kept: what the server can give",
}
_HOW: Final = """
Files of {megabytes} MB, over loopback from a server in another process that sends them by `sendfile`; each client in
a separate process, one after the other, into the same file system ({file_system}). `save` makes a `.part`, syncs
the file, renames it, and syncs the directory; the tasks are known to be done before the clock runs. `curl` is run
in its fastest way: one process for all files in turn and one `sync` of them all; with 32 at once a process and a
`sync` for each. Its time includes the start of these processes; that of `save` begins in a running process, as does
that of the loop by hand, which reads each piece from aiohttp and discards it. CPU is user and system, of `curl` with
its start, including work of the kernel. Lag is the worst of a run: by how much a sleep of 2 ms was late. Medians, with
the lowest and highest run.
"""

Runs = Mapping[str, Sequence[Mapping[str, float]]]


def markdown(data: Mapping[str, Any]) -> str:
    """Returns the section of the report."""
    rows = [
        [_NAMES[name], streams, _throughput(of), _ratio(runs, name) or "", _cpu(of), _lag(of) if "lag" in of[0] else ""]
        for streams, runs in data["runs"].items()
        for name, of in runs.items()
    ]
    header = ["client", "at once", "MB/s", "beside `curl`", "CPU s/GB", "lag ms"]
    how = _HOW.format(megabytes=number(data["file_bytes"] / 1e6), file_system=data["file_system"])
    parts = ["## Downloads", how.strip(), table(header, rows)]
    if not all("curl" in runs for runs in data["runs"].values()):
        parts.append("There is no `curl` on this machine: nothing to compare with.")
    return "\n\n".join(parts) + "\n"


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """Returns the goals with their figures: throughput compared with `curl`, and lag of the event loop."""
    found = []
    for streams, least in RATIOS.items():
        runs: Runs = data.get("runs", {}).get(streams, {})
        fast = f"downloads, {streams} at once: throughput beside curl and sync", f"at least {least} x"
        smooth = f"downloads, {streams} at once: worst loop lag", f"below {number(LAG_MS)} ms"
        if ratio := _ratio(runs, "kling_async"):
            found.append(Goal(*fast, f"{ratio.text(2)} x", 1 - ratio.median / least))
        else:
            found.append(Goal(*fast))
        if ours := runs.get("kling_async"):
            found.append(Goal(*smooth, f"{_lag(ours)} ms", _lag(ours).median / LAG_MS - 1))
        else:
            found.append(Goal(*smooth))
    return [*found, _beside_by_hand(data.get("runs", {}).get("32", {}))]


def _beside_by_hand(runs: Runs) -> Goal:
    title = "the same, beside a loop by hand that keeps nothing", f"at most {LAG_RATIO} x"
    ours, floor = runs.get("kling_async", ()), runs.get("by hand", ())
    if not ours or not floor:
        return Goal(*title)
    # Ratios of consecutive runs.
    ratio = Spread(run["lag"] / by_hand["lag"] for run, by_hand in zip(ours, floor, strict=True))
    return Goal(*title, f"{ratio.text(2)} x ({_lag(ours)} ms against {_lag(floor)} ms)", ratio.median / LAG_RATIO - 1)


def _throughput(runs: Sequence[Mapping[str, float]]) -> Spread:
    return Spread(run["bytes"] / 1e6 / run["seconds"] for run in runs)


def _cpu(runs: Sequence[Mapping[str, float]]) -> Spread:
    return Spread(run["cpu"] / (run["bytes"] / 1e9) for run in runs)


def _lag(runs: Sequence[Mapping[str, float]]) -> Spread:
    return Spread(1000 * run["lag"] for run in runs)


def _ratio(runs: Runs, name: str) -> Spread | None:
    """Returns the throughput ratio to `curl` of consecutive runs, which had the same files."""
    if "curl" not in runs:
        return None
    return Spread(curl["seconds"] / run["seconds"] for run, curl in zip(runs[name], runs["curl"], strict=True))
