"""The faces of a video, answered at once: the first step of a lip-sync."""

from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.emulator.results.faces import FacesResult
from kling_async.emulator.results.pictures import PicturesResult
from kling_async.emulator.results.rendering.picture_spec import PictureSpec
from kling_async.emulator.service.checks.earlier import one_video, parent_of
from kling_async.emulator.service.endpoint import Body
from kling_async.emulator.service.synchronous import CallContext, CallEndpoint, free

_MEMBERS: Final[dict[str, Any]] = {"video_id": str, "video_url": str}
_UNITS: Final = Decimal("0.05")
_SHORTEST, _LONGEST = 2, 60


def _identify(body: Body, context: CallContext) -> dict[str, Any]:
    """Opens a session, and answers with the faces: one visible all the time and, in longer videos, one for a while."""
    one_video(body)
    video = parent_of(body, context.earlier, _SHORTEST, _LONGEST)
    end = int(1000 * float(video.duration))
    spans = ((0, end), (1000, 4000)) if end >= 4000 else ((0, end),)
    card = PictureSpec(width=256, height=256, title="face", prompt="face")
    faces = FacesResult(
        pictures=PicturesResult(spec=card, count=len(spans), watermark=False),
        spans=spans,
        video=tuple(attrs.asdict(video).items()),
    )
    made = context.make(attrs.evolve(free(faces), units=_UNITS, parameters=body))
    (session,) = made["task_result"]["sessions"]
    return {
        "session_id": session["session_id"],
        "final_unit_deduction": made["final_unit_deduction"],
        "final_balance_deduction": made["final_balance_deduction"],
        "face_data": session["face_data"],
    }


ENDPOINT: Final = CallEndpoint(path="/v1/videos/identify-face", members=_MEMBERS, answer=_identify, units=_UNITS)
