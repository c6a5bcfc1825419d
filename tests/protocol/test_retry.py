import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.error_codes import CODES
from kling_async.protocol.errors import (
    ApiError,
    BadResponse,
    ConfigurationError,
    ConnectionFailed,
    DownloadError,
    KlingError,
    NotTheService,
    RequestTimeout,
    ServerError,
    TaskNotFound,
    UnknownStatus,
)
from kling_async.protocol.retry import Attempts, Retry, is_transient


def largest() -> float:
    """A random number that draws the largest delays."""
    return 1.0


def attempted(attempts: Attempts, began: float = 0.0, *, takes: float = 0.0, most: int = 50) -> list[float]:
    """When attempts begin that all fail, after so many seconds each."""
    times = [began]
    while len(times) < most and (delay := attempts.failed(times[-1] + takes)) is not None:
        times.append(times[-1] + takes + delay)
    return times


@pytest.mark.parametrize(
    ("budget", "times"),
    [
        (0, [0]),
        (0.5, [0, 0.5]),
        (1, [0, 1]),
        (1.5, [0, 1, 1.5]),
        (100, [0, 1, 3, 7, 15, 31, 61, 91, 100]),
        (91, [0, 1, 3, 7, 15, 31, 61, 91]),
    ],
)
def test_the_last_attempt_comes_when_the_time_ends(budget: float, times: list[float]) -> None:
    """Attempts go on until the end, and the last begins exactly then: it is neither skipped nor late."""
    assert attempted(Retry().attempts(largest, budget)) == times


def test_without_an_end_attempts_go_on() -> None:
    """Where no end is given there is always a next attempt, at last after the largest delay each time."""
    times = attempted(Retry().attempts(largest))
    assert len(times) == 50
    assert times[-1] - times[-2] == 30


@pytest.mark.parametrize(("takes", "times"), [(2, [0, 3, 7, 10]), (5, [0, 6]), (10, [0]), (12, [0])])
def test_an_attempt_that_outlasts_the_end_is_the_last(takes: float, times: list[float]) -> None:
    """The delay counts from the failure; an attempt that fails at the end or after it is not followed by another."""
    assert attempted(Retry().attempts(largest, 10), takes=takes) == times


@pytest.mark.parametrize("early", [1e-9, 0.015])
def test_a_timer_that_rings_early_brings_no_further_attempt(early: float) -> None:
    """Once the last attempt was granted its failure is the end, although the clock is a moment short of it."""
    attempts = Retry().attempts(largest, 1)
    assert attempts.failed(0) == 1
    assert attempts.is_over(1 - early)
    assert attempts.failed(1 - early) is None


@pytest.mark.parametrize(("now", "over"), [(9.9, False), (10.0, True), (10.1, True)])
def test_the_end_itself_is_over(now: float, *, over: bool) -> None:
    """Before the end an attempt that fails is followed by another; at the end and after it, by none."""
    attempts = Retry().attempts(largest, 10)
    assert attempts.is_over(now) is over
    assert (attempts.failed(now) is None) is over


def test_a_later_end_allows_further_attempts() -> None:
    """Attempts that were over go on when the end is moved; the delays go on growing."""
    attempts = Retry().attempts(largest, 3)
    assert attempted(attempts) == [0, 1, 3]
    attempts.ends_at = 100
    assert not attempts.is_over(3)
    assert attempts.failed(3) == 4


def test_progress_begins_with_the_shortest_delay_again() -> None:
    """After progress the failures are counted anew and the delays begin anew; the end stays where it is."""
    attempts = Retry().attempts(largest, 20)
    assert [attempts.failed(now) for now in (0, 1, 2)] == [1, 2, 4]
    assert attempts.failures == 3
    attempts.progressed()
    assert (attempts.failures, attempts.ends_at) == (0, 20)
    assert [attempts.failed(now) for now in (6, 7)] == [1, 2]
    assert attempts.failures == 2


