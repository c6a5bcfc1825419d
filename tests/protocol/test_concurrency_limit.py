"""The learned concurrency limit of an account, with every number computed by hand."""

import itertools
import math
import statistics
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.concurrency_limit import (
    EMPTY_MAXIMUM,
    PROBE_FIRST,
    PROBE_MAXIMUM,
    YIELD_COST_REFUSED,
    YIELD_MAXIMUM,
    Limit,
)
from tests.repeatable import same_draws

from .account_world import AccountModel, client, ideal


def limit(ceiling: int = 20, draw: float = 0.5) -> Limit:
    """A limit whose beat is one second and whose random numbers are all the same."""
    return Limit(ceiling=ceiling, beat=1.0, uniform=lambda: draw)


def send_all(one: Limit, now: float) -> int:
    """Sends as many requests as the limit allows now."""
    count = 0
    while one.may_start(now):
        one.started()
        count += 1
    return count


def test_it_grows_by_doubling() -> None:
    """Each round sends as many requests as are running, up to the ceiling."""
    one = limit(20)
    rounds = []
    for now in range(7):
        rounds.append(send_all(one, now))
        for _ in range(rounds[-1]):
            one.accepted(now)
    assert rounds == [1, 1, 2, 4, 8, 4, 0]
    assert one.running == 20


def test_no_growth_before_the_round_is_answered() -> None:
    """One accepted of two requests in progress does not raise the limit yet."""
    one = limit()
    send_all(one, 0)
    one.accepted(0)
    assert send_all(one, 0) == 1
    assert send_all(one, 0) == 0


def test_one_slow_answer_does_not_delay_growth() -> None:
    """Three quarters of the answers of a round are enough for the next one."""
    one = limit()
    for now, accepted in enumerate((1, 1, 2, 3)):
        send_all(one, now)
        for _ in range(accepted):
            one.accepted(now)
    assert send_all(one, 4) == 8
    for _ in range(5):
        one.accepted(4)
    assert send_all(one, 4) == 0
    one.accepted(4)
    assert send_all(one, 4) == 4


def test_tasks_one_by_one_do_not_raise_the_limit() -> None:
    """A limit that is not used up does not grow: a hundred tasks in a row do not allow many at once."""
    one = limit()
    for now in range(100):
        assert one.may_start(now)
        one.started()
        one.accepted(now)
        one.ended(now)
    assert send_all(one, 100) == 2


def full(account: int, ceiling: int = 20, draw: float = 0.5) -> Limit:
    """A limit after it was refused by an account of this capacity."""
    one = limit(ceiling, draw)
    while True:
        sent = send_all(one, 0)
        over = max(0, one.running - account)
        for _ in range(sent - over):
            one.accepted(0)
        for _ in range(over):
            one.refused(0)
        if over:
            return one


def test_a_refusal_lowers_the_limit_to_the_running_tasks() -> None:
    """An account of 5 gets at most twice as many requests, and then 5."""
    one = full(5)
    assert one.running == 5
    assert not one.may_start(1)


def test_a_freed_slot_is_left_open_for_a_moment_after_a_refusal() -> None:
    """After a refusal a freed slot is left to other processes for a moment."""
    one = full(5)
    one.ended(100.0)
    assert not one.may_start(100.0)
    assert one.opens_at(100.0) == pytest.approx(102.0)
    assert one.may_start(102.0)


def test_another_end_does_not_prolong_that_moment() -> None:
    """Another task that ends while a slot is left open neither extends nor shortens the pause."""
    one = full(5)
    one.ended(100.0)
    one.ended(101.0)
    assert not one.may_start(101.9)
    assert one.may_start(102.0)


def test_that_moment_is_short_for_short_tasks() -> None:
    """Pauses use at most YIELD_COST_REFUSED of the time."""
    one = full(5)
    one.ended(2.0)
    assert one.opens_at(2.0) == pytest.approx(2.0 + 0.5 * YIELD_COST_REFUSED * 2.0)


def test_more_slots_yield_longer() -> None:
    """The pause is as many beats as tasks are running, up to YIELD_MAXIMUM."""
    moments = []
    for running in (1, 2, 6):
        one = full(running)
        one.ended(100.0)
        moments.append((one.opens_at(100.0) or 0) - 100.0)
    assert moments == [0.5 * 1, 0.5 * 2, 0.5 * YIELD_MAXIMUM]


def test_few_slots_probe_often() -> None:
    """With one task running, another is tried every PROBE_FIRST beats, however many were refused."""
    one = full(1)
    now = 0.0
    for _ in range(5):
        opens = one.opens_at(now)
        assert opens is not None
        assert opens - now == pytest.approx(PROBE_FIRST)
        now = opens
        assert send_all(one, now) == 1
        one.refused(now)


