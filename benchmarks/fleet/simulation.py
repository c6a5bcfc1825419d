"""A fleet in virtual time: accounts full of work, workers that claim, one database; no I/O, no clock, seeded.

The cycle of a seat: a task ends; the follower polls it and sees the end, after the polling lag; it writes the end; all
workers of the account are notified and claim; the one that gets the job records its begin, and sends it. The time that
the seat waits beyond the lag is the cost of the fleet.

The database runs one operation after the other, with the measured CPU times. Of workers that are notified of a seat at
the same moment one gets it, one claims it in vain, since the second claim of a PgQueuer seat gets nothing, and the
others see that it is taken.
"""

import heapq
import random
from collections.abc import Sequence
from typing import Any, Final

import attrs

from benchmarks.fleet.claimer import AT_ONCE
from kling_async.protocol.fleet.learned_limit import LearnedLimit

COALESCED: Final = 0.05
"""Minimum seconds between two claims of a worker."""
CREATE: Final = 0.3
"""Seconds from the begin of a create until the service counts its task; assumed for all."""
COMMITS_BEFORE: Final = 2
"""Transactions before a create: the begin of the job, and the intent in the journal."""
COMMITS_AFTER: Final = 2
"""Transactions after a create: the acceptance in the journal, and the handover to the follower."""


@attrs.frozen(kw_only=True)
class Rates:
    """Times of database operations, in seconds.

    Attributes:
        vain: a claim that gets nothing.
        first: a claim that gets one job.
        each: added by each further job of a claim.
        look: a query of the seats.
        commit: a small transaction.
        end: the end of a task.
        wait: latency of a small transaction on an idle database.
    """

    vain: float
    first: float
    each: float
    look: float
    commit: float
    end: float
    wait: float

    def round(self, jobs: int) -> float:
        """Returns the time of a worker's round: queries of seats, waiting and own jobs, and a claim of `jobs` jobs."""
        return 3 * self.look + (self.first + (jobs - 1) * self.each if jobs else 0.0)


@attrs.frozen
class Kind:
    """A kind of task.

    Attributes:
        name: of the kind.
        tasks: samples, as seconds until a task ends, and until the follower sees the end.
    """

    name: str
    tasks: Sequence[tuple[float, float]] = attrs.field(repr=False)


@attrs.frozen
class Slots:
    """Time of all slots of an account up to a moment, in seconds.

    Attributes:
        time: total.
        busy: with running tasks.
        lag: with tasks that have ended without being seen.
        started: number of started tasks.
    """

    time: float = 0.0
    busy: float = 0.0
    lag: float = 0.0
    started: int = 0


@attrs.define
class Account:
    """An account in a simulation, with its state.

    Attributes:
        slots: that the service grants.
        declared: limit of the queue.
        jobs: that are still queued.
        rates: of the database, with this number of seats.
        kind: of its tasks.
        full: state when each slot had its first task.
        empty: state when the queue became empty; None until then.
    """

    slots: int
    declared: int
    jobs: int
    rates: Rates
    kind: Kind
    full: Slots = Slots()
    empty: Slots | None = None
    rounds: int = 0
    refused: int = 0
    started: int = 0
    begun: int = 0
    running: int = 0
    learned: LearnedLimit = attrs.field(factory=LearnedLimit)
    resting: int = 0
    notified_at: float = -1.0
    tasks: list[tuple[float, float, float]] = attrs.field(factory=list, repr=False)
    """Times at which each task began, ended, and was seen to have ended."""

    def until(self, now: float) -> Slots:
        """Returns the times of the slots until `now`."""
        busy = sum(min(end, now) - start for start, end, _ in self.tasks)
        lag = sum(min(seen, now) - min(end, now) for _, end, seen in self.tasks)
        return Slots(self.slots * now, busy, lag, self.started)

    def worked(self) -> Slots:
        """Returns the times of the slots from when all were in use until the queue was empty."""
        assert self.empty
        before, after = attrs.astuple(self.full), attrs.astuple(self.empty)
        return Slots(*(late - early for early, late in zip(before, after, strict=True)))


