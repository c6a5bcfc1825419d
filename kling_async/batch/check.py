"""Checks the rows of a batch, including their files, by the rules of their endpoints before anything is paid."""

import asyncio
from collections.abc import Iterable

from kling_async.batch.row import Row, RowProblem
from kling_async.io import request_checks
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.errors import Problem


async def problems_of(rows: Iterable[Row], now: float) -> list[RowProblem]:
    """Returns all problems of all rows, including those from the capability map, without blocking the event loop.

    Checks one row after the other, so that at most one file is open at a time.

    Args:
        rows: the rows to send.
        now: seconds since 1970, by the service's clock.

    Raises:
        ConnectionFailed: this machine is temporarily short of open files or memory.
    """
    found: list[RowProblem] = []
    for row in rows:
        problems = [each for each in await _of(row.request, now) if not each.only_warns]
        found += (RowProblem(line=row.line, id=row.id, problem=each) for each in problems)
        await asyncio.sleep(0)  # checking a row without files does not yield to the event loop
    return found


async def _of(request: object, now: float) -> list[Problem]:
    endpoint = endpoint_of(request)
    if endpoint is None:
        return [Problem("row", "is no request that makes a task")]
    return await request_checks.problems_of(endpoint, request, now)
