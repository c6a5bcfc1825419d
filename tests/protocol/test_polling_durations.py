import itertools
import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.clips import typical_seconds
from kling_async.protocol.endpoints import ImageToVideo
from kling_async.protocol.polling.age_bins import BINS, EDGES, WIDTHS, bin_of
from kling_async.protocol.polling.durations import (
    FADING,
    DurationEstimate,
    Durations,
)
from kling_async.protocol.polling.look_schedule import LookSchedule
from kling_async.protocol.polling.schedule import SHORTEST_DELAY
from tests.repeatable import same_draws


def real_looking(random_: random.Random) -> float:
    """A realistic duration: log-normal with a mean near 164 s, and in 3 % of the cases near 700 s."""
    if random_.random() < 0.03:
        return 700 * math.exp(random_.gauss(0, 0.1))
    return 164 * math.exp(random_.gauss(-(0.3**2) / 2, 0.3))


def looks(schedule: LookSchedule, delay: float, end: float) -> tuple[int, float]:
    """Returns the number of polls of a task that ends at this age, and the delay of the last one after the end."""
    age, count = 0.0, 0
    while age < end:
        age, count = schedule.next_look(age, delay), count + 1
    return count, age - end


@pytest.mark.parametrize(
    ("mode", "duration", "least", "most"),
    [("std", 5, 60, 90), ("std", 10, 90, 125), ("pro", 5, 100, 250), ("pro", 15, 180, 300), (None, 5, 60, 90)],
)
def test_a_published_duration_comes_first(mode: str | None, duration: float, least: float, most: float) -> None:
    """Without observations, the expected duration is the one that users report."""
    assert least <= typical_seconds(mode, duration) <= most
    median = DurationEstimate(typical_seconds(mode, duration)).look_schedule().median
    assert median == pytest.approx(typical_seconds(mode, duration), rel=0.3)


def test_what_is_published_counts_to_the_second_until_tasks_are_seen() -> None:
    """Published durations that differ by 4 % have medians that differ by 4 %."""
    medians = [DurationEstimate(published).look_schedule().median for published in (100.0, 104.0)]
    assert medians[1] / medians[0] == pytest.approx(1.04, rel=0.01)


def test_a_task_passes_once_through_each_bin() -> None:
    """A task spends the whole width of each bin before its end, part of the last one, and none of the later ones."""
    estimate = DurationEstimate(150.0)
    estimate.observe(EDGES[30] + 0.25 * WIDTHS[30])
    assert estimate.passed == pytest.approx([1.0] * 30 + [0.25] + [0.0] * (BINS - 31))
    assert estimate.ended == pytest.approx([0.0] * 30 + [1.0] + [0.0] * (BINS - 31))
    longest = DurationEstimate(150.0)
    longest.observe(10 * EDGES[-1])
    assert longest.passed == pytest.approx([1.0] * BINS)


def test_fifty_tasks_outweigh_a_published_duration() -> None:
    """After 50 tasks of 8 to 16 s, half are expected to end within 12 s."""
    estimate = DurationEstimate(150.0)
    for number in range(50):
        estimate.observe(8 + 8 * ((number * 0.618) % 1))
    assert estimate.look_schedule().median == pytest.approx(12, rel=0.08)


def test_old_observations_fade() -> None:
    """When a service becomes twice as slow, the last hundred tasks outweigh the thousand before."""
    estimate = DurationEstimate(150.0)
    for number in range(1000):
        estimate.observe(90 + number % 20)
    for number in range(200):
        estimate.observe(190 + number % 20)
    assert estimate.look_schedule().median > 185
    assert estimate.seen <= 1 / FADING + 1


def test_weights_stay_finite() -> None:
    """However many tasks were seen, only the last 128 or so have weight."""
    estimate, few = DurationEstimate(150.0), DurationEstimate(150.0)
    for number in range(100_000):
        estimate.observe(90 + number % 20)
    for number in range(1_500):
        few.observe(90 + number % 20)
    assert estimate.ended == pytest.approx(few.ended, abs=0.01)
    assert estimate.passed == pytest.approx(few.passed, abs=0.01)
    assert sum(estimate.ended) == pytest.approx(1 / FADING, rel=0.01)


def test_tasks_that_did_not_end_count_as_long_ones() -> None:
    """A task known to run for 300 s makes ends before that less likely, and does not affect later ones."""
    estimate, other = DurationEstimate(150.0), DurationEstimate(150.0)
    for _ in range(20):
        estimate.observe(100)
        other.observe(100)
        other.observe(300, ended=False)
    assert other.look_schedule().median > estimate.look_schedule().median
    assert other.seen == pytest.approx(estimate.seen, rel=0.2)


