import pytest

from kling_async.protocol.clock_offset import ClockOffset

NOW = 1_774_805_000.0


def offset(*seen: float | None) -> ClockOffset:
    """A clock with these observed differences, one per answer; None for an answer without a Date."""
    clock = ClockOffset()
    for difference in seen:
        clock.observe(None if difference is None else NOW + difference, NOW)
    return clock


@pytest.mark.parametrize(
    ("seen", "used"),
    [
        ([3600.0], 3600.0),
        ([-3600.0], -3600.0),
        ([5.0], 0.0),
        ([-5.0], 0.0),
        ([6.0], 6.0),
        ([86_400.0], 86_400.0),
        ([86_401.0], 0.0),
        ([-86_401.0], 0.0),
        ([3600.0, 86_401.0], 3600.0),
        ([3600.0, None], 3600.0),
        ([3600.0, 0.0], 0.0),
        ([], 0.0),
    ],
)
def test_the_last_believable_difference_is_used(seen: list[float | None], used: float) -> None:
    """After a refusal tokens use the last difference of more than 5 seconds and at most a day."""
    clock = offset(*seen)
    assert clock.used == 0.0
    assert clock.correct() is (used != 0.0)
    assert clock.used == used


def test_a_later_answer_replaces_the_difference() -> None:
    """A wrong Date, or a clock that is corrected later, affects tokens until the next refusal only."""
    clock = offset(3600.0)
    assert clock.correct()
    clock.observe(NOW, NOW)
    assert clock.correct()
    assert clock.used == 0.0


def test_an_unchanged_correction_is_reported() -> None:
    """A second refusal with the same difference is not due to the clock; a second more does not count."""
    clock = offset(3600.0)
    assert clock.correct()
    clock.observe(NOW + 3601, NOW)
    assert not clock.correct()


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (600.0, "this machine's clock is 600 s behind the service's"),
        (-600.0, "this machine's clock is 600 s ahead of the service's"),
        (90_000.0, "90000 s behind the service's, by a Date that is too far off to be believed"),
        (None, "carries no Date, so the clocks cannot be compared"),
    ],
)
def test_the_description_of_the_difference(seen: float | None, words: str) -> None:
    """The description names the difference, that it is absurd, or that it is unknown."""
    assert words in offset(0.0, seen).describe()


@pytest.mark.parametrize(
    ("seen", "made", "of_tasks", "error"),
    [
        ([], None, 0.0, 3600.0),
        ([None], None, 0.0, 3600.0),
        ([90_000.0], None, 0.0, 3600.0),
        ([-2.0], None, -2.0, 10.0),
        ([], (-304.0, -300.0), -304.0, 1.0),
        ([-302.0], (-304.0, -300.0), -302.0, 1.0),
        ([0.0], (-304.0, -300.0), -300.0, 1.0),
        ([-400.0], (-304.0, -300.0), -304.0, 1.0),
        ([0.0], (-90_000.0, -89_996.0), 0.0, 10.0),
    ],
)
def test_the_time_of_a_new_task_bounds_the_offset(
    seen: list[float | None], made: tuple[float, float] | None, of_tasks: float, error: float
) -> None:
    """Creation times of tasks may use another clock than `Date`; absurd values are ignored."""
    clock = offset(*seen)
    if made is not None:
        clock.made(NOW, NOW - made[1], NOW - made[0])
    assert (clock.of_tasks, clock.task_error) == (of_tasks, error)
