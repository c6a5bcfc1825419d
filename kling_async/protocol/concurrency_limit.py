"""How many slots of the account one kind of task may hold now: the account's limit, discovered and respected.

The service counts slots from submitted to terminal, per account, pack and model. A task takes one slot, an image task
one per image. A create that exceeds the account's limit is answered with 1303, and nothing is created.

The client doubles its own limit until it reaches `concurrency`. A refusal lowers the limit below the number that was
refused. Later the client probes: it sends one request above the refused level, ever less often while probes are
refused. After a refusal, and now and then when the limit is reached, the client yields a freed slot for a moment to
other processes of the same account.
"""

from typing import Final

from kling_async.protocol.retry import Uniform

BEAT: Final = 1.0
"""Seconds: the unit of all waiting here. It does not depend on `Retry`: how a client repeats failed calls must not
change the share of the account that it gets."""
GROWTH_SHARE: Final = 0.75
"""Share of the slots that the last doubling added which must be accepted before the next doubling: one slow answer does
not delay it."""
PROBE_FIRST: Final = 12.0
"""Beats between a refusal and the first probe."""
PROBE_MAXIMUM: Final = 300.0
"""Beats between two probes at most; fewer where few slots are held: PROBE_FIRST times the square of their number."""
YIELD_MAXIMUM: Final = 4.0
"""Beats for which a freed slot is left to others at most. It is one beat per slot held, so that the client with more
slots gives up more."""
YIELD_COST_REFUSED: Final = 0.2
"""Share of the time that may be spent on yielding after a refusal; it bounds the pause where tasks are short."""
EMPTY_MAXIMUM: Final = 8.0
"""Beats between two attempts at most while this client holds no slot because others hold the whole account."""
YIELD_SHARE: Final = 0.125
"""Probability that a client at its ceiling yields a freed slot although no create was refused."""
YIELD_COST_FULL: Final = 0.05
"""Share of the time that may be spent on yielding without a refusal. Running tasks go on meanwhile, so this bounds the
loss of throughput."""


