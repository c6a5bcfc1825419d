"""Lip-sync: a face of a video speaks a sound; the face was identified earlier, in a session."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.earlier import audio_seconds, lasting, showing
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.sounds import sound
from kling_async.emulator.service.checks.videos import CLIP_SECONDS
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Earlier, Endpoint, ParentVideo
from kling_async.emulator.service.errors import invalid

_TIMES: Final = ("sound_start_time", "sound_end_time", "sound_insert_time")
_MEMBERS: Final[dict[str, Any]] = {
    "session_id": str,
    "face_choose": [
        {
            "face_id": str,
            "audio_id": str,
            "sound_file": str,
            **dict.fromkeys(_TIMES, int),
            "sound_volume": float,
            "original_audio_volume": float,
        }
    ],
    **members.EVERY_TASK,
}

_SESSION_SECONDS: Final = 24 * 3600
_LEAST: Final = 2000
"""Minimum of the sound and of its overlap with the face, in milliseconds."""

_UNITS: Final = Decimal("0.5")
"""Price per five seconds, rounded up."""

_TYPICAL_SECONDS: Final = 455.0
"""The mean measured by public clients."""


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request as far as possible without the session."""
    fields.required(body, "session_id", str, "lip-sync")
    faces = fields.objects(body, "face_choose", limit=1)
    if not faces:
        raise invalid("face_choose can not be null")
    face = faces[0]
    fields.required(face, "face_id", str, "face_choose")
    fields.one_of(face, "audio_id", "sound_file")
    for name in _TIMES:
        if fields.required(face, name, int, "face_choose") < 0:
            raise invalid(f"{name} can not be less than 0")
    if _length(face) < _LEAST:
        raise invalid(f"sound_end_time - sound_start_time can not be less than {_LEAST}")
    for name in ("sound_volume", "original_audio_volume"):
        fields.number(face, name, 0, 2)
    given = sound(face, "sound_file", 2, 60)
    if given is not None and given.is_known:
        _check_end(face, given.seconds)
    every = every_task(body)
    words = f"face {face['face_id']} speaks"
    spec = RenderSpec(
        width=1280, height=720, fps=24, seconds=CLIP_SECONDS, card=words, title="lip-sync", prompt=words, sound=True
    )
    return AcceptedRequest(
        **every,
        duration=CLIP_SECONDS,
        units=_UNITS,
        prompt="",
        parameters=body if given is None else body | {"face_choose": [face | {"sound_file": given.summary}]},
        result=VideoResult(spec=spec, watermark=every["watermark"]),
        damage="" if given is None else given.damage,
    )


def _complete(request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Checks a request against the session and an earlier sound."""
    session = earlier("sessions", request.parameters["session_id"])
    if session is None or session.age > _SESSION_SECONDS:
        raise invalid("session_id is invalid or has expired")
    (chosen,) = request.parameters["face_choose"]
    face = next((each for each in session.facts["face_data"] if each["face_id"] == chosen["face_id"]), None)
    if face is None:
        raise invalid(f"Face id not found: {chosen['face_id']}")
    if chosen.get("audio_id"):
        _check_end(chosen, audio_seconds(earlier, chosen["audio_id"]))
    video = ParentVideo(**session.facts["video"])
    begin, end = chosen["sound_insert_time"], chosen["sound_insert_time"] + _length(chosen)
    if end > 1000 * float(video.duration):
        raise invalid("the sound can not exceed the video")
    if min(end, face["end_time"]) - max(begin, face["start_time"]) < _LEAST:
        raise invalid(f"the sound must overlap the face by at least {_LEAST} ms")
    seconds = int(float(video.duration))
    return showing(lasting(request, seconds, _UNITS * -(-seconds // 5)), video, earlier)


def _length(face: Mapping[str, Any]) -> int:
    length: int = face["sound_end_time"] - face["sound_start_time"]
    return length


def _check_end(face: Mapping[str, Any], seconds: float) -> None:
    if face["sound_end_time"] > 1000 * seconds:
        raise invalid("sound_end_time can not exceed the sound")


ENDPOINT: Final = Endpoint(
    path="/v1/videos/advanced-lip-sync",
    members=_MEMBERS,
    accept=_accept,
    complete=_complete,
    estimate=lambda _body: _UNITS,
    generation_seconds=lambda _body: _TYPICAL_SECONDS,
    finds_by_external_id=True,
)
