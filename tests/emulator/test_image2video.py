import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.service import answers, request_body
from kling_async.emulator.service.checks.pictures import UNREACHABLE_MESSAGE
from kling_async.emulator.service.endpoints.image2video import ENDPOINT
from kling_async.emulator.service.errors import Refusal

from .conftest import base64_png

URL = "https://images.example/cat.png"
V1 = {"model_name": "kling-v1", "image": URL}
V3 = {"model_name": "kling-v3", "image": URL}
PRO = {"model_name": "kling-v2-6", "mode": "pro", "image": URL}
MASTER = {"model_name": "kling-v2-1-master", "image": URL}
SHOTS = [{"index": 1, "prompt": "one", "duration": "2"}, {"index": 2, "prompt": "two", "duration": "3"}]
BRUSH = {"mask": base64_png(640, 360), "trajectories": [{"x": 1, "y": 1}, {"x": 9, "y": 9}]}


def refusal(body: dict[str, Any]) -> Refusal:
    """Returns the refusal of a request."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(body)
    return caught.value


ACCEPTED: list[dict[str, Any]] = [
    {"image": URL},
    {"image": "http://images.example/a"},
    {"image": base64_png()},
    {"image": base64_png(), "no_such_member": {"at": "all"}, "model": "nonsense"},
    {"image": URL, "prompt": None, "mode": None, "duration": None, "camera_control": None},
    {"image": URL, "external_task_id": "", "callback_url": "", "image_tail": ""},
    {"image": URL, "prompt": "x" * 2500, "negative_prompt": "y" * 2500},
    {"image": URL, "cfg_scale": 0, "mode": "pro", "duration": "10"},
    PRO | {"cfg_scale": 0.7, "sound": "on", "voice_list": [{"voice_id": "1"}, {"voice_id": "2"}]},
    PRO | {"image_tail": URL},
    PRO | {"model_name": "kling-v2-5-turbo", "image_tail": URL},
    {"model_name": "kling-v1-6", "mode": "pro", "image_tail": URL},
    {"model_name": "kling-v1-5", "mode": "pro", "image_tail": base64_png()},
    {
        "model_name": "kling-v1-5",
        "mode": "pro",
        "image": URL,
        "camera_control": {"type": "simple", "config": {"pan": 1}},
    },
    V1 | {"camera_control": {"type": "down_back"}},
    V1 | {"camera_control": {"type": "simple", "config": {"zoom": -10, "pan": 0, "tilt": 0.0, "roll": None}}},
    V1 | {"image": base64_png(), "static_mask": base64_png(320, 180), "dynamic_masks": []},
    V1 | {"image": base64_png(), "static_mask": BRUSH["mask"], "dynamic_masks": [BRUSH] * 6},
    V1 | {"dynamic_masks": [BRUSH | {"trajectories": [{"x": 0, "y": 0}] * 77}]},
    V3 | {"mode": "4k", "duration": "15", "sound": "on", "image_tail": URL},
    V3 | {"duration": "3", "element_list": [{"element_id": 829836802793406551}]},
    V3 | {"multi_shot": True, "shot_type": "intelligence"},
    V3 | {"multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS, "image_tail": URL},
    V3 | {"watermark_info": {"enabled": True}},
    MASTER | {"cfg_scale": 0.8, "duration": "10"},
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "image can not be null"),
    ({"input": {"image": URL}}, "image can not be null"),
    ({"image": 5}, "image must be a string"),
    ({"image": "data:image/png;base64," + base64_png()}, "File is not in a valid base64 format"),
    ({"image": base64_png()[:-1]}, "File is not in a valid base64 format"),
    ({"image": "cat.png"}, "File is not in a valid base64 format"),
    ({"image": "R0lGODlhAQABAAAA"}, "only jpg, jpeg and png"),
    ({"image": base64_png()[:24]}, "damaged"),
    ({"image": URL, "model_name": "kling-v3-omni"}, "model is not supported"),
    ({"image": URL, "model_name": 6}, "model_name must be a string"),
    ({"image": URL, "mode": "ultra"}, "mode value 'ultra' is invalid"),
    ({"image": URL, "mode": "4k"}, "4k mode is not supported by the current model: kling-v1"),
    ({"image": URL, "duration": 5}, "duration must be a string"),
    ({"image": URL, "duration": "99"}, "duration value '99' is invalid"),
    ({"image": URL, "duration": "7"}, "duration value '7' is invalid"),
    (V3 | {"duration": "2"}, "duration value '2' is invalid"),
    (V3 | {"duration": "16"}, "duration value '16' is invalid"),
    ({"image": URL, "prompt": "x" * 2501}, "prompt: size must be between 0 and 2500"),
    ({"image": URL, "negative_prompt": "x" * 2501}, "negativePrompt: size must be between 0 and 2500"),
    ({"image": URL, "cfg_scale": 1.1}, "cfgScale: must be less than or equal to 1"),
    ({"image": URL, "cfg_scale": -0.1}, "cfgScale: must be greater than or equal to 0"),
    ({"image": URL, "cfg_scale": "0.5"}, "cfg_scale must be a number"),
    ({"image": URL, "cfg_scale": True}, "cfg_scale must be a number"),
    (PRO | {"sound": True}, "sound must be a string"),
    (PRO | {"sound": "loud"}, "sound value 'loud' is invalid"),
    (PRO | {"mode": "std", "sound": "on"}, "model/mode(kling-v2-6/std) is not supported with sound on"),
    (PRO | {"image_tail": URL, "sound": "on"}, "is not supported with image_tail and sound on"),
    (PRO | {"voice_list": [{"voice_id": "1"}]}, "voice_list needs sound"),
    (PRO | {"sound": "on", "voice_list": [{"voice_id": "1"}] * 3}, "voice_list can not exceed 2 items"),
    (PRO | {"sound": "on", "voice_list": ["1"]}, "each item of voice_list must be an object"),
    (PRO | {"sound": "on", "voice_list": [{}]}, "voice_list: voice_id can not be null"),
    (V3 | {"sound": "on", "voice_list": [{"voice_id": "1"}]}, "is not supported with voice_list"),
    (
        V3 | {"sound": "on", "voice_list": [{"voice_id": "1"}], "element_list": [{"element_id": 1}]},
        "voice_list and element_list can not be used at the same time",
    ),
    (V3 | {"element_list": [{"element_id": 1}] * 4}, "element_list can not exceed 3 items"),
    (V3 | {"element_list": [{"element_id": "1"}]}, "element_id must be an integer"),
    (V3 | {"element_list": [{"element_id": 2**63}]}, "element_id must be an integer"),
    (V3 | {"element_list": [{"element_id": 0}]}, "Element id not found: 0"),
    (MASTER | {"image_tail": URL}, "Image tail is not supported by the current model"),
    (MASTER | {"image": None, "image_tail": URL}, "Image tail is not supported by the current model"),
    (MASTER | {"static_mask": URL}, "Motion brush is not supported by the current model"),
    (MASTER | {"camera_control": {"type": "down_back"}}, "Camera control is not supported by the current model"),
    (MASTER | {"mode": "4k"}, "4k mode is not supported by the current model: kling-v2-1-master"),
    (MASTER | {"cfg_scale": 5}, "cfgScale: must be less than or equal to 1"),
    (
        {"model_name": "kling-v1-6", "image_tail": URL},
        "model/mode/duration(kling-v1-6/std/5) is not supported with only image_tail",
    ),
    (PRO | {"element_list": [{"element_id": 1}]}, "is not supported with element_list"),
    (
        PRO | {"model_name": "kling-v2-5-turbo", "mode": "std", "image_tail": URL},
        "model/mode/duration(kling-v2-5-turbo/std/5) is not supported with image_tail",
    ),
    (V1 | {"duration": "10", "image_tail": URL}, "(kling-v1/std/10) is not supported with image_tail"),
    (
        {"model_name": "kling-v2-6", "mode": "pro", "image_tail": URL},
        "(kling-v2-6/pro/5) is not supported with only image_tail",
    ),
    (V1 | {"image_tail": URL, "camera_control": {"type": "down_back"}}, "can not be used at the same time"),
    (V1 | {"image_tail": URL, "static_mask": URL}, "can not be used at the same time"),
    (V1 | {"static_mask": URL, "camera_control": {"type": "down_back"}}, "can not be used at the same time"),
    (V1 | {"image": base64_png(), "static_mask": base64_png(360, 360)}, "aspect ratio of the mask"),
    (V1 | {"static_mask": base64_png(320, 180), "dynamic_masks": [BRUSH]}, "resolution of static_mask and dynamic"),
    (V1 | {"dynamic_masks": [BRUSH] * 7}, "dynamic_masks can not exceed 6 items"),
    (V1 | {"dynamic_masks": [{"trajectories": BRUSH["trajectories"]}]}, "dynamic_masks: mask can not be null"),
    (V1 | {"dynamic_masks": [{"mask": BRUSH["mask"]}]}, "dynamic_masks: trajectories can not be null"),
    (V1 | {"dynamic_masks": [BRUSH | {"trajectories": [{"x": 1, "y": 1}]}]}, "trajectories must have 2 to 77 points"),
    (V1 | {"dynamic_masks": [BRUSH | {"trajectories": [[1, 2], [3, 4]]}]}, "each item of trajectories must be"),
    (V1 | {"dynamic_masks": [BRUSH | {"trajectories": [{"x": 1, "y": 1.5}] * 2}]}, "y must be an integer"),
    (V1 | {"duration": "10", "dynamic_masks": [BRUSH]}, "is not supported with static_mask/dynamic_masks"),
    (V1 | {"camera_control": "simple"}, "camera_control must be an object"),
    (V1 | {"camera_control": {}}, "type can not be null"),
    (V1 | {"camera_control": {"type": "spin"}}, "type value 'spin' is invalid"),
    (V1 | {"camera_control": {"type": "simple"}}, "config can not be null"),
    (V1 | {"camera_control": {"type": "simple", "config": {}}}, "exactly one value"),
    (V1 | {"camera_control": {"type": "simple", "config": {"pan": 1, "tilt": 1}}}, "exactly one value"),
    (V1 | {"camera_control": {"type": "simple", "config": {"pan": 10.5}}}, "pan must be between -10 and 10"),
    (V1 | {"camera_control": {"type": "down_back", "config": {"pan": 1}}}, "config is only supported with type simple"),
    (
        {"model_name": "kling-v1-5", "mode": "pro", "image": URL, "camera_control": {"type": "down_back"}},
        "camera_control of a type other than simple",
    ),
    (PRO | {"camera_control": {"type": "down_back"}}, "Camera control is not supported by the current model"),
    (V3 | {"mode": "4k", "camera_control": {"type": "down_back"}}, "(kling-v3/4k/5) is not supported with camera"),
    (V3 | {"multi_shot": True}, "shot_type can not be null"),
    (V3 | {"multi_shot": "true"}, "multi_shot must be a boolean"),
    (V3 | {"multi_shot": True, "shot_type": "wild"}, "shot_type value 'wild' is invalid"),
    (V3 | {"multi_shot": True, "shot_type": "customize"}, "multi_prompt can not be null"),
    (
        V3 | {"multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS, "duration": "6"},
        "durations of multi_prompt must sum to duration",
    ),
    (V3 | {"multi_prompt": SHOTS * 4}, "multi_prompt can not exceed 6 items"),
    (V3 | {"multi_prompt": [SHOTS[0] | {"prompt": "x" * 513}]}, "prompt can not exceed 512"),
    (V3 | {"multi_prompt": [SHOTS[0] | {"duration": "0"}]}, "duration value '0' is invalid"),
    (V3 | {"multi_prompt": [SHOTS[0] | {"duration": 2}]}, "duration must be a string"),
    (PRO | {"multi_shot": True, "shot_type": "intelligence"}, "is not supported with multi_shot"),
    ({"image": URL, "watermark_info": True}, "watermark_info must be an object"),
    ({"image": URL, "watermark_info": {"enabled": "yes"}}, "enabled must be a boolean"),
    ({"image": URL, "callback_url": "ftp://images.example"}, "callback_url is invalid"),
    ({"image": URL, "external_task_id": 7}, "external_task_id must be a string"),
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_a_documented_request_is_accepted(body: dict[str, Any]) -> None:
    """Requests that the documentation allows, or is unclear about, are accepted."""
    assert ENDPOINT.accept(body).units > 0


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_a_forbidden_request_is_refused(body: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201 and a message that names the member."""
    refused = refusal(body)

    assert (refused.code, refused.http_status) == (1201, 400)
    assert message in refused.message


