"""Pictures from words, or from a picture and words."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.pictures import PicturesResult
from kling_async.emulator.results.rendering.picture_spec import PictureSpec, side_by_side
from kling_async.emulator.service import image_models
from kling_async.emulator.service.checks import fields, members, pictures
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.text import check_content, required_prompt
from kling_async.emulator.service.checks.voices import element_features
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.image_models import ASPECT_RATIOS, ImageModel

_MEMBERS: Final[dict[str, Any]] = {
    "model_name": str,
    "prompt": str,
    "negative_prompt": str,
    "image": str,
    "image_reference": str,
    "image_fidelity": float,
    "human_fidelity": float,
    "resolution": str,
    "n": int,
    "aspect_ratio": str,
    **members.ELEMENTS,
    **members.EVERY_TASK,
}

# The pages of 2026-09 have kling-v2-1 and kling-v3, with their prices; the other prices are guesses. Which of
# kling-v1-5 and kling-v2-1 accepts references depends on the date of the page; here both do.
_MODELS: Final = {
    "kling-v1": ImageModel(units=1, lacks=("image_reference", "element_list")),
    "kling-v1-5": ImageModel(units=4, special_units={"image": 8}, lacks=("element_list",)),
    "kling-v2": ImageModel(units=4, special_units={"image": 8}, lacks=("image_reference", "element_list")),
    "kling-v2-new": ImageModel(units=8, lacks=("image_reference", "element_list")),
    "kling-v2-1": ImageModel(units=4, special_units={"image": 8}, lacks=("element_list",)),
    "kling-v3": ImageModel(units=8, lacks=("image_reference",)),
}
_DEFAULT: Final = "kling-v3"
_TYPICAL_SECONDS: Final = 24.0  # one user's measurement, of one picture of kling-v3
_INPUTS: Final = 10


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    model_name = image_models.model_of(body, _MODELS, _DEFAULT)
    prompt = required_prompt(body)
    resolution = image_models.resolution_of(body, _MODELS, model_name)
    aspect_ratio = fields.choice(body, "aspect_ratio", ASPECT_RATIOS, "16:9")
    if (model_name, aspect_ratio) == ("kling-v1", "21:9"):
        raise invalid(f"aspect_ratio 21:9 is not supported by the current model: {model_name}")
    count = image_models.count_of(body)
    image = pictures.picture(body, "image")
    _check_image(body, model_name)
    element_features(body, _INPUTS - (image is not None))
    check_content(prompt)
    every = every_task(body)
    width, height = image_models.size(ASPECT_RATIOS[aspect_ratio], resolution)
    if model_name == "kling-v2-new" and image is not None:
        width, height = image.width, image.height  # it keeps the picture's size
    seen = pictures.read_all(_pictures(body))
    spec = PictureSpec(
        width=width,
        height=height,
        title=f"{model_name} {resolution}",
        prompt=prompt,
        images=side_by_side(list(seen), width, height),
    )
    return AcceptedRequest(
        **every,
        model_name=model_name,
        units=_price(body),
        prompt=prompt,
        parameters=pictures.without_data(body, _pictures(body), seen),
        result=PicturesResult(spec=spec, count=count, watermark=every["watermark"]),
        slots=count,
        damage=pictures.damage(_pictures(body), image),
    )


def _check_image(body: Body, model_name: str) -> None:
    """Checks the members that are allowed only with a picture, or only without one."""
    image, reference = body.get("image"), fields.choice(body, "image_reference", ("subject", "face"), "")
    for name in ("image_fidelity", "human_fidelity"):
        fields.number(body, name, 0, 1)
    if image and body.get("negative_prompt"):
        raise invalid("negative_prompt is not supported with image")
    if not image and (reference or model_name == "kling-v2-new"):
        raise invalid("image can not be null")
    if image and not reference and model_name == "kling-v1-5":
        raise invalid("image_reference can not be null")


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if body.get("image"):
        yield "image", body["image"]


def _price(body: Mapping[str, Any]) -> Decimal:
    model = image_models.unchecked_model(body, _MODELS, _DEFAULT)
    special = "image" if body.get("image") else ""
    return Decimal(0) if model is None else model.price(special) * image_models.unchecked_count(body)


def _generation_seconds(body: Mapping[str, Any]) -> float | None:
    if image_models.unchecked_model(body, _MODELS, _DEFAULT) is None:
        return None
    return image_models.seconds(_TYPICAL_SECONDS, image_models.unchecked_count(body), body.get("resolution"))


ENDPOINT: Final = Endpoint(
    path="/v1/images/generations",
    members=_MEMBERS,
    accept=_accept,
    estimate=_price,
    generation_seconds=_generation_seconds,
    pictures=_pictures,
    pack="image",
    finds_by_external_id=True,
)
