"""Requests of the endpoints that make pictures: what is accepted, what is refused, and the results."""

import math
from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.pictures import PicturesResult
from kling_async.emulator.results.rendering.picture_spec import Placed
from kling_async.emulator.service import image_models
from kling_async.emulator.service.checks.pictures import SIDES_MESSAGE, UNREACHABLE_MESSAGE
from kling_async.emulator.service.endpoint import AcceptedRequest, Endpoint
from kling_async.emulator.service.endpoints import expand, generations, multi_image2image, omni_image
from kling_async.emulator.service.errors import Refusal

from .conftest import base64_png

Body = dict[str, Any]

GENERATIONS, OMNI, SEVERAL, EXPAND = (each.ENDPOINT for each in (generations, omni_image, multi_image2image, expand))
URL = "https://example.com/cat.png"
PNG = base64_png()
CAT: Body = {"prompt": "a cat"}
WITH_IMAGE = CAT | {"image": URL}
V2_1 = WITH_IMAGE | {"model_name": "kling-v2-1"}
V3_OMNI = CAT | {"model_name": "kling-v3-omni"}
SERIES = V3_OMNI | {"result_type": "series"}
SUBJECT: Body = {"subject_image_list": [{"subject_image": URL}]}
IMAGE: Body = {"image": URL}


def elements(count: int) -> Body:
    """Returns elements."""
    return {"element_list": [{"element_id": number} for number in range(1, count + 1)]}


def images(count: int, image: str = URL) -> Body:
    """Returns pictures for omni-image."""
    return {"image_list": [{"image": image}] * count}


def around(up: float = 0, down: float = 0, left: float = 0, right: float = 0) -> Body:
    """Returns the ratios by which the sides are expanded."""
    sides = {"up": up, "down": down, "left": left, "right": right}
    return {f"{side}_expansion_ratio": ratio for side, ratio in sides.items()}


ACCEPTED: list[tuple[Endpoint, Body]] = [
    (GENERATIONS, CAT),
    (GENERATIONS, CAT | {"prompt": "x" * 2500, "negative_prompt": "y" * 2500, "n": 9, "resolution": "2k"}),
    (GENERATIONS, CAT | {"image": "", "image_reference": "", "element_list": [], "n": None, "aspect_ratio": ""}),
    (GENERATIONS, CAT | elements(10)),
    (GENERATIONS, WITH_IMAGE | elements(9)),
    (GENERATIONS, WITH_IMAGE | {"image_fidelity": 0, "human_fidelity": 1}),
    (GENERATIONS, WITH_IMAGE | {"model_name": "kling-v1"}),
    (GENERATIONS, WITH_IMAGE | {"model_name": "kling-v1-5", "image_reference": "face"}),
    (GENERATIONS, WITH_IMAGE | {"model_name": "kling-v2-new"}),
    (GENERATIONS, V2_1 | {"image_reference": "subject", "image_fidelity": 0.5, "human_fidelity": 0.45}),
    (GENERATIONS, CAT | {"model_name": "kling-v2-1", "aspect_ratio": "21:9"}),
    (OMNI, CAT),
    (OMNI, CAT | images(10)),
    (OMNI, CAT | images(4) | elements(6) | {"aspect_ratio": "auto"}),
    (OMNI, CAT | elements(10) | {"aspect_ratio": "auto"}),
    (OMNI, CAT | {"image_list": [], "result_type": "", "series_amount": None}),
    (OMNI, CAT | {"series_amount": 9}),  # without effect
    (OMNI, V3_OMNI | {"resolution": "4k", "aspect_ratio": "2:3"}),
    (OMNI, SERIES | {"series_amount": 2, "n": 9}),
    (OMNI, SERIES | {"series_amount": "auto"}),
    (SEVERAL, SUBJECT),
    (SEVERAL, {"subject_image_list": [{"subject_image": PNG}] * 4, "scene_image": URL, "style_image": PNG}),
    (SEVERAL, SUBJECT | CAT | {"model_name": "kling-v2", "n": 9, "aspect_ratio": "4:3", "scene_image": ""}),
    (EXPAND, IMAGE),
    (EXPAND, IMAGE | around(up=2)),
    (EXPAND, IMAGE | around(0.1495, 0.1495, 0.6547, 0.6547) | CAT | {"n": 9}),
    (EXPAND, IMAGE | around(left=1, right=1)),
]

