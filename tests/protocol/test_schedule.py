from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.schedule import SHORTEST_DELAY, AimedPolling, Polling
from kling_async.protocol.retry import Retry, Uniform, growing


def middle() -> float:
    """A random number that is always the same."""
    return 0.5


def all_delays(schedule: Polling | Retry, count: int, uniform: Uniform) -> list[float]:
    """The first delays of either schedule."""
    if isinstance(schedule, Polling):
        return [schedule.delay(asked, uniform) for asked in range(count)]
    return [*islice(schedule.delays(uniform), count)]


@pytest.mark.parametrize(
    ("first", "factor", "maximum", "delays"),
    [
        (10, 1.5, 15, [10, 15, 15, 15]),
        (1, 2, 30, [1, 2, 4, 8, 16, 30, 30]),
        (1, 2, 4, [1, 2, 4, 4]),
        (3, 1, 30, [3, 3, 3, 3]),
        (20, 2, 15, [15, 15, 15]),
        (15, 2, 15, [15, 15]),
        (0.5, 3, 5, [0.5, 1.5, 4.5, 5, 5]),
    ],
)
def test_delays_grow_by_the_factor(first: float, factor: float, maximum: float, delays: list[float]) -> None:
    """Each delay is the one before times the factor, until the maximum, where they stay."""
    assert delays == [*islice(growing(first, factor, maximum), len(delays))]


@pytest.mark.parametrize(
    ("schedule", "delays"),
    [
        (Polling(), [10, 15, 15]),
        (Polling(first=2, factor=3, maximum=10), [2, 6, 10, 10]),
        (Polling(first=3, factor=1, maximum=3), [3, 3, 3]),
        (Polling(first=20, factor=2, maximum=15), [15, 15]),
        (Retry(), [0.75, 1.5, 3, 6, 12, 22.5, 22.5]),
        (Retry(first=4, factor=1), [3, 3, 3]),
    ],
)
def test_delays_with_the_middle_random_number(schedule: Polling | Retry, delays: list[float]) -> None:
    """Polls spread around the growing delay, retries between half and all of it."""
    assert delays == pytest.approx(all_delays(schedule, len(delays), middle))


@pytest.mark.parametrize(
    ("schedule", "low", "high"), [(Polling(first=100, maximum=100), 95, 105), (Retry(first=100, maximum=100), 50, 100)]
)
def test_jitter_has_these_bounds(schedule: Polling | Retry, low: float, high: float) -> None:
    """Polls vary by 5 %, retries by half; the random number's ends reach the bounds."""
    assert all_delays(schedule, 1, lambda: 0.0) == pytest.approx([low])
    assert all_delays(schedule, 1, lambda: 0.999999) == pytest.approx([high], abs=0.001)


def test_each_delay_draws_anew() -> None:
    """Every delay has a random number of its own."""
    numbers = iter([0.0, 0.5, 0.9])
    delays = all_delays(Polling(first=100, maximum=100), 3, lambda: next(numbers))
    assert delays == pytest.approx([95, 100, 104])


@pytest.mark.parametrize(
    ("polling", "steady"),
    [
        (Polling(first=3, factor=1, maximum=3), [False, False, True, True]),
        (Polling(first=10, factor=1.5, maximum=15), [False, False, False, True]),
        (Polling(first=1, factor=2, maximum=30), [False, False, False, False]),
        (Polling(first=30, factor=2, maximum=15), [False, False, True, True]),
    ],
)
def test_a_beat_is_steady_once_its_delays_are_equal(polling: Polling, steady: list[bool]) -> None:
    """The first question has a time of its own, and so has each while the delays grow."""
    assert [polling.is_steady(asked) for asked in range(4)] == steady


@pytest.mark.parametrize(
    ("asked", "waited", "then"),
    [
        (1, 1.0, 2),
        (1, 0.9, 2),  # as good as its time
        (1, 0.89, None),
        (1, 0.5, None),  # the first question has a time of its own
        (2, 0.5, None),  # and so has one after a delay that grew
        (2, 1.0, 3),
        (4, 0.1, 4),  # the beat is steady: it begins anew with each look
        (4, 1.0, 5),
    ],
)
def test_an_early_answer_keeps_what_a_beat_means(asked: int, waited: float, then: int | None) -> None:
    """A page that comes before its time neither skips a question of a growing beat nor makes a gap in a steady one."""
    assert Polling(first=10, factor=1.5, maximum=15).asked_after(asked, waited) == then


SECONDS = st.floats(min_value=0.001, max_value=1e9)


