"""Requests that take several slots at once, such as the n images of one task."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.concurrency_limit import EMPTY_MAXIMUM, PROBE_FIRST, PROBE_MAXIMUM, YIELD_SHARE, Limit
from tests.repeatable import same_draws

from .account_world import AccountModel, client, ideal


def limit(ceiling: int = 40, draw: float = 0.5) -> Limit:
    """A limit whose beat is one second and whose random numbers are all the same."""
    return Limit(ceiling=ceiling, beat=1.0, uniform=lambda: draw)


def send(one: Limit, now: float, *counts: int) -> None:
    """Sends requests that the limit must allow, and reports them as accepted."""
    for count in counts:
        assert one.may_start(now, count)
        one.started(count)
        one.accepted(now, count)


def grown(ceiling: int) -> Limit:
    """A limit that has reached its ceiling, with nothing running."""
    one = limit(ceiling)
    while one.may_start(0):
        send(one, 0, 1)
    assert one.running == ceiling
    for _ in range(ceiling):
        one.ended(0)
    return one


def refused_at(held: int, count: int, ceiling: int = 40) -> Limit:
    """A limit with `held` slots in use, after the refusal of a request of `count`."""
    one = grown(ceiling)
    send(one, 0, *[1] * held)
    one.started(count)
    one.refused(0, count)
    return one


@pytest.mark.parametrize(
    ("held", "count", "starts"),
    [
        (0, 1, True),
        (0, 10, True),
        (6, 4, True),
        (7, 4, False),
        (9, 1, True),
        (10, 1, False),
        (0, 11, True),  # more than the limit, and nothing runs
        (1, 11, False),
    ],
)
def test_a_request_starts_if_its_slots_are_free_or_nothing_runs(
    held: int,
    count: int,
    *,
    starts: bool,
) -> None:
    """With a limit of 10, held and requested slots must fit together; a larger request runs alone."""
    one = grown(10)
    send(one, 0, *[1] * held)
    assert one.may_start(0, count) is starts


@pytest.mark.parametrize(
    ("count", "rounds"), [(1, [1, 1, 2, 4, 8, 16, 8]), (3, [3, 3, 6, 12, 15]), (4, [4, 4, 8, 16, 8]), (50, [50])]
)
def test_growth_doubles_slots(count: int, rounds: list[int]) -> None:
    """Each round sends as many slots as are held, in whole requests, up to the ceiling of 40."""
    one = limit(40)
    sent = []
    while one.may_start(0, count):
        before = one.running
        while one.may_start(0, count):
            one.started(count)
        sent.append(one.running - before)
        for _ in range(sent[-1] // count):
            one.accepted(0, count)
    assert sent == rounds


@pytest.mark.parametrize(("held", "count", "fit"), [(5, 1, 0), (8, 4, 3), (8, 2, 1), (1, 9, 8)])
def test_a_refusal_lowers_the_limit_below_what_was_refused(held: int, count: int, fit: int) -> None:
    """After a refusal at `held + count` slots, single slots are sent up to one less."""
    one = refused_at(held, count)
    assert one.running == held
    send(one, 0, *[1] * fit)
    assert not one.may_start(0)


def test_a_refused_request_of_many_slots_does_not_raise_a_lower_limit() -> None:
    """A level of 5 stays after a probe with a request of 4 was refused at 9."""
    one = refused_at(5, 1)
    one.started(4)
    one.refused(PROBE_FIRST, 4)
    one.ended(PROBE_FIRST)
    assert not one.may_start(PROBE_FIRST + 4, 2)
    send(one, PROBE_FIRST + 4, 1)
    assert not one.may_start(PROBE_FIRST + 4)


def test_a_probe_is_one_request_of_any_size() -> None:
    """A due probe of a refused level is one request of any size; accepted slots are kept."""
    one = refused_at(8, 4)
    assert not one.may_start(PROBE_FIRST - 0.1, 4)
    assert one.may_start(PROBE_FIRST, 4)
    one.started(4)
    assert not one.may_start(PROBE_FIRST, 1)
    one.accepted(PROBE_FIRST, 4)
    assert not one.may_start(PROBE_FIRST, 1)
    one.ended(PROBE_FIRST, 4)
    assert one.may_start(PROBE_FIRST + 4, 4)


def test_a_probe_does_not_exceed_the_ceiling() -> None:
    """A probe does not exceed the ceiling."""
    one = refused_at(8, 2, ceiling=10)
    assert not one.may_start(PROBE_FIRST, 3)
    assert one.may_start(PROBE_FIRST, 2)


def test_a_refused_request_of_many_slots_is_tried_again_alone() -> None:
    """A request of 4 that was refused with nothing running exceeds the level of 3, and is sent after a pause."""
    one = limit()
    one.started(4)
    one.refused(0, 4)
    assert not one.may_start(0.9, 4)
    assert one.opens_at(0) == 1.0
    assert one.may_start(1.0, 4)


def test_a_client_is_full_when_no_such_request_fits() -> None:
    """With requests of 3, 18 of 20 slots are full: now and then a freed one is left to other clients."""
    one = limit(20, draw=YIELD_SHARE / 2)
    send(one, 0, *[3] * 6)
    one.ended(100, 3)
    assert not one.may_start(100, 3)
    one.ended(100, 3)
    assert one.opens_at(100) is not None


def test_each_report_counts_all_slots_of_its_request() -> None:
    """Each report about a request changes the held slots by its count."""
    one = grown(40)
    for _ in range(4):
        one.started(4)
    one.accepted(0, 4)
    one.unclear(4)
    assert one.running == 16
    one.dropped(4)
    assert one.running == 12
    one.ended(0, 4)
    assert one.running == 8
    one.accepted(0, 4, late=True)
    one.refused(0, 4)
    assert one.running == 4


def test_doubt_grows_by_its_slots() -> None:
    """A request of 4 in doubt allows four more slots."""
    one = limit()
    one.started(4)
    one.unclear(4)
    assert one.may_start(0, 4)
    assert not one.may_start(0, 5)


def test_a_request_that_exceeds_the_limit_waits_for_attached_tasks() -> None:
    """A request over the ceiling waits until all attached tasks, which hold a slot each, have ended."""
    one = limit(4)
    assert one.may_start(0, 3, others=1)
    assert not one.may_start(0, 4, others=1)
    assert not one.may_start(0, 5, others=1)
    assert one.may_start(0, 5)


@pytest.mark.parametrize("length", [1, 30, 100])
@pytest.mark.parametrize("count", [2, 3, 9])
def test_the_account_is_filled(count: int, length: float) -> None:
    """200 requests of several slots on an account of 20 take at most 1.35 times the ideal, plus the growth."""
    one = client(200, 20, same_draws(1).random, count)
    AccountModel(20, lambda: 0.2, lambda: length).run(one)
    assert (one.done, one.refused) == (200, 0)
    assert one.finished_at <= 1.35 * ideal(200, 20 // count, 0.2, length) + 2


@pytest.mark.parametrize("length", [1, 30, 100])
@pytest.mark.parametrize("count", [2, 3, 9])
def test_an_account_smaller_than_concurrency_is_filled(count: int, length: float) -> None:
    """200 requests with `concurrency=40` on an account of 11 are near the ideal; few but late probes are refused."""
    one = client(200, 40, same_draws(1).random, count)
    AccountModel(11, lambda: 0.2, lambda: length).run(one)
    assert one.done == 200
    assert one.finished_at <= 1.25 * ideal(200, 11 // count, 0.2, length)
    assert one.refused <= 0.05 * 200 + one.finished_at / (0.75 * PROBE_MAXIMUM)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["send", "accept", "refuse", "doubt", "drop", "end", "wait"]), st.integers(1, 9)),
    max_size=80,
)


@given(events=EVENTS, ceiling=st.integers(1, 8), draw=st.floats(0, 0.999))
def test_it_exceeds_the_ceiling_only_alone_and_never_sticks(
    events: list[tuple[str, int]], ceiling: int, draw: float
) -> None:
    """Only a single request exceeds `ceiling`, and when all have ended any request may be sent."""
    one, now = limit(ceiling, draw), 0.0
    sending: list[int] = []
    accepted: list[int] = []
    for event, count in events:
        now += 30 if event == "wait" else 0.1
        if event == "send" and one.may_start(now, count):
            one.started(count)
            sending.append(count)
        elif event == "end" and accepted:
            one.ended(now, accepted.pop(0))
        elif event in {"accept", "refuse", "doubt", "drop"} and sending:
            answered = sending.pop(0)
            if event == "accept":
                one.accepted(now, answered)
            elif event == "refuse":
                one.refused(now, answered)
            elif event == "doubt":
                one.unclear(answered)
            else:
                one.dropped(answered)
            accepted += [answered] * (event in {"accept", "doubt"})
        held = sending + accepted
        assert one.running == sum(held)
        assert one.running <= ceiling or len(held) == 1
    if not sending + accepted:
        assert one.may_start(now + 2 * EMPTY_MAXIMUM, 1 + len(events))