def test_a_missing_model_is_the_oldest() -> None:
    """Without `model_name`, or with the old name `model`, a request is for kling-v1 in std for 5 s."""
    made = ENDPOINT.accept({"image": URL, "model": "kling-v2-6"})

    assert (made.model_name, made.mode, made.duration) == ("kling-v1", "std", 5)


def test_refused_content_has_its_own_code() -> None:
    """The word "refused" in the prompt makes the service refuse the content, with 1301."""
    assert refusal({"image": URL, "prompt": "This is Refused!"}).code == 1301


def test_image_data_is_not_kept() -> None:
    """The parameters of a request describe its images instead of containing them; URLs are kept."""
    body = V1 | {"image": base64_png(), "static_mask": base64_png(), "dynamic_masks": [BRUSH], "prompt": "x"}

    parameters = ENDPOINT.accept(body).parameters

    assert len(str(parameters)) < 500
    assert parameters["image"].startswith("<png 640x360, ")
    assert (body["prompt"], BRUSH["trajectories"]) == (
        parameters["prompt"],
        parameters["dynamic_masks"][0]["trajectories"],
    )
    assert ENDPOINT.accept({"image": URL}).parameters["image"] == URL


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"5", b'"x"', b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_a_body_that_is_not_an_object_is_refused(raw: bytes) -> None:
    """Anything but a JSON object is refused with 1200."""
    with pytest.raises(Refusal) as caught:
        request_body.parse([raw], ENDPOINT.members, strict=False)

    assert caught.value.code == 1200


