import contextlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator, mean_generation_seconds
from kling_async.emulator.service.endpoint import EarlierResult
from kling_async.emulator.service.endpoints.voices import ENDPOINTS
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, Caller, Clock, finished

RECORDED = Path(__file__).parents[1] / "recorded" / "siblings"
CUSTOM, PRESETS, DELETE = ENDPOINTS
NARRATOR = {"voice_name": "narrator", "voice_url": "https://sounds.example/voice.mp3", "video_id": ""}


async def made(caller: Caller, clock: Clock, **changes: Any) -> Any:
    """Makes a voice, and returns the `data` of its task."""
    task_id = (await caller.post(CUSTOM.path, NARRATOR | changes)).body["data"]["task_id"]
    clock.advance(FAR)
    return (await caller.get(f"{CUSTOM.path}/{task_id}")).body["data"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voice_name": ""}, "voice_name can not be null"),
        ({"voice_name": "x" * 21}, "voice_name: size must be between 1 and 20"),
        ({"voice_url": ""}, "exactly one of voice_url and video_id"),
        ({"video_id": "1"}, "exactly one of voice_url and video_id"),
        ({"voice_url": "SUQz"}, "voice_url is invalid"),
        ({"callback_url": "cat"}, "callback_url is invalid"),
    ],
)
def test_a_forbidden_request_is_refused(changes: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201."""
    with pytest.raises(Refusal, match=message) as caught:
        CUSTOM.accept(NARRATOR | changes)

    assert caught.value.code == 1201


async def test_a_voice_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """A voice costs 0.05 units, takes some seconds, and has an audible trial."""
    data = await made(caller, clock, external_task_id="mine")
    recorded = json.loads((RECORDED / "custom_voice_query_succeed_live.json").read_text())["body"]["data"]

    (voice,) = data["task_result"]["voices"]
    file = await caller.request("GET", voice["trial_url"])
    assert data.keys() == recorded.keys() | {"final_balance_deduction"}
    assert voice.keys() == recorded["task_result"]["voices"][0].keys()
    assert (voice["voice_name"], voice["status"], data["final_unit_deduction"]) == ("narrator", "succeed", "0.05")
    assert (file.headers["content-type"], file.content[:4]) == ("audio/wav", b"RIFF")
    assert (await caller.get(f"{CUSTOM.path}/mine")).body["data"] == data
    assert mean_generation_seconds(CUSTOM.path, NARRATOR) == 12


async def test_a_voice_is_made_of_an_own_video(caller: Caller, clock: Clock) -> None:
    """The video must be one of the account, 5 to 30 s long; an unreachable recording fails the task."""
    video = (await finished(caller, clock))["task_result"]["videos"][0]
    short = (await finished(caller, clock, model_name="kling-v3", duration="3"))["task_result"]["videos"][0]
    brief = await caller.post(CUSTOM.path, NARRATOR | {"voice_url": "", "video_id": short["id"]})
    unknown = await caller.post(CUSTOM.path, NARRATOR | {"voice_url": "", "video_id": "1"})
    known = await made(caller, clock, voice_url="", video_id=video["id"])
    lost = await made(caller, clock, voice_url="https://sounds.invalid/a.mp3")

    assert (brief.code, brief.message) == (1201, "the duration of the video must be between 5 and 30 seconds")
    assert (unknown.code, unknown.message) == (1201, "Video id not found: 1")
    assert (known["task_status"], lost["task_status"]) == ("succeed", "failed")


@pytest.mark.parametrize(("seconds", "refused"), [("4.9", True), ("5.04", False), ("30.04", False), ("31", True)])
def test_the_length_of_an_own_video(seconds: str, *, refused: bool) -> None:
    """A voice is made of a video of 5 to 30 seconds."""
    request = CUSTOM.accept(NARRATOR | {"voice_url": "", "video_id": "8"})
    video = EarlierResult(facts={"id": "8", "duration": seconds}, age=1.0, request=request)
    outcome = pytest.raises(Refusal, match="between 5 and 30 seconds") if refused else contextlib.nullcontext()
    with outcome:
        CUSTOM.complete(request, lambda _kind, _key: video)


async def test_preset_voices(caller: Caller) -> None:
    """Preset voices are listed page by page, as recorded, with audible trials."""
    data = (await caller.get(PRESETS.path)).body["data"]
    recorded = json.loads((RECORDED / "presets_voices_list.json").read_text())["body"]["data"]
    pages = [(await caller.get(f"{PRESETS.path}?pageNum={number}&pageSize=2")).body["data"] for number in (1, 2, 3)]
    large, too_large = [await caller.get(f"{PRESETS.path}?pageSize={size}") for size in (1000, 1001)]

    assert data[0].keys() == recorded[0].keys()
    assert data[0]["task_result"]["voices"][0]["owned_by"] == "kling"
    assert (pages[0] + pages[1], pages[2], len(pages[0])) == (data, [], 2)
    assert (large.code, too_large.code) == (0, 1201)
    file = await caller.request("GET", data[0]["task_result"]["voices"][0]["trial_url"])
    assert file.content[:4] == b"RIFF"
    assert (caller.emulator.ledger.entries, caller.emulator.ledger.charged) == ([], 0)


async def test_a_restarted_account_has_the_same_voices(clock: Clock) -> None:
    """After another start the preset voices are the same, each present once."""
    emulator = Emulator(clock=clock, render=False)
    lists = []
    for _ in range(2):
        async with emulator, aiohttp.ClientSession() as session:
            lists.append((await Caller(emulator, session).get(PRESETS.path)).body["data"])

    ids = [[each["task_result"]["voices"][0]["voice_id"] for each in data] for data in lists]
    assert ids[0] == ids[1] != []


async def test_an_own_voice_can_be_deleted(caller: Caller, clock: Clock) -> None:
    """A deleted voice is shown as deleted; deleting it again has no effect; a preset or unknown one is refused."""
    data = await made(caller, clock)
    key = data["task_result"]["voices"][0]["voice_id"]
    preset = (await caller.get(PRESETS.path)).body["data"][0]["task_result"]["voices"][0]["voice_id"]
    first, second, *others = [
        await caller.post(DELETE.path, {"voice_id": each}) for each in (key, key, preset, "1", "")
    ]
    shown = (await caller.get(f"{CUSTOM.path}/{data['task_id']}")).body["data"]
    (listed,) = (await caller.get(CUSTOM.path)).body["data"]

    assert first.body["data"] == second.body["data"] == {"task_id": data["task_id"], "task_status": "succeed"}
    assert [answer.code for answer in others] == [1201] * 3
    assert others[1].message == "Voice id not found: 1"
    assert shown["task_result"]["voices"][0]["status"] == listed["task_result"]["voices"][0]["status"] == "deleted"
    assert caller.emulator.ledger.calls[DELETE.name] == 2
