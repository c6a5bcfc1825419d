"""What the runs say, as a table and as goals that were met or missed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.figures import Goal, Spread, number, table

RATIOS: Final = {"1": 0.8, "32": 1.0}
"""The least throughput, as a share of `curl`'s, by files at once."""
LAG_MS: Final = 20.0

_NAMES: Final = {
    "kling_async": "kling_async: `save`",
    "curl": "`curl`, then `sync` of the file",
    "discard": "`curl`, nothing kept: what the server can give",
}
_HOW: Final = """
Files of {megabytes} MB, over loopback from a server in another process that sends them by `sendfile`; each client in
a process of its own, one after the other, into the same file system. `save` makes a `.part`, syncs the file, gives it
its name, syncs the directory; the tasks are known to be done before the clock runs. `curl` is run as is fastest for
it: one process for all files in turn and one `sync` of them all; with 32 at once a process and a `sync` for each. CPU
is user and system, of `curl` with its start, and holds what the kernel does in their name. Lag is the worst of a run:
by how much a sleep of 2 ms was late. Medians, with the lowest and highest run.
"""

Runs = Mapping[str, Sequence[Mapping[str, float]]]


def markdown(data: Mapping[str, Any]) -> str:
    """The section of the report."""
    rows = [
        [_NAMES[name], streams, _throughput(of), _ratio(runs, name), _cpu(of), _lag(of) if "lag" in of[0] else ""]
        for streams, runs in data["runs"].items()
        for name, of in runs.items()
    ]
    header = ["client", "at once", "MB/s", "beside `curl`", "CPU s/GB", "lag ms"]
    parts = ["## Downloads", _HOW.format(megabytes=number(data["file_bytes"] / 1e6)).strip(), table(header, rows)]
    if not all("curl" in runs for runs in data["runs"].values()):
        parts.append("There is no `curl` on this machine: nothing to compare with.")
    return "\n\n".join(parts) + "\n"


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """What was aimed at: throughput beside `curl`, and a loop that goes on."""
    found = []
    for streams, runs in data["runs"].items():
        title = f"downloads, {streams} at once"
        least = RATIOS.get(streams)
        if "curl" in runs and least is not None:
            ratio = _ratio(runs, "kling_async")
            name = f"{title}: throughput beside curl and sync"
            found.append(Goal(name, f"at least {least} x", f"{ratio} x", ratio.median >= least))
        lag = _lag(runs["kling_async"])
        found.append(Goal(f"{title}: worst loop lag", f"below {number(LAG_MS)} ms", f"{lag} ms", lag.median < LAG_MS))
    return found


def _throughput(runs: Sequence[Mapping[str, float]]) -> Spread:
    return Spread(run["bytes"] / 1e6 / run["seconds"] for run in runs)


def _cpu(runs: Sequence[Mapping[str, float]]) -> Spread:
    return Spread(run["cpu"] / (run["bytes"] / 1e9) for run in runs)


def _lag(runs: Sequence[Mapping[str, float]]) -> Spread:
    return Spread(1000 * run["lag"] for run in runs)


def _ratio(runs: Runs, name: str) -> Any:
    """Of runs that followed each other; they had the same files."""
    if "curl" not in runs:
        return ""
    return Spread(curl["seconds"] / run["seconds"] for run, curl in zip(runs[name], runs["curl"], strict=True))
