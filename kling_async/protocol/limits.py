"""How many tasks of one model may run now: the account's limit, found out and kept to.

Concurrency counts from submitted to terminal, per account and model; one more is answered with 1303, and nothing is
created ("Concurrency rules" of the documentation). The client opens by doubling up to its own ceiling. A refusal
brings the limit down to what evidently runs; one more is tried later, ever less often while it is refused. After a
refusal, and now and then when full, a freed slot is left open for a moment: other processes on the same account get
their turn.
"""

from typing import Final

from kling_async.protocol.retry import Uniform

BEAT: Final = 1.0
"""Seconds: the unit of all waiting here. What clients of one account leave to each other must not depend on how one of
them repeats its failed calls."""
OPENING: Final = 0.75
"""Share of the creates that the last opening let in that must be accepted before the next: a slow answer among them
does not hold it up."""
PROBE_FIRST: Final = 12.0
"""Beats after a refusal until one more is tried."""
PROBE_MAXIMUM: Final = 300.0
"""Beats between two such tries at most; less where few tasks run: PROBE_FIRST times the square of their number."""
OPEN_MAXIMUM: Final = 4.0
"""Beats for which a freed slot is left open at most: as many as tasks run, so that a client with more gives more."""
OPEN_COST: Final = 0.2
"""Share of the time that may pass so after a refusal, where tasks are too short for as many beats."""
EMPTY_MAXIMUM: Final = 8.0
"""Beats between two tries at most while nothing of this client runs: others hold the whole account."""
YIELD_SHARE: Final = 0.125
"""How often a client that fills its ceiling leaves a freed slot open although no create was refused."""
YIELD_COST: Final = 0.05
"""Share of the time that may pass so without a refusal. Nothing is sent meanwhile, but what runs goes on, so it is the
share of the throughput that is lost at most."""


class Limit:
    """One model's limit. All times are seconds of one monotonic clock.

    Args:
        ceiling: tasks that may run at once at most.
        beat: seconds of the moment for which a slot is left open, and the unit of all waiting here.
        uniform: random numbers for the beats.
    """

    def __init__(self, ceiling: int, beat: float, uniform: Uniform) -> None:
        self.ceiling = ceiling
        self.beat = beat
        self.uniform = uniform
        self.running = 0
        """Tasks sent and not ended."""
        self._sending = 0
        self._opened = 1
        self._refused_above: int | None = None
        self._probing = False
        self._gap = PROBE_FIRST
        self._probe_at = 0.0
        self._not_before = 0.0
        self._empty_pause = 1.0
        self._accepted = 0
        """Submitter accepted since the limit opened last."""
        self._closed_since: float | None = None
        """Since when no slot was left open, with something running all the time."""

    def may_start(self, now: float, others: int = 0) -> bool:
        """Whether one more may be sent now, while `others` of unknown model run, too."""
        room = self.running + others < self.ceiling  # what is learned of the level includes the others already
        return room and now >= self._not_before and self.running < self._level(now)

    def opens_at(self, now: float) -> float | None:
        """When time alone may let one in; None if only a task's end or an answer does."""
        times = [self._not_before]
        if self._refused_above is not None and self._refused_above < self.ceiling:
            times.append(self._probe_at)
        return min((time for time in times if time > now), default=None)

    def started(self) -> None:
        """One is sent."""
        if self.running == 0:
            self._closed_since = None
        self.running += 1
        self._sending += 1
        self._probing = self._refused_above is not None and self.running > self._refused_above

    def accepted(self, now: float, *, late: bool = False) -> None:
        """One that was sent was accepted; `late` if it was `unclear` before."""
        self._sending -= not late
        self._empty_pause = 1.0
        if self._closed_since is None:
            self._closed_since = now
        if self._refused_above is not None:
            if self.running > self._refused_above:  # there is room where there was none
                self._refused_above = self.running
                self._gap = PROBE_FIRST
                self._probe_at = now + self._gap * self.beat
        elif not late:
            self._open()

    def refused(self, now: float, *, late: bool = False) -> None:
        """One that was sent was refused, since the account runs fewer; nothing was created; `late` as in `accepted`."""
        self._sending -= not late
        self.running -= 1
        self._refused_above = max(1, self.running)
        if self.running == 0:
            self._not_before = now + self._empty_pause * self.beat * (0.5 + self.uniform())
            self._empty_pause = min(EMPTY_MAXIMUM, 2 * self._empty_pause)
        if self._probing:
            self._gap = min(PROBE_MAXIMUM, 3 * self._gap, PROBE_FIRST * max(1, self.running) ** 2)
            self._probing = False
        self._probe_at = now + self._gap * self.beat * (0.75 + 0.5 * self.uniform())

    def unclear(self) -> None:
        """One that was sent is in doubt: it counts as running, and its answer is not waited for to open further."""
        self._sending -= 1
        if self._refused_above is None:
            self._open()

    def dropped(self) -> None:
        """One that was sent came to nothing for another reason."""
        self._sending -= 1
        self.running -= 1

    def ended(self, now: float) -> None:
        """One that was accepted is done."""
        ran, self.running = self.running, self.running - 1
        if self._refused_above is not None:
            self._leave_open(now, ran, OPEN_COST)
        elif ran >= self.ceiling and self.uniform() < YIELD_SHARE:
            self._leave_open(now, ran, YIELD_COST)

    def _leave_open(self, now: float, ran: int, cost: float) -> None:
        """Sends nothing for a moment, and for no more than its share of the time."""
        if now < self._not_before or self._closed_since is None:
            return  # it is open already: another end must not prolong it
        longest = min(self.beat * min(OPEN_MAXIMUM, ran), cost * (now - self._closed_since))
        self._closed_since = self._not_before = now + longest * self.uniform()

    def _open(self) -> None:
        """Counts one create as accepted, and doubles the limit once enough were."""
        if 2 * self.running > self._opened:  # a limit that is not made use of proves nothing
            self._accepted += 1
        if self._accepted >= OPENING * self._opened / 2:  # the last doubling let half of them in
            self._opened = min(self.ceiling, 2 * self._opened)
            self._accepted = 0

    def _level(self, now: float) -> int:
        if self._refused_above is None:
            return self._opened
        probes = now >= self._probe_at and self.running > self._sending  # with nothing accepted, one is try enough
        return min(self.ceiling, self._refused_above + probes)
