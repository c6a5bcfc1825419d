import json
from pathlib import Path
from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.service.endpoints.elements import ENDPOINTS
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, Caller, Clock, base64_png

RECORDED = Path(__file__).parents[1] / "recorded" / "siblings"
CUSTOM, PRESETS, *DELETES = ENDPOINTS
PICTURE = base64_png()
IMAGES = {"frontal_image": PICTURE, "refer_images": [{"image_url": "https://images.example/side.png"}]}
ROBOT: dict[str, Any] = {
    "element_name": "robot",
    "element_description": "small blue robot",
    "reference_type": "image_refer",
    "element_image_list": IMAGES,
}
VIDEOS = {"refer_videos": [{"video_url": "https://clips.example/a.mp4"}]}
MOVING = ROBOT | {"reference_type": "video_refer", "element_image_list": None, "element_video_list": VIDEOS}


def recorded(name: str) -> Any:
    """Returns the `data` of a recorded body."""
    return json.loads((RECORDED / f"{name}.json").read_text())["body"]["data"]


async def made(caller: Caller, clock: Clock, body: dict[str, Any]) -> Any:
    """Makes an element, and returns the `data` of its task."""
    task_id = (await caller.post(CUSTOM.path, body)).body["data"]["task_id"]
    clock.advance(FAR)
    return (await caller.get(f"{CUSTOM.path}/{task_id}")).body["data"]


