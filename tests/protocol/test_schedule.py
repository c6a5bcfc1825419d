from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.schedule import Polling, Retry, growing


def middle() -> float:
    """A random number that is always the same."""
    return 0.5


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
        (Retry(), [0.75, 1.5, 3, 6, 12, 22.5, 22.5]),
        (Retry(first=4, factor=1), [3, 3, 3]),
    ],
)
def test_delays_with_the_middle_random_number(schedule: Polling | Retry, delays: list[float]) -> None:
    """Polls spread around the growing delay, retries between half and all of it."""
    assert delays == pytest.approx([*islice(schedule.delays(middle), len(delays))])


@pytest.mark.parametrize(
    ("schedule", "low", "high"), [(Polling(first=100, maximum=100), 95, 105), (Retry(first=100, maximum=100), 50, 100)]
)
def test_jitter_has_these_bounds(schedule: Polling | Retry, low: float, high: float) -> None:
    """Polls vary by 5 %, retries by half; the random number's ends reach the bounds."""
    assert next(schedule.delays(lambda: 0.0)) == pytest.approx(low)
    assert next(schedule.delays(lambda: 0.999999)) == pytest.approx(high, abs=0.001)


def test_each_delay_draws_anew() -> None:
    """Every delay has a random number of its own."""
    numbers = iter([0.0, 0.5, 0.9])
    delays = Polling(first=100, maximum=100).delays(lambda: next(numbers))
    assert [*islice(delays, 3)] == pytest.approx([95, 100, 104])


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
    delays: Iterator[float] = kind(first=first, factor=factor, maximum=maximum).delays(random.random)
    assert all(0 < delay <= maximum * 1.05 for delay in islice(delays, 60))


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
    """The defaults are those that the README tells."""
    assert Polling(first=10.0, factor=1.5, maximum=15.0, deadline=7200.0) == Polling()
    assert Retry(first=1.0, factor=2.0, maximum=30.0, settle=15.0, budget=300.0) == Retry()
