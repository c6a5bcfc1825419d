"""`/v1/videos/advanced-lip-sync`: a face of a video speaks a sound."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import address_shown, as_record, each, instead_of, none_if_empty, whole_number
from kling_async.protocol.converters import sound as as_sound
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.faces import Face, Faces
from kling_async.protocol.media.sound import Sound
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.results import Audio
from kling_async.protocol.rules import sounds, task_options
from kling_async.protocol.rules.values import exactly_one, filled, is_whole, listed, number, text, whole

LEAST: Final = 2000
"""Minimum milliseconds of a sound, and of the time that its face is visible while it plays."""
VOLUME_MOST: Final = 2
FACES: Final = 1
"""Number of faces that can speak, by the documentation of 2026-09."""


@attrs.frozen(kw_only=True)
class FaceChoice:
    """A face of the video, and the sound that it speaks.

    Attributes:
        face_id: the face's id in the session. Exactly one of `face_id` and `face` is required.
        face: the face as it was identified, in place of its id: `faces.face_data[0]`.
        audio_id: id of a sound that `text_to_speech` made in the last 30 days. Exactly one of `audio_id`, `sound_file`
            and `audio` is required.
        sound_file: a sound of 2 to 60 seconds, as a path, an `http(s)://` address or bytes; MP3 or WAV, at most 5 MB (5
            x 2**20 bytes). M4A and AAC are documented, but were refused.
        audio: the sound of an earlier request, in place of its id: `speech.audios[0]`.
        sound_start_time: where in the sound it begins, milliseconds, at least 0.
        sound_end_time: where in the sound it ends, milliseconds, at least 2000 later.
        sound_insert_time: where in the video it begins, milliseconds, at least 0. The sound has to end before the video
            does, and the face has to be visible for at least 2000 milliseconds of it.
        sound_volume: how loud the sound is, 0 to 2; the service's default is 1.
        original_audio_volume: how loud the video's own sound is, 0 to 2, likewise.
    """

    face_id: str | None = attrs.field(default=None, converter=none_if_empty)
    face: Face | None = attrs.field(default=None, metadata=instead_of("face_id", "face_id"), repr=address_shown)
    audio_id: str | None = attrs.field(default=None, converter=none_if_empty)
    sound_file: Sound | None = attrs.field(default=None, converter=as_sound)
    audio: Audio | None = attrs.field(default=None, metadata=instead_of("audio_id", "id"), repr=address_shown)
    sound_start_time: int = attrs.field(converter=whole_number)
    sound_end_time: int = attrs.field(converter=whole_number)
    sound_insert_time: int = attrs.field(converter=whole_number)
    sound_volume: float | None = None
    original_audio_volume: float | None = None


def _session_id(value: Faces | str) -> str:
    given: Any = value
    found: str = given.session_id if issubclass(type(given), Faces) else given
    return found


def _face_choose(values: Iterable[FaceChoice | Mapping[str, Any]]) -> tuple[FaceChoice, ...]:
    read: tuple[FaceChoice, ...] = each(lambda value: as_record(FaceChoice, value), values)
    return read


@attrs.frozen
class LipSync(Request):
    """A video in which a face speaks another sound: `POST /v1/videos/advanced-lip-sync`.

    `identify_faces` finds the faces first. Every started 5 seconds of the video cost 0.5 units; its length is not known
    in advance, so `kling_async.estimate` has no price. It is not documented that these tasks can be found by the
    caller's own id: if the answer to a create is lost, it is `CreateInDoubt`, and never sent again.

    Attributes:
        session_id: session of the faces, valid for 24 hours; or the result of `identify_faces`. Required.
        face_choose: exactly 1 face and its sound. Required.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account. These tasks cannot be found by it.
    """

    session_id: str = attrs.field(converter=_session_id)
    face_choose: tuple[FaceChoice, ...] = attrs.field(converter=_face_choose, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def session(request: LipSync) -> Iterator[Problem]:
    """The session of the faces is required."""
    yield from filled("session_id", request.session_id)


def face_choose(request: LipSync) -> Iterator[Problem]:
    """Exactly one face, with one sound, at possible times."""
    read = yield from listed("face_choose", request.face_choose, FaceChoice, most=FACES)
    if not request.face_choose:
        yield Problem("face_choose", f"give {FACES} face and its sound")
    for path, choice in read:
        for problem in _choice(choice):
            yield attrs.evolve(problem, field=f"{path}.{problem.field}")


def _choice(choice: Any) -> Iterator[Problem]:  # pyright cannot see that fields with converters fit a rule's protocol
    yield from exactly_one(choice, "face_id", "face")
    if choice.face_id is not None:
        yield from text("face_id", choice.face_id)
    yield from sounds.one_sound(choice)
    yield from _times(choice)
    for field in ("sound_volume", "original_audio_volume"):
        volume = getattr(choice, field)
        if volume is not None:
            yield from number(field, volume, 0, VOLUME_MOST)


def _times(choice: FaceChoice) -> Iterator[Problem]:
    fields = ("sound_start_time", "sound_end_time", "sound_insert_time")
    problems = [problem for field in fields for problem in whole(field, getattr(choice, field), 0)]
    yield from problems
    if problems:
        return
    lasts = choice.sound_end_time - choice.sound_start_time
    if lasts < LEAST:
        yield Problem("sound_end_time", f"the sound lasts {lasts} ms; it must be at least {LEAST} after its start")
        return
    yield from _seen(choice, lasts)


def _seen(choice: FaceChoice, lasts: int) -> Iterator[Problem]:
    """The face is visible while it speaks, if its times are known."""
    times: list[Any] = [getattr(choice.face, name, None) for name in ("start_time", "end_time")]
    if not all(map(is_whole, times)):
        return
    comes, goes = times
    begins, ends = choice.sound_insert_time, choice.sound_insert_time + lasts
    seen = max(min(ends, goes) - max(begins, comes), 0)
    if seen < LEAST:
        yield Problem(
            "sound_insert_time",
            f"while the sound plays ({begins} to {ends} ms) the face is seen for {seen} ms; {LEAST} are needed, and it "
            f"is there from {comes} to {goes} ms",
        )


TYPICAL_SECONDS: Final = 455.0
"""The mean measured by a public client."""

ENDPOINT = Endpoint(
    path="/v1/videos/advanced-lip-sync",
    record=LipSync,
    sound_rules=(sounds.sounds,),
    rules=(
        session,
        face_choose,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
    ),
    typical_seconds=lambda _: TYPICAL_SECONDS,
)
