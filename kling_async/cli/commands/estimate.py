"""`kling-async estimate`: checks a request and shows its cost, without sending it."""

import time
from argparse import Namespace
from decimal import Decimal
from typing import Any

from kling_async.cli import endpoints, record_options, runner
from kling_async.cli.commands.generate import description_of
from kling_async.cli.job import Job
from kling_async.cli.option_values import stdin_bytes
from kling_async.cli.output import Output, dollars, number
from kling_async.cli.places import places
from kling_async.cli.record_fields import option_names
from kling_async.cli.results import Cost, cost_of
from kling_async.cli.runner import Stop
from kling_async.io import refusals
from kling_async.io.request_checks import problems_of
from kling_async.protocol.call import CallEndpoint


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    record = endpoints.record(options.endpoint)
    request = record_options.request_from(record, options, stdin_bytes)
    return runner.run(Job(options=option_names(record)), output, lambda stop: _estimate(options, request, output, stop))


async def _estimate(options: Namespace, request: Any, output: Output, stop: Stop) -> None:
    endpoint = endpoints.of(request)
    await stop.or_result(places(options, request))
    refusals.refuse(await stop.or_result(problems_of(endpoint, request, time.time())), strict=options.strict)
    free = isinstance(endpoint, CallEndpoint) and not endpoint.charges
    cost = Cost(Decimal(0), Decimal(0)) if free else cost_of(None, request)
    seconds = endpoints.typical_seconds(request)
    rows = {"of": description_of(request), "cost": _price(cost), "takes": f"about {seconds:.0f} s as a rule"}
    text = "\n".join(f"{name:<5}  {value}" for name, value in rows.items() if value)
    data = {
        "units": None if cost.units is None else float(cost.units),
        "usd": None if cost.usd is None else float(cost.usd),
        "typical_seconds": round(seconds, 1),
    }
    output.result(f"{text}\nnothing was sent", "?" if cost.units is None else number(cost.units), data)


def _price(cost: Cost) -> str:
    if cost.units is None:
        return "not known: the price table has no such request"
    if cost.units == 0:
        return "nothing"
    return f"about {cost.units_text()}" + (f", {dollars(cost.usd)}" if cost.usd is not None else "")
