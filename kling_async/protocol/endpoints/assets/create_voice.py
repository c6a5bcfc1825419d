"""`/v1/general/custom-voices`: recorded speech becomes a voice that videos can have."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import attrs

from kling_async.protocol.converters import address_shown, instead_of, none_if_empty
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Video
from kling_async.protocol.rules import task_options
from kling_async.protocol.rules.values import exactly_one, filled, text
from kling_async.protocol.rules.videos import video_address

NAME_MOST: Final = 20  # characters
PAGE_MAXIMUM: Final = 1000  # only the documentation of voices allows more than 500
TYPICAL_SECONDS: Final = 12.0  # one user measured 9 to 15, 2026-02
_UNITS: Final = "0.05"
"""Price of one voice, by the price table of 2026-09 and one user's bill."""


@attrs.frozen
class CreateVoice(Request):
    """A voice of your own, from recorded speech: `POST /v1/general/custom-voices`.

    The voice is in `task.voices`, for the `voice_list` of videos and for elements; `text_to_speech` takes other voices.

    Attributes:
        voice_name: its name, at most 20 characters.
        voice_url: `http(s)://` address of the speech: MP3, WAV, MP4 or MOV of 5 to 30 seconds, with one clear voice in
            it.
        video: a video of an earlier task, `task.videos[0]`, in place of its id.
        video_id: id of a video that Kling made in the last 30 days, in place of an address: one of kling-v2-6 with
            sound, of an avatar or of lip-sync, 5 to 30 seconds.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    voice_name: str
    voice_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=address_shown, kw_only=True)
    video: Video | None = attrs.field(
        default=None, metadata=instead_of("video_id", "id"), repr=address_shown, kw_only=True
    )
    video_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


def name(request: CreateVoice) -> Iterator[Problem]:
    """1 to 20 characters."""
    yield from filled("voice_name", request.voice_name, most=NAME_MOST)


def speech(request: CreateVoice) -> Iterator[Problem]:
    """Exactly one source; an address must be one that the service can fetch."""
    yield from exactly_one(request, "voice_url", "video", "video_id")
    yield from video_address("voice_url", request.voice_url)
    if request.video_id is not None:
        yield from text("video_id", request.video_id)


ENDPOINT = Endpoint(
    path="/v1/general/custom-voices",
    record=CreateVoice,
    rules=(name, speech, task_options.callback_url, task_options.external_task_id),
    units=lambda _: Decimal(_UNITS),
    typical_seconds=lambda _: TYPICAL_SECONDS,
    result=ResultKind.VOICE,
    page_maximum=PAGE_MAXIMUM,
    finds_by_external_id=True,
)