def parsed(body: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
    """Returns the parsed members of a request."""
    return request_body.parse([json.dumps(body).encode()], ENDPOINT.members, strict=strict)


LOOSE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"duration": 5}, {"duration": "5"}),
    ({"cfg_scale": "0.5"}, {"cfg_scale": 0.5}),
    ({"cfg_scale": "1"}, {"cfg_scale": 1.0}),
    ({"cfg_scale": ""}, {"cfg_scale": None}),
    ({"prompt": 2027}, {"prompt": "2027"}),
    ({"external_task_id": 7}, {"external_task_id": "7"}),
    ({"multi_shot": "false"}, {"multi_shot": False}),
    ({"watermark_info": {"enabled": 1}}, {"watermark_info": {"enabled": True}}),
    ({"element_list": [{"element_id": "829836802793406551"}]}, {"element_list": [{"element_id": 829836802793406551}]}),
    ({"voice_list": [{"voice_id": 5}]}, {"voice_list": [{"voice_id": "5"}]}),
    (
        {"multi_prompt": [{"index": "1", "prompt": "x", "duration": 2}]},
        {"multi_prompt": [{"index": 1, "prompt": "x", "duration": "2"}]},
    ),
    (
        {"dynamic_masks": [{"mask": "m", "trajectories": [{"x": "1", "y": 2.0}]}]},
        {"dynamic_masks": [{"mask": "m", "trajectories": [{"x": 1, "y": 2}]}]},
    ),
    (
        {"camera_control": {"type": "simple", "config": {"zoom": "-5"}}},
        {"camera_control": {"type": "simple", "config": {"zoom": -5.0}}},
    ),
]


