"""`/v1/audio/tts`: a text becomes speech at once, without a task."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Literal

import attrs

from kling_async.protocol.call import Call, CallEndpoint
from kling_async.protocol.errors import BadResponse, ContentRefused, Problem
from kling_async.protocol.redaction import service_text
from kling_async.protocol.results import Voice
from kling_async.protocol.rules.values import number, one_of, text
from kling_async.protocol.speech import Speech, SpeechAudio
from kling_async.protocol.wire.members import decimal, mapping, moment
from kling_async.protocol.wire.results import balance_of, results_of

TEXT_MOST: Final = 1000  # characters
LANGUAGES: Final = ("zh", "en")
_UNITS: Final = "0.05"
"""Price of one call of any length, by the price table of 2026-09 and one user's bill."""


@attrs.frozen
class TextToSpeech(Call[Speech]):
    """Speech from a text, at once: `POST /v1/audio/tts`.

    The service has no id by which such a call could be found again. If its answer is lost, `CallInDoubt` is raised, and
    it is not sent again.

    Attributes:
        text: the text to speak, at most 1000 characters.
        voice_id: the voice, such as `calm_story1`: the ids of the documentation's list of speech voices, which are not
            those of custom and preset voices.
        voice_language: `zh` or `en`; must fit the voice.
        voice_speed: 0.8 to 2.0, with one decimal; 1.0 if omitted.
    """

    text: str
    voice_id: str = attrs.field(kw_only=True)
    voice_language: Literal["zh", "en"] = attrs.field(kw_only=True)
    voice_speed: float | None = attrs.field(default=None, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def spoken(request: TextToSpeech) -> Iterator[Problem]:
    """1 to 1000 characters."""
    if request.text == "":
        yield Problem("text", "is required: give what is to be spoken")
    yield from text("text", request.text, most=TEXT_MOST)


def voice_id(request: TextToSpeech) -> Iterator[Problem]:
    """An id; only the service can check whether it exists."""
    given: Any = request.voice_id
    if isinstance(given, Voice):
        yield Problem("voice_id", "custom and preset voices do not speak here: use an id of the list of speech voices")
        return
    if given == "":
        yield Problem("voice_id", "is required: use an id of the documentation's list of speech voices")
    yield from text("voice_id", given)


def voice_language(request: TextToSpeech) -> Iterator[Problem]:
    """Chinese or English."""
    yield from one_of("voice_language", request.voice_language, LANGUAGES)


def voice_speed(request: TextToSpeech) -> Iterator[Problem]:
    """0.8 to 2; the service rounds values outside of this range."""
    if request.voice_speed is not None:
        yield from number("voice_speed", request.voice_speed, 0.8, 2)


# ------------------------------------------------------------------------------------------------ answer


def read(data: Any) -> Speech:
    """Reads the speech; the task that the answer names cannot be queried.

    Raises:
        BadResponse: the answer contains no sound.
        ContentRefused: the service reports that it failed.
    """
    answer = mapping(data)
    created_at = moment(answer.get("updated_at"))
    audios = results_of(answer.get("task_result"), created_at)["audios"]
    if not audios and answer.get("task_status") == "failed":
        raise ContentRefused(service_text(answer.get("task_status_msg")) or "the service made no speech of this text")
    if not audios:
        raise BadResponse("the answer has no sound")
    return Speech(
        audios=tuple(SpeechAudio(**attrs.asdict(audio, recurse=False)) for audio in audios),
        created_at=created_at,
        final_unit_deduction=decimal(answer.get("final_unit_deduction")),
        final_balance_deduction=balance_of(answer.get("final_balance_deduction")),
    )


ENDPOINT = CallEndpoint(
    method="POST",
    path="/v1/audio/tts",
    record=TextToSpeech,
    rules=(spoken, voice_id, voice_language, voice_speed),
    units=lambda _request: Decimal(_UNITS),
    charges=True,
    read=read,
)