REFUSED: list[tuple[Endpoint, Body, str]] = [
    (GENERATIONS, {}, "prompt can not be null"),
    (GENERATIONS, {"prompt": "x" * 2501}, "prompt: size must be between 0 and 2500"),
    (GENERATIONS, CAT | {"negative_prompt": "x" * 2501}, "negativePrompt: size must be between 0 and 2500"),
    (GENERATIONS, CAT | {"model_name": "kling-v2-6"}, "model is not supported"),
    (GENERATIONS, CAT | {"n": 0}, "n must be between 1 and 9"),
    (GENERATIONS, CAT | {"n": 10}, "n must be between 1 and 9"),
    (GENERATIONS, CAT | {"n": 1.5}, "n must be an integer"),
    (GENERATIONS, CAT | {"resolution": "4k"}, "resolution value '4k' is invalid"),
    (GENERATIONS, CAT | {"aspect_ratio": "auto"}, "aspect_ratio value 'auto' is invalid"),
    (GENERATIONS, CAT | {"model_name": "kling-v1", "aspect_ratio": "21:9"}, "not supported by the current model"),
    (GENERATIONS, CAT | {"image_reference": "subject"}, "image_reference is not supported by the current model"),
    (GENERATIONS, V2_1 | {"image": "", "image_reference": "face"}, "image can not be null"),
    (GENERATIONS, V2_1 | {"image_reference": "style"}, "image_reference value 'style' is invalid"),
    (GENERATIONS, V2_1 | elements(1), "element_list is not supported by the current model: kling-v2-1"),
    (GENERATIONS, CAT | {"model_name": "kling-v2-new"}, "image can not be null"),
    (GENERATIONS, WITH_IMAGE | {"model_name": "kling-v1-5"}, "image_reference can not be null"),
    (GENERATIONS, WITH_IMAGE | {"negative_prompt": "rain"}, "negative_prompt is not supported with image"),
    (GENERATIONS, WITH_IMAGE | {"image_fidelity": 1.1}, "image_fidelity must be between 0 and 1"),
    (GENERATIONS, WITH_IMAGE | {"human_fidelity": -0.1}, "human_fidelity must be between 0 and 1"),
    (GENERATIONS, CAT | elements(11), "element_list can not exceed 10 items"),
    (GENERATIONS, WITH_IMAGE | elements(10), "element_list can not exceed 9 items"),
    (GENERATIONS, CAT | {"image": "data:image/png;base64," + PNG}, "File is not in a valid base64 format"),
    (GENERATIONS, CAT | {"watermark_info": []}, "watermark_info must be an object"),
    (OMNI, {"image_list": [{"image": URL}]}, "prompt can not be null"),
    (OMNI, CAT | {"model_name": "kling-v3"}, "model is not supported"),
    (OMNI, CAT | images(11), "image_list can not exceed 10 items"),
    (OMNI, CAT | images(5) | elements(6), "element_list can not exceed 5 items"),
    (OMNI, CAT | {"image_list": [{"image": ""}]}, "image_list: image can not be null"),
    (OMNI, CAT | {"image_list": [URL]}, "each item of image_list must be an object"),
    (OMNI, CAT | images(1, "data:,"), "File is not in a valid base64 format"),
    (OMNI, CAT | {"resolution": "4k"}, "resolution 4k is not supported by the current model: kling-image-o1"),
    (OMNI, CAT | {"resolution": "8k"}, "resolution value '8k' is invalid"),
    (OMNI, CAT | {"result_type": "series"}, "result_type series is not supported by the current model"),
    (OMNI, CAT | {"result_type": "film"}, "result_type value 'film' is invalid"),
    (OMNI, SERIES | {"series_amount": 1}, "series_amount must be auto, or between 2 and 9"),
    (OMNI, SERIES | {"series_amount": 10}, "series_amount must be auto, or between 2 and 9"),
    (OMNI, SERIES | {"series_amount": "all"}, "series_amount must be an integer"),
    (OMNI, CAT | {"aspect_ratio": "auto"}, "aspect_ratio auto needs at least one image"),
    (OMNI, CAT | {"n": 10}, "n must be between 1 and 9"),
    (SEVERAL, CAT, "subject_image_list can not be null"),
    (SEVERAL, {"subject_image_list": []}, "subject_image_list can not be null"),
    (SEVERAL, {"subject_image_list": [{"subject_image": URL}] * 5}, "subject_image_list can not exceed 4 items"),
    (SEVERAL, {"subject_image_list": [{}]}, "subject_image_list: subject_image can not be null"),
    (SEVERAL, SUBJECT | {"scene_image": "no picture"}, "File is not in a valid base64 format"),
    (SEVERAL, SUBJECT | {"style_image": 5}, "style_image must be a string"),
    (SEVERAL, SUBJECT | {"prompt": "x" * 2501}, "prompt: size"),
    (SEVERAL, SUBJECT | {"aspect_ratio": "5:4"}, "aspect_ratio value '5:4' is invalid"),
    (SEVERAL, SUBJECT | {"model_name": "kling-v3"}, "model is not supported"),
    (SEVERAL, SUBJECT | {"n": 10}, "n must be between 1 and 9"),
    (EXPAND, CAT, "image can not be null"),
    (EXPAND, IMAGE | around(up=2.1), "up_expansion_ratio must be between 0 and 2"),
    (EXPAND, IMAGE | around(right=-0.1), "right_expansion_ratio must be between 0 and 2"),
    (EXPAND, IMAGE | around(down=0.5, left=1.1), "can not exceed 3 times"),
    (EXPAND, IMAGE | {"n": 10}, "n must be between 1 and 9"),
    (EXPAND, IMAGE | {"prompt": "x" * 2501}, "prompt: size"),
]


