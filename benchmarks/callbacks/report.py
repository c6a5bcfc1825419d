"""The report on callbacks: goals first, then the figures."""

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.figures import Goal, Spread, number, table
from benchmarks.report import goals_table, processor

Data = Mapping[str, Any]

CPU: Final = 3.0
STALL: Final = 2.0
GROWTH: Final = 2**20

_HOW: Final = """
## How

{count:,} signed callbacks, two for each of {tasks:,} tasks, all running and then all ended, over {connections}
connections as fast as they are answered. The receiver's client follows these tasks, with a waiter for each; it is
compared with a handler that reads the body and answers, both in aiohttp's server. Ratios are of pairs: two processes,
one after the other, in alternating order. CPU is that of the whole process, from the first callback to the last, HTTP
included; a stall is one turn of the event loop. Memory is resident memory after {count:,}, after as many more for
tasks that are not followed, and so on: 20,000 message ids are remembered. The machine did other things too: the load
is that of the minute before each pair.
"""


def page(data: Data, about: Mapping[str, Any]) -> str:
    """Returns the whole page.

    Args:
        data: Measured figures.
        about: Date and options.
    """
    machine = f"{os.cpu_count()} cores ({processor()}), {platform.system()}, Python {platform.python_version()}"
    load = Spread(pair["load"] for pair in data["pairs"])
    pairs, count = data["pairs"], data["count"]
    rows = [
        [title, _half(pairs, "bare", key, scale), _half(pairs, "receiver", key, scale), _ratio(pairs, key).text(2)]
        for title, key, scale in (("CPU per callback, µs", "cpu", 1e6 / count), ("worst stall, ms", "stall", 1e3))
    ]
    memory = ", ".join(f"{each['resident'] / 2**20:.1f}" for each in data["rounds"])
    parts = [
        "# What callbacks cost\n\nWritten by `nox -s callbacks`; nothing here is typed in by hand.",
        f"{machine}. Measured {about['measured']}, in {number(about['seconds'])} s. Load {load}.",
        goals_table(goals(data)),
        f"**{count:,} callbacks** ({len(pairs)} pairs)\n\n" + table(["", "only read", "received", "ratio"], rows),
        f"MiB after each {count:,} callbacks: {memory}.",
        _HOW.strip().format(count=count, tasks=count // 2, connections=about["connections"]),
    ]
    return "\n\n".join(parts) + "\n"


def goals(data: Data) -> list[Goal]:
    """Returns the goals with their measured figures."""
    pairs, count = data["pairs"], data["count"]
    answered = min(each["answered"] for pair in pairs for each in (pair["bare"], pair["receiver"]))
    ended = min(pair["receiver"]["ended"] for pair in pairs)
    cpu, stall = _ratio(pairs, "cpu"), _ratio(pairs, "stall")
    resident = [each["resident"] for each in data["rounds"]]
    growth = resident[-1] - resident[-2]
    return [
        Goal(
            f"answered, of {count:,}, and waiters that got the end of their task, of {count // 2:,}",
            "all",
            f"{answered:,} and {ended:,}",
            0.0 if answered == count and ended == count // 2 else 1.0,
        ),
        Goal(
            "CPU per callback over a handler that only reads", f"at most {CPU:g} x", f"{cpu.text(2)} x", _over(cpu, CPU)
        ),
        Goal("worst stall over that of the same", f"at most {STALL:g} x", f"{stall.text(2)} x", _over(stall, STALL)),
        Goal(
            f"memory that the last {count:,} of {count * len(resident):,} took",
            "less than 1 MiB",
            f"{growth / 2**20:.2f} MiB",
            growth / GROWTH - 1,
        ),
    ]


def _over(ratio: Spread, goal: float) -> float:
    return ratio.median / goal - 1


def _half(pairs: Sequence[Data], half: str, key: str, scale: float) -> Spread:
    return Spread(scale * pair[half][key] for pair in pairs)


def _ratio(pairs: Sequence[Data], key: str) -> Spread:
    return Spread(pair["receiver"][key] / pair["bare"][key] for pair in pairs)
