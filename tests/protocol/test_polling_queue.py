import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.polling.queue import Due, PollQueue, share_passed
from tests.repeatable import same_draws


def test_who_is_due_is_taken_in_order_and_no_longer_waits() -> None:
    """What is due comes out by time, once; the rest waits on."""
    agenda = PollQueue[Due]()
    late, early, far = Due(), Due(), Due()
    agenda.put(late, 0, 9)
    agenda.put(early, 0, 5)
    agenda.put(far, 0, 50)
    assert agenda.next_time() == 5
    assert agenda.take_due(4.9) == []
    assert agenda.take_due(10) == [early, late]
    assert len(agenda) == 1
    assert agenda.take_due(10) == []
    assert agenda.next_time() == 50


@pytest.mark.parametrize(("first", "second"), [(10, 30), (30, 10), (10, 10)])
def test_what_is_put_again_waits_for_its_new_time_alone(first: float, second: float) -> None:
    """Later or earlier than before: it is due once, at the time it was put for last."""
    agenda = PollQueue[Due]()
    item = Due()
    agenda.put(item, 0, first)
    agenda.put(item, 5, second)
    assert len(agenda) == 1
    assert agenda.take_due(second - 0.1) == []
    assert agenda.take_due(second) == [item]
    assert agenda.take_due(100) == []
    assert agenda.next_time() is None


def test_what_is_removed_is_never_due() -> None:
    """A task that ended is not asked for, and can wait again."""
    agenda = PollQueue[Due]()
    item = Due()
    agenda.put(item, 0, 10)
    agenda.remove(item)
    agenda.remove(item)
    assert len(agenda) == agenda.worth(9) == 0
    assert agenda.take_due(20) == []
    agenda.put(item, 20, 30)
    assert agenda.take_due(30) == [item]


@pytest.mark.parametrize(
    ("puts", "now", "worth"),
    [
        ([], 10, 0),
        ([(0, 10)], 0, 0),
        ([(0, 10)], 5, 0.5),
        ([(0, 10)], 10, 1),
        ([(0, 10), (0, 20), (5, 10)], 10, 1 + 0.5 + 1),
        ([(0, 100)] * 100, 50, 50),
    ],
)
def test_the_worth_of_an_answer_is_what_of_the_waits_has_passed(
    puts: list[tuple[float, float]], now: float, worth: float
) -> None:
    """An answer replaces the part of each question that had come up already."""
    agenda = PollQueue[Due]()
    for put_at, due in puts:
        agenda.put(Due(), put_at, due)
    assert agenda.worth(now) == pytest.approx(worth)


def test_the_share_of_a_wait_is_at_most_all_of_it() -> None:
    """An overdue question counts once."""
    agenda, item = PollQueue[Due](), Due()
    agenda.put(item, 100, 110)
    assert [share_passed(item, now) for now in (100, 105, 110, 200)] == pytest.approx([0, 0.5, 1, 1])


def test_the_heap_holds_each_once_however_often_it_is_put_off() -> None:
    """Answers that come early move the time, not the heap: memory does not grow with the pages."""
    agenda = PollQueue[Due]()
    items = [Due() for _ in range(100)]
    for round_ in range(1000):
        for item in items:
            agenda.put(item, round_, round_ + 60)
    assert len(agenda._heap) == 100
    assert agenda.take_due(998) == []
    assert len(agenda.take_due(1100)) == 100


@given(st.integers(0, 10**6))
def test_it_agrees_with_a_plain_list(seed: int) -> None:
    """After any sequence of puts, removals and takings, due times and worth are those of a list of all that wait."""
    random_ = same_draws(seed)
    agenda = PollQueue[Due]()
    items = [Due() for _ in range(8)]
    waiting: dict[int, tuple[float, float]] = {}
    now = 1000.0
    for _ in range(60):
        now += random_.random() * 5
        index = random_.randrange(8)
        match random_.randrange(3):
            case 0:
                waiting[index] = (now, now + random_.random() * 20)
                agenda.put(items[index], *waiting[index])
            case 1:
                waiting.pop(index, None)
                agenda.remove(items[index])
            case _:
                due = sorted((when, number) for number, (_, when) in waiting.items() if when <= now)
                assert {items.index(item) for item in agenda.take_due(now)} == {number for _, number in due}
                for _, number in due:
                    del waiting[number]
        assert len(agenda) == len(waiting)
        expected = sum((now - put) / max(due - put, 0.001) for put, due in waiting.values())
        assert agenda.worth(now) == pytest.approx(expected, abs=1e-3)
        if waiting:
            first = agenda.next_time()
            assert first is not None
            assert first <= min(due for _, due in waiting.values())
