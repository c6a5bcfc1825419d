"""Text to speech: what is refused, what is sent, what is read."""

import json
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import ContentRefused, DownloadError, Speech, TextToSpeech, UnexpectedAnswer, Voice, estimate
from kling_async.protocol.catalog import call_endpoint_of
from kling_async.protocol.wire import requests, responses
from tests.protocol.recorded_bodies import OTHERS, enveloped, recorded

LEAST: dict[str, Any] = {"text": "Hello", "voice_id": "calm_story1", "voice_language": "en"}


def request(**parameters: Any) -> TextToSpeech:
    """A request, in which only the parameters differ from the least one."""
    return TextToSpeech(**(LEAST | parameters))


def fields(**parameters: Any) -> list[str]:
    """The parameters that are refused."""
    made = request(**parameters)
    endpoint = call_endpoint_of(made)
    assert endpoint is not None
    return [problem.field for problem in endpoint.problems(made, {})]


def read(response: Any) -> Speech:
    """What an answer is read as."""
    endpoint = call_endpoint_of(request())
    assert endpoint is not None
    speech: Speech = responses.value(response, endpoint.read)
    return speech


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({}, []),
        ({"text": "x" * 1000}, []),
        ({"text": "x" * 1001}, ["text"]),
        ({"text": ""}, ["text"]),
        ({"text": None}, ["text"]),
        ({"text": "half \ud800"}, ["text"]),
        ({"voice_id": ""}, ["voice_id"]),
        ({"voice_id": 5}, ["voice_id"]),
        ({"voice_id": Voice(voice_id="829824295735410756")}, ["voice_id"]),
        ({"voice_language": "de"}, ["voice_language"]),
        ({"voice_language": "EN"}, ["voice_language"]),
        ({"voice_speed": 0.8}, []),
        ({"voice_speed": 2}, []),
        ({"voice_speed": 0.79}, ["voice_speed"]),
        ({"voice_speed": 2.1}, ["voice_speed"]),
        ({"voice_speed": "fast"}, ["voice_speed"]),
        (
            {"text": "", "voice_id": "", "voice_language": "", "voice_speed": 0},
            ["text", "voice_id", "voice_language", "voice_speed"],
        ),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], refused: list[str]) -> None:
    """Each documented limit is checked, and all problems come at once; which voices there are is not checked."""
    assert fields(**parameters) == refused


def test_the_recorded_request() -> None:
    """A request has the members of the documentation's example."""
    body = OTHERS["request_tts"]["body"]
    made = TextToSpeech(
        body["text"],
        voice_id=body["voice_id"],
        voice_language=body["voice_language"],
        voice_speed=body.get("voice_speed"),
    )
    endpoint = call_endpoint_of(made)
    assert endpoint is not None
    sent = requests.of_call(endpoint, made)
    assert (sent.method, sent.path, sent.once) == ("POST", "/v1/audio/tts", True)
    assert json.loads(b"".join(part for part in sent.body if isinstance(part, bytes))) == body


def test_the_recorded_answer() -> None:
    """The speech has its sound, what it cost and when it was made."""
    speech = read(recorded("tts_ok"))
    [audio] = speech.audios
    assert (audio.id, audio.duration) == ("867283741759110501", Decimal("11.3"))
    assert audio.url == "https://v1-kling.example.invalid/audio/501.mp3"
    assert (speech.final_unit_deduction, speech.created_at) == (
        Decimal("0.05"),
        datetime(2024, 8, 4, 11, 6, 57, 708000, UTC),
    )


def test_no_sound() -> None:
    """The error of an answer without sound keeps its data, since it may be billed; a reported failure is a refusal."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read(enveloped({"task_id": "1", "task_status": "succeed", "task_result": {}}))
    assert caught.value.data["task_id"] == "1"
    with pytest.raises(ContentRefused, match="too loud"):
        read(enveloped({"task_status": "failed", "task_status_msg": "too loud"}))


async def test_speech_out_of_a_pickle_has_no_client() -> None:
    """An unpickled sound has its address, and its save raises an error that names it."""

    async def saver(audio: object, path: object, *, overwrite: bool) -> Path:
        raise NotImplementedError

    speech: Speech = read(recorded("tts_ok")).with_saver(saver)
    [audio] = pickle.loads(pickle.dumps(speech)).audios  # noqa: S301  (just made)
    assert audio == speech.audios[0]
    with pytest.raises(DownloadError, match="pickled"):
        await audio.save("hello.mp3")


def test_the_price() -> None:
    """A call costs 0.05 units of the video pack, whatever its length."""
    assert estimate(request()).units == Decimal("0.05")
    assert estimate(request()).usd == Decimal("0.0070")
