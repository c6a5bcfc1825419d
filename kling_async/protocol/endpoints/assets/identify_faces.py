"""`/v1/videos/identify-face`: the faces in a video, at once, without a task."""

from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.protocol.call import Call, CallEndpoint
from kling_async.protocol.converters import address_shown, instead_of, none_if_empty
from kling_async.protocol.errors import BadResponse
from kling_async.protocol.faces import Face, Faces
from kling_async.protocol.results import Video
from kling_async.protocol.rules import videos
from kling_async.protocol.wire.members import address, decimal, identifier, items, mapping
from kling_async.protocol.wire.results import balance_of

_UNITS: Final = "0.05"
"""Price of one call, by the price table of 2026-09."""


@attrs.frozen
class IdentifyFaces(Call[Faces]):
    """The faces in a video, for lip-sync: `POST /v1/videos/identify-face`.

    The service has no id by which such a call could be found again. If its answer is lost, `CallInDoubt` is raised, and
    it is not sent again.

    Attributes:
        video: a video of an earlier task, `task.videos[0]`, in place of its id.
        video_id: id of a video that Kling made in the last 30 days, of at most 60 seconds.
        video_url: address of any video, in place of an id: MP4 or MOV of 2 to 60 seconds, 720p or 1080p, with sides of
            512 to 2160 pixels, at most 100 MB.
    """

    video: Video | None = attrs.field(default=None, metadata=instead_of("video_id", "id"), repr=address_shown)
    video_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    video_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=address_shown, kw_only=True)


def read(data: Any) -> Faces:
    """Reads the faces; those without an id cannot be used and are omitted.

    Raises:
        BadResponse: the answer has no session id.
    """
    answer = mapping(data)
    session_id = identifier(answer.get("session_id"))
    if session_id is None:
        raise BadResponse("the answer has no session")
    faces = (_face(mapping(item)) for item in items(answer.get("face_data")))
    return Faces(
        session_id=session_id,
        face_data=tuple(face for face in faces if face is not None),
        final_unit_deduction=decimal(answer.get("final_unit_deduction")),
        final_balance_deduction=balance_of(answer.get("final_balance_deduction")),
    )


def _face(item: Any) -> Face | None:
    face_id = identifier(item.get("face_id"))
    if face_id is None:
        return None
    return Face(
        face_id=face_id,
        face_image=address(item.get("face_image")),
        start_time=_milliseconds(item.get("start_time")),
        end_time=_milliseconds(item.get("end_time")),
    )


def _milliseconds(value: Any) -> int | None:
    number = decimal(value)
    return None if number is None else int(number)


ENDPOINT = CallEndpoint(
    method="POST",
    path="/v1/videos/identify-face",
    record=IdentifyFaces,
    rules=(videos.one_video, videos.video_url),
    units=lambda _: Decimal(_UNITS),
    charges=True,
    read=read,
)