@pytest.mark.parametrize(("sent", "read"), LOOSE)
def test_scalars_are_converted(sent: dict[str, Any], read: dict[str, Any]) -> None:
    """A number in a string is a number, and a number is a string where one is documented; strictly, neither is."""
    assert parsed(sent) == parsed(read) == read
    assert parsed(sent, strict=True) == sent


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"duration": 5.0}, "duration value '5.0' is invalid"),
        ({"duration": True}, "duration value 'true' is invalid"),
        ({"duration": ["5"]}, "duration must be a string"),
        ({"cfg_scale": "high"}, "cfg_scale must be a number"),
        ({"cfg_scale": True}, "cfg_scale must be a number"),
        ({"cfg_scale": "1e999"}, "cfg_scale must be a number"),
        ({"cfg_scale": "5"}, "cfgScale: must be less than or equal to 1"),
        ({"multi_shot": "yes"}, "multi_shot must be a boolean"),
        ({"multi_shot": 2}, "multi_shot must be a boolean"),
        ({"multi_shot": [1]}, "multi_shot must be a boolean"),
        ({"camera_control": "5"}, "camera_control must be an object"),
        ({"voice_list": {"voice_id": "5"}}, "voice_list must be an array"),
    ],
)
def test_what_cannot_be_converted_is_refused(sent: dict[str, Any], message: str) -> None:
    """Values that neither have nor convert to the documented type are refused as before."""
    assert refusal(parsed(V3 | sent)).message == message


