"""The page: goals first, then simulated and measured figures."""

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.figures import Goal, Spread, number, table
from benchmarks.fleet import scenarios
from benchmarks.fleet.claimer import AT_ONCE
from benchmarks.fleet.simulation import CREATE
from benchmarks.fleet.workers import DONE
from benchmarks.report import goals_table, processor

Data = Mapping[str, Any]

IDLE: Final = 0.02
MEMORY: Final = 120

_OTHER: Final = {
    "look": "a query of the seats, ms (CPU)",
    "commit": "a row changed, ms (CPU)",
    "end": "a task's end, ms (CPU)",
}
_HOW: Final = """
## How

**Measured**: PgQueuer's `Queries.dequeue` as the fleet calls it, up to {at_once} jobs, limits as seats, in the fleet's
own tables; Postgres with its defaults, including `fsync`, on the same machine. All seats are held; each process in turn
frees some seats, each in a transaction that also queues a save and notifies, and claims. "In vain" is the share of
claims that got nothing: if two claim the same seats at once, the second gets none at all. CPU is that of all processes
of the server, for a claim with the ends before it. The machine did other things too, so rates are lower and times
longer than on an idle one; CPU is less affected by that.

Memory is the peak of one worker's process until {done} tasks had ended, on the emulator.

**Simulated**: virtual time, seeded, no I/O; `benchmarks/fleet/simulation.py` describes the cycle of a seat. One
database of {cores} cores serves all accounts of a fleet, one operation after the other, with the CPU times measured
with {queued:,} jobs queued. A worker that is notified of a seat makes three queries, and claims if a seat is free.
Durations are log-normal with three in a hundred late, the polling lag is that of the client's own schedule for a kind
with known durations, limits are learned by `protocol/fleet/learned_limit.py`. Of each create {create:g} s are idle,
too. Idle is the time that slots wait beyond the polling lag, as a share of all their time from when each had its first
task until the queue is empty.
"""


