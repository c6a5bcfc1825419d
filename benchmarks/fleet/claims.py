"""Measures how quickly seats are claimed, by the number of queued jobs, seats and claiming processes."""

import asyncio
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.fleet.claimer import AT_ONCE
from kling_async.fleet import engine
from kling_async.fleet.database import Database, install
from tests.postgres import Cluster

Claimer: TypeAlias = "subprocess.Popen[str]"

QUEUED: Final = (1_000, 100_000, 1_000_000)
LIMITS: Final = (5, 50, 1_000)
PROCESSES: Final = (1, 4)
FREED: Final = (0, 1, AT_ONCE)
LINES: Final = 8
"""Entrypoints of the cases with several: models of one account."""
SECONDS: Final = 1.0
MOST: Final = 500
"""Maximum number of jobs that a case takes from the queue: fewer than there are."""
SUBMITTED: Final = 200_000
"""Up to this number jobs are queued one by one; more are copied, since queueing them would take minutes."""
COPIES: Final = (
    "INSERT INTO kling_fleet.pgqueuer (priority, entrypoint, payload, execute_after, status) "
    "SELECT 0, 'account/0', 'x', now(), 'queued' FROM generate_series(1, %s)"
)
ENQUEUED: Final = 20_000
"""Jobs in one transaction."""


def measure() -> dict[str, Any]:
    """Measures all cases, on a separate server."""
    rows, other = list[dict[str, Any]](), list[dict[str, Any]]()
    memory, fills = dict[int, list[int]](), dict[int, float]()
    cluster = Cluster()
    try:
        cluster.start()
        bench = Bench(cluster.dsn(cluster.create()))
        asyncio.run(bench.install())
        for queued in QUEUED:
            took = asyncio.run(bench.fill(queued, 1))
            if queued <= SUBMITTED:
                fills[queued] = took
            with bench.claimers(max(PROCESSES)) as claimers:
                for limit in LIMITS:
                    for count in PROCESSES:
                        case = {"queued": queued, "limit": limit, "processes": count, "lines": 1}
                        rows.extend(bench.cases(claimers[:count], case))
                    other.append(bench.other(claimers[0], {"queued": queued, "limit": limit}))
                memory[queued] = [_call(each, "resident") for each in claimers]
        with bench.claimers(1) as claimers:
            rows.extend(bench.cases(claimers, {"queued": QUEUED[-1], "limit": 50, "processes": 1, "lines": LINES}))
    finally:
        cluster.remove()
    return {"rows": rows, "other": other, "memory": memory, "fills": fills, "load": os.getloadavg()[0]}


