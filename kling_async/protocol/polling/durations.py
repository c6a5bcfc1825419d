"""How long tasks take, by kind: at first as published, then learned from tasks, of which older ones count less.

For each bin of ages, the number of tasks that ended in it and the time that tasks spent in it are kept. They give the
hazard of the kind: how likely a running task is to end in the next second. The published times count as much as one
observed task, and fill the bins without observations.
"""

import functools
import itertools
import json
import math
from typing import Any, Final, Self

from kling_async.protocol.errors import ConfigurationError
from kling_async.protocol.polling.age_bins import BINS, EDGES, WIDTHS, bin_of
from kling_async.protocol.polling.look_schedule import LookSchedule
from kling_async.protocol.polling.progress import Expectation

FADING: Final = 1 / 128
"""Share by which each new task reduces the weight of all earlier ones."""
_WEIGHT_MAXIMUM: Final = 1e6
PUBLISHED_WEIGHT: Final = 1.0
"""Weight of the published times, in tasks."""
_SMOOTHING: Final = (1, 2, 3, 2, 1)
"""Weights by which an observation is spread over its own bin and the neighbouring ones."""
_SPREAD: Final = 0.3  # of the logarithm of the time, for times near the published one
_OTHERWISE: Final = 1 / 16  # share of the tasks for which only the order of magnitude is published
_WIDE_SPREAD: Final = 1.0
_QUICK: Final = (
    0.05  # chance that a task ends while its age grows by a factor e, up to the share below of the published time
)
_QUICK_UNTIL: Final = 0.1


class DurationEstimate:
    """How long tasks of one kind take.

    Args:
        median: published median in seconds.
        ended: number of tasks that ended in each bin, faded.
        passed: number of tasks that passed through each bin, wholly or in part, faded.
    """

    def __init__(self, median: float, ended: list[float] | None = None, passed: list[float] | None = None) -> None:
        self.published = median
        self._ended = ended or [0.0] * BINS
        # For each bin, how many more tasks passed through it than through the next: so a task changes only two numbers.
        self._passed = _differences(passed or [0.0] * BINS)
        self._weight = 1.0  # of the next task; grows, so that older tasks fade
        self._count = self.seen
        self._fresh = 1.0  # weight of the tasks since the look schedule was computed, as a share of its data
        self._looks: LookSchedule | None = None
        self._expected: Expectation | None = None

    @property
    def seen(self) -> float:
        """Number of tasks that it was learned from, faded: at most 1 / FADING."""
        return sum(self._ended) / self._weight

    @property
    def ended(self) -> list[float]:
        """Number of tasks that ended in each bin, faded."""
        return [count / self._weight for count in self._ended]

    @property
    def passed(self) -> list[float]:
        """Number of tasks that passed through each bin, wholly or in part, faded."""
        sums = itertools.accumulate(reversed(self._passed))
        return [max(0.0, count / self._weight) for count in sums][::-1]

    def observe(self, age: float, *, ended: bool = True) -> None:
        """Learns from one task.

        Args:
            age: seconds from its acceptance to its end.
            ended: False if the task only took at least that long.
        """
        place = bin_of(age)
        self._weight /= 1 - FADING
        share = min(1.0, (age - EDGES[place]) / WIDTHS[place])
        self._passed[place] += share * self._weight
        if place:
            self._passed[place - 1] += (1 - share) * self._weight
        if ended:
            self._ended[place] += self._weight
        self._count = min(1 / FADING, self._count + 1)
        self._fresh += 1 / (PUBLISHED_WEIGHT + self._count)
        if self._weight > _WEIGHT_MAXIMUM:
            self._ended, self._passed, self._weight = self.ended, _differences(self.passed), 1.0

    def look_schedule(self) -> LookSchedule:
        """Returns the current schedule; recomputed when the tasks since the last one weigh a sixteenth of its data."""
        if self._looks is None or self._fresh > 1 / 16:
            self._looks = LookSchedule(self._hazards())
            self._expected = None
            self._fresh = 0.0
        return self._looks

    def expectation(self) -> Expectation:
        """Returns the expected progress by age; recomputed together with `look_schedule`."""
        self.look_schedule()
        if self._expected is None:
            self._expected = Expectation(self._hazards())
        return self._expected

    def _scale(self) -> float:
        """Returns the published median, shifted towards the observed one, since speed affects all ages alike."""
        seen = self.seen
        if not seen:
            return self.published
        places = itertools.accumulate(self.ended)
        median = EDGES[1 + next(index for index, count in enumerate(places) if count >= seen / 2)]
        weight = seen / (PUBLISHED_WEIGHT + seen)
        # In steps, so that cached hazards can be reused.
        return math.exp(round(10 * (weight * math.log(median) + (1 - weight) * math.log(self.published))) / 10)

    def _hazards(self) -> list[float]:
        """Returns the hazard of each bin, in 1 per second."""
        reach = len(_SMOOTHING) // 2
        total = sum(_SMOOTHING)
        blank = [0.0] * reach
        ended = blank + self.ended + blank
        passed = blank + [count * width for count, width in zip(self.passed, WIDTHS, strict=True)] + blank
        hazards = []
        for index, (width, published) in enumerate(zip(WIDTHS, _published(self._scale()), strict=True)):
            window = slice(index, index + 2 * reach + 1)
            ends = sum(map(float.__mul__, ended[window], _WEIGHTS)) / total
            time = sum(map(float.__mul__, passed[window], _WEIGHTS)) / total
            weight = PUBLISHED_WEIGHT * width
            hazards.append((ends + weight * published) / (time + weight))
        return hazards


