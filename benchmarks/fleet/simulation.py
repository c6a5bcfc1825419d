"""A fleet in virtual time: accounts full of work, workers that claim, one database; no I/O, no clock, seeded.

A seat goes round like this: a task ends; the follower asks for it and sees that, later by the polling lag; the end is
written; all workers of the account hear of it and claim; who got the job writes that it begins, and sends it. What the
seat waits beyond the lag is what a fleet costs.

The database does one thing after the other, by the time of its processors that was measured. Of workers that hear of a
seat at the same moment one gets it, one claims it in vain, since the second to take a seat of PgQueuer's gets nothing,
and the others see that it is taken.
"""

import heapq
import random
from collections.abc import Sequence
from typing import Any, Final

import attrs

from benchmarks.fleet.claimer import AT_ONCE
from kling_async.protocol.fleet.learned_limit import LearnedLimit

COALESCED: Final = 0.05
"""Seconds between two claims of a worker at least."""
CREATE: Final = 0.3
"""Seconds from the moment that a create is begun until the service counts its task: taken for all."""
COMMITS_BEFORE: Final = 2
"""The job is begun, the intent stands in the journal."""
COMMITS_AFTER: Final = 2
"""What was accepted stands in the journal, the task is given to the follower."""


@attrs.frozen(kw_only=True)
class Rates:
    """What the database does for workers, in seconds of it.

    Attributes:
        vain: a claim that gets nothing.
        first: a claim that gets one job.
        each: what each further job adds to that.
        look: a look at the seats.
        commit: a small transaction.
        end: the end of a task.
        wait: until who asked for a small transaction knows that it is done, when nothing else is.
    """

    vain: float
    first: float
    each: float
    look: float
    commit: float
    end: float
    wait: float

    def round(self, jobs: int) -> float:
        """A worker looks at seats, at what waits and at what it has, and claims so many jobs, or none."""
        return 3 * self.look + (self.first + (jobs - 1) * self.each if jobs else 0.0)


@attrs.frozen
class Kind:
    """What tasks there are.

    Attributes:
        name: of them.
        tasks: of some of them, seconds until they end, and until the follower sees that.
    """

    name: str
    tasks: Sequence[tuple[float, float]] = attrs.field(repr=False)


@attrs.frozen
class Slots:
    """What all slots of an account have done until a moment, in seconds.

    Attributes:
        time: that has passed.
        busy: with tasks.
        lag: while a task had ended and nobody had seen that.
        started: tasks.
    """

    time: float = 0.0
    busy: float = 0.0
    lag: float = 0.0
    started: int = 0


@attrs.define
class Account:
    """An account in a simulation, and what came of it.

    Attributes:
        slots: that the service grants.
        declared: that the queue was given.
        jobs: to be done; those that are still queued.
        rates: of the database, with so many seats.
        kind: of its tasks.
        full: when each slot had its first task.
        empty: when nothing was queued any more; None until then.
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
    heard_at: float = -1.0
    tasks: list[tuple[float, float, float]] = attrs.field(factory=list, repr=False)
    """Of each when it began, ended, and was seen to have ended."""

    def until(self, now: float) -> Slots:
        """All until now."""
        busy = sum(min(end, now) - start for start, end, _ in self.tasks)
        lag = sum(min(seen, now) - min(end, now) for _, end, seen in self.tasks)
        return Slots(self.slots * now, busy, lag, self.started)

    def worked(self) -> Slots:
        """What its slots did from when it was full until it was empty."""
        assert self.empty
        before, after = attrs.astuple(self.full), attrs.astuple(self.empty)
        return Slots(*(late - early for early, late in zip(before, after, strict=True)))


class Fleet:
    """A simulation.

    Args:
        accounts: whose jobs are all queued at the beginning.
        workers: each of which claims for all accounts.
        seed: of all that is random.
    """

    def __init__(self, accounts: Sequence[Account], workers: int, seed: int) -> None:
        self.accounts = accounts
        self.busy = 0.0
        """Seconds for which the database was at work."""
        self.now = 0.0
        self._random = random.Random(seed)  # noqa: S311  (no secret)
        self._events: list[tuple[float, int, Any, Account, Any]] = []
        self._count = 0
        self._free_at = 0.0  # when the database has done all that it was asked to
        for account in accounts:
            account.resting = workers
            self._at(0.0, self._hear, account, None)

    def run(self) -> None:
        """Until nothing is queued any more."""
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
        """When the database has done something that it is asked for now."""
        self.busy += seconds
        self._free_at = max(self.now, self._free_at) + seconds
        return self._free_at

    def _at(self, time: float, step: Any, account: Account, value: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, step, account, value))

    # --------------------------------------------------------------------------------------------- one seat

    def _hear(self, account: Account, _: None) -> None:
        """All workers of the account are told: those that rest claim at once, others when they are back."""
        account.heard_at = self.now
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
            beside = rates.vain if taken else 0.0  # one of them has seen what the first one got
            self._at(
                self._done(workers * rates.round(0) + beside) + COALESCED,
                self._back,
                account,
                (workers, self.now, False),
            )

    def _back(self, account: Account, who: tuple[int, float, bool]) -> None:
        """Workers have done a round; whoever got something, or heard something meanwhile, claims again."""
        workers, since, again = who
        account.resting += workers
        if again or account.heard_at > since:
            self._claim(account, workers)

    def _claimed(self, account: Account, jobs: int) -> None:
        rates = account.rates
        for _ in range(jobs):
            begun = self._done(COMMITS_BEFORE * rates.commit) + COMMITS_BEFORE * rates.wait
            self._at(begun + CREATE, self._arrive, account, None)

    def _arrive(self, account: Account, _: None) -> None:
        """A create reaches the service."""
        if account.running >= account.slots:
            account.refused += 1
            account.begun -= 1
            account.jobs += 1
            account.learned = account.learned.refused(account.begun, self.now, self._random.random)
            self._at(self._done(account.rates.commit), self._hear, account, None)
            self._at(account.learned.probe_at, self._hear, account, None)
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
                self._at(after.probe_at, self._hear, account, None)
            account.learned = after

    def _end(self, account: Account, _: None) -> None:
        account.running -= 1

    def _see(self, account: Account, _: None) -> None:
        rates = account.rates
        self._at(self._done(rates.end + rates.commit) + 2 * rates.wait, self._free, account, None)

    def _free(self, account: Account, _: None) -> None:
        account.begun -= 1
        self._hear(account, None)
