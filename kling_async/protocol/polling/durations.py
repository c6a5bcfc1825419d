"""How long tasks take until they end, by kind: begun with what is published, then learned, old news fading.

Each bin of ages keeps the tasks that ended in it and the time that tasks spent in it, so that a kind is known by its
hazard: how likely a task that runs still ends in the next second. What has not been seen yet is filled up from the
published times, as if one task had shown them.
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
"""What each new task takes from the weight of all before it."""
_WEIGHT_MAXIMUM: Final = 1e6
PUBLISHED_WEIGHT: Final = 1.0
"""Tasks' worth of weight that the published times have."""
_SMOOTHING: Final = (1, 2, 3, 2, 1)
"""Shares of an observation that its own bin and its neighbours get."""
_SPREAD: Final = 0.3  # of the logarithm of the time, where it is about what is published
_OTHERWISE: Final = 1 / 16  # of the tasks: of these, only the order of magnitude is published
_WIDE_SPREAD: Final = 1.0
_QUICK: Final = 0.05  # chance that a task ends while its age grows by a factor e, up to a share of what is published
_QUICK_UNTIL: Final = 0.1


class DurationEstimate:
    """How long tasks of one kind take.

    Args:
        median: seconds, as published.
        ended: tasks that ended in each bin, faded.
        passed: tasks that passed through each bin, wholly or in part, faded.
    """

    def __init__(self, median: float, ended: list[float] | None = None, passed: list[float] | None = None) -> None:
        self.published = median
        self._ended = ended or [0.0] * BINS
        # Of each bin, how many more passed through it than through the next: one task changes two numbers.
        self._passed = _differences(passed or [0.0] * BINS)
        self._weight = 1.0  # of the next task: what is old fades by this growing
        self._count = self.seen
        self._fresh = 1.0  # weight of the news since the look schedule was made, as a share of what it knew
        self._looks: LookSchedule | None = None
        self._expected: Expectation | None = None

    @property
    def seen(self) -> float:
        """Tasks that it was learned from, faded: at most 1 / FADING."""
        return sum(self._ended) / self._weight

    @property
    def ended(self) -> list[float]:
        """Tasks that ended in each bin, faded."""
        return [count / self._weight for count in self._ended]

    @property
    def passed(self) -> list[float]:
        """Tasks that passed through each bin, wholly or in part, faded."""
        sums = itertools.accumulate(reversed(self._passed))
        return [max(0.0, count / self._weight) for count in sums][::-1]

    def observe(self, age: float, *, ended: bool = True) -> None:
        """Learns from one task.

        Args:
            age: seconds from its acceptance to its end.
            ended: False where it is only known that it took at least so long.
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
        """What is known now; made anew when the news since the last one weigh a sixteenth of it."""
        if self._looks is None or self._fresh > 1 / 16:
            self._looks = LookSchedule(self._hazards())
            self._expected = None
            self._fresh = 0.0
        return self._looks

    def expectation(self) -> Expectation:
        """How far such tasks are at each age, by what is known now; made anew as `look_schedule`."""
        self.look_schedule()
        if self._expected is None:
            self._expected = Expectation(self._hazards())
        return self._expected

    def _scale(self) -> float:
        """The published median, drawn to what was seen: a service that is ten times as fast is so for all ages."""
        seen = self.seen
        if not seen:
            return self.published
        places = itertools.accumulate(self.ended)
        median = EDGES[1 + next(index for index, count in enumerate(places) if count >= seen / 2)]
        weight = seen / (PUBLISHED_WEIGHT + seen)
        # In steps, so that hazards that were worked out before can be used again.
        return math.exp(round(10 * (weight * math.log(median) + (1 - weight) * math.log(self.published))) / 10)

    def _hazards(self) -> list[float]:
        """Of each bin, in 1 per second."""
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
    """How long tasks take, by kind; what one client learned can be given to another, also by way of JSON."""

    def __init__(self) -> None:
        self._kinds: dict[str, DurationEstimate] = {}

    def of(self, kind: str, typical_seconds: float) -> DurationEstimate:
        """What is known of one kind of task.

        Args:
            kind: what such tasks have in common, as `image2video/kling-v2-6/std/5`; the endpoint's name alone stands
                for all of its tasks.
            typical_seconds: the published median, which counts until tasks of the kind were seen; at least 1.
        """
        if kind not in self._kinds:
            self._kinds[kind] = DurationEstimate(typical_seconds)
        return self._kinds[kind]

    def medians(self) -> dict[str, float]:
        """Seconds after which half of the tasks have ended, by kind."""
        return {kind: estimate.look_schedule().median for kind, estimate in self._kinds.items()}

    def to_json(self) -> str:
        """All of it, as text."""
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
        """Reads it back.

        Raises:
            ConfigurationError: it is something else, or of a version that counted otherwise.
        """
        durations = cls()
        try:
            data = json.loads(text)
            if data["edges"] != _rounded(EDGES):
                raise ValueError("other bins")
            for kind, known in data["kinds"].items():
                published = max(1.0, _numbers([known["published"]], 1)[0])
                ended, passed = _numbers(known["ended"]), _numbers(known["passed"])
                weight = max(1.0, sum(ended) * FADING, max(passed) * FADING)  # more than there can be would never fade
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
    """The hazard of each bin as published: log-normal about the median, a few tasks far from it.

    A service that is far quicker than that is looked at early, too, for a look or two.
    """
    survivals = [_survival(edge / median) for edge in EDGES]
    hazards = []
    for (left, right), (before, after) in zip(itertools.pairwise(EDGES), itertools.pairwise(survivals), strict=True):
        middle = (left + right) / 2
        quick = _QUICK / middle if middle < _QUICK_UNTIL * median else 0.0
        hazards.append(math.log(before / after) / (right - left) + quick)
    return tuple(hazards)


def _survival(age: float) -> float:
    """The share of tasks that take longer; the age is in medians."""
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
