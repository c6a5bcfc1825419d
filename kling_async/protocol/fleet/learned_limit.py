"""How many tasks of one line may run now: the account's limit, learned once for the whole fleet.

The rules are those of `protocol.concurrency_limit`, with two differences. The fleet's seats determine what runs, so
there is no slow start and nothing is counted here. And an account has only one fleet, so freed slots are not left for
other clients.
"""

from typing import Final

import attrs

from kling_async.protocol.concurrency_limit import BEAT, EMPTY_MAXIMUM, PROBE_FIRST, PROBE_MAXIMUM
from kling_async.protocol.retry import Uniform

EMPTY_FIRST: Final = 1.0
"""Beats of the first pause after a refusal while no task of the fleet runs."""


@attrs.frozen(kw_only=True)
class LearnedLimit:
    """The limit learned from a line's refusals. All times are in seconds of the database's clock.

    Attributes:
        refused_above: the account refused more tasks than this; None if it has refused nothing.
        probe_gap: beats between the last refusal and the next probe.
        probe_at: when to try one task more than `refused_above`.
        empty_pause: beats to send nothing after the next refusal that occurs while no task runs.
        not_before: nothing is sent before this time.
    """

    refused_above: int | None = None
    probe_gap: float = PROBE_FIRST
    probe_at: float = 0.0
    empty_pause: float = EMPTY_FIRST
    not_before: float = 0.0

    def seats(self, declared: int, now: float) -> int:
        """Returns how many seats may be in use now; seats already taken stay taken.

        0 means that nothing may be sent: do not pass it to PgQueuer, which treats 0 as no limit.

        Args:
            declared: the queue's configured limit.
            now: the present time.
        """
        if now < self.not_before:
            return 0
        if self.refused_above is None:
            return declared
        return min(declared, self.refused_above + (now >= self.probe_at))

    def refused(self, others: int, now: float, uniform: Uniform) -> "LearnedLimit":
        """Returns the limit after the account refused a create for lack of slots.

        Args:
            others: how many other tasks of the line had been started.
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
        """Returns the limit after a create was accepted.

        Args:
            running: how many tasks of the line have been started, including this one.
            now: the present time.
        """
        if self.refused_above is None or running <= self.refused_above:
            return attrs.evolve(self, empty_pause=EMPTY_FIRST)
        return LearnedLimit(refused_above=running, probe_at=now + PROBE_FIRST * BEAT)