class Limit:
    """The limit of one line: tasks that share their slots. All times are seconds of one monotonic clock.

    `count` is the number of slots that a request takes, from 1; each report about a request names the same count.

    Args:
        ceiling: slots that may be held at once at most.
        beat: seconds; the unit of all waiting.
        uniform: random numbers for the pauses.
    """

    def __init__(self, ceiling: int, beat: float, uniform: Uniform) -> None:
        self.ceiling = ceiling
        self.beat = beat
        self.uniform = uniform
        self.running = 0
        """Slots of requests that were sent and have not ended."""
        self._sending = 0
        """Those of them whose create is not answered yet."""
        self._grown_to = 1
        """The level before any refusal."""
        self._accepted = 0
        """Slots accepted since the last doubling."""
        self._refused_above: int | None = None
        """The level after a refusal: the account refused more than this."""
        self._probing = False
        self._probe_gap = PROBE_FIRST
        self._probe_at = 0.0
        self._not_before = 0.0
        """No request is sent earlier."""
        self._empty_pause = 1.0
        self._busy_since: float | None = None
        """Start of the time for which slots were held without a pause for others."""

    def may_start(self, now: float, count: int = 1, *, others: int = 0) -> bool:
        """Whether a request of `count` slots may be sent now, while tasks of an unknown line hold `others` slots.

        A request that exceeds the limit by itself is sent when nothing else runs: else it would wait for ever.
        """
        if now < self._not_before:
            return False
        held = self.running + count
        if self.running == 0:
            return others == 0 or held + others <= self.ceiling
        # `others` count against the ceiling only: the service counted them when it refused or accepted a level.
        return held + others <= self.ceiling and (held <= self._level or self._may_probe(now))

    def opens_at(self, now: float) -> float | None:
        """When time alone may allow another request; None if only an answer or a task's end can."""
        times = [self._not_before]
        if self._refused_above is not None and self._refused_above < self.ceiling:
            times.append(self._probe_at)
        return min((time for time in times if time > now), default=None)

    def started(self, count: int = 1) -> None:
        """A request is sent."""
        if self.running == 0:
            self._busy_since = None
        self.running += count
        self._sending += count
        self._probing = self._refused_above is not None and self.running > self._refused_above

    def accepted(self, now: float, count: int = 1, *, late: bool = False) -> None:
        """A request that was sent was accepted; `late` if it was `unclear` before."""
        if not late:
            self._sending -= count
        self._empty_pause = 1.0
        if self._busy_since is None:
            self._busy_since = now
        if self._refused_above is None:
            if not late:  # `unclear` has counted it
                self._grow(count)
        elif self.running > self._refused_above:  # the account has room where it had none
            self._refused_above = self.running
            self._probe_gap = PROBE_FIRST
            self._probe_at = now + self._probe_gap * self.beat

    def refused(self, now: float, count: int = 1, *, late: bool = False) -> None:
        """A request was refused because the account is full; nothing was created; `late` as in `accepted`."""
        if not late:
            self._sending -= count
        fewer = self.running - 1
        # Fewer may fit, yet not fewer than a lower level that was refused before.
        self._refused_above = max(1, fewer if self._refused_above is None else min(fewer, self._refused_above))
        self.running -= count
        if self.running == 0:
            self._not_before = now + self._empty_pause * self.beat * (0.5 + self.uniform())
            self._empty_pause = min(EMPTY_MAXIMUM, 2 * self._empty_pause)
        if self._probing:
            self._probe_gap = min(PROBE_MAXIMUM, 3 * self._probe_gap, PROBE_FIRST * max(1, self.running) ** 2)
            self._probing = False
        self._probe_at = now + self._probe_gap * self.beat * (0.75 + 0.5 * self.uniform())

    def unclear(self, count: int = 1) -> None:
        """A request is in doubt: its slots count as held, and growth does not wait for its answer."""
        self._sending -= count
        if self._refused_above is None:
            self._grow(count)

    def dropped(self, count: int = 1) -> None:
        """A request that was sent failed for another reason, and nothing was created."""
        self._sending -= count
        self.running -= count

    def ended(self, now: float, count: int = 1) -> None:
        """An accepted task ended."""
        ran, self.running = self.running, self.running - count
        if self._refused_above is not None:
            self._yield(now, ran, YIELD_COST_REFUSED)
        elif ran + count > self.ceiling and self.uniform() < YIELD_SHARE:
            self._yield(now, ran, YIELD_COST_FULL)

    def _yield(self, now: float, ran: int, cost: float) -> None:
        """Sends nothing for a moment, whose length is at most the share `cost` of the time since the last one."""
        if now < self._not_before or self._busy_since is None:
            return  # a pause goes on already; another end must not prolong it
        longest = min(self.beat * min(YIELD_MAXIMUM, ran), cost * (now - self._busy_since))
        self._busy_since = self._not_before = now + longest * self.uniform()

    def _grow(self, count: int) -> None:
        """Counts the slots of an accepted request, and doubles the level once enough were accepted."""
        if self.running > self._grown_to:  # a request that exceeded the level by itself
            self._grown_to = min(self.ceiling, self.running)
        if 2 * self.running > self._grown_to:  # a level that is not used proves nothing
            self._accepted += count
        if self._accepted >= GROWTH_SHARE * self._grown_to / 2:  # the last doubling added half of them
            self._grown_to = min(self.ceiling, 2 * self._grown_to)
            self._accepted = 0

    @property
    def _level(self) -> int:
        return self._grown_to if self._refused_above is None else self._refused_above

    def _may_probe(self, now: float) -> bool:
        """Whether one request may exceed the refused level."""
        if self._refused_above is None or now < self._probe_at or self.running > self._refused_above:
            return False
        return self.running > self._sending  # with nothing accepted, the request under way is a probe already
