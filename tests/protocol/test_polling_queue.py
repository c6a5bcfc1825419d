import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.polling.queue import PollQueue, QueueEntry, share_passed
from tests.repeatable import same_draws


def test_due_items_are_taken_in_order() -> None:
    """Due items are taken once, in order of time; the others remain."""
    queue = PollQueue[QueueEntry]()
    late, early, far = QueueEntry(), QueueEntry(), QueueEntry()
    queue.put(late, 0, 9)
    queue.put(early, 0, 5)
    queue.put(far, 0, 50)
    assert queue.next_time() == 5
    assert queue.take_due(4.9) == []
    assert queue.take_due(10) == [early, late]
    assert len(queue) == 1
    assert queue.take_due(10) == []
    assert queue.next_time() == 50


@pytest.mark.parametrize(("first", "second"), [(10, 30), (30, 10), (10, 10)])
def test_what_is_put_again_waits_for_its_new_time_alone(first: float, second: float) -> None:
    """An item that is put again is due once, at its last time, whether earlier or later."""
    queue = PollQueue[QueueEntry]()
    item = QueueEntry()
    queue.put(item, 0, first)
    queue.put(item, 5, second)
    assert len(queue) == 1
    assert queue.take_due(second - 0.1) == []
    assert queue.take_due(second) == [item]
    assert queue.take_due(100) == []
    assert queue.next_time() is None


def test_what_is_removed_is_never_due() -> None:
    """A removed item is never due, and can be queued again."""
    queue = PollQueue[QueueEntry]()
    item = QueueEntry()
    queue.put(item, 0, 10)
    queue.remove(item)
    queue.remove(item)
    assert len(queue) == queue.value(9) == 0
    assert queue.take_due(20) == []
    queue.put(item, 20, 30)
    assert queue.take_due(30) == [item]


@pytest.mark.parametrize(
    ("puts", "now", "value"),
    [
        ([], 10, 0),
        ([(0, 10)], 0, 0),
        ([(0, 10)], 5, 0.5),
        ([(0, 10)], 10, 1),
        ([(0, 10), (0, 20), (5, 10)], 10, 1 + 0.5 + 1),
        ([(0, 100)] * 100, 50, 50),
    ],
)
def test_the_value_of_an_answer(puts: list[tuple[float, float]], now: float, value: float) -> None:
    """An answer is worth the passed share of each wait."""
    queue = PollQueue[QueueEntry]()
    for put_at, due in puts:
        queue.put(QueueEntry(), put_at, due)
    assert queue.value(now) == pytest.approx(value)


def test_an_answer_to_an_empty_queue_has_no_value() -> None:
    """Rounding errors are discarded with the last waiting item, and do not grow over time."""
    queue, random_ = PollQueue[QueueEntry](), same_draws(5)
    items = [QueueEntry() for _ in range(100)]
    for item in items:
        now = 1e6 * random_.random()
        queue.put(item, now, now + random_.random())
    assert queue.value(1e7) > 0
    for item in items:
        queue.remove(item)
    assert queue.value(1e7) == 0


def test_the_share_of_a_wait_is_at_most_one() -> None:
    """An overdue item counts once."""
    queue, item = PollQueue[QueueEntry](), QueueEntry()
    queue.put(item, 100, 110)
    assert [share_passed(item, now) for now in (100, 105, 110, 200)] == pytest.approx([0, 0.5, 1, 1])


def test_the_heap_holds_each_item_once() -> None:
    """Postponing an item changes its time, not the heap: memory does not grow."""
    queue = PollQueue[QueueEntry]()
    items = [QueueEntry() for _ in range(100)]
    for round_ in range(1000):
        for item in items:
            queue.put(item, round_, round_ + 60)
    assert len(queue._heap) == 100
    assert queue.take_due(998) == []
    assert len(queue.take_due(1100)) == 100


def test_a_postponed_or_removed_item_has_no_old_time() -> None:
    """The next time is that of an item: an earlier one would wake the event loop in vain."""
    queue = PollQueue[QueueEntry]()
    items = [QueueEntry() for _ in range(100)]
    for number, item in enumerate(items):
        queue.put(item, 0, 10 + number)
    for item in items[:-1]:
        queue.put(item, 5, 200)
    queue.remove(items[-1])
    assert queue.next_time() == 200
    assert len(queue.take_due(200)) == 99


@given(st.integers(0, 10**6))
def test_it_agrees_with_a_plain_list(seed: int) -> None:
    """After any sequence of calls, due times and worth are those of a plain list."""
    random_ = same_draws(seed)
    queue = PollQueue[QueueEntry]()
    items = [QueueEntry() for _ in range(8)]
    waiting: dict[int, tuple[float, float]] = {}
    now = 1000.0
    for _ in range(60):
        now += random_.random() * 5
        index = random_.randrange(8)
        match random_.randrange(3):
            case 0:
                waiting[index] = (now, now + random_.random() * 20)
                queue.put(items[index], *waiting[index])
            case 1:
                waiting.pop(index, None)
                queue.remove(items[index])
            case _:
                due = sorted((when, number) for number, (_, when) in waiting.items() if when <= now)
                assert {items.index(item) for item in queue.take_due(now)} == {number for _, number in due}
                for _, number in due:
                    del waiting[number]
        assert len(queue) == len(waiting)
        expected = sum((now - put) / max(due - put, 0.001) for put, due in waiting.values())
        assert queue.value(now) == pytest.approx(expected, abs=1e-3)
        if waiting:
            first = queue.next_time()
            assert first is not None
            assert first <= min(due for _, due in waiting.values())
