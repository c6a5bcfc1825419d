"""Answers of tasks of both generations have the recorded form."""

from typing import Any

import pytest

from tests.emulator.conftest import FAR, Caller, Clock, base64_png
from tests.protocol.recorded_bodies import OTHERS, RECORDED

from .bodies import TURBO, ended, item, of, shape, task

VARIANTS = {each["type"]: each for each in OTHERS["new_outputs_variants"]["body"]["data"][0]["outputs"]}
ELEMENT = {
    "element_name": "hero",
    "element_description": "a test hero",
    "reference_type": "image_refer",
    "element_image_list": {"frontal_image": base64_png(), "refer_images": [{"image_url": base64_png()}]},
    "tag_list": [{"tag_id": "o_102"}],
}
VOICE = {"voice_name": "Anna", "voice_url": "https://files.example.com/a.mp3"}


async def legacy(caller: Caller, clock: Clock, path: str, **body: Any) -> Any:
    """Creates a task on a legacy path, lets it end, and returns it as in answers of the current generation."""
    answer = await caller.post(path, body)
    assert answer.code == 0, answer.message
    clock.advance(FAR)
    return await task(caller, answer.body["data"]["task_id"])


async def test_a_video(caller: Caller, clock: Clock) -> None:
    """A clip of 3 s is some frames longer, with a second URL only if a watermark was requested."""
    body = of(item("first_frame"), duration=3)
    plain = await ended(caller, clock, TURBO, body)
    marked = await ended(caller, clock, TURBO, body | {"options": {"watermark_info": {"enabled": True}}})

    recorded = RECORDED["new_tasks_get_ok"]["body"]["data"][0]
    assert plain.keys() == recorded.keys() - {"external_id"}
    assert plain["billing"] == recorded["billing"]
    assert plain["outputs"][0].keys() == recorded["outputs"][0].keys() - {"watermark_url"}
    assert shape(marked["outputs"]) == shape([VARIANTS["video"]])
    assert plain["outputs"][0]["duration"] == recorded["outputs"][0]["duration"]
    for name in ("url", "watermark_url"):
        assert (await caller.request("GET", marked["outputs"][0][name])).status == 200


async def test_a_video_of_a_legacy_path(caller: Caller, clock: Clock) -> None:
    """A clip that was made on a legacy path is shown like one of the current generation."""
    shown = await legacy(caller, clock, "/v1/videos/text2video", model_name="kling-v2-6", prompt="a cat")

    assert shape(shown) == shape(OTHERS["new_tasks_get_legacy_tasks"]["body"]["data"][0])


async def test_pictures(caller: Caller, clock: Clock) -> None:
    """Pictures have no ids; those of a series belong together; they are paid by their own pack."""
    single = await legacy(caller, clock, "/v1/images/generations", model_name="kling-v3", prompt="a cat", n=2)
    series = await legacy(
        caller, clock, "/v1/images/omni-image", model_name="kling-v3-omni", prompt="a cat", result_type="series",
        series_amount=2, watermark_info={"enabled": True},
    )  # fmt: skip

    recorded = OTHERS["new_tasks_get_legacy_tasks"]["body"]["data"][1]
    assert shape(single) == shape(recorded) | {"outputs": shape(recorded["outputs"]) * 2}
    assert single["billing"] == [{"charge_type": "unit", "amount": "16", "package_type": "image"}]
    assert shape(series["outputs"]) == [shape(VARIANTS["image"])] * 2


async def test_a_sound(caller: Caller, clock: Clock) -> None:
    """Both forms of a sound have their URL and length."""
    shown = await legacy(caller, clock, "/v1/audio/text-to-audio", prompt="rain", duration=5)

    assert shape(shown["outputs"]) == shape([VARIANTS["audio"]])


async def test_a_voice_and_an_element(caller: Caller, clock: Clock) -> None:
    """Voices and elements are shown with all their members, and as deleted after deletion; an element is free."""
    voice = await legacy(caller, clock, "/v1/general/custom-voices", **VOICE)
    voice_id = voice["outputs"][0]["id"]
    element = await legacy(caller, clock, "/v1/general/advanced-custom-elements", **ELEMENT, element_voice_id=voice_id)
    element_id = element["outputs"][0]["id"]
    statuses = [each["outputs"][0]["status"] for each in (voice, element)]
    await caller.post("/v1/general/delete-voices", {"voice_id": voice_id})
    await caller.post("/v1/general/delete-elements", {"element_id": element_id})

    recorded = OTHERS["new_tasks_get_legacy_tasks"]["body"]["data"][2]
    assert element.keys() == recorded.keys()
    assert element["billing"] == recorded["billing"]
    (output,) = element["outputs"]
    assert shape(output) | {"references": []} == shape(recorded["outputs"][0]) | {"references": []}
    assert [(each["type"], each["role"]) for each in output["references"]] == [
        ("image", "frontal"),
        ("image", "reference"),
        ("voice", "refer"),
    ]
    assert shape(output["references"][2]) == shape(VARIANTS["element"]["references"][1])
    assert shape(voice["outputs"]) == shape([VARIANTS["voice"]])
    assert [statuses, *[(await task(caller, each["id"]))["outputs"][0]["status"] for each in (voice, element)]] == [
        ["succeeded", "succeeded"],
        "deleted",
        "deleted",
    ]


async def test_an_element_made_of_a_video(caller: Caller, clock: Clock) -> None:
    """An element made of a video has another type, and refers to the video."""
    body = ELEMENT | {
        "reference_type": "video_refer",
        "element_video_list": {"refer_videos": [{"video_url": "https://files.example.com/v.mp4"}]},
    }
    (output,) = (await legacy(caller, clock, "/v1/general/advanced-custom-elements", **body))["outputs"]

    recorded = VARIANTS["element"]
    assert (output["element_type"], output["references"][0].keys()) == (
        recorded["element_type"],
        recorded["references"][0].keys(),
    )


@pytest.mark.parametrize("name", ["solutions_try_on_create", "solutions_try_on_get"])
async def test_mixed_words(caller: Caller, clock: Clock, name: str) -> None:
    """The account can be switched to the mixed names of some paths of the service."""
    caller.emulator.account.mixed_words = True
    created = (await caller.post(TURBO, of("first_frame"))).body["data"]
    clock.advance(FAR)
    shown = await task(caller, created["task_id"])

    recorded = OTHERS[name]["body"]["data"]
    if name == "solutions_try_on_create":
        assert shape(created) == shape(recorded)
    else:
        assert shown.keys() == recorded[0].keys()
        assert shown["status"] == recorded[0]["status"]