@given(
    st.sampled_from([Polling, Retry]),
    SECONDS,
    st.floats(min_value=1, max_value=1e9),
    SECONDS,
    st.randoms(use_true_random=False),
)
def test_no_delay_exceeds_the_maximum(
    kind: Callable[..., Polling | Retry], first: float, factor: float, maximum: float, random: Any
) -> None:
    """Whatever is configured, no delay is above the maximum by more than the jitter, and none is zero."""
    delays = all_delays(kind(first=first, factor=factor, maximum=maximum), 60, random.random)
    assert all(0 < delay <= maximum * 1.05 for delay in delays)


@pytest.mark.parametrize("kind", [Polling, Retry])
@pytest.mark.parametrize("name", ["first", "factor", "maximum"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1", None, True, 10**400, 1.1e9])
def test_numbers_that_make_no_schedule_are_refused(kind: Callable[..., object], name: str, value: object) -> None:
    """A delay is a positive number, neither infinite nor text; the message names where it belongs."""
    with pytest.raises(ValueError, match=rf"\.{name}: expected a number from .* to 1e\+09, got"):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("kind", "name", "least"),
    [
        (Polling, "factor", 1),
        (Polling, "deadline", 0.001),
        (Polling, "first", 0.001),
        (Polling, "maximum", 0.001),
        (AimedPolling, "lag", 0.001),
        (AimedPolling, "deadline", 0.001),
        (Retry, "factor", 1),
        (Retry, "maximum", 0.001),
        (Retry, "settle", 0),
        (Retry, "budget", 0),
    ],
)
def test_the_least_that_is_accepted(kind: Callable[..., object], name: str, least: float) -> None:
    """Factors begin at 1, delays at a millisecond, and settling and budget may be left out with 0."""
    assert kind(**{name: least})
    with pytest.raises(ValueError, match=f"{name}: expected a number from {least:g} to"):
        kind(**{name: least - 0.0001})


def test_the_defaults_are_the_documented_ones() -> None:
    """The defaults are those in the README."""
    assert Polling(first=10.0, factor=1.5, maximum=15.0, deadline=7200.0) == Polling()
    assert AimedPolling(lag=0.03, deadline=7200.0) == AimedPolling()
    assert Retry(first=1.0, factor=2.0, maximum=30.0, settle=15.0, budget=300.0) == Retry()


def learned(*ages: float) -> DurationEstimate:
    """A estimate that has seen tasks take so long."""
    estimate = DurationEstimate(150.0)
    for age in ages:
        estimate.observe(age)
    return estimate


def questions(polling: AimedPolling, estimate: DurationEstimate, until: float) -> list[float]:
    """Returns the ages at which a task of this duration is polled."""
    ages = [0.0]
    while ages[-1] < until:
        ages.append(ages[-1] + polling.delay(estimate, ages[-1], middle))
    return ages[1:]


def test_aimed_questions_stand_where_ends_were_seen() -> None:
    """After tasks that took 95 to 105 s, the first poll comes shortly before that age, and further ones often."""
    estimate = learned(*range(95, 105), *range(96, 106), *range(97, 103))
    ages = questions(AimedPolling(), estimate, 110)
    assert 70 < ages[1] < 95
    assert sum(90 <= age < 110 for age in ages) > len(ages) / 2


def test_a_smaller_lag_asks_more_often() -> None:
    """Half of the lag costs twice the questions."""
    estimate = learned(*[100 + step for step in range(-20, 20)] * 2)
    few, many = (questions(AimedPolling(lag=lag), estimate, 140) for lag in (0.06, 0.03))
    assert len(many) == pytest.approx(2 * len(few), rel=0.15)


def test_what_is_hardly_known_is_not_asked_for_more() -> None:
    """The published times are wide: a dozen questions on average, and a longer lag instead."""
    assert len(questions(AimedPolling(), DurationEstimate(150.0), 150)) < 15


def test_aimed_questions_have_a_shortest_delay() -> None:
    """Tasks of a tenth of a second are not polled continuously."""
    estimate = learned(*[0.1] * 50)
    assert min(AimedPolling().delay(estimate, age / 10, middle) for age in range(50)) == SHORTEST_DELAY


def test_aimed_questions_go_on_behind_all_that_was_seen() -> None:
    """A task that takes longer than any other is polled ever more rarely, but never given up."""
    estimate = learned(*[100.0] * 100)
    delays = [AimedPolling().delay(estimate, age, middle) for age in (300, 1000, 3000, 9000, 10**7)]
    assert delays[0] < delays[1] < delays[2] < delays[3]
    assert delays[-1] < 1000
