"""`kling-async costs`: the account's packs, what is left of them, and what was spent by day and model."""

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from kling_async.cli import runner, spent
from kling_async.cli.data import as_data
from kling_async.cli.job import Job
from kling_async.cli.output import Output, columns_of_terminal, number, table
from kling_async.cli.runner import Stop
from kling_async.cli.spent import Spent
from kling_async.client import KlingClient
from kling_async.protocol.endpoints import Deduction, ResourcePack
from kling_async.protocol.errors import ConfigurationError

PACKS_SINCE: Final = timedelta(days=730)
"""Age of the oldest packs that are queried: packs are valid for a year at most."""
HOURS_BEHIND: Final = 12
"""Hours by which the service's count of what is left of a pack may be late ("Account" of the documentation)."""
PACKS_NOTE: Final = f"the service counts what is left up to {HOURS_BEHIND} hours late, and allows one query a second"


@attrs.frozen(kw_only=True)
class Costs:
    """The account's packs and deductions.

    Attributes:
        packs: of the account.
        since: beginning of the time of the deductions.
        until: end of that time.
        deductions: of that time; None where the key may not query them.
        why_none: why not.
    """

    packs: Sequence[ResourcePack]
    since: datetime
    until: datetime
    deductions: Sequence[Deduction] | None
    why_none: str = ""


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    job = Job(base_url=options.base_url)
    return runner.run(job, output, lambda stop: _show(options, output, stop))


async def _show(options: Namespace, output: Output, stop: Stop) -> None:
    until = datetime.now(UTC)
    async with KlingClient(base_url=options.base_url) as client:
        costs = await stop.or_result(_fetch(client, until - timedelta(days=options.days), until))
    output.result(as_text(costs, options.days, columns_of_terminal()), short(costs), data(costs))


async def _fetch(client: KlingClient, since: datetime, until: datetime) -> Costs:
    """Queries packs, which any key may query, and deductions, which need an API key."""
    packs = await client.account_costs(until - PACKS_SINCE, end_time=until)
    try:
        client.check_current()
    except ConfigurationError as error:
        return Costs(packs=packs, since=since, until=until, deductions=None, why_none=error.message)
    deductions: list[Deduction] = [*await client.billing_package(since, end_time=until)]
    deductions += await client.billing_balance(since, end_time=until)
    return Costs(packs=packs, since=since, until=until, deductions=deductions)


def as_text(costs: Costs, days: int, width: int | None) -> str:
    """Returns text for people.

    Args:
        costs: to show.
        days: that they cover.
        width: of the terminal.
    """
    packs = table(("pack", "status", "left", "of", "until"), [*map(_pack_row, costs.packs)], width)
    parts = [f"{packs}\n{PACKS_NOTE}" if costs.packs else "the account has no packs"]
    if costs.deductions is None:
        return "\n\n".join([*parts, f"what was spent is not known: {costs.why_none}"])
    sums = spent.by_day(costs.deductions)
    if not sums:
        return "\n\n".join([*parts, f"nothing was spent in the last {days} days"])
    rows = [_spent_row(each) for each in sums]
    shown = table(("day (UTC)", "model", "pack", "times", "units", "money"), rows, width)
    total = ", ".join(f"{number(amount)} {name}" for name, amount in spent.totals(sums).items())
    return "\n\n".join([*parts, f"{shown}\nin the last {days} days: {total or 'nothing'}"])


def _pack_row(pack: ResourcePack) -> list[str]:
    amounts = [pack.remaining_quantity, pack.total_quantity]
    left, bought = ["?" if amount is None else number(amount) for amount in amounts]
    until = f"{pack.invalid_time.astimezone():%Y-%m-%d}" if pack.invalid_time else ""
    return [pack.resource_pack_name, pack.status, left, bought, until]


def _spent_row(each: Spent) -> list[str]:
    money = ", ".join(f"{number(amount)} {currency}" for currency, amount in each.amounts.items())
    units = number(each.units) if each.product_type else ""
    return [each.day, each.model_name, each.product_type, str(each.deductions), units, money]


def short(costs: Costs) -> str:
    """Returns text for scripts: what is left of each pack, and its name."""
    return "\n".join(
        f"{'?' if pack.remaining_quantity is None else number(pack.remaining_quantity)} {pack.resource_pack_name}"
        for pack in costs.packs
    )


def data(costs: Costs) -> dict[str, Any]:
    """Returns JSON data."""
    sums = None if costs.deductions is None else spent.by_day(costs.deductions)
    return {
        "packs": as_data(costs.packs),
        "packs_hours_behind": HOURS_BEHIND,
        "since": costs.since.isoformat(),
        "until": costs.until.isoformat(),
        "spent": as_data(sums),
        "totals": None if sums is None else as_data(spent.totals(sums)),
        "why_not_known": costs.why_none or None,
    }
