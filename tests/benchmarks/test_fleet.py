from typing import Any

import attrs
import pytest

from benchmarks.fleet import claims, report, scenarios
from benchmarks.fleet.simulation import Account, Fleet, Rates
from benchmarks.schedule import MEAN
from kling_async.protocol.polling.schedule import AimedPolling

MS = 0.001
RATES = Rates(vain=MS, first=2 * MS, each=0.2 * MS, look=0.2 * MS, commit=0.5 * MS, end=2 * MS, wait=5 * MS)
CLIPS = scenarios.kind_of("clips", MEAN)


def simulated(rates: Rates = RATES, *, slots: int = 20, declared: int = 20, workers: int = 3) -> Account:
    """An account whose queue was full at first, after its last job has started."""
    account = Account(slots, declared, 100 * slots, rates, CLIPS)
    Fleet([account], workers, seed=1).run()
    return account


def idle(account: Account) -> float:
    """The idle share of the time of all slots."""
    worked = account.worked()
    return 1 - (worked.busy + worked.lag) / worked.time


def lag(account: Account) -> float:
    """The polling lag as a share of the time of all slots."""
    return account.worked().lag / account.worked().time


def test_slots_are_hardly_idle_beyond_the_lag() -> None:
    """With a fast database a slot is idle less than a hundredth of its time, creates included."""
    account = simulated()
    assert account.jobs == account.refused == 0
    assert account.started >= 99 * account.slots
    assert 0.001 < idle(account) < 0.01
    assert 0.3 * AimedPolling().lag < lag(account) < 2 * AimedPolling().lag


def test_a_slow_database_leaves_slots_idle() -> None:
    """With a slow database, the simulation shows idle slots."""
    slow = Rates(**{name: 500 * seconds for name, seconds in attrs.asdict(RATES).items()})
    assert idle(simulated(slow)) > 0.05


def test_many_workers_poll_in_vain() -> None:
    """A free slot wakes all workers, and one gets it."""
    few, many = simulated(workers=1), simulated(workers=50)
    assert many.rounds > 10 * few.rounds


def test_a_limit_that_was_declared_too_high_is_learned() -> None:
    """An account never exceeds its real limit, is hardly idle, and few creates are refused."""
    account = simulated(declared=30)
    assert account.running <= account.slots
    assert 0 < account.refused < account.started / 5
    assert idle(account) + lag(account) < 0.06


def test_the_same_seed_gives_the_same() -> None:
    """The simulation depends on the seed only."""
    assert simulated() == simulated()


def measured(cpu: float) -> dict[str, Any]:
    """Rates of a database whose operations all take this long."""
    rows = [
        {"queued": 10, "limit": limit, "lines": 1, "processes": processes, "freed": freed, "claim": cpu, "slow": cpu}
        | {"claims_per_second": 10.0, "jobs_per_second": 10.0 * freed, "in_vain": 0.5, "cpu": cpu * (1 + 2 * freed)}
        for limit in (5, 1000)
        for processes in (1, 4)
        for freed in (0, 1, 20)
    ]
    names = ("look", "look_cpu", "commit", "commit_cpu", "end", "end_cpu")
    other = [{"queued": 10, "limit": limit} | dict.fromkeys(names, cpu) for limit in (5, 1000)]
    return {"rows": rows, "other": other, "memory": {"10": [6e7]}, "fills": {"10": cpu}, "load": 1.0}


def test_rates_are_those_of_the_processors() -> None:
    """The freeing of slots is subtracted from a claim, and all cores of the database's machine work."""
    rates = scenarios.rates(measured(MS), 100)
    assert rates.vain == rates.look == rates.commit == rates.end == MS / scenarios.CORES
    assert rates.first == pytest.approx(2 * MS / scenarios.CORES)
    assert rates.each == pytest.approx(MS / scenarios.CORES)
    assert rates.wait == MS


def test_the_page_names_the_limit_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has the shortest tasks that keep all slots busy, per number of workers, or that none do."""
    monkeypatch.setattr(scenarios, "SLOTS", (5, 50))
    monkeypatch.setattr(scenarios, "JOBS", 8_000)
    monkeypatch.setattr(scenarios, "SWEPT", (60.0, 1.0))
    monkeypatch.setattr(scenarios, "SWEPT_JOBS", 500)
    monkeypatch.setattr(scenarios, "POOL", 500)
    about = {"date": "2026-01-01", "seconds": 1.0}
    quick, slow = (measured(cpu) | about for cpu in (0.1 * MS, 100 * MS))
    workers = about | {"slots": 3, "peaks": {"10": 60e6, "100": 130e6}}
    page = report.page(quick, workers, scenarios.simulate(quick) | about)
    assert "keeps 50 slots at work down to tasks of 1 s on average" in page
    assert "3 slots | below 120 MB | 60 MB with 10 jobs queued, 130 MB with 100 jobs queued | **missed" in page
    page = report.page(slow, workers, scenarios.simulate(slow) | about)
    assert "does not keep 50 slots at work with any of these" in page
    assert "**missed by" in page


@pytest.mark.slow
def test_claims_are_measured(monkeypatch: pytest.MonkeyPatch, shared_cluster: object) -> None:  # noqa: ARG001  (skips where there is no Postgres)
    """Claims of freed slots are measured, with concurrent processes too."""
    for name, value in {"QUEUED": (100, 300), "LIMITS": (5, 20), "PROCESSES": (1, 2), "SECONDS": 0.1}.items():
        monkeypatch.setattr(claims, name, value)
    found = claims.measure()
    assert len(found["rows"]) == 2 * 2 * 2 * 3 + 3
    assert all((row["jobs_per_second"] > 0) is (row["freed"] > 0) for row in found["rows"])
    assert all(row["cpu"] > 0 for row in found["rows"])
    assert scenarios.rates(found, 5).end > 0