def test_progress_does_not_allow_an_attempt_after_the_last() -> None:
    """The time is what ends attempts: progress in the last one brings no other unless the end is moved."""
    attempts = Retry().attempts(largest, 1)
    assert attempts.failed(0) == 1
    attempts.progressed()
    assert attempts.failed(0.99) is None


def test_the_last_failure_counts_too() -> None:
    """`failures` holds all attempts that failed, with the one after which there is no other."""
    attempts = Retry().attempts(largest, 1)
    assert attempted(attempts) == [0, 1]
    assert attempts.failures == 2


def test_delays_are_drawn_between_half_and_all() -> None:
    """Each delay has a random number of its own, which takes between half and all of the growing delay."""
    numbers = iter([0.0, 0.5, 1.0])
    attempts = Retry(first=8, factor=2, maximum=100).attempts(lambda: next(numbers))
    assert [attempts.failed(0) for _ in range(3)] == [4, 12, 32]


@given(
    st.builds(
        Retry,
        first=st.floats(0.001, 100),
        factor=st.floats(1, 10),
        maximum=st.floats(0.001, 100),
        budget=st.floats(0, 1000),
    ),
    st.lists(st.tuples(st.floats(0, 50), st.booleans()), min_size=30, max_size=30),
    st.floats(0, 1e6),
    st.floats(0, 1),
)
def test_no_attempt_begins_after_the_end(
    retry: Retry, course: list[tuple[float, bool]], began: float, draw: float
) -> None:
    """Whatever attempts take and whatever is drawn: each delay is positive and ends by the end of the attempts."""
    now, ends_at = began, began + retry.budget
    attempts = retry.attempts(lambda: draw, ends_at)
    for takes, progress in course:
        if progress:
            attempts.progressed()
        now += takes
        delay = attempts.failed(now)
        if delay is None:
            assert attempts.is_over(now)
            return
        assert 0 < delay <= retry.maximum
        now += delay
        assert now <= ends_at or now == pytest.approx(ends_at)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionFailed("reset"), True),
        (ConnectionFailed("refused", sent=False), True),
        (RequestTimeout("no answer in time"), True),
        (ConnectionFailed("no such certificate", permanent=True), False),
        (BadResponse("a page", foreign=True), True),
        (BadResponse("no data"), True),
        (UnknownStatus("queued"), False),
        (NotTheService("another web server"), False),
        (ServerError("busy", code=5000), True),
        (ApiError("new", code=1250), True),
        (ApiError("not of the service", code=9999), False),
        (ApiError("without a code"), False),
        (TaskNotFound("no such task", code=5000), False),
        (DownloadError("cut off"), False),
        (ConfigurationError("no key"), False),
        (KlingError("whatever", code=1302), False),
    ],
)
def test_what_passes_by_itself(error: KlingError, *, transient: bool) -> None:
    """After no answer, an unreadable answer, or a code marked so in the table, a repetition may succeed."""
    assert is_transient(error) is transient


@pytest.mark.parametrize("code", CODES)
def test_what_passes_by_code(code: int) -> None:
    """Of the documented codes 1302, 1303 and the 5000s pass."""
    assert is_transient(CODES[code].error("no", code=code)) is (code in {1302, 1303, 5000, 5001, 5002})


@pytest.mark.parametrize(
    ("name", "least"), [("first", 0.001), ("factor", 1), ("maximum", 0.001), ("settle", 0), ("budget", 0)]
)
def test_what_numbers_a_schedule_can_have(name: str, least: float) -> None:
    """From its least, a thousandth of a second for delays, to a billion; the error names the field."""
    for good in (least, 1e9):
        assert getattr(Retry(**{name: good}), name) == good
    bad: Any
    for bad in (least - 0.0001, 1e9 + 0.5, True, "1"):
        with pytest.raises(
            ConfigurationError, match=rf"Retry\.{name}: expected a number from {least:g} to 1e\+09, got"
        ):
            Retry(**{name: bad})


def test_attempts_have_no_end_by_default() -> None:
    """The end is an attribute that can be read; by default there is none."""
    assert Retry().attempts(largest).ends_at == math.inf
    assert Retry().attempts(largest, 7.5).ends_at == 7.5