@pytest.mark.parametrize(("seen", "most"), [(50, 1.2 * 9.63), (0, 13.5)])
def test_the_looks_are_near_the_least_possible(seen: int, most: float) -> None:
    """The polls of a known kind are at most a fifth above 9.63, the theoretical minimum for their mean delay.

    With a published duration alone it takes about a dozen.
    """
    random_ = same_draws(11)
    estimate = DurationEstimate(150.0)
    for _ in range(seen):
        estimate.observe(real_looking(random_))
    found = [looks(estimate.look_schedule(), 5.0, real_looking(random_)) for _ in range(4000)]
    count, delay = (sum(column) / len(found) for column in zip(*found, strict=True))
    assert delay == pytest.approx(5, rel=0.25)
    assert count * delay / 5 < most


@pytest.mark.parametrize(("times", "share"), [(1 / 5, 0.9), (1 / 2, 0.36), (2, 0.09), (5, 0.036)])
def test_a_wrong_published_duration(times: float, share: float) -> None:
    """A kind five times slower or faster than published is seen after a fraction of its duration, with few polls.

    The fraction is smaller for longer durations.
    """
    random_, schedule = same_draws(12), DurationEstimate(150.0).look_schedule()
    found = [looks(schedule, 5.0, 150.0 * times * math.exp(random_.gauss(0, 0.1))) for _ in range(300)]
    count, delay = (sum(column) / len(found) for column in zip(*found, strict=True))
    assert delay < share * 150.0 * times
    assert count < max(5.0, 18 * times)


@given(st.lists(st.floats(min_value=0, max_value=1e7), max_size=30), st.floats(min_value=0, max_value=1e6))
def test_the_next_look_is_later(ages: list[float], age: float) -> None:
    """The next poll is in the future, at a finite time, whatever was learned."""
    estimate = DurationEstimate(150.0)
    for seen in ages:
        estimate.observe(seen)
    following = estimate.look_schedule().next_look(age, 5.0)
    assert age < following < age + 20_000


@given(st.lists(st.floats(0.01, 7200), max_size=20), st.floats(0, 7000), st.floats(0, 60))
def test_a_later_answer_means_a_later_poll(ages: list[float], age: float, later: float) -> None:
    """An early answer from a page never makes the next poll earlier."""
    estimate = DurationEstimate(150.0)
    for seen in ages:
        estimate.observe(seen)
    schedule = estimate.look_schedule()
    assert schedule.next_look(age + later, 5.0) >= schedule.next_look(age, 5.0) - 1e-6


def test_the_bins_cover_all_ages() -> None:
    """Bins begin at 0 and reach two hours, each a tenth wider than the previous one."""
    assert EDGES[0] == 0
    assert EDGES[-1] >= 7200
    widths = [right / left for left, right in itertools.pairwise(EDGES[1:])]
    assert widths == pytest.approx([1.1] * len(widths))


def test_the_shortest_bin_is_the_shortest_delay() -> None:
    """The first bin is as wide as the shortest delay between polls."""
    assert [bin_of(share * SHORTEST_DELAY) for share in (0, 0.99, 1, 1.11)] == [0, 0, 1, 2]


def test_an_end_counts_for_the_ages_around_it() -> None:
    """An end counts for two bins on either side as well, a third less with each bin."""
    place, everywhere = 50, [100.0] * BINS
    ended = [100.0 if index == place else 0.0 for index in range(BINS)]
    schedule = DurationEstimate(EDGES[place], ended, everywhere).look_schedule()

    def chance(index: int) -> float:
        """The probability that a task that reaches this bin ends in it; polls follow the root of the hazard."""
        middle = (EDGES[index] + EDGES[index + 1]) / 2
        return (schedule.next_look(middle, 1e-6) - middle) ** -2 * WIDTHS[index]

    shares = [chance(place + step) / chance(place) for step in range(-3, 4)]
    assert shares == pytest.approx([0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0], abs=0.02)


@pytest.mark.parametrize("age", [0.0, 7.0, 100.0, 3000.0])
def test_looks_at_what_may_end_at_any_moment(age: float) -> None:
    """With a constant hazard, polls are twice the mean delay apart, and half of the tasks end by ln 2."""
    schedule = LookSchedule([0.01] * BINS)
    assert schedule.next_look(age, 5.0) == pytest.approx(age + 10)
    assert schedule.next_look(age, 5.0, 0.95) == pytest.approx(age + 9.5)
    assert schedule.median == pytest.approx(100 * math.log(2))


