"""`/v1/audio/text-to-audio`: a prompt becomes sound."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import attrs

from kling_async.protocol.converters import none_if_empty
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.rules import task_options, text
from kling_async.protocol.rules.values import number

PROMPT_MOST: Final = 200  # characters
SECONDS: Final = (3, 10)


@attrs.frozen
class TextToAudio(Request):
    """Sound from a prompt: `POST /v1/audio/text-to-audio`.

    It comes as MP3 and as WAV: a file whose name ends in `.wav` gets the WAV, any other the MP3, and a directory both.

    Attributes:
        prompt: description of the sound, at most 200 characters.
        duration: seconds, 3.0 to 10.0, with one decimal.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    prompt: str
    duration: float = attrs.field(kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


def prompt(request: TextToAudio) -> Iterator[Problem]:
    """1 to 200 characters."""
    yield from text.required_prompt(request)
    yield from text.prompt(request, most=PROMPT_MOST)


def duration(request: TextToAudio) -> Iterator[Problem]:
    """A number of seconds; unlike elsewhere, text is not accepted."""
    yield from number("duration", request.duration, *SECONDS)


_UNITS: Final = "0.25"
"""Price of one task of any length, by the price table of 2026-09."""

TYPICAL_SECONDS: Final = 60.0
"""The time of the documentation's example; no other source is known."""

ENDPOINT = Endpoint(
    path="/v1/audio/text-to-audio",
    record=TextToAudio,
    rules=(prompt, duration, task_options.callback_url, task_options.external_task_id),
    units=lambda _: Decimal(_UNITS),
    typical_seconds=lambda _: TYPICAL_SECONDS,
    result=ResultKind.AUDIO,
    finds_by_external_id=True,
)
