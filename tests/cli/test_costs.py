"""`kling-async costs`: packs, remaining units and deductions."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kling_async import BalanceDetail, Deduction, KlingClient, PackageDetail, ResourcePack
from kling_async.cli import spent
from kling_async.cli.commands.costs import Costs, as_text, data, short
from kling_async.emulator import Emulator

from .conftest import CAT, Run

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def package(amount: str | None, model: str = "kling-3.0", **more: Any) -> PackageDetail:
    """A deduction of units from a pack."""
    taken = None if amount is None else Decimal(amount)
    usual = {"model_name": model, "deduction_time": NOON, "product_type": "video"}
    return PackageDetail(deduction_amount=taken, **{**usual, **more})


def balance(amount: str, currency: str = "USD", **more: Any) -> BalanceDetail:
    """A deduction of money."""
    usual = {"model_name": "kling-3.0", "deduction_time": NOON, "currency": currency}
    return BalanceDetail(deduction_amount=Decimal(amount), **{**usual, **more})


TAKEN: list[Deduction] = [
    package("2.4"),
    package("0.6", deduction_time=NOON + timedelta(hours=11, minutes=59)),
    package("0.6", deduction_time=NOON + timedelta(hours=12)),
    package("8", product_type="image"),
    package("1", model="kling-o1"),
    package(None, model="kling-o1"),
    package("0.05", model="", product_function="TTS", deduction_time=None, product_type=""),
    balance("0.42"),
    balance("0.08"),
    balance("3", "CNY"),
    balance("1", ""),
]


def test_sums() -> None:
    """Days are in UTC, models and packs are separate, and money is added up per currency."""
    found = [
        (each.day, each.model_name, each.product_type, each.deductions, each.units, {**each.amounts})
        for each in spent.by_day(TAKEN)
    ]
    money = {"USD": Decimal("0.50"), "CNY": Decimal(3), "?": Decimal(1)}
    assert found == [
        ("2026-11-29", "kling-3.0", "", 4, 0, money),
        ("2026-11-29", "kling-3.0", "image", 1, 8, {}),
        ("2026-11-29", "kling-3.0", "video", 2, 3, {}),
        ("2026-11-29", "kling-o1", "video", 2, 1, {}),
        ("2026-11-30", "kling-3.0", "video", 1, Decimal("0.6"), {}),
        ("?", "TTS", "?", 1, Decimal("0.05"), {}),
    ]
    units = {"image units": Decimal(8), "video units": Decimal("4.6"), "? units": Decimal("0.05")}
    assert spent.totals(spent.by_day(TAKEN)) == {**money, **units}
    assert spent.by_day([]) == []


def test_what_is_shown() -> None:
    """The output has a table of packs and one of days, and how current the figures are."""
    left: dict[str, Any] = {"total_quantity": Decimal("100.0"), "remaining_quantity": Decimal("95.5")}
    pack = ResourcePack(resource_pack_name="Trial", status="online", invalid_time=NOON, **left)
    costs = Costs(packs=[pack, ResourcePack(resource_pack_name="odd")], since=NOON, until=NOON, deductions=TAKEN)
    text = as_text(costs, 30, None)
    assert "Trial  online  95.5  100  2026-11-29" in text
    assert "up to 12 hours late" in text
    assert "2026-11-29  kling-3.0  video  2      3" in text
    assert "in the last 30 days: 0.5 USD, 3 CNY, 1 ?, 8 image units, 4.6 video units, 0.05 ? units" in text
    assert short(costs) == "95.5 Trial\n? odd"
    assert data(costs)["totals"]["USD"] == 0.5


def test_nothing() -> None:
    """An account without packs and deductions is described in words."""
    costs = Costs(packs=[], since=NOON, until=NOON, deductions=[])
    assert as_text(costs, 7, None) == "the account has no packs\n\nnothing was spent in the last 7 days"


async def _make_video(emulator: Emulator) -> None:
    async with KlingClient(api_key=emulator.api_key, base_url=emulator.base_url) as client:
        await (await client.model("kling-3.0-turbo").image_to_video(CAT, prompt="x", duration=3))


@pytest.mark.usefixtures("hurry")
def test_an_account(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an API key packs and deductions are shown; with a key pair only packs, and the reason."""
    asyncio.run(_make_video(service))
    monkeypatch.delenv("KLING_ACCESS_KEY", raising=False)
    monkeypatch.delenv("KLING_SECRET_KEY", raising=False)
    monkeypatch.setenv("KLING_API_KEY", service.api_key)
    ran = run("costs", "--json")
    assert ran.code == 0, ran.err
    assert ran.data["packs_hours_behind"] == 12
    assert {pack["resource_pack_type"] for pack in ran.data["packs"]} == {"decreasing_total"}
    [row] = ran.data["spent"]
    assert (row["model_name"], row["product_type"], row["deductions"], row["units"]) == (
        "kling-3.0-turbo",
        "video",
        1,
        2.4,
    )
    assert ran.data["totals"] == {"video units": 2.4}
    monkeypatch.delenv("KLING_API_KEY")
    monkeypatch.setenv("KLING_ACCESS_KEY", service.access_key)
    monkeypatch.setenv("KLING_SECRET_KEY", service.secret_key)
    pair = run("costs")
    assert pair.code == 0
    assert "what was spent is not known: the current generation takes an API key only" in pair.out
    assert "Emulated-Video" in pair.out
    assert run("costs", "--json").data["spent"] is None


def test_days(run: Run) -> None:
    """A span of no days, or one that begins before the first possible date, is an error."""
    assert run("costs", "--days", "0").code == 2
    assert "must be 36500 or less" in run("costs", "--days", "9" * 30).err