@pytest.mark.parametrize(("endpoint", "body"), ACCEPTED)
def test_a_documented_request_is_accepted(endpoint: Endpoint, body: Body) -> None:
    """Requests that the documentation allows, or is unclear about, are accepted."""
    assert endpoint.accept(body).damage == ""


@pytest.mark.parametrize(("endpoint", "body", "message"), REFUSED)
def test_a_forbidden_request_is_refused(endpoint: Endpoint, body: Body, message: str) -> None:
    """Requests that the documentation forbids are refused with 1201 and a message that names the member."""
    with pytest.raises(Refusal) as caught:
        endpoint.accept(body)

    assert caught.value.code == 1201
    assert message in caught.value.message


@pytest.mark.parametrize(("endpoint", "least"), [(GENERATIONS, {}), (OMNI, {}), (SEVERAL, SUBJECT), (EXPAND, IMAGE)])
def test_refused_content_has_its_own_code(endpoint: Endpoint, least: Body) -> None:
    """The word "refused" in the prompt makes the service refuse the content, with 1301."""
    with pytest.raises(Refusal) as caught:
        endpoint.accept(least | {"prompt": "Refused!"})

    assert caught.value.code == 1301


@pytest.mark.parametrize(
    ("endpoint", "body", "units", "pictures"),
    [
        (GENERATIONS, CAT, 8, 1),
        (GENERATIONS, WITH_IMAGE | {"n": 3}, 24, 3),
        (GENERATIONS, CAT | {"model_name": "kling-v2-1", "n": 2, "resolution": "2k"}, 8, 2),
        (GENERATIONS, V2_1, 8, 1),
        (OMNI, CAT | images(2) | {"n": 2}, 16, 2),
        (OMNI, V3_OMNI | {"resolution": "4k"}, 16, 1),
        (OMNI, SERIES, 32, 4),
        (OMNI, SERIES | {"series_amount": 9, "n": 2, "resolution": "4k"}, 144, 9),
        (OMNI, CAT | {"series_amount": 9, "n": 2}, 16, 2),
        (SEVERAL, SUBJECT, 16, 1),
        (SEVERAL, SUBJECT | {"n": 9}, 144, 9),
        (EXPAND, IMAGE, 8, 1),
        (EXPAND, IMAGE | {"n": 2}, 16, 2),
    ],
)
def test_each_picture_has_its_price_and_its_slot(endpoint: Endpoint, body: Body, units: int, pictures: int) -> None:
    """A task costs what its pictures cost and takes a slot for each; the estimate before the check agrees."""
    made = endpoint.accept(body)

    assert made.units == endpoint.estimate(body) == units
    assert (made.slots, len(made.result.files)) == (pictures, pictures)
    assert endpoint.pack == "image"


def test_a_series_may_be_as_long_as_it_turns_out() -> None:
    """With "auto", slots and price are those of the actual number of pictures, 2 to 9 depending on the prompt."""
    counts = set()
    for number in range(60):
        made = OMNI.accept(SERIES | {"series_amount": "auto", "prompt": f"story {number}"})
        assert made.units == 8 * made.slots == 8 * len(made.result.files)
        counts.add(made.slots)

    assert counts == set(range(2, 10))


def test_an_unknown_model_has_no_price() -> None:
    """The estimate of an unchecked request is 0 if the model is unknown, and never fails."""
    odd: list[Body] = [{"model_name": "x"}, {"model_name": [5]}, {"n": "x"}, {"n": 99}, {"resolution": []}]
    odd += [{"result_type": "series", "series_amount": []}, {"result_type": [], "prompt": 5, "image": 5}]
    estimates = [[endpoint.estimate(body) for body in odd] for endpoint in (GENERATIONS, OMNI, SEVERAL, EXPAND)]

    assert [each[:2] for each in estimates] == [[0, 0], [0, 0], [0, 0], [8, 8]]
    assert mean_generation_seconds(GENERATIONS.path, {"model_name": "kling-v9"}) is None
    assert mean_generation_seconds(OMNI.path, {"resolution": []}) == 37.5