def page(measured: Data, workers: Data, simulated: Data) -> str:
    """Returns the whole page.

    Args:
        measured: figures from `claims.measure`.
        workers: figures from `workers.measure`.
        simulated: figures from `scenarios.simulate`.
    """
    machine = f"{os.cpu_count()} cores ({processor()}), {platform.system()}, Python {platform.python_version()}"
    seconds = number(measured["seconds"] + workers["seconds"])
    when = f"Measured {measured['date']}, in {seconds} s"
    parts = [
        "# How a fleet scales\n\nWritten by `nox -s fleet`; nothing here is typed in by hand.",
        f"{machine}. {when}, simulated in {number(simulated['seconds'])} s. Load {number(measured['load'])}.",
        goals_table(goals(workers, simulated)),
        *_simulated(simulated),
        *_measured(measured),
        _HOW.strip().format(
            at_once=AT_ONCE,
            create=CREATE,
            cores=scenarios.CORES,
            done=DONE,
            queued=max(row["queued"] for row in measured["rows"]),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def goals(workers: Data, simulated: Data) -> list[Goal]:
    """Returns the goals with their measured figures."""
    found = []
    for kind in scenarios.MEANS:
        idle = Spread(share for each in simulated["fleets"] if each["kind"] == kind for share in each["idle"].values())
        measured = f"{_percent(idle.high)} at most, {_percent(idle.median)} in the middle"
        name = f"slots idle beyond the polling lag, {kind} of {scenarios.MEANS[kind]:g} s"
        found.append(Goal(name, f"below {100 * IDLE:g} %", measured, idle.high / IDLE - 1))
    peaks = {int(queued): bytes_ / 1e6 for queued, bytes_ in workers["peaks"].items()}
    measured = ", ".join(f"{peak:.0f} MB with {queued:,} jobs queued" for queued, peak in peaks.items())
    name = f"memory of a worker, {workers['slots']} slots"
    found.append(Goal(name, f"below {MEMORY} MB", measured, max(peaks.values()) / MEMORY - 1))
    return found


def _simulated(data: Data) -> list[str]:
    rows = [
        [
            f"{each['kind']}, {each['workers']} workers",
            *(_percent(share) for share in each["idle"].values()),
            _percent(each["creates"]),
            _percent(each["lag"]),
            _percent(each["busy"]),
            number(each["rounds_per_job"]),
        ]
        for each in data["fleets"]
    ]
    header = ["idle beyond the lag", *(f"{slots:,} slots" for slots in scenarios.SLOTS)]
    header += ["of that creates", "polling lag", "database busy", "rounds a job"]
    jobs = sum(each["jobs"] for each in data["fleets"])
    fleets = f"**{jobs:,} jobs**, each row a fleet of five accounts at once\n\n" + table(header, rows)
    sweep = [
        [
            f"{each['mean']:g} s, {each['workers']} workers",
            _percent(_only(each["idle"])),
            _percent(each["creates"]),
            _percent(each["busy"]),
            number(each["starts_per_second"]),
        ]
        for each in data["sweep"]
    ]
    learned, title = data["learned"], f"{scenarios.SLOTS[-1]:,} slots and shorter and shorter tasks"
    text = (
        f"A queue whose limit is {scenarios.DECLARED_TOO_HIGH:g} times the 100 slots of its account learns the right "
    )
    idle = _percent(_only(learned["idle"]) + learned["lag"])
    text += (
        f"one: {idle} idle, lag included; {learned['refused']:,} creates were refused, {learned['jobs']:,} accepted."
    )
    return [
        fleets,
        f"**Where the engine becomes the limit**: {title}\n\n"
        + table(["tasks of", "idle beyond the lag", "of that creates", "database busy", "starts a second"], sweep),
        "\n".join(_limits(data["sweep"])),
        text,
    ]


def _limits(sweep: Sequence[Data]) -> list[str]:
    """Returns sentences about what the fleet adds to the creates themselves, which any client waits for."""
    lines = []
    for workers in dict.fromkeys(each["workers"] for each in sweep):
        mine = [each for each in sweep if each["workers"] == workers]
        kept = [each for each in mine if _only(each["idle"]) - each["creates"] < IDLE]
        most = max(each["starts_per_second"] for each in mine)
        if kept:
            least = min(kept, key=lambda each: each["mean"])
            text = f"keeps {scenarios.SLOTS[-1]:,} slots at work down to tasks of {least['mean']:g} s on average "
            text += (
                f"({number(least['starts_per_second'])} starts a second): but for the creates themselves, less than "
            )
            text += f"{100 * IDLE:g} % idle"
        else:
            text = f"does not keep {scenarios.SLOTS[-1]:,} slots at work with any of these"
        lines.append(f"- With {workers} workers the engine {text}. It never starts more than {number(most)} a second.")
    return lines


def _measured(data: Data) -> list[str]:
    rows = [
        [
            _seats(row),
            row["processes"],
            "none" if not row["freed"] else row["freed"],
            _ms(row["claim"]),
            _ms(row["slow"]),
            number(row["claims_per_second"]),
            number(row["jobs_per_second"]),
            _percent(row["in_vain"]) if row["freed"] else "",
            _ms(row["cpu"]),
        ]
        for row in data["rows"]
    ]
    header = [
        "queued, seats",
        "processes",
        "seats freed",
        "claim, ms",
        "p95, ms",
        "claims/s",
        "jobs/s",
        "in vain",
        "CPU, ms",
    ]
    memory = [
        [f"{int(queued):,}", Spread(each / 1e6 for each in sizes), _fill(data["fills"].get(queued))]
        for queued, sizes in data["memory"].items()
    ]
    other = [
        [_seats(row | {"lines": 1}), *(f"{_ms(row[what])} ({_ms(row[f'{what}_cpu'])})" for what in _OTHER)]
        for row in data["other"]
    ]
    return [
        "**Claims**\n\n" + table(header, rows),
        table(["jobs queued", "a claiming process, MB", "to queue a job, ms"], memory),
        table(["queued, seats", *_OTHER.values()], other),
    ]


def _only(values: Mapping[Any, float]) -> float:
    (value,) = values.values()
    return value


def _seats(row: Data) -> str:
    lines = f" on each of {row['lines']} lines" if row["lines"] > 1 else ""
    return f"{row['queued']:,} jobs, {row['limit']:,}{lines}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share < 0.1 else f"{100 * share:.0f} %"


def _fill(seconds: float | None) -> str:
    return "" if seconds is None else number(1e3 * seconds, 2)


def _ms(seconds: float) -> str:
    return number(1e3 * seconds)
