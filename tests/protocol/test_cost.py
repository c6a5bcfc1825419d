"""Costs of tasks in both generations: units and money are never mixed."""

from decimal import Decimal
from typing import Any

import pytest

from kling_async import BalanceDeduction, Cost, Faces, Speech, Task, TaskStatus
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.cost import total
from kling_async.protocol.wire.codec import task_from_wire
from tests.protocol.recorded_bodies import OTHERS, RECORDED


def billed(*billing: Any) -> Task:
    """A task of the current generation with these billing rows."""
    return task_from_wire({"id": "1", "status": "succeeded", "billing": [*billing]}, "tasks")


def unit(amount: Any) -> dict[str, Any]:
    """Units of a video pack."""
    return {"charge_type": "unit", "amount": amount, "package_type": "video"}


def cash(amount: Any, currency: Any = "USD") -> dict[str, Any]:
    """Money from a balance."""
    return {"charge_type": "cash", "amount": amount, "currency": currency, "cash_type": "balance", "list_price": "9"}


def number(text: str | None) -> Decimal | None:
    """A number, or None."""
    return None if text is None else Decimal(text)


def cost(units: str | None = None, amount: str | None = None, currency: str | None = None) -> Cost:
    """A cost as text."""
    return Cost(units=number(units), amount=number(amount), currency=currency)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([unit("2.4")], cost("2.4")),
        ([unit(2.4)], cost("2.4")),
        ([unit("0")], cost("0")),
        ([unit("2.4"), unit("0.05")], cost("2.45")),
        ([cash("0.42")], cost(None, "0.42", "USD")),
        ([cash("3.02", "cny")], cost(None, "3.02", "CNY")),
        ([cash("0.42", None)], cost(None, "0.42")),
        ([cash("0.40"), {**cash("0.02"), "cash_type": "test_balance"}], cost(None, "0.42", "USD")),
        ([cash("0.40"), cash("0", None)], cost(None, "0.40", "USD")),
        ([cash("0", "CNY")], cost(None, "0", "CNY")),
        ([unit("1"), cash("0.42")], cost("1", "0.42", "USD")),
        ([cash("0.42"), cash("3", "CNY")], None),  # two currencies have no sum
        ([cash("0.42"), cash("3", None)], None),
        ([{"amount": "0"}], cost("0")),  # failed before generation
        ([{"amount": "8"}], None),  # either units or dollars
        ([{"amount": "8", "charge_type": "coupon"}, unit("1")], cost("1")),
        ([unit("?"), unit(None), unit(""), unit("NaN"), "?", None, 5, []], None),
        ([{"charge_type": ["unit"], "amount": "1"}, cash("1", ["USD"])], cost(None, "1")),
    ],
)
def test_the_rows_of_the_current_generation(rows: list[Any], expected: Cost | None) -> None:
    """Each row counts by its `charge_type`, and an unreadable row hides no other."""
    assert billed(*rows).cost == expected


@pytest.mark.parametrize("billing", [None, {}, "2.4", 2.4])
def test_no_rows_at_all(billing: Any) -> None:
    """Anything but a list of rows is ignored."""
    assert task_from_wire({"id": "1", "status": "succeeded", "billing": billing}, "tasks").cost is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("new_tasks_get_ok", cost("2.4")),
        ("new_tasks_get_succeeded_omni_3s_live", cost("1.8")),
        ("new_tasks_get_succeeded_2_5_turbo_live", cost("1.5")),
        ("new_tasks_get_failed_unreachable_frame_live", cost("0")),
        ("new_tasks_get_processing", None),
        ("new_billing_cash", cost(None, "0.42", "USD")),
        ("new_billing_cash_without_currency", cost(None, "0.42")),
    ],
)
def test_recorded_bodies(body: str, expected: Cost | None) -> None:
    """The cost of each recorded response."""
    data = {**RECORDED, **OTHERS}[body]["body"]["data"]
    [task] = data["result"] if isinstance(data, dict) else data
    assert task_from_wire(task, "tasks").cost == expected


@pytest.mark.parametrize(
    ("units", "quota", "expected"),
    [
        (None, None, None),
        ("1.5", None, cost("1.5")),
        ("1.5", "0", cost("1.5")),
        ("0", "0", cost("0")),
        ("0", "0.19", cost(None, "0.19")),
        (None, "0.19", cost(None, "0.19")),
        ("1.5", "0.19", cost("1.5", "0.19")),
        (None, "0", None),
    ],
)
def test_the_members_of_the_legacy_generation(units: str | None, quota: str | None, expected: Cost | None) -> None:
    """Accounts with packs have money 0, others units 0; no currency is given. Calls are like tasks."""
    money = None if quota is None else BalanceDeduction(quota=Decimal(quota))
    given: dict[str, Any] = {"final_unit_deduction": number(units), "final_balance_deduction": money}
    made = (
        Task(task_id="1", status=TaskStatus.SUCCEED, endpoint="text2video", **given),
        Speech(audios=(), **given),
        Faces(session_id="1", **given),
    )
    assert [each.cost for each in made] == [expected] * 3


@pytest.mark.parametrize(
    ("given", "usd"),
    [
        (cost("1.5"), "0.21"),
        (cost("0"), "0"),
        (cost(None, "0.42", "USD"), "0.42"),
        (cost("1.5", "0.42", "USD"), "0.63"),
        (cost("1.5", "3", "CNY"), None),
        (cost(None, "0.42"), None),
        (cost(None, "0", "CNY"), "0"),
    ],
)
def test_dollars(given: Cost, usd: str | None) -> None:
    """Units count at list price, money only if it is in dollars; other currencies are not converted."""
    endpoint = endpoint_named("text2video")
    assert endpoint is not None
    assert endpoint.usd_of(given) == (None if usd is None else Decimal(usd))


@pytest.mark.parametrize(("pack", "usd"), [("video", "1.12"), ("image", "0.028"), ("audio", None), (None, "1.12")])
def test_dollars_of_other_packs(pack: str | None, usd: str | None) -> None:
    """Units of image packs in the list of all tasks have their pack's price, where it is known."""
    endpoint = endpoint_named("tasks")
    assert endpoint is not None
    found = billed({**unit("8"), "package_type": pack}).cost
    assert found is not None
    assert endpoint.usd_of(found) == (None if usd is None else Decimal(usd))


def test_a_sum() -> None:
    """Costs of several tasks are added separately by kind; no tasks have no sum."""
    assert total([]) is None
    assert total([Cost(), Cost()]) is None
    assert total([cost("1"), cost("2", "3", "CNY"), cost(None, "1", "CNY")]) == cost("3", "4", "CNY")
