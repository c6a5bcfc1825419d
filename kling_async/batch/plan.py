"""What a batch is about to do, and what that costs, before it does anything."""

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
        model: of the requests; empty where they have none.
        rows: how many are to be made.
        units: that they cost by the price table, as far as prices are known.
        pack: that they are drawn from, such as `video` or `image`.
    """

    endpoint: str
    model: str
    rows: int
    units: Decimal
    pack: str


@attrs.frozen(kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        rows: that are valid.
        done: of these, are paid already: made, running or saved.
        to_make: of these, are sent.
        units: what is sent costs by the price table, as far as prices are known; those of all packs added up as they
            are.
        usd: the same in dollars at list price.
        unpriced: rows whose price is not known.
        seconds: that it takes about, by the typical times of such tasks.
        shares: what is sent, by endpoint and model.
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
    """What is to be done.

    Args:
        rows: that are to be sent.
        paid: how many others are paid already.
        endpoint_of: gives the endpoint that takes a row.
        concurrency: tasks at once in each line of the account.
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
