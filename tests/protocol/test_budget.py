"""The decisions of a budget, as tables."""

import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from kling_async import (
    BalanceDeduction,
    Budget,
    BudgetExceeded,
    ConfigurationError,
    Cost,
    Estimate,
    InvalidRequest,
    Speech,
    Task,
    TaskStatus,
)
from kling_async.protocol import budget
from kling_async.protocol.budget import Memory, Spending
from kling_async.protocol.catalog import endpoint_named

SUCCEED, FAILED = TaskStatus.SUCCEED, TaskStatus.FAILED
MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)


def deducted(units: str | None, quota: str | None, status: TaskStatus = SUCCEED) -> Task:
    """A task with these deductions."""
    money = None if quota is None else BalanceDeduction(quota=Decimal(quota))
    paid = None if units is None else Decimal(units)
    return Task(
        task_id="1", status=status, endpoint="text2video", final_unit_deduction=paid, final_balance_deduction=money
    )


def billed(
    units: str | None = None, amount: str | None = None, currency: str | None = None, status: TaskStatus = SUCCEED
) -> Task:
    """A task of the current generation with this bill."""
    taken, money = (None if text is None else Decimal(text) for text in (units, amount))
    cost = Cost(units=taken, amount=money, currency=currency)
    return Task(task_id="1", status=status, endpoint="tasks", cost=cost)


@pytest.mark.parametrize(
    ("task", "units", "usd", "failed_is_free"),
    [
        (deducted("1.5", "0"), "1.5", "0.21", False),
        (deducted("1.5", None), "1.5", "0.21", False),
        (deducted("0", "0.19"), "9", "9", False),  # from a balance, in a currency that legacy paths do not name
        (deducted(None, "0.19"), "9", "9", False),
        (deducted("1.5", "0.19"), "9", "9", False),
        (billed(amount="0.19", currency="USD"), "9", "0.19", False),
        (billed(amount="1.40", currency="CNY"), "9", "9", False),
        (billed(amount="0.19"), "9", "9", False),
        (billed(units="1.5", amount="0.19", currency="USD"), "9", "0.40", False),  # what was left of a pack, and money
        (billed(units="1.5"), "1.5", "0.21", False),
        (billed(amount="0", currency="CNY"), "0", "0", False),
        (billed("0", status=FAILED), "0", "0", False),
        (billed(amount="-1", currency="USD"), "9", "9", False),
        (deducted(None, None), "9", "9", False),
        (deducted(None, None), "9", "9", True),
        (deducted("0", "0"), "0", "0", False),
        (deducted("0", "0", FAILED), "0", "0", False),
        (deducted("1.5", "0", FAILED), "1.5", "0.21", True),
        (deducted(None, None, FAILED), "9", "9", False),
        (deducted(None, None, FAILED), "0", "0", True),
        (deducted("-5", None), "9", "9", False),
        (Speech(audios=(), final_unit_deduction=Decimal("0.05")), "0.05", "0.007", False),
        (Speech(audios=()), "9", "9", True),
    ],
)
def test_what_counts(task: Task | Speech, units: str, usd: str, *, failed_is_free: bool) -> None:
    """The reported cost counts; without one the reserved amount (here 9), unless a failed task is free."""
    endpoint = endpoint_named("text2video")
    for each, counted in (
        (Budget(units=10, failed_is_free=failed_is_free), units),
        (Budget(usd=10, failed_is_free=failed_is_free), usd),
    ):
        assert each.terms.counted(Decimal(9), task, endpoint) == Decimal(counted)


def test_units_of_unknown_price_in_a_dollar_budget() -> None:
    """Units without a known price cannot be converted to dollars: the reserved amount counts."""
    for endpoint in (None, endpoint_named("raw:/v1/new")):
        assert Budget(usd=10).terms.counted(Decimal(9), deducted("1.5", "0"), endpoint) == 9
    assert Budget(usd=10).terms.counted(Decimal(9), billed(amount="0.19", currency="USD"), None) == Decimal("0.19")


@pytest.mark.parametrize(
    ("per", "seconds", "same"),
    [
        (None, 10**9, True),
        ("day", 86_399.999_999, True),
        ("day", 86_400, False),
        ("day", -0.000_001, False),
        (timedelta(hours=6), 21_599, True),
        (timedelta(hours=6), 21_600, False),
    ],
)
def test_windows(per: Any, seconds: float, *, same: bool) -> None:
    """Days begin at midnight in UTC, whatever the time zone; other windows are counted from 1970."""
    terms = Budget(units=1, per=per).terms
    later = (MIDNIGHT + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=9)))
    assert (terms.window(MIDNIGHT) == terms.window(later)) is same
    if per is not None:
        assert Budget(units=1, per=timedelta(hours=7)).terms.window(MIDNIGHT) != terms.window(MIDNIGHT)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "one of units"),
        ({"units": 1, "usd": 1}, "one of units"),
        ({"units": 0}, "more than 0"),
        ({"usd": "0.00"}, "more than 0"),
        ({"units": -1}, "got -1"),
        ({"units": "many"}, "got 'many'"),
        ({"units": True}, "got True"),
        ({"units": float("nan")}, "got nan"),
        ({"units": "1e400"}, "got '1e400'"),
        ({"usd": float("inf")}, "got inf"),
        ({"units": 1, "per": "week"}, "got 'week'"),
        ({"units": 1, "per": timedelta(0)}, "per"),
        ({"units": 1, "per": 3600}, "got 3600"),
        ({"units": 1, "name": ""}, "name"),
        ({"units": 1, "assume": -1}, "assume"),
    ],
)
def test_invalid_budgets(given: dict[str, Any], message: str) -> None:
    """An invalid value is refused by name."""
    with pytest.raises(ConfigurationError, match=message):
        Budget(**given)