class Durations:
    """How long tasks take, by kind. One client's durations can be passed to another, also as JSON."""

    def __init__(self) -> None:
        self._kinds: dict[str, DurationEstimate] = {}

    def of(self, kind: str, typical_seconds: float) -> DurationEstimate:
        """Returns the estimate for one kind of task.

        Args:
            kind: what such tasks have in common, as `image2video/kling-v2-6/std/5`; the endpoint's name alone means all
                of its tasks.
            typical_seconds: the published median, used until tasks of the kind have been observed; at least 1.
        """
        if kind not in self._kinds:
            self._kinds[kind] = DurationEstimate(typical_seconds)
        return self._kinds[kind]

    def medians(self) -> dict[str, float]:
        """Returns the seconds after which half of the tasks have ended, by kind."""
        return {kind: estimate.look_schedule().median for kind, estimate in self._kinds.items()}

    def to_json(self) -> str:
        """Returns all estimates as JSON text."""
        kinds = {
            kind: {
                "published": estimate.published,
                "ended": _rounded(estimate.ended),
                "passed": _rounded(estimate.passed),
            }
            for kind, estimate in self._kinds.items()
        }
        return json.dumps({"edges": _rounded(EDGES), "kinds": kinds})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads the text that `to_json` returned.

        Raises:
            ConfigurationError: the text is something else, or from a version with other bins.
        """
        durations = cls()
        try:
            data = json.loads(text)
            if data["edges"] != _rounded(EDGES):
                raise ValueError("other bins")
            for kind, known in data["kinds"].items():
                published = max(1.0, _numbers([known["published"]], 1)[0])
                ended, passed = _numbers(known["ended"]), _numbers(known["passed"])
                weight = max(
                    1.0, sum(ended) * FADING, max(passed) * FADING
                )  # a larger weight than possible would never fade
                durations._kinds[kind] = DurationEstimate(
                    published, [count / weight for count in ended], [count / weight for count in passed]
                )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigurationError("these are no durations of this version of kling_async") from None
        return durations


def _differences(counts: list[float]) -> list[float]:
    return [here - beyond for here, beyond in itertools.pairwise([*counts, 0.0])]


_WEIGHTS: Final = tuple(float(weight) for weight in _SMOOTHING)


@functools.lru_cache(maxsize=256)
def _published(median: float) -> tuple[float, ...]:
    """Returns the hazard of each bin by the published median: log-normal around it, with a few tasks far from it.

    Early bins get some hazard as well, worth a poll or two, in case the service is much faster.
    """
    survivals = [_survival(edge / median) for edge in EDGES]
    hazards = []
    for (left, right), (before, after) in zip(itertools.pairwise(EDGES), itertools.pairwise(survivals), strict=True):
        middle = (left + right) / 2
        quick = _QUICK / middle if middle < _QUICK_UNTIL * median else 0.0
        hazards.append(math.log(before / after) / (right - left) + quick)
    return tuple(hazards)


def _survival(age: float) -> float:
    """Returns the share of tasks that take longer than `age`, which is given in medians."""
    if age <= 0:
        return 1.0
    usual, other = (math.erfc(math.log(age) / spread / math.sqrt(2)) / 2 for spread in (_SPREAD, _WIDE_SPREAD))
    return (1 - _OTHERWISE) * usual + _OTHERWISE * other


def _rounded(numbers: Any) -> list[float]:
    return [round(number, 6) for number in numbers]


def _numbers(values: Any, count: int = BINS) -> list[float]:
    if not isinstance(values, list) or len(values) != count:
        raise ValueError("not as many numbers as bins")
    if not all(isinstance(value, int | float) and 0 <= value < 1e6 for value in values):
        raise ValueError("no amounts")
    return [float(value) for value in values]
