"""The progress of a task: its share and remaining seconds by age, from the durations of its kind."""

import bisect
import math
import random

import pytest

from kling_async import TaskFailed, TaskStatus
from kling_async.protocol.errors import KlingError
from kling_async.protocol.polling.age_bins import BINS, EDGES
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.progress import Expectation, Progress
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task

AGES = [0.0, 0.01, 1.0, 30.0, 99.0, 100.0, 101.0, 300.0, 1000.0, 7999.0, 8500.0, 1e5, 1e9]


def learned(seconds: float, spread: float = 0.1, tasks: int = 200) -> DurationEstimate:
    """The estimate after this many tasks of about this length."""
    estimate = DurationEstimate(100.0)
    draws = random.Random(1)  # noqa: S311  (no secret)
    for _ in range(tasks):
        estimate.observe(seconds * math.exp(draws.gauss(0, spread)))
    return estimate


@pytest.mark.parametrize("estimate", [DurationEstimate(1.0), DurationEstimate(100.0), learned(30), learned(900, 0.5)])
def test_the_share_grows_with_age_from_nothing_and_stays_below_one(estimate: DurationEstimate) -> None:
    """The share starts at 0, grows with age and stays below one, also beyond all observed durations."""
    shares = [estimate.expectation().share(age) for age in AGES]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1


@pytest.mark.parametrize("estimate", [DurationEstimate(1.0), DurationEstimate(100.0), learned(30), learned(900, 0.5)])
def test_there_is_always_some_time_left(estimate: DurationEstimate) -> None:
    """The remaining time is positive at every age."""
    assert all(0 < estimate.expectation().seconds_left(age) < math.inf for age in AGES)


def test_the_share_of_long_tasks() -> None:
    """The share is below one even in the last age bin."""
    assert learned(7500).expectation().share(EDGES[-1]) < 0.98


def test_a_published_duration_counts_until_tasks_are_observed() -> None:
    """The remaining time begins with the median used for polling; the share grows with the age."""
    estimate = DurationEstimate(100.0)
    expected = estimate.expectation()
    assert expected.seconds_left(0) == pytest.approx(estimate.look_schedule().median)
    assert expected.seconds_left(50) < expected.seconds_left(0)
    assert expected.share(25) == pytest.approx(expected.share(50) / 2, rel=0.1)  # evenly, while hardly any has ended
    assert 0.6 < expected.share(100) < 0.9


def test_observed_durations_outweigh_a_published_one() -> None:
    """Observed durations of 30 seconds outweigh a published one of 100."""
    expected = learned(30).expectation()
    assert expected.seconds_left(0) == pytest.approx(30, rel=0.15)
    assert expected.share(15) == pytest.approx(0.45, abs=0.1)
    assert expected.share(30) > 0.8


def test_the_time_left_is_the_median_of_the_remaining_tasks() -> None:
    """Half of 20,000 simulated tasks that reach an age end within the remaining time."""
    estimate = learned(60, 0.4)
    expected = estimate.expectation()
    draws = random.Random(2)  # noqa: S311  (no secret)
    ends = [_drawn(expected, draws) for _ in range(20_000)]
    for age in (0.0, 40.0, 80.0):
        left = sorted(end - age for end in ends if end > age)
        assert left[len(left) // 2] == pytest.approx(expected.seconds_left(age), rel=0.06)
    mean = sum(ends) / len(ends)
    assert sum(min(end, 40.0) for end in ends) / len(ends) / mean == pytest.approx(expected.share(40), abs=0.02)


def _drawn(expected: Expectation, draws: random.Random) -> float:
    """A random age at which a task ends."""
    risk = -math.log(1 - draws.random())
    place = min(bisect.bisect_right(expected._risks, risk) - 1, BINS - 1)
    return EDGES[place] + (risk - expected._risks[place]) / expected._hazards[place]


def test_later_observations_count_for_a_running_task() -> None:
    """Later observations change the remaining time of a running task."""
    estimate = DurationEstimate(100.0)
    before = estimate.expectation().seconds_left(0)
    for _ in range(50):
        estimate.observe(10)
    assert estimate.expectation().seconds_left(0) < before / 4


# ------------------------------------------------------------------------------------------ of a followed task


def followed(estimate: DurationEstimate) -> FollowedTask:
    """A task accepted at second 1000."""
    return FollowedTask(Reference("image2video", "9"), 1000.0, 3600.0, estimate, created_here=True)


def test_a_share_never_falls() -> None:
    """The share never falls, even if tasks take longer or the task is younger than expected."""
    estimate = DurationEstimate(10.0)
    task = followed(estimate)
    high = task.progress(1020).share
    for _ in range(100):
        estimate.observe(600)
    assert task.progress(1021).share == high
    task.begun_at = 1015
    assert task.progress(1021).share == high
    assert task.progress(2000).share > high


def test_the_share_is_0_before_the_beginning() -> None:
    """A task that begins in the future, as clocks may disagree, has a share of 0."""
    assert followed(DurationEstimate(100.0)).progress(900).share == 0


@pytest.mark.parametrize("status", [TaskStatus.SUCCEED, TaskStatus.FAILED])
def test_only_the_end_is_one(status: TaskStatus) -> None:
    """An ended task has a share of 1 and no time left, whether it succeeded or failed."""
    task = followed(DurationEstimate(100.0))
    assert task.progress(1e6).share < 1
    done = Task(task_id="9", status=status, endpoint="image2video")
    task.end = done if status is TaskStatus.SUCCEED else TaskFailed("no", task=done)
    assert task.progress(1001) == Progress(1.0, 0.0)


def test_a_task_that_is_not_followed_keeps_its_share() -> None:
    """A task that is no longer followed keeps its share, as it continues at the service."""
    task = followed(DurationEstimate(100.0))
    share = task.progress(1050).share
    task.end = KlingError("closed")
    assert task.progress(2000) == Progress(share, None)
