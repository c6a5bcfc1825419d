"""The simulated fleets: a million jobs in all, with the measured rates."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.fleet.simulation import CREATE, Account, Fleet, Kind, Rates
from benchmarks.schedule import LEARNED, MEAN, duration
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.schedule import AimedPolling

Measured = Mapping[str, Any]

SLOTS: Final = (5, 20, 100, 300, 1_000)
"""Slots of the accounts of one fleet."""
WORKERS: Final = (1, 3, 10, 50)
MEANS: Final = {"clips": MEAN, "pictures": 20.0}
"""Seconds that tasks take on average."""
JOBS: Final = 1_000_000
SWEPT: Final = (60.0, 30.0, 20.0, 15.0, 10.0, 7.0, 5.0, 3.0, 2.0)
"""Mean task durations for finding the engine's limit, on the largest account alone."""
SWEPT_JOBS: Final = 10_000
DECLARED_TOO_HIGH: Final = 1.5
"""Limit of a queue that was set too high, as a multiple of the account's slots."""
POOL: Final = 5_000
"""Number of tasks of a kind from which the simulated ones are drawn."""
CORES: Final = 2
"""Cores of the database's machine, each as fast as those of the measurement."""
ANSWER: Final = 0.05
"""Seconds until the service answers."""


def simulate(measured: Measured) -> dict[str, Any]:
    """Simulates all fleets.

    Args:
        measured: figures from `claims.measure`.
    """
    kinds = {name: kind_of(name, mean) for name, mean in MEANS.items()}
    each = JOBS // (len(WORKERS) * len(kinds))
    fleets = [
        _fleet(measured, workers, kind, SLOTS, jobs=each) | {"kind": name}
        for name, kind in kinds.items()
        for workers in WORKERS
    ]
    sweep = [
        _fleet(measured, workers, kind_of(f"{mean:g} s", mean), SLOTS[-1:], jobs=SWEPT_JOBS) | {"mean": mean}
        for mean in SWEPT
        for workers in (WORKERS[2], WORKERS[3])
    ]
    learned = _fleet(measured, WORKERS[2], kinds["clips"], (100,), jobs=SWEPT_JOBS, declared=DECLARED_TOO_HIGH)
    return {"fleets": fleets, "sweep": sweep, "learned": learned}


def kind_of(name: str, mean: float) -> Kind:
    """Returns tasks of a known kind, distributed as real ones except for their mean, with the poller's lag."""
    draws, scale = random.Random(name), mean / MEAN  # noqa: S311  (no secret)
    estimate, polling = DurationEstimate(mean), AimedPolling()
    for _ in range(LEARNED):
        estimate.observe(scale * duration(draws))
    tasks = []
    for _ in range(POOL):
        end, age = scale * duration(draws), 0.0
        while age < end:
            age += polling.delay(estimate, age, draws.random)
        tasks.append((end, age + ANSWER))
    return Kind(name, tasks)


def rates(measured: Measured, seats: int) -> Rates:
    """Returns the rates measured with the next higher limit, and with the most queued jobs.

    Args:
        measured: figures from `claims.measure`.
        seats: of the account.
    """
    queued = max(row["queued"] for row in measured["other"])
    limits = sorted({row["limit"] for row in measured["other"]})
    which = {"queued": queued, "limit": next((each for each in limits if each >= seats), limits[-1])}
    (other,) = (row for row in measured["other"] if row | which == row)
    which |= {"lines": 1, "processes": 1}
    claims = {row["freed"]: row for row in measured["rows"] if row | which == row}
    vain, one, many = claims[0], claims[1], claims[max(claims)]
    jobs = many["jobs_per_second"] / many["claims_per_second"]
    first, all_ = one["cpu"] - other["end_cpu"], many["cpu"] - jobs * other["end_cpu"]
    return Rates(
        vain=vain["cpu"] / CORES,
        first=max(first, vain["cpu"]) / CORES,
        each=max(0.0, all_ - first) / max(1.0, jobs - 1) / CORES,
        look=other["look_cpu"] / CORES,
        commit=other["commit_cpu"] / CORES,
        end=other["end_cpu"] / CORES,
        wait=min(row["commit"] for row in measured["other"]),
    )


def _fleet(
    measured: Measured, workers: int, kind: Kind, slots: Sequence[int], *, jobs: int, declared: float = 1.0
) -> dict[str, Any]:
    accounts = [
        Account(each, round(declared * each), jobs * each // sum(slots), rates(measured, each), kind) for each in slots
    ]
    fleet = Fleet(accounts, workers, seed=len(slots) * workers)
    fleet.run()
    worked = [account.worked() for account in accounts]
    time = sum(each.time for each in worked)
    return {
        "workers": workers,
        "jobs": sum(account.started for account in accounts),
        "idle": {
            account.slots: 1 - (each.busy + each.lag) / each.time
            for account, each in zip(accounts, worked, strict=True)
        },
        "creates": CREATE * sum(each.started for each in worked) / time,
        "lag": sum(each.lag for each in worked) / time,
        "busy": min(1.0, fleet.busy / fleet.now),
        "starts_per_second": sum(a.slots * each.started / each.time for a, each in zip(accounts, worked, strict=True)),
        "rounds_per_job": sum(account.rounds for account in accounts) / sum(account.started for account in accounts),
        "refused": sum(account.refused for account in accounts),
    }