@pytest.mark.parametrize(
    "body",
    [
        ROBOT | {"element_video_list": VIDEOS | {"refer_videos": []}, "tag_list": [], "element_voice_id": ""},
        ROBOT | {"element_image_list": IMAGES | {"refer_images": [{"image_url": PICTURE}] * 3}},
        ROBOT | {"tag_list": [{"tag_id": "o_101"}, {"tag_id": "o_108"}]},
        MOVING,
        MOVING | {"element_image_list": IMAGES},
    ],
)
def test_a_documented_request_is_accepted(body: dict[str, Any]) -> None:
    """Documented requests are accepted, and no picture's data is kept."""
    accepted = CUSTOM.accept(body)

    assert (float(accepted.units), accepted.damage) == (0, "")
    assert PICTURE not in str(accepted.parameters)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"element_name": None}, "element_name can not be null"),
        ({"element_name": "x" * 21}, "element_name: size must be between 1 and 20"),
        ({"element_description": "x" * 101}, "element_description: size must be between 1 and 100"),
        ({"reference_type": ""}, "reference_type can not be null"),
        ({"reference_type": "sound_refer"}, "reference_type value 'sound_refer' is invalid"),
        ({"element_image_list": None}, "element_image_list can not be null"),
        ({"element_image_list": IMAGES | {"frontal_image": ""}}, "frontal_image can not be null"),
        ({"element_image_list": IMAGES | {"refer_images": []}}, "refer_images can not be null"),
        ({"element_image_list": IMAGES | {"refer_images": [{}]}}, "image_url can not be null"),
        ({"element_image_list": IMAGES | {"refer_images": [{"image_url": PICTURE}] * 4}}, "can not exceed 3 items"),
        ({"tag_list": [{"tag_id": "o_109"}]}, "tag_id value 'o_109' is invalid"),
        ({"reference_type": "video_refer"}, "element_video_list can not be null"),
        (MOVING | {"element_video_list": {"refer_videos": VIDEOS["refer_videos"] * 2}}, "can not exceed 1 items"),
        (MOVING | {"element_video_list": {"refer_videos": [{"video_url": "AAAA"}]}}, "Video URL is invalid"),
        ({"element_description": "refused"}, "content safety"),
    ],
)
def test_a_forbidden_request_is_refused(changes: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused."""
    with pytest.raises(Refusal, match=message):
        CUSTOM.accept(ROBOT | changes)


async def test_an_element_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """An element is free and takes some seconds; its id is a number, its pictures are served."""
    data = await made(caller, clock, ROBOT | {"tag_list": [{"tag_id": "o_102"}]})

    (element,) = data["task_result"]["elements"]
    (known,) = recorded("advanced_elements_query_succeed")["task_result"]["elements"]
    assert data.keys() == recorded("advanced_elements_query_succeed").keys()
    assert element.keys() == known.keys()
    assert (element["tag_list"], element["reference_type"]) == (known["tag_list"], "image_refer")
    assert (type(element["element_id"]), data["final_unit_deduction"]) == (int, "0")
    images = element["element_image_list"]
    for url in (images["frontal_image"], images["refer_images"][0]["image_url"]):
        assert (await caller.request("GET", url)).content[:4] == b"\x89PNG"
    assert mean_generation_seconds(CUSTOM.path, ROBOT) == 5


async def test_an_element_has_a_voice(caller: Caller, clock: Clock) -> None:
    """A voice of the account, or a preset, is bound to an element; an unknown one is refused."""
    voice = (await caller.get("/v1/general/presets-voices")).body["data"][0]["task_result"]["voices"][0]
    unknown = await caller.post(CUSTOM.path, MOVING | {"element_voice_id": "1"})
    data = await made(caller, clock, MOVING | {"element_voice_id": voice["voice_id"]})

    (element,) = data["task_result"]["elements"]
    (known,) = recorded("advanced_elements_query_video_refer")["task_result"]["elements"]
    assert element["element_voice_info"].keys() == known["element_voice_info"].keys()
    assert element["element_voice_info"] == {name: voice[name] for name in known["element_voice_info"]}
    assert element["element_video_list"] == VIDEOS
    assert (unknown.code, unknown.message) == (1201, "Voice id not found: 1")


async def test_a_deleted_voice_cannot_be_bound(caller: Caller, clock: Clock) -> None:
    """A voice can be bound to an element until it is deleted."""
    recording = {"voice_name": "narrator", "voice_url": "https://sounds.example/voice.mp3"}
    task_id = (await caller.post("/v1/general/custom-voices", recording)).body["data"]["task_id"]
    clock.advance(FAR)
    task = (await caller.get(f"/v1/general/custom-voices/{task_id}")).body["data"]
    voice = task["task_result"]["voices"][0]["voice_id"]
    codes = [(await caller.post(CUSTOM.path, MOVING | {"element_voice_id": voice})).code]
    await caller.post("/v1/general/delete-voices", {"voice_id": voice})
    codes.append((await caller.post(CUSTOM.path, MOVING | {"element_voice_id": voice})).code)

    assert codes == [0, 1201]


async def test_preset_elements(caller: Caller) -> None:
    """Preset elements are listed as recorded, and their pictures are served."""
    data = (await caller.get(PRESETS.path)).body["data"]

    (known,) = recorded("advanced_presets_elements_list")
    (element,) = data[0]["task_result"]["elements"]
    assert (data[0].keys(), element["owned_by"]) == (known.keys(), "kling")
    assert element.keys() == known["task_result"]["elements"][0].keys()
    assert (await caller.request("GET", element["element_image_list"]["frontal_image"])).content[:4] == b"\x89PNG"
    assert (await caller.get(f"{PRESETS.path}?pageSize=501")).code == 1201


@pytest.mark.parametrize("delete", DELETES, ids=lambda endpoint: endpoint.name)
async def test_an_own_element_can_be_deleted(caller: Caller, clock: Clock, delete: Any) -> None:
    """Both paths delete an element of the account, which is then shown as deleted; others are refused."""
    data = await made(caller, clock, ROBOT)
    key = str(data["task_result"]["elements"][0]["element_id"])
    preset = (await caller.get(PRESETS.path)).body["data"][0]["task_result"]["elements"][0]["element_id"]
    gone, *others = [await caller.post(delete.path, {"element_id": each}) for each in (key, str(preset), "1")]
    shown = (await caller.get(f"{CUSTOM.path}/{data['task_id']}")).body["data"]

    assert gone.body["data"] == {"task_id": data["task_id"], "task_status": "succeed"}
    assert [answer.message for answer in others] == [f"Element id not found: {preset}", "Element id not found: 1"]
    assert shown["task_result"]["elements"][0]["status"] == "deleted"