@pytest.mark.parametrize("resolution", image_models.RESOLUTIONS)
@pytest.mark.parametrize("name", image_models.ASPECT_RATIOS)
def test_a_picture_has_the_requested_size(name: str, resolution: str) -> None:
    """Sides have the ratio, and as many pixels as a square of 1024, 2048 or 4096 a side, nearly."""
    width, height = OMNI.accept(V3_OMNI | {"aspect_ratio": name, "resolution": resolution}).result.size
    across, along = map(int, name.split(":"))

    assert width / height == pytest.approx(across / along, rel=0.02)
    assert math.sqrt(width * height) == pytest.approx({"1k": 1024, "2k": 2048, "4k": 4096}[resolution], rel=0.02)
    assert width % 16 == height % 16 == 0


@pytest.mark.parametrize(
    ("endpoint", "body", "size"),
    [
        (GENERATIONS, CAT, (1360, 768)),
        (GENERATIONS, CAT | {"resolution": "2k", "aspect_ratio": "1:1"}, (2048, 2048)),
        (GENERATIONS, CAT | {"image": PNG, "aspect_ratio": "9:16"}, (768, 1360)),
        (GENERATIONS, CAT | {"image": PNG, "model_name": "kling-v2-new"}, (640, 360)),
        (OMNI, CAT, (1360, 768)),
        (OMNI, CAT | images(1, base64_png(400, 800)), (720, 1440)),
        (OMNI, CAT | images(1, base64_png(400, 800)) | {"aspect_ratio": "1:1"}, (1024, 1024)),
        (SEVERAL, SUBJECT | {"aspect_ratio": "3:4"}, (880, 1168)),
        (EXPAND, {"image": PNG}, (640, 360)),
        (EXPAND, {"image": PNG} | around(0.5, 0.25, 0.25, 0.25), (960, 630)),
        (EXPAND, {"image": base64_png(6000, 4000)} | around(up=2), (3464, 6928)),
    ],
)
def test_sizes_that_follow_the_picture(endpoint: Endpoint, body: Body, size: tuple[int, int]) -> None:
    """Sizes without a ratio, of an expanded picture, and of a model that keeps the size."""
    assert endpoint.accept(body).result.size == size


def shown(made: AcceptedRequest) -> tuple[Placed, ...]:
    """Returns the submitted images that are in the picture."""
    assert isinstance(made.result, PicturesResult)
    return made.result.spec.images


@pytest.mark.parametrize(
    ("endpoint", "body", "names"),
    [
        (GENERATIONS, CAT, []),
        (GENERATIONS, CAT | {"image": PNG}, ["image"]),
        (OMNI, CAT | images(2), ["image_list.0", "image_list.1"]),
        (SEVERAL, SUBJECT | {"style_image": PNG}, ["subject_image_list.0", "style_image"]),
        (EXPAND, {"image": PNG}, ["image"]),
    ],
)
def test_submitted_images_are_in_the_picture(endpoint: Endpoint, body: Body, names: list[str]) -> None:
    """All images of a request are kept, and are in the picture."""
    made = endpoint.accept(body)

    assert [each.image for each in shown(made)] == [name for name, _ in endpoint.pictures(body)] == names
    assert PNG not in str(made.parameters)


def test_an_expanded_picture_keeps_its_place() -> None:
    """The given picture is at the place determined by the ratios."""
    (place,) = shown(EXPAND.accept({"image": PNG} | around(0.5, 0.25, 0.25, 0.25)))

    assert place == Placed(image="image", left=160, top=180, width=640, height=360)


@pytest.mark.parametrize(
    ("endpoint", "body", "damage"),
    [
        (GENERATIONS, CAT | {"image": base64_png(299, 300)}, SIDES_MESSAGE),
        (OMNI, CAT | {"image_list": [{"image": URL}, {"image": base64_png(1000, 300)}]}, SIDES_MESSAGE),
        (SEVERAL, SUBJECT | {"scene_image": base64_png(299, 300)}, SIDES_MESSAGE),
        (EXPAND, {"image": "https://example.invalid/cat.png"}, UNREACHABLE_MESSAGE),
    ],
)
def test_a_bad_picture_fails_its_task(endpoint: Endpoint, body: Body, damage: str) -> None:
    """A picture with other sides than documented, or that cannot be fetched, is accepted and fails later."""
    assert endpoint.accept(body).damage == damage
