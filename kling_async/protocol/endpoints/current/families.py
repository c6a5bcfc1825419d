"""What is known of the endpoints of the current generation, from the rows of their paths."""

from typing import Any, Final

from kling_async.protocol import clips
from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.request import CurrentRequest
from kling_async.protocol.reference import TASKS

_LEGACY_SECONDS: Final = clips.typical_seconds("std", 5)
"""Of a clip in 720p on legacy paths, which the times of the rows are compared with."""


def typical_seconds(request: Any) -> float:
    """Seconds after which half of such tasks have ended, as users of the service report it."""
    if request is None:
        return clips.typical_seconds_of(None)
    row = table.row_of(getattr(request, "path", None) or f"{request.family}/{request.model}")
    duration: Any = getattr(request, "duration", None)
    seconds = duration if type(duration) is int and 0 < duration <= 60 else table.DURATION_LEFT_OUT
    mode = "std" if request.resolution in {None, table.RESOLUTION_LEFT_OUT} else "pro"
    faster = row.seconds / _LEGACY_SECONDS if row is not None else 1
    return clips.typical_seconds(mode, seconds) * faster


def endpoint(record: type[CurrentRequest]) -> Endpoint:
    """The endpoint of all paths of a family."""
    return Endpoint(
        path=record.family,
        name=TASKS,
        generation=Generation.CURRENT,
        record=record,
        typical_seconds=typical_seconds,
        lists=False,
        finds_by_external_id=True,
    )
