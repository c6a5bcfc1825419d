import json
from pathlib import Path
from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.service.endpoint import EarlierResult
from kling_async.emulator.service.endpoints.video_to_audio import ENDPOINT
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, Answer, Caller, Clock

CLIP: dict[str, Any] = {"video_url": "https://example.com/cat.mp4"}
RECORDED = Path(__file__).parents[1] / "recorded" / "siblings" / "video_to_audio_query_succeed.json"
DAY = 24 * 3600.0


def earlier(duration: str, age: float = 1.0) -> EarlierResult:
    """Returns the id of a video that the account has made."""
    return EarlierResult(facts={"id": "8", "duration": duration}, age=age, request=ENDPOINT.accept(CLIP))


@pytest.mark.parametrize(
    "body",
    [
        CLIP,
        {"video_id": "8"},
        CLIP | {"video_id": "", "sound_effect_prompt": "x" * 200, "bgm_prompt": "x" * 200, "asmr_mode": True},
    ],
)
def test_a_documented_request_is_accepted(body: dict[str, Any]) -> None:
    """Documented requests are accepted, at the price of its table."""
    assert str(ENDPOINT.accept(body).units) == "0.25"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "video_id"),
        ({"video_id": "", "video_url": ""}, "video_id"),
        (CLIP | {"video_id": "8"}, "video_id"),
        ({"video_url": "cat.mp4"}, "Video URL is invalid"),
        ({"video_url": "https://nothing.invalid/cat.mp4"}, "Video URL is invalid"),
        (CLIP | {"sound_effect_prompt": "x" * 201}, "soundEffectPrompt: size must be between 0 and 200"),
        (CLIP | {"bgm_prompt": "x" * 201}, "bgmPrompt: size must be between 0 and 200"),
        (CLIP | {"asmr_mode": "on"}, "asmr_mode must be a boolean"),
        (CLIP | {"callback_url": "cat"}, "callback_url is invalid"),
    ],
)
def test_a_forbidden_request_is_refused(body: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201 and a message that names the member."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(body)
    assert caught.value.code == 1201
    assert message in caught.value.message


@pytest.mark.parametrize("name", ["sound_effect_prompt", "bgm_prompt"])
def test_refused_content_has_its_own_code(name: str) -> None:
    """The word "refused" in either of the prompts makes the service refuse the content, with 1301."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(CLIP | {name: "refused"})
    assert caught.value.code == 1301


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "Video id not found: 8"),
        (earlier("5.1", age=31 * DAY), "Video id not found: 8"),
        (earlier("2.9"), "between 3 and 20 seconds"),
        (earlier("21.04"), "between 3 and 20 seconds"),
        (earlier("20.04"), ""),
    ],
    ids=["unknown", "too old", "too short", "too long", "as long as can be"],
)
def test_an_earlier_video_is_checked(found: EarlierResult | None, message: str) -> None:
    """The id must be of a video of the account of the last 30 days, 3 to 20 seconds long."""
    request = ENDPOINT.accept({"video_id": "8"})
    if not message:
        assert ENDPOINT.complete(request, lambda _kind, _key: found).duration == 20
        return
    with pytest.raises(Refusal, match=message) as caught:
        ENDPOINT.complete(request, lambda _kind, _key: found)
    assert caught.value.code == 1201


def test_time() -> None:
    """A sound takes a minute, as the documentation's example did."""
    assert mean_generation_seconds(ENDPOINT.path, CLIP) == 60


async def finished(caller: Caller, clock: Clock, path: str, body: dict[str, Any]) -> Any:
    """Creates a task, lets it end, and returns its `data`."""
    made: Answer = await caller.request("POST", path, json=body, headers=caller.headers)
    clock.advance(FAR)
    return (await caller.get(f"{path}/{made.body['data']['task_id']}")).body["data"]


async def test_a_task_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """Its answer has the members of the recorded one: a video as long as the input, and its sound."""
    words = {"model_name": "kling-v2-6", "prompt": "a cat", "duration": "10"}
    before = await finished(caller, clock, "/v1/videos/text2video", words)
    [video] = before["task_result"]["videos"]
    body = {"video_id": video["id"], "sound_effect_prompt": "purring", "external_task_id": "job-0031"}
    data = await finished(caller, clock, ENDPOINT.path, body)
    expected = json.loads(RECORDED.read_text("utf-8"))["body"]["data"]
    assert data.keys() - {"watermark_info"} == expected.keys()
    assert data["task_info"].keys() == expected["task_info"].keys()
    parent = data["task_info"]["parent_video"]
    assert (parent["id"], parent["duration"]) == (video["id"], video["duration"])
    assert (await caller.request("GET", parent["url"])).content[4:8] == b"ftyp"
    for kind in ("videos", "audios"):
        [made], [recorded] = data["task_result"][kind], expected["task_result"][kind]
        assert list(made) == list(recorded)
    [dubbed], [audio] = data["task_result"]["videos"], data["task_result"]["audios"]
    assert len({video["id"], dubbed["id"], audio["id"]}) == 3
    assert (dubbed["duration"], audio["duration_wav"]) == (video["duration"], "10.000")
    for url, start in ((audio["url_mp3"], b"ID3"), (audio["url_wav"], b"RIFF")):
        assert (await caller.request("GET", url)).content.startswith(start)
    assert (await caller.request("GET", dubbed["url"])).content[4:8] == b"ftyp"


async def test_the_dubbed_video_keeps_its_input(caller: Caller, clock: Clock) -> None:
    """The video keeps its size and length, and can get another sound."""
    words = {"model_name": "kling-v2-6", "prompt": "a cat", "aspect_ratio": "9:16", "duration": "10"}
    video_id = (await finished(caller, clock, "/v1/videos/text2video", words))["task_result"]["videos"][0]["id"]
    for _ in range(2):
        data = await finished(caller, clock, ENDPOINT.path, {"video_id": video_id})
        shown = (await caller.request("GET", "/_emulator/state")).body["tasks"][0]
        assert (shown["width"], shown["height"], list(shown["files"])) == (720, 1280, ["plain", "mp3", "wav"])
        [made] = data["task_result"]["videos"]
        video_id, duration = made["id"], made["duration"]
        assert duration == "10.041"
