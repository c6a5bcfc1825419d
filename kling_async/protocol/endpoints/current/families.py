"""The endpoints of the current generation, made from the rows of their paths."""

import functools
from typing import Any, Final

from kling_async.protocol import clips
from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.endpoints.current import checks, prices, table
from kling_async.protocol.endpoints.current.request import CurrentRequest, compose
from kling_async.protocol.reference import TASKS

_LEGACY_SECONDS: Final = clips.typical_seconds("std", 5)
"""Median time of a clip in 720p on legacy paths, to which the times of the rows are compared."""


def typical_seconds(request: Any) -> float:
    """Returns the seconds after which half of such tasks have ended, as reported by users of the service."""
    if request is None:
        return clips.typical_seconds_of(None)
    given = compose(request)
    seconds = given.seconds if given.seconds is not None and 0 < given.seconds <= 60 else table.DURATION_LEFT_OUT
    mode = "std" if given.resolution == table.RESOLUTION_LEFT_OUT else "pro"
    faster = given.row.seconds / _LEGACY_SECONDS if given.row is not None else 1
    return clips.typical_seconds(mode, seconds) * faster


def endpoint(record: type[CurrentRequest]) -> Endpoint:
    """Returns the endpoint for all paths of a family."""
    capabilities = prices.map_of(record.family)
    return Endpoint(
        path=record.family,
        name=TASKS,
        generation=Generation.CURRENT,
        record=record,
        picture_rules=(checks.of_pictures,),
        rules=(checks.of_record,),
        capabilities=capabilities,
        units=functools.partial(prices.units_by, capabilities),
        typical_seconds=typical_seconds,
        lists=False,
        finds_by_external_id=True,
    )