def test_a_refused_level_is_tried_again_less_and_less_often() -> None:
    """One more is tried after PROBE_FIRST beats, then after growing gaps, up to PROBE_MAXIMUM."""
    one = full(7)
    now, gaps = 0.0, []
    for _ in range(9):
        opens = one.opens_at(now)
        assert opens is not None
        gaps.append(opens - now)
        now = opens
        assert send_all(one, now) == 1
        one.refused(now)
    assert gaps[0] == pytest.approx(PROBE_FIRST)
    assert all(later >= earlier for earlier, later in itertools.pairwise(gaps))
    assert gaps[-1] == pytest.approx(PROBE_MAXIMUM)


def test_additional_capacity_is_used() -> None:
    """When the account has more slots than before, the level rises one by one up to the ceiling."""
    one = full(5, ceiling=8)
    now = 0.0
    for _ in range(3):
        opens = one.opens_at(now)
        assert opens is not None
        now = opens
        assert send_all(one, now) == 1
        one.accepted(now)
    assert one.running == 8
    assert one.opens_at(now) is None
    assert not one.may_start(now + 10_000)


def test_a_client_without_a_slot_tries_often() -> None:
    """While others use the whole account, a request is tried after 1, 2, 4 beats, up to EMPTY_MAXIMUM."""
    one = limit()
    now, pauses = 0.0, []
    for _ in range(6):
        assert send_all(one, now) == 1
        one.refused(now)
        opens = one.opens_at(now)
        assert opens is not None
        pauses.append(opens - now)
        now = opens
    assert pauses == [1, 2, 4, EMPTY_MAXIMUM, EMPTY_MAXIMUM, EMPTY_MAXIMUM]


@pytest.mark.parametrize(("draw", "open_at_once"), [(0.0, True), (0.12, False), (0.13, True), (0.9, True)])
def test_a_full_client_leaves_a_slot_open_now_and_then(draw: float, *, open_at_once: bool) -> None:
    """Without any refusal, one of eight freed slots is left open for a moment, unless the moment has no length."""
    one = limit(1, draw)
    one.started()
    one.accepted(0)
    one.ended(5)
    assert one.may_start(5) is open_at_once


def test_with_nothing_accepted_one_is_tried_alone() -> None:
    """No second create is sent before the only one is answered: it would be refused, too."""
    one = limit()
    send_all(one, 0)
    one.refused(0)
    assert send_all(one, 1000) == 1
    one.accepted(1000)
    assert send_all(one, 1000) == 1


def test_idle_time_does_not_allow_longer_pauses() -> None:
    """The allowed pause is counted from the start of the current work; idle time does not add to it."""
    one = limit(1, draw=0.1)
    for now in (0, 1000):
        one.started()
        one.accepted(now)
        one.ended(now + 2)
    assert one.opens_at(1002) == pytest.approx(1002 + 0.1 * 0.05 * 2)


def test_a_create_in_doubt_does_not_stop_growth() -> None:
    """A create in doubt counts as running, and does not stop the growth of the limit."""
    one = limit()
    one.started()
    one.accepted(0)
    assert send_all(one, 0) == 1
    one.unclear()
    one.started()
    one.accepted(0)
    assert one.may_start(0)


def test_an_invalid_create_frees_its_slot() -> None:
    """A create that was refused for its parameters takes no slot and does not change the limit."""
    one = limit(1)
    for _ in range(3):
        assert send_all(one, 0) == 1
        one.dropped()
    assert one.running == 0


def test_attached_tasks_count() -> None:
    """Attached tasks of unknown model count against the ceiling, and do not delay growth."""
    one = limit(2)
    assert one.may_start(0, others=1)
    assert not one.may_start(0, others=2)


def test_doubt_does_not_stop_the_doubling() -> None:
    """A round whose last answer is lost is followed by the next, and a late acceptance does no harm."""
    one = limit()
    assert send_all(one, 0) == 1
    one.unclear()
    assert send_all(one, 0) == 1
    one.accepted(0)
    one.accepted(0, late=True)
    assert one.running == 2
    assert send_all(one, 0) == 2


def test_a_refusal_after_a_doubt_is_counted_once() -> None:
    """A create in doubt that is sent again and refused counts as that refusal only."""
    one = limit()
    send_all(one, 0)
    one.unclear()
    one.refused(0, late=True)
    assert send_all(one, 1000) == 1
    assert send_all(one, 1000) == 0


LATENCIES: Final = (0.05, 0.2, 1, 2, 5)
LENGTHS: Final = (0.5, 1, 3, 10, 30, 100, 300)
SLOTS: Final = (1, 2, 3, 5, 8, 10, 20, 50, 100)


