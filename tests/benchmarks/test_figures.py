import pytest

from benchmarks.figures import Spread, number, table


def test_a_spread_has_median_lowest_and_highest() -> None:
    """Several runs are shown by three numbers, or by one if all are equal."""
    spread = Spread(run for run in (2.1, 1.8, 1.9))
    assert (spread.median, spread.low, spread.high) == (1.9, 1.8, 2.1)
    assert str(spread) == "1.9 (1.8 to 2.1)"
    assert spread.text(2) == "1.90 (1.80 to 2.10)"
    assert str(Spread([3])) == str(Spread([3, 3.01])) == "3.0"


def test_a_spread_of_nothing_is_refused() -> None:
    """A figure that was never measured has no spread."""
    with pytest.raises(ValueError, match="must be >= 1"):
        Spread([])


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (12.4, "12"), (1.94, "1.9"), (0.0123, "0.012"), (0, "0"), (-3.21, "-3.2")]
)
def test_numbers_keep_the_digits_that_count(value: float, text: str) -> None:
    """Numbers are rounded to their significant digits."""
    assert number(value) == text


def test_a_table_is_markdown() -> None:
    """A table has names on the left, figures on the right."""
    assert table(["client", "lag"], [["floor", Spread([1.5])]]) == "| client | lag |\n| --- | ---: |\n| floor | 1.5 |"
