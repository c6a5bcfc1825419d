import base64
from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.placeholder.sound import wav
from kling_async.emulator.service import answers
from kling_async.emulator.service.endpoints.avatar import ENDPOINT
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, Caller, Clock, base64_png

SOUND = base64.b64encode(wav("a", "1", 11_300)).decode()
LEAST = {"image": base64_png(), "sound_file": SOUND}
SHORT = base64.b64encode(wav("a", "1", 1000)).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"audio_id": "", "mode": None, "prompt": ""},
        {"prompt": "x" * 2500, "mode": "pro", "watermark_info": {"enabled": True}},
        {"sound_file": None, "audio_id": "1"},
        {"sound_file": "https://sounds.example/a.mp3", "image": "https://images.example/a.png"},
    ],
)
def test_a_documented_request_is_accepted(changes: dict[str, Any]) -> None:
    """Documented requests are accepted, as far as their check does not depend on the account."""
    accepted = ENDPOINT.accept(LEAST | changes)

    assert accepted.units >= ENDPOINT.estimate(LEAST | changes) > 0
    assert accepted.damage == ""
    assert SOUND not in str(accepted.parameters)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "image can not be null"),
        ({"audio_id": "1"}, "exactly one of audio_id and sound_file"),
        ({"sound_file": ""}, "exactly one of audio_id and sound_file"),
        ({"sound_file": base64.b64encode(b"\0\0\0\x20ftypM4A ").decode()}, "Audio format is invalid"),
        ({"prompt": "x" * 2501}, "prompt: size must be between 0 and 2500"),
        ({"mode": "4k"}, "mode value '4k' is invalid"),
        ({"prompt": "refused"}, "content safety"),
    ],
)
def test_a_forbidden_request_is_refused(changes: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused."""
    with pytest.raises(Refusal, match=message):
        ENDPOINT.accept(LEAST | changes)


@pytest.mark.parametrize(
    ("changes", "units", "size"),
    [
        ({}, "4.4", (1280, 720)),
        ({"mode": "pro"}, "8.8", (1920, 1080)),
        ({"sound_file": "https://sounds.example/a.mp3", "image": base64_png(400, 800)}, "2", (720, 1440)),
    ],
)
def test_a_clip_is_as_long_as_its_sound(changes: dict[str, Any], units: str, size: tuple[int, int]) -> None:
    """Whole seconds of the sound are paid, as on an observed bill; the clip has the picture's ratio."""
    accepted = ENDPOINT.accept(LEAST | changes)

    assert (answers.decimal_text(accepted.units), accepted.result.size) == (units, size)


@pytest.mark.parametrize("changes", [{"sound_file": SHORT}, {"image": base64_png(200, 400)}])
async def test_a_bad_file_fails_later(caller: Caller, clock: Clock, changes: dict[str, Any]) -> None:
    """A sound that is too short, as a picture that is too small, passes the create and fails the task."""
    task_id = (await caller.post(ENDPOINT.path, LEAST | changes)).body["data"]["task_id"]
    clock.advance(FAR)
    data = (await caller.get(f"{ENDPOINT.path}/{task_id}")).body["data"]

    assert (data["task_status"], data["final_unit_deduction"]) == ("failed", "0")
    assert data["task_status_msg"]


async def test_a_spoken_text_becomes_a_clip(caller: Caller, clock: Clock) -> None:
    """A sound of the account is given by its id: the clip has its length; an unknown id is refused."""
    spoken = {"text": "a" * 100, "voice_id": "AOT", "voice_language": "en"}
    audio = (await caller.post("/v1/audio/tts", spoken)).body["data"]["task_result"]["audios"][0]
    by_id = {"image": base64_png(), "audio_id": audio["id"]}
    task_id = (await caller.post(ENDPOINT.path, by_id)).body["data"]["task_id"]
    brief = (await caller.post("/v1/audio/tts", spoken | {"text": "a"})).body["data"]["task_result"]["audios"][0]["id"]
    unknown, short = [await caller.post(ENDPOINT.path, by_id | {"audio_id": each}) for each in ("1", brief)]
    clock.advance(FAR)
    data = (await caller.get(f"{ENDPOINT.path}/{task_id}")).body["data"]

    assert (unknown.code, unknown.message) == (1201, "Audio id not found: 1")
    assert (short.code, short.message) == (1201, "The duration of the audio is invalid.")
    assert (data["task_result"]["videos"][0]["duration"], data["final_unit_deduction"]) == ("6.041", "2.4")
    assert caller.emulator.ledger.entries[0].duration == 6
    assert mean_generation_seconds(ENDPOINT.path, by_id) == 600
    assert mean_generation_seconds(ENDPOINT.path, by_id | {"mode": "4k"}) is None