class Fleet:
    """A simulation.

    Args:
        accounts: with all their jobs queued at the beginning.
        workers: number of workers; each claims for all accounts.
        seed: of all random numbers.
    """

    def __init__(self, accounts: Sequence[Account], workers: int, seed: int) -> None:
        self.accounts = accounts
        self.busy = 0.0
        """Seconds for which the database was busy."""
        self.now = 0.0
        self._random = random.Random(seed)  # noqa: S311  (no secret)
        self._events: list[tuple[float, int, Any, Account, Any]] = []
        self._count = 0
        self._free_at = 0.0  # when the database has done all its operations
        for account in accounts:
            account.resting = workers
            self._at(0.0, self._notify, account, None)

    def run(self) -> None:
        """Runs until all queues are empty."""
        left = len(self.accounts)
        while left:
            self.now, _, step, account, value = heapq.heappop(self._events)
            if account.empty:
                continue
            step(account, value)
            if not account.jobs:
                account.empty = account.until(self.now)
                left -= 1

    # ------------------------------------------------------------------------------------------ the database

    def _done(self, seconds: float) -> float:
        """Returns when the database has done an operation that is requested now."""
        self.busy += seconds
        self._free_at = max(self.now, self._free_at) + seconds
        return self._free_at

    def _at(self, time: float, step: Any, account: Account, value: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, step, account, value))

    # --------------------------------------------------------------------------------------------- one seat

    def _notify(self, account: Account, _: None) -> None:
        """Notifies all workers of the account: resting ones claim at once, others after their round."""
        account.notified_at = self.now
        if account.resting:
            self._claim(account, account.resting)

    def _claim(self, account: Account, workers: int) -> None:
        seats = account.learned.seats(account.declared, self.now)
        taken = max(0, min(AT_ONCE, seats - account.begun, account.jobs))
        account.rounds += workers
        account.resting -= workers
        account.begun += taken
        account.jobs -= taken
        rates = account.rates
        if taken:
            done = self._done(rates.round(taken)) + rates.wait
            self._at(done, self._claimed, account, taken)
            self._at(done + COALESCED, self._back, account, (1, self.now, True))
            workers -= 1
        if workers:
            vain = rates.vain if taken else 0.0  # one of them claims the seat that the first one got
            self._at(
                self._done(workers * rates.round(0) + vain) + COALESCED,
                self._back,
                account,
                (workers, self.now, False),
            )

    def _back(self, account: Account, finished: tuple[int, float, bool]) -> None:
        """Ends a round of workers; those that got a job, or were notified meanwhile, claim again."""
        workers, since, again = finished
        account.resting += workers
        if again or account.notified_at > since:
            self._claim(account, workers)

    def _claimed(self, account: Account, jobs: int) -> None:
        rates = account.rates
        for _ in range(jobs):
            begun = self._done(COMMITS_BEFORE * rates.commit) + COMMITS_BEFORE * rates.wait
            self._at(begun + CREATE, self._arrive, account, None)

    def _arrive(self, account: Account, _: None) -> None:
        """Handles a create at the service."""
        if account.running >= account.slots:
            account.refused += 1
            account.begun -= 1
            account.jobs += 1
            account.learned = account.learned.refused(account.begun, self.now, self._random.random)
            self._at(self._done(account.rates.commit), self._notify, account, None)
            self._at(account.learned.probe_at, self._notify, account, None)
            return
        account.running += 1
        account.started += 1
        takes, seen = account.kind.tasks[int(self._random.random() * len(account.kind.tasks))]
        account.tasks.append((self.now, self.now + takes, self.now + seen))
        if account.started == account.slots:
            account.full = account.until(self.now)
        self._at(self.now + takes, self._end, account, None)
        self._at(self.now + seen, self._see, account, None)
        self._done(COMMITS_AFTER * account.rates.commit)
        if account.learned.refused_above is not None:
            after = account.learned.accepted(account.begun, self.now)
            if after.probe_at != account.learned.probe_at:
                self._at(after.probe_at, self._notify, account, None)
            account.learned = after

    def _end(self, account: Account, _: None) -> None:
        account.running -= 1

    def _see(self, account: Account, _: None) -> None:
        rates = account.rates
        self._at(self._done(rates.end + rates.commit) + 2 * rates.wait, self._free, account, None)

    def _free(self, account: Account, _: None) -> None:
        account.begun -= 1
        self._notify(account, None)
