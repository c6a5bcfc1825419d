"""How many tasks of one line may run now: the account's limit, learned once for the whole fleet.

The rules are those of `protocol.concurrency_limit`, with two differences. The fleet's seats are the authority on what
runs, so that there is no slow start and nothing to count here. And there is one fleet for an account, so that freed
slots are not left to others.
"""

from typing import Final

import attrs

from kling_async.protocol.concurrency_limit import BEAT, EMPTY_MAXIMUM, PROBE_FIRST, PROBE_MAXIMUM
from kling_async.protocol.retry import Uniform

EMPTY_FIRST: Final = 1.0
"""Beats of the first pause after a refusal while nothing of the fleet runs."""


@attrs.frozen(kw_only=True)
class LearnedLimit:
    """What a line's refusals have taught. All times are seconds of one clock, that of the database.

    Attributes:
        refused_above: the account refused more tasks than this; None where it has refused nothing.
        probe_gap: beats between the last refusal and the next probe.
        probe_at: when one task more than `refused_above` is tried.
        empty_pause: beats that nothing is sent after the next refusal while nothing runs.
        not_before: nothing is sent earlier.
    """

    refused_above: int | None = None
    probe_gap: float = PROBE_FIRST
    probe_at: float = 0.0
    empty_pause: float = EMPTY_FIRST
    not_before: float = 0.0

    def seats(self, declared: int, now: float) -> int:
        """How many seats there may be now; those that are taken stay taken.

        0 where nothing may be sent at all: PgQueuer takes a 0 for no limit, so that it must not be asked then.

        Args:
            declared: the limit that the queue was given.
            now: the present time.
        """
        if now < self.not_before:
            return 0
        if self.refused_above is None:
            return declared
        return min(declared, self.refused_above + (now >= self.probe_at))

    def refused(self, others: int, now: float, uniform: Uniform) -> "LearnedLimit":
        """After a refusal because the account is full; nothing was created.

        Args:
            others: how many other tasks of the line had been begun.
            now: the present time.
            uniform: random numbers for the pauses.
        """
        was_probe = self.refused_above is not None and others >= self.refused_above and now >= self.probe_at
        known = others if self.refused_above is None else min(others, self.refused_above)
        gap, empty, not_before = self.probe_gap, self.empty_pause, self.not_before
        if was_probe:
            gap = min(PROBE_MAXIMUM, 3 * gap, PROBE_FIRST * max(1, others) ** 2)
        if others == 0:
            not_before = now + empty * BEAT * (0.5 + uniform())
            empty = min(EMPTY_MAXIMUM, 2 * empty)
        return LearnedLimit(
            refused_above=max(1, known),
            probe_gap=gap,
            probe_at=now + gap * BEAT * (0.75 + 0.5 * uniform()),
            empty_pause=empty,
            not_before=not_before,
        )

    def accepted(self, running: int, now: float) -> "LearnedLimit":
        """After a create was accepted.

        Args:
            running: how many tasks of the line have been begun, this one among them.
            now: the present time.
        """
        if self.refused_above is None or running <= self.refused_above:
            return attrs.evolve(self, empty_pause=EMPTY_FIRST)
        return LearnedLimit(refused_above=running, probe_at=now + PROBE_FIRST * BEAT)
