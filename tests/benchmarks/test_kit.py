import pytest

from benchmarks import kit


@pytest.mark.slow
def test_the_kit_is_measured() -> None:
    """The benchmark runs, and reports what it compares with the figures."""
    data = kit.measure({}, rounds=2)
    assert [len(seconds) for seconds in data["seconds"].values()] == [2, 2, 2]
    text = kit.markdown(data)
    assert text.startswith("## The test kit\n")
    assert "| a bare GET of the video | " in text
    assert [goal.goal for goal in kit.goals(data)] == ["at most 15"]
