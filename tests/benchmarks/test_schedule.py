import pytest

from benchmarks import schedule


def test_a_poller_shares_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation uses the client's poller: tasks in flight share queries, which a single task cannot."""
    monkeypatch.setattr(schedule, "TASKS", 200)
    lag, polls = schedule._together(schedule.SHIPPED, 0)
    _, polls_alone = schedule._alone(0, schedule.SHIPPED)
    assert 0 < lag < 0.1 * schedule.MEAN
    assert 0 < polls < polls_alone / 2