@pytest.mark.parametrize("limit", [Decimal("0.3"), 0.3, "0.3"])
def test_amounts_are_exact(limit: Decimal | float | str) -> None:
    """A limit of 0.3 of any type is used up exactly by three reservations of 0.1."""
    memory = Memory(Budget(usd=limit).terms)
    for _ in range(3):
        memory.reserve(Decimal("0.1"), MIDNIGHT)
    assert memory.spending(MIDNIGHT) == Spending("usd", Decimal("0.3"), Decimal("0.3"), Decimal(0))
    with pytest.raises(BudgetExceeded):
        memory.reserve(Decimal("0.000001"), MIDNIGHT)


def test_a_request_over_budget() -> None:
    """The error has the amounts left, reserved and requested, also after pickling."""
    memory = Memory(Budget(units=4, name="cats").terms)
    memory.settle(memory.reserve(Decimal("1.5"), MIDNIGHT), Decimal("1.5"))
    memory.reserve(Decimal("1.5"), MIDNIGHT)
    with pytest.raises(
        BudgetExceeded, match=r"'cats' has 1 of 4 units left, with 1.5 reserved, .* needs 2.5"
    ) as caught:
        memory.reserve(Decimal("2.5"), MIDNIGHT)
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301  (our own)
        assert (error.left, error.reserved, error.asked) == (1, Decimal("1.5"), Decimal("2.5"))


def test_a_price() -> None:
    """A price is in the budget's unit; an unknown one is the budget's `assume`, or is refused."""
    known, unknown = Estimate(units=Decimal("1.5"), usd=Decimal("0.21")), Estimate(units=None, usd=None)
    assert Budget(units=1).price_of(known) == Decimal("1.5")
    assert Budget(usd=1, assume=7).price_of(known) == Decimal("0.21")
    assert Budget(usd=1, assume="0.5").price_of(unknown) == Decimal("0.5")
    assert Budget(usd=1, assume=0).price_of(unknown) == 0
    with pytest.raises(InvalidRequest, match=r"budget: no price of this request is known; .*assume"):
        Budget(units=1).price_of(unknown)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"units": 61}, "is 60 units in this journal, not 61 units: .*change=True"),
        ({"units": 60, "per": "day"}, "not 60 units per 1 day"),
        ({"units": 60, "failed_is_free": True}, "failed tasks free"),
        ({"usd": 60}, "counts units in this journal, not usd: give units, or the budget another name"),
    ],
)
def test_other_terms(other: dict[str, Any], message: str) -> None:
    """Other terms under an existing name are refused without `change=True`; the unit never changes."""
    known = Budget(units=60).terms
    Budget(units="60.0").terms.check(known, change=False)
    with pytest.raises(ConfigurationError, match=message):
        Budget(**other).terms.check(known, change=False)
    if "usd" in other:
        with pytest.raises(ConfigurationError, match=message):
            Budget(**other).terms.check(known, change=True)
    else:
        Budget(**other).terms.check(known, change=True)


def test_memory_of_windows_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of too many windows are forgotten, but only once all their reservations are settled."""
    monkeypatch.setattr(budget, "WINDOWS", 10)
    memory = Memory(Budget(units=1, per=timedelta(seconds=1)).terms)
    first = memory.reserve(Decimal(1), MIDNIGHT)
    for second in range(1, 100):
        memory.settle(memory.reserve(Decimal(1), MIDNIGHT + timedelta(seconds=second)), Decimal(1))
    memory.settle(first, Decimal("0.5"))
    assert memory.spending(MIDNIGHT).settled == Decimal("0.5")
    assert len(vars(memory)["_windows"]) == 10


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1), timedelta(days=36_500)])
def test_memory_survives_a_clock_that_is_set_twice(jump: timedelta) -> None:
    """Spending in a window still counts after the clock was in another one for a while."""
    memory = Memory(Budget(units=3, per="day").terms)
    memory.settle(memory.reserve(Decimal(3), MIDNIGHT), Decimal(3))
    memory.settle(memory.reserve(Decimal(1), MIDNIGHT + jump), Decimal(1))
    with pytest.raises(BudgetExceeded):
        memory.reserve(Decimal(1), MIDNIGHT)


def test_memory_keeps_the_present_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """The current window, and one with an open request, are never forgotten, however many windows there are."""
    monkeypatch.setattr(budget, "WINDOWS", 1)
    memory = Memory(Budget(units=3, per="day").terms)
    free = memory.reserve(Decimal(0), MIDNIGHT)
    memory.reserve(Decimal(1), MIDNIGHT + timedelta(days=1))
    memory.settle(memory.reserve(Decimal(2), MIDNIGHT + timedelta(days=2)), Decimal(2))
    memory.settle(free, Decimal(1))
    assert memory.spending(MIDNIGHT).settled == 1
    assert memory.spending(MIDNIGHT + timedelta(days=2)).settled == 2