def test_nothing_unknown_is_kept() -> None:
    """Members that are not documented are dropped, at any depth and of any size."""
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    junk = {"unknown": deep, "large": "x" * 1_000_000}
    body = V1 | {
        "camera_control": {"type": "simple", "config": {"zoom": 5} | junk} | junk,
        "watermark_info": {"enabled": True} | junk,
    }
    brushed = V1 | {"dynamic_masks": [{"mask": URL, "trajectories": [{"x": 1, "y": 1} | junk] * 2} | junk]}

    assert ENDPOINT.accept(parsed(body | junk)).parameters == body | {
        "camera_control": {"type": "simple", "config": {"zoom": 5}},
        "watermark_info": {"enabled": True},
    }
    assert ENDPOINT.accept(parsed(brushed | junk)).parameters == V1 | {
        "dynamic_masks": [{"mask": URL, "trajectories": [{"x": 1, "y": 1}] * 2}]
    }


@pytest.mark.parametrize(
    ("url", "damage"),
    [
        (URL, ""),
        ("https://example.com/a.invalid", ""),
        ("https://notinvalid/a.png", ""),
        ("https://user:pass@images.example:8443/a.png", ""),
        ("https://nowhere.invalid/a.png", UNREACHABLE_MESSAGE),
        ("http://INVALID:80/a.png", UNREACHABLE_MESSAGE),
        ("http://a.b.Invalid./a.png", UNREACHABLE_MESSAGE),
        ("https:///a.png", UNREACHABLE_MESSAGE),
        ("http://[", UNREACHABLE_MESSAGE),
    ],
)
@pytest.mark.parametrize("member", ["image", "image_tail", "static_mask", "mask"])
def test_an_image_that_cannot_be_fetched(url: str, damage: str, member: str) -> None:
    """An image whose host ends in `.invalid` is accepted, and the task fails, for each of the images."""
    body: dict[str, Any] = V1 | {member: url}
    if member == "mask":
        body = V1 | {"dynamic_masks": [BRUSH | {"mask": url}]}

    assert ENDPOINT.accept(body).damage == damage


