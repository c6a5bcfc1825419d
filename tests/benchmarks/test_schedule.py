import pytest

from benchmarks import schedule


def test_a_poller_beside_what_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own poller is what is simulated: many in flight share questions, which one alone cannot."""
    monkeypatch.setattr(schedule, "TASKS", 200)
    lag, polls = schedule._together(schedule.SHIPPED, 0)
    _, polls_alone = schedule._alone(0, schedule.SHIPPED)
    assert 0 < lag < 0.1 * schedule.MEAN
    assert 0 < polls < polls_alone / 2
