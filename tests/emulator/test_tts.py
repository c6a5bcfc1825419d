import json
from pathlib import Path
from typing import Any

import pytest

from kling_async.emulator.service.endpoints.tts import ENDPOINT

from .conftest import Caller

RECORDED = Path(__file__).parents[1] / "recorded" / "siblings"
HELLO = {"text": "good morning", "voice_id": "genshin_vindi2", "voice_language": "en"}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"text": None}, 1201, "text can not be null"),
        ({"text": "x" * 1001}, 1201, "text: size must be between 1 and 1000"),
        ({"voice_id": ""}, 1201, "voice_id can not be null"),
        ({"voice_id": "829824295735410756"}, 1201, "Voice id not found"),  # a preset of the other catalogue
        ({"voice_language": "zh", "voice_id": "calm_story1"}, 1201, "Voice id not found"),
        ({"voice_language": "fr"}, 1201, "voice_language value 'fr' is invalid"),
        ({"voice_speed": "fast"}, 1201, "voice_speed must be a number"),
        ({"text": "this is refused"}, 1301, "content safety"),
    ],
)
async def test_invalid_requests_are_refused(caller: Caller, body: dict[str, Any], code: int, message: str) -> None:
    """Requests that the documentation forbids are refused, and cost nothing."""
    answer = await caller.post(ENDPOINT.path, HELLO | body)

    assert (answer.code, message in answer.message) == (code, True)
    assert caller.emulator.ledger.charged == 0


async def test_speech_answers_as_recorded(caller: Caller) -> None:
    """The answer has the members of the recorded one, is final at once, and its MP3 is served."""
    recorded = json.loads((RECORDED / "tts_ok.json").read_text())["body"]["data"]
    data = (await caller.post(ENDPOINT.path, HELLO)).body["data"]

    (audio,) = data["task_result"]["audios"]
    file = await caller.request("GET", audio["url"])
    assert data.keys() == recorded.keys()
    assert audio.keys() == recorded["task_result"]["audios"][0].keys()
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "0.05")
    assert (file.headers["content-type"], file.content[:3]) == ("audio/mpeg", b"ID3")
    assert caller.emulator.ledger.charged_by["video"] == 0.05


@pytest.mark.parametrize(("speed", "seconds"), [(None, 6.5), (1, 6.5), (2, 3.3), (0.1, 8.1), (9, 3.3)])
async def test_speech_is_as_long_as_its_text(caller: Caller, speed: float | None, seconds: float) -> None:
    """A long text takes longer; a speed out of range is clamped, as documented, and not refused."""
    data = (await caller.post(ENDPOINT.path, HELLO | {"text": "a" * 100, "voice_speed": speed})).body["data"]

    assert float(data["task_result"]["audios"][0]["duration"]) == pytest.approx(seconds, abs=0.1)


async def test_an_old_language_is_the_default(caller: Caller) -> None:
    """Without `voice_language` the voice must be a Chinese one."""
    chinese = await caller.post(ENDPOINT.path, {"text": "a", "voice_id": "tianmeixuemei-v1"})
    english = await caller.post(ENDPOINT.path, {"text": "a", "voice_id": "AOT"})

    assert (chinese.code, english.code) == (0, 1201)