def ramp(slots: int, latency: float) -> float:
    """Seconds until this many slots are open: one answer for each doubling."""
    return latency * math.ceil(math.log2(slots))


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("length", LENGTHS)
def test_the_account_is_filled_for_any_durations(latency: float, length: float) -> None:
    """200 tasks take at most 1.35 times the ideal, plus the growth of the limit."""
    for slots in SLOTS:
        world = AccountModel(slots, lambda: latency, lambda: length)
        one = client(200, slots, same_draws(slots).random)
        world.run(one)
        assert (one.done, one.refused) == (200, 0)
        assert one.finished_at <= 1.35 * ideal(200, slots, latency, length) + ramp(slots, latency), slots


def test_continuous_answers_and_ends_do_not_delay_growth() -> None:
    """80 tasks of a second on 20 slots, with creates of a second, take eight seconds plus the growth."""
    draws = same_draws(1)
    one = client(80, 20, draws.random)
    AccountModel(20, lambda: 0.5 + draws.random(), lambda: 0.5 + draws.random()).run(one)
    assert one.finished_at <= 1.35 * 8 + ramp(20, 1)


@pytest.mark.parametrize("slots", [1, 5, 20, 100])
@pytest.mark.parametrize("length", [*LENGTHS, 1000])
@pytest.mark.parametrize("spread", [0, 0.5], ids=["together", "scattered"])
def test_yielding_costs_a_twentieth_at_most(
    monkeypatch: pytest.MonkeyPatch, length: float, slots: int, spread: float
) -> None:
    """A client that leaves each slot open for as long as allowed, without refusals, loses at most a twentieth."""

    def took() -> float:
        draws = same_draws(3)
        one = client(1000, slots, lambda: 0.9999)
        AccountModel(slots, lambda: 0.1, lambda: length * (1 + spread * (2 * draws.random() - 1))).run(one)
        return one.finished_at

    monkeypatch.setattr("kling_async.protocol.concurrency_limit.YIELD_SHARE", 0.0)
    without = took()
    monkeypatch.setattr("kling_async.protocol.concurrency_limit.YIELD_SHARE", 1.0)
    assert without < took() <= without / 0.95


@pytest.mark.parametrize("length", [1, 30, 85])
def test_clients_of_one_account_share_it(length: float) -> None:
    """When one of two clients with 20 tasks each on an account of 6 is done, the other has done 5."""

    def share_of_the_slower(seed: int) -> float:
        draws = same_draws(seed)
        world = AccountModel(6, lambda: 0.6 * draws.random(), lambda: length * (0.7 + 0.6 * draws.random()))
        clients = [client(20, 20, draws.random) for _ in range(2)]
        world.run(*clients, until=lambda: any(each.done == 20 for each in clients))
        return min(each.done for each in clients) / 20

    assert statistics.median(map(share_of_the_slower, range(9))) >= 0.25


@pytest.mark.parametrize("length", [1, 30, 85])
def test_an_account_that_is_smaller_than_the_ceiling_is_filled(length: float) -> None:
    """200 tasks with `concurrency=20` on an account of 5 are near the ideal, with few refusals."""
    draws = same_draws(1)
    one = client(200, 20, draws.random)
    AccountModel(5, lambda: 0.6 * draws.random(), lambda: length * (0.7 + 0.6 * draws.random())).run(one)
    assert one.finished_at <= 1.15 * ideal(200, 5, 0.3, length)
    assert one.refused <= 0.15 * 200


EVENTS = st.lists(st.sampled_from(["send", "accept", "refuse", "drop", "end", "wait"]), max_size=80)


@given(events=EVENTS, ceiling=st.integers(1, 8), draw=st.floats(0, 0.999))
def test_it_never_exceeds_the_ceiling_and_never_sticks(events: list[str], ceiling: int, draw: float) -> None:
    """At most `ceiling` requests run, and with none running one may be sent after a while."""
    one, now, sending, accepted = limit(ceiling, draw), 0.0, 0, 0
    for event in events:
        now += 0.1
        if event == "send" and one.may_start(now):
            one.started()
            sending += 1
        elif event in {"accept", "refuse", "drop"} and sending:
            sending -= 1
            if event == "accept":
                one.accepted(now)
                accepted += 1
            elif event == "refuse":
                one.refused(now)
            else:
                one.dropped()
        elif event == "end" and accepted:
            accepted -= 1
            one.ended(now)
        elif event == "wait":
            now += 30
        assert one.running == sending + accepted <= ceiling
    if sending == accepted == 0:
        assert one.may_start(now + 2 * EMPTY_MAXIMUM)
