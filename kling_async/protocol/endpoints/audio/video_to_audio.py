"""`/v1/audio/video-to-audio`: a video gets its sound."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import attrs

from kling_async.protocol.converters import address_shown, instead_of, none_if_empty
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.results import Video
from kling_async.protocol.rules import task_options, videos
from kling_async.protocol.rules.values import switch, text

PROMPT_MOST: Final = 200  # characters


@attrs.frozen
class VideoToAudio(Request):
    """Sound for a video: `POST /v1/audio/video-to-audio`.

    The task makes the video with its new sound, and the sound by itself as MP3 and as WAV. The suffix of a file name
    selects which is saved: one that ends in `.mp3` or `.wav` gets the sound, any other the video, and a directory all
    three.

    Attributes:
        video: `task.videos[0]`, in place of its id.
        video_id: id of a video that Kling made in the last 30 days, of 3 to 20 seconds.
        video_url: `http(s)://` address of any other video: MP4 or MOV of 3 to 20 seconds, at most 100 MB. One video is
            required, and no more.
        sound_effect_prompt: description of the sounds of the video, at most 200 characters.
        bgm_prompt: description of its music, at most 200 characters.
        asmr_mode: whether details of the sound are especially clear, as in ASMR.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    video: Video | None = attrs.field(default=None, metadata=instead_of("video_id", "id"), repr=address_shown)
    video_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    video_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=address_shown, kw_only=True)
    sound_effect_prompt: str | None = attrs.field(default=None, kw_only=True)
    bgm_prompt: str | None = attrs.field(default=None, kw_only=True)
    asmr_mode: bool | None = attrs.field(default=None, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


def prompts(request: VideoToAudio) -> Iterator[Problem]:
    """At most 200 characters each; none is required."""
    for field, prompt in (("sound_effect_prompt", request.sound_effect_prompt), ("bgm_prompt", request.bgm_prompt)):
        if prompt is not None:
            yield from text(field, prompt, most=PROMPT_MOST)


def asmr_mode(request: VideoToAudio) -> Iterator[Problem]:
    """True or False."""
    yield from switch("asmr_mode", request.asmr_mode)


_UNITS: Final = "0.25"
"""Price of one task of any length, by the price table of 2026-09."""

TYPICAL_SECONDS: Final = 60.0
"""The time of the documentation's example; no other source is known."""

ENDPOINT = Endpoint(
    path="/v1/audio/video-to-audio",
    record=VideoToAudio,
    rules=(
        videos.one_video,
        videos.video_url,
        prompts,
        asmr_mode,
        task_options.callback_url,
        task_options.external_task_id,
    ),
    units=lambda _: Decimal(_UNITS),
    typical_seconds=lambda _: TYPICAL_SECONDS,
    finds_by_external_id=True,
)
