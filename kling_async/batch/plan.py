"""The plan of a batch: what a run will do, and what it costs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal

import attrs

from kling_async.batch.row import Row
from kling_async.protocol.endpoint import Endpoint


@attrs.frozen(kw_only=True)
class Share:
    """Rows of one endpoint and model.

    Attributes:
        endpoint: the client's method.
        model: model of the requests; empty if they have none.
        rows: number of rows to send.
        units: their cost in units by the price table, as far as prices are known.
        pack: the resource pack that pays for them, such as `video` or `image`.
    """

    endpoint: str
    model: str
    rows: int
    units: Decimal
    pack: str


@attrs.frozen(kw_only=True)
class Plan:
    """What a run will do.

    Attributes:
        rows: number of valid rows.
        done: rows already paid for: running, ready or saved.
        to_make: rows to send.
        units: cost in units of the rows to send by the price table, as far as prices are known; simply added up over
            all packs.
        usd: the same in dollars at list price.
        unpriced: rows with an unknown price.
        seconds: estimated duration, from typical durations of such tasks.
        shares: the rows to send, by endpoint and model.
    """

    rows: int
    done: int
    to_make: int
    units: Decimal
    usd: Decimal
    unpriced: int
    seconds: float
    shares: tuple[Share, ...]


def plan(rows: Sequence[Row], paid: int, endpoint_of: Callable[[Row], Endpoint], concurrency: int) -> Plan:
    """Returns the plan of a run.

    Args:
        rows: the rows to send.
        paid: number of other rows, already paid for.
        endpoint_of: returns the endpoint of a row.
        concurrency: concurrent tasks in each line of the account.
    """
    counts: Counter[tuple[str, str]] = Counter()
    units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    packs: dict[tuple[str, str], str] = {}
    seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
    usd, unpriced = Decimal(0), 0
    for row in rows:
        endpoint = endpoint_of(row)
        estimate, name = endpoint.estimate(row.request), (row.endpoint, getattr(row.request, "model_name", None) or "")
        counts[name] += 1
        units[name] += estimate.units or 0
        packs[name] = endpoint.pool.value
        usd += estimate.usd or 0
        unpriced += estimate.units is None
        line = (endpoint.pack, endpoint.line_of(row.request))
        seconds[line] += endpoint.typical_seconds(row.request) * endpoint.slots_of(row.request)
    return Plan(
        rows=len(rows) + paid,
        done=paid,
        to_make=len(rows),
        units=sum(units.values(), Decimal(0)),
        usd=usd,
        unpriced=unpriced,
        seconds=max((time / concurrency for time in seconds.values()), default=0.0),
        shares=tuple(
            Share(endpoint=name[0], model=name[1], rows=count, units=units[name], pack=packs[name])
            for name, count in counts.items()
        ),
    )