def test_each_kind_is_learned_alone() -> None:
    """Each kind has a separate estimate, which begins with the first published time."""
    durations = Durations()
    estimate = durations.of("image2video/kling-v2-6/pro/5", 150.0)
    assert durations.of("image2video/kling-v2-6/pro/5", 90.0) is estimate
    assert durations.of("image2video", 116.0) is not estimate
    assert (estimate.published, durations.of("image2video", 1.0).published) == (150.0, 116.0)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "image2video/kling-v2-6/std/5"),
        ({"mode": "std"}, "image2video/kling-v2-6/std/5"),
        ({"mode": "pro", "duration": 10}, "image2video/kling-v2-6/pro/10"),
        ({"model_name": "kling-v3", "duration": 15}, "image2video/kling-v3/std/15"),
    ],
)
def test_tasks_of_one_kind(fields: dict[str, Any], kind: str) -> None:
    """A kind is an endpoint, a model, a mode and a duration of video; an omitted mode counts as `std`."""
    request = ImageToVideo(image="https://example.com/cat.png", **fields)
    endpoint = endpoint_of(request)
    assert endpoint is not None
    assert endpoint.kind_of(request) == kind


def test_estimates_can_be_passed_to_another_client() -> None:
    """JSON passes the estimates of all kinds to another client."""
    durations = Durations()
    for seconds in (100, 110, 120):
        durations.of("image2video/kling-v2-6/pro/5", 150.0).observe(seconds)
        durations.of("image2video", 116.0).observe(seconds)
    durations.of("image2video/kling-v3/4k/15", 250.0).observe(400)
    read = Durations.from_json(durations.to_json())
    assert read.medians() == pytest.approx(durations.medians(), rel=1e-3)
    assert set(read.medians()) == {"image2video/kling-v2-6/pro/5", "image2video/kling-v3/4k/15", "image2video"}
    read.of("image2video/kling-v2-6/pro/5", 150.0).observe(100)


def changed(**changes: Any) -> str:
    """The JSON of one kind, with members changed."""
    durations = Durations()
    durations.of("image2video/kling-v2-6/pro/5", 150.0).observe(100)
    data = json.loads(durations.to_json())
    (kind,) = data["kinds"].values()
    kind.update(changes)
    return json.dumps(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"edges": [1, 2], "kinds": {}}',
        changed(ended=[1.0]),
        changed(ended=[-1.0] * (len(EDGES) - 1)),
        changed(passed=["1"] * (len(EDGES) - 1)),
        changed(published=None),
        changed(published=-1),
        changed(passed=[math.nan] * (len(EDGES) - 1)),
        changed(passed=[1e6] * (len(EDGES) - 1)),
        "[" * 100_000,
    ],
)
def test_damaged_text_is_refused(text: str) -> None:
    """Damaged text, or that of a version with other bins, raises ValueError."""
    with pytest.raises(ValueError, match="no durations of this version"):
        Durations.from_json(text)


@pytest.mark.parametrize("name", ["ended", "passed"])
def test_text_that_knows_more_than_there_can_be_fades_all_the_same(name: str) -> None:
    """Excessive weights are scaled down to the maximum that a client can have."""
    text = changed(**{name: [1000.0 + index for index in range(BINS)]})
    read = Durations.from_json(text).of("image2video/kling-v2-6/pro/5", 150.0)
    amounts = getattr(read, name)
    most = sum(amounts) if name == "ended" else max(amounts)
    assert most == pytest.approx(1 / FADING)
    assert amounts[-1] / amounts[0] == pytest.approx((1000 + BINS - 1) / 1000)


def test_no_text_publishes_less_than_a_second() -> None:
    """A published duration is at least a second, as 0 has no logarithm."""
    kind = "image2video/kling-v2-6/pro/5"
    read = [Durations.from_json(changed(published=seconds)).of(kind, 150.0).published for seconds in (0, 1, 1.5)]
    assert read == [1.0, 1.0, 1.5]


def test_news_change_the_schedule_while_they_weigh_much() -> None:
    """The schedule is recomputed after the first task, but not after each of hundreds of similar ones."""
    estimate = DurationEstimate(150.0)
    first = estimate.look_schedule()
    estimate.observe(20)
    assert estimate.look_schedule() is not first
    for _ in range(200):
        estimate.observe(20)
        estimate.look_schedule()
    settled = estimate.look_schedule()
    estimate.observe(20)
    assert estimate.look_schedule() is settled