class Bench:
    """Runs the cases.

    Args:
        dsn: of the fleet's database, on this machine.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def cases(self, claimers: "list[Claimer]", case: dict[str, int]) -> list[dict[str, Any]]:
        """Measures processes that hold all seats of an account, free some and claim them again."""
        found = []
        for freed in FREED:
            limits, _ = self._full(claimers, case)
            before = self._cpu()
            runs = _all(claimers, "run", limits, freed, SECONDS, MOST // len(claimers))
            found.append(case | {"freed": freed} | _run(runs, self._cpu() - before))
            _all(claimers, "leave")
        return found

    def other(self, claimer: "Claimer", case: dict[str, int]) -> dict[str, Any]:
        """Measures what else a worker does: seconds of each operation, and CPU seconds of the server."""
        limits, seats = self._full([claimer], case | {"lines": 1})
        found: dict[str, Any] = dict(case)
        for what in ("look", "commit", "end"):
            count, seconds, cpu = 0, 0.0, 0.0
            while seconds < SECONDS / 2:
                before = self._cpu()
                done = _call(claimer, "free", 50) if what == "end" else _call(claimer, "repeat", what, SECONDS / 2)
                cpu += self._cpu() - before
                count, seconds = count + done["count"], seconds + done["seconds"]
                _call(claimer, "fill", limits, seats)
            found |= {what: seconds / count, f"{what}_cpu": cpu / count}
        _call(claimer, "leave")
        return found

    def _full(self, claimers: "list[Claimer]", case: dict[str, int]) -> tuple[dict[str, int], int]:
        """Fills all seats, with more jobs queued; returns the limits, and the number of seats."""
        seats, lines = case["limit"] * case["lines"], case["lines"]
        asyncio.run(self.fill(case["queued"] + seats, lines))
        limits = {f"account/{line}": case["limit"] for line in range(lines)}
        for place, each in enumerate(claimers):
            _call(each, "fill", limits, seats // len(claimers) + (place < seats % len(claimers)))
        return limits, seats

    def _cpu(self) -> float:
        """Returns the CPU seconds of the server's processes."""
        return sum(map(_run_time, asyncio.run(self._processes())))

    async def _processes(self) -> list[int]:
        async with await Database(self._dsn).connect() as connection:
            found = await connection.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            return [row["pid"] for row in await found.fetchall()]

    async def install(self) -> None:
        """Creates the tables."""
        async with await Database(self._dsn).connect() as connection:
            await install(connection)

    async def fill(self, queued: int, lines: int) -> float:
        """Makes sure that at least `queued` jobs wait; returns the seconds for each job that had to be queued."""
        async with await Database(self._dsn).connect() as connection:
            queries = engine.queries(connection)
            await connection.execute("DELETE FROM kling_fleet.pgqueuer WHERE entrypoint = 'account/save'")
            found = await connection.execute("SELECT count(*) AS n FROM kling_fleet.pgqueuer WHERE status = 'queued'")
            missing: int = queued - (await found.fetchone() or {})["n"]
            submitted = missing if missing <= SUBMITTED else 0
            if not submitted:
                await connection.execute(COPIES, [max(0, missing)])
            places = itertools.cycle([f"account/{line}" for line in range(lines)])
            began = time.perf_counter()
            for start in range(0, submitted, ENQUEUED):
                count = min(ENQUEUED, submitted - start)
                payloads: list[bytes | None] = [b"1\n"] * count
                await queries.enqueue(list(itertools.islice(places, count)), payloads, [0] * count)
            took = (time.perf_counter() - began) / max(1, missing)
            if missing >= ENQUEUED:
                await connection.execute("VACUUM ANALYZE kling_fleet.pgqueuer")  # as Postgres itself does in time
            return took

    @contextlib.contextmanager
    def claimers(self, count: int) -> "Iterator[list[Claimer]]":
        """Starts processes that claim."""
        command = (sys.executable, "-m", "benchmarks.fleet.claimer", self._dsn)
        pipe = subprocess.PIPE
        started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]
        try:
            yield started
        finally:
            for each in started:
                each.communicate()


def _run(found: list[dict[str, Any]], cpu: float) -> dict[str, Any]:
    claims = sorted(seconds for each in found for seconds in each["claims"])
    taken = [jobs for each in found for jobs in each["taken"]]
    seconds = max(each["seconds"] for each in found)
    return {
        "claim": statistics.median(claims),
        "slow": claims[int(0.95 * (len(claims) - 1))],
        "claims_per_second": len(claims) / seconds,
        "jobs_per_second": sum(taken) / seconds,
        "in_vain": sum(not jobs for jobs in taken) / len(taken),
        "cpu": cpu / len(claims),
    }


def _run_time(process: int) -> float:
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text("ascii").split()[0]) / 1e9
    except OSError:
        return 0.0  # it has ended


def _send(claimers: "list[Claimer]", *words: Any) -> None:
    for each in claimers:
        assert each.stdin
        each.stdin.write(json.dumps(words) + "\n")
        each.stdin.flush()


def _line(claimer: "Claimer") -> str:
    assert claimer.stdout
    return claimer.stdout.readline()


def _all(claimers: "list[Claimer]", *words: Any) -> list[Any]:
    """Runs a command in all processes at once; returns their answers."""
    _send(claimers, *words)
    return [json.loads(_line(each)) for each in claimers]


def _call(claimer: "Claimer", *words: Any) -> Any:
    return _all([claimer], *words)[0]
