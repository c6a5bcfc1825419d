"""`/v1/videos/avatar/image2video`: the face of a picture speaks a sound."""

from collections.abc import Iterator
from typing import Final, Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import address_shown, instead_of, none_if_empty
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.converters import sound as as_sound
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.sound import Sound
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.results import Audio
from kling_async.protocol.rules import pictures, settings, sounds, task_options, text


@attrs.frozen
class Avatar(Request):
    """A video in which the face of a picture speaks or sings: `POST /v1/videos/avatar/image2video`.

    The video is as long as the sound: 2 to 300 seconds. A second of it costs 0.4 (`std`) or 0.8 (`pro`) units; the
    number of seconds is not known in advance, so `kling_async.estimate` has no price. It takes ten minutes or more.

    Attributes:
        image: a picture with one face: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 10 MB (10 x 2**20
            bytes), each side at least 300 px, ratio 1:2.5 to 2.5:1. The picture of an earlier task will do. Required.
        audio_id: id of a sound that `text_to_speech` made in the last 30 days. Exactly one of `audio_id`, `sound_file`
            and `audio` is required.
        sound_file: a sound, as a path, an `http(s)://` address or bytes; MP3 or WAV, at most 5 MB (5 x 2**20 bytes), 2
            to 300 seconds. M4A and AAC are documented, but were refused.
        audio: the sound of an earlier request, in place of its id: `speech.audios[0]`.
        prompt: what else happens, at most 2500 characters.
        mode: `std` or `pro`; the service's default is `std`.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    image: Image | None = attrs.field(converter=as_image)
    audio_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    sound_file: Sound | None = attrs.field(default=None, converter=as_sound, kw_only=True)
    audio: Audio | None = attrs.field(
        default=None, metadata=instead_of("audio_id", "id"), repr=address_shown, kw_only=True
    )
    prompt: str | None = attrs.field(default=None, kw_only=True)
    mode: Literal["std", "pro"] | None = attrs.field(default=None, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


def face(request: Avatar) -> Iterator[Problem]:
    """A picture is required."""
    if request.image is None:
        yield Problem("image", "is required: a path, an http(s):// address or bytes of a picture with one face")


TYPICAL_SECONDS: Final = 600.0
"""Ten minutes and more, by the documentation of 2025-12; how it depends on the length of the sound is not known."""

ENDPOINT = Endpoint(
    path="/v1/videos/avatar/image2video",
    record=Avatar,
    picture_rules=(pictures.pictures,),
    sound_rules=(sounds.sounds,),
    rules=(
        face,
        sounds.one_sound,
        text.prompt,
        settings.mode,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
    ),
    typical_seconds=lambda _: TYPICAL_SECONDS,
    finds_by_external_id=True,
)
