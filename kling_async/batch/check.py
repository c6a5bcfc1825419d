"""Checks the rows of a batch before anything is paid: each by the rules of its endpoint, its files looked at."""

import asyncio
from collections.abc import Iterable

from kling_async.batch.row import Row, RowProblem
from kling_async.io import request_checks
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.errors import Problem


async def problems_of(rows: Iterable[Row], now: float) -> list[RowProblem]:
    """All problems of all rows, also those that only the capability map knows; the loop stays free meanwhile.

    One row after the other: however many there are, one file is open at a time.

    Args:
        rows: to be sent.
        now: seconds since 1970, by the service's clock.

    Raises:
        ConnectionFailed: this machine is short of open files or memory, which passes.
    """
    found: list[RowProblem] = []
    for row in rows:
        problems = [each for each in await _of(row.request, now) if not each.only_warns]
        found += (RowProblem(line=row.line, id=row.id, problem=each) for each in problems)
        await asyncio.sleep(0)  # a row without files has nothing to wait for
    return found


async def _of(request: object, now: float) -> list[Problem]:
    endpoint = endpoint_of(request)
    if endpoint is None:
        return [Problem("row", "is no request that makes a task")]
    return await request_checks.problems_of(endpoint, request, now)