@pytest.mark.parametrize(
    ("parameters", "units"),
    [
        ({"model_name": "kling-v1"}, "1"),
        ({"model_name": "kling-v1", "mode": "pro", "duration": "10"}, "7"),
        ({"model_name": "kling-v1-5"}, "2"),
        ({"model_name": "kling-v1-5", "mode": "pro", "duration": "10"}, "7"),
        ({"model_name": "kling-v1-6"}, "2"),
        ({"model_name": "kling-v1-6", "mode": "pro"}, "3.5"),
        ({"model_name": "kling-v2-1"}, "2"),
        ({"model_name": "kling-v2-master"}, "10"),
        ({"model_name": "kling-v2-1", "mode": "pro"}, "3.5"),
        ({"model_name": "kling-v2-1-master", "duration": "10"}, "20"),
        ({"model_name": "kling-v2-5-turbo"}, "1.5"),
        ({"model_name": "kling-v2-5-turbo", "mode": "pro", "duration": "10"}, "5"),
        ({"model_name": "kling-v2-6", "mode": "pro"}, "2.5"),
        ({"model_name": "kling-v2-6", "mode": "pro", "sound": "on"}, "5"),
        ({"model_name": "kling-v2-6", "mode": "pro", "sound": "on", "voice_list": [{"voice_id": "1"}]}, "6"),
        ({"model_name": "kling-v3", "duration": "3"}, "1.8"),
        ({"model_name": "kling-v3", "mode": "pro", "sound": "on", "duration": "15"}, "18"),
        ({"model_name": "kling-v3", "mode": "4k"}, "15"),
    ],
)
def test_prices_follow_the_price_table(parameters: dict[str, Any], units: str) -> None:
    """A clip costs its requested whole seconds times the price of one; the estimate before the check is the same."""
    body = {"image": URL} | parameters

    assert units == answers.decimal_text(ENDPOINT.accept(body).units)
    assert units == answers.decimal_text(ENDPOINT.estimate(body))


ANYTHING: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 5, -1, [], {}, "", "std", "4k", "kling-v3", "5", "-5", "999", "\u0665", "on"]
)


@given(st.dictionaries(st.sampled_from(["model_name", "mode", "duration", "sound", "voice_list"]), ANYTHING))
def test_an_estimate_of_an_invalid_request_is_a_number(body: dict[str, Any]) -> None:
    """The balance can be checked before the parameters, for any parameters."""
    assert ENDPOINT.estimate(body) >= 0


@pytest.mark.parametrize(
    ("model_name", "mode", "image", "size"),
    [
        ("kling-v2-6", "std", (451, 300), (1082, 720)),
        ("kling-v2-6", "pro", (1920, 1080), (1920, 1080)),
        ("kling-v2-6", "pro", (300, 451), (1080, 1624)),
        ("kling-v3", "4k", (1000, 1000), (2160, 2160)),
        ("kling-v3", "4k", (2500, 1000), (5400, 2160)),
        ("kling-v1", "pro", (640, 480), (960, 720)),
        ("kling-v2-1-master", "std", (640, 480), (1440, 1080)),
    ],
)
def test_a_video_keeps_the_ratio_of_its_image(
    model_name: str, mode: str, image: tuple[int, int], size: tuple[int, int]
) -> None:
    """The shorter side comes from model and mode, the longer one from the image, both even."""
    body = {"model_name": model_name, "mode": mode, "image": base64_png(*image)}

    assert ENDPOINT.accept(body).result.size == size


def test_an_image_by_url_counts_as_wide() -> None:
    """An image by URL, which is not fetched, results in a video of 16:9."""
    assert ENDPOINT.accept({"model_name": "kling-v2-6", "image": URL}).result.size == (1280, 720)


def test_the_mean_time_is_what_users_measured() -> None:
    """5 s in pro take 164 s in the mean, std less, 10 s more."""
    pro, std, longer = (
        mean_generation_seconds(ENDPOINT.path, {"model_name": "kling-v1-6"} | options)
        for options in ({"mode": "pro"}, {"mode": "std"}, {"mode": "pro", "duration": "10"})
    )

    assert pro is not None
    assert std is not None
    assert longer is not None
    assert pro == pytest.approx(164)
    assert std < pro < longer


@pytest.mark.parametrize("body", [{"model_name": "kling-v9"}, {"mode": "ultra"}, {"duration": "soon"}])
def test_an_unknown_model_has_no_mean_time(body: dict[str, Any]) -> None:
    """An unknown model, mode or endpoint has no mean time."""
    assert mean_generation_seconds(ENDPOINT.path, body) is None
    assert mean_generation_seconds("/v1/videos/nowhere", {}) is None
