"""Pictures from words, pictures and elements, one by one or as a series."""

import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.pictures import PicturesResult
from kling_async.emulator.results.rendering.picture_spec import PictureSpec, side_by_side
from kling_async.emulator.service import image_models
from kling_async.emulator.service.checks import fields, members, pictures
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import SubmittedImage
from kling_async.emulator.service.checks.text import check_content, required_prompt
from kling_async.emulator.service.checks.voices import element_features
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.image_models import ASPECT_RATIOS, ImageModel

_MEMBERS: Final[dict[str, Any]] = {
    "model_name": str,
    "prompt": str,
    "image_list": [{"image": str}],
    "resolution": str,
    "result_type": str,
    "n": int,
    "series_amount": int,  # or "auto"
    "aspect_ratio": str,
    **members.ELEMENTS,
    **members.EVERY_TASK,
}

_MODELS: Final = {
    "kling-image-o1": ImageModel(units=8),
    "kling-v3-omni": ImageModel(units=8, special_units={"4k": 16}, resolutions=("1k", "2k", "4k")),
}
_DEFAULT: Final = "kling-image-o1"
_SERIES: Final = "kling-v3-omni"
_TYPICAL_SECONDS: Final = 37.5  # one user's measurement, of one picture of kling-image-o1
_INPUTS: Final = 10
_AMOUNTS: Final = range(2, 10)


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    model_name = image_models.model_of(body, _MODELS, _DEFAULT)
    prompt = required_prompt(body)
    resolution = image_models.resolution_of(body, _MODELS, model_name)
    result_type = fields.choice(body, "result_type", ("single", "series"), "single")
    if result_type == "series" and model_name != _SERIES:
        raise invalid(f"result_type series is not supported by the current model: {model_name}")
    image_models.count_of(body)
    _check_amount(body)
    images = fields.objects(body, "image_list", limit=_INPUTS)
    for each in images:
        fields.required(each, "image", str, "image_list")
    elements = element_features(body, _INPUTS - len(images))
    seen = pictures.read_all(_pictures(body))
    ratio = _ratio(body, [*seen.values()], has_elements=bool(elements))
    check_content(prompt)
    every = every_task(body)
    width, height = image_models.size(ratio, resolution)
    spec = PictureSpec(
        width=width,
        height=height,
        title=f"{model_name} {resolution}",
        prompt=prompt,
        images=side_by_side(list(seen), width, height),
    )
    count = _count(body)
    return AcceptedRequest(
        **every,
        model_name=model_name,
        units=_price(body),
        prompt=prompt,
        parameters=pictures.without_data(body, _pictures(body), seen),
        result=PicturesResult(spec=spec, count=count, watermark=every["watermark"], result_type=result_type),
        slots=count,
        damage=pictures.damage(_pictures(body), *seen.values()),
    )


def _check_amount(body: Body) -> None:
    if body.get("series_amount") != "auto":
        amount = fields.member(body, "series_amount", int)
        if amount is not None and amount not in _AMOUNTS:
            raise invalid(f"series_amount must be auto, or between {_AMOUNTS[0]} and {_AMOUNTS[-1]}")


def _ratio(body: Body, images: list[SubmittedImage], *, has_elements: bool) -> tuple[int, int]:
    """Checks and returns the ratio: that of the first picture, if the service chooses it."""
    name = fields.choice(body, "aspect_ratio", {"auto", *ASPECT_RATIOS}, "")
    if name in ASPECT_RATIOS:
        return ASPECT_RATIOS[name]
    if images:
        return images[0].width, images[0].height
    if name == "auto" and not has_elements:
        raise invalid("aspect_ratio auto needs at least one image")
    # "auto" is also the default, so the documentation does not allow a request with only a prompt. The service's
    # behaviour is not known.
    return ASPECT_RATIOS["16:9"]


def _count(body: Mapping[str, Any]) -> int:
    """Returns the number of pictures of an unchecked request."""
    if body.get("result_type") != "series":
        return image_models.unchecked_count(body)
    amount = body.get("series_amount") or 4
    if amount == "auto":  # derived from the prompt, as by the service
        return _AMOUNTS[zlib.crc32(str(body.get("prompt")).encode(errors="replace")) % len(_AMOUNTS)]
    return amount if amount in _AMOUNTS else 1


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, each in enumerate(body.get("image_list") or ()):
        yield f"image_list.{number}", each["image"]


def _price(body: Mapping[str, Any]) -> Decimal:
    model = image_models.unchecked_model(body, _MODELS, _DEFAULT)
    return Decimal(0) if model is None else model.price(body.get("resolution")) * _count(body)


def _generation_seconds(body: Mapping[str, Any]) -> float | None:
    if image_models.unchecked_model(body, _MODELS, _DEFAULT) is None:
        return None
    return image_models.seconds(_TYPICAL_SECONDS, _count(body), body.get("resolution"))


ENDPOINT: Final = Endpoint(
    path="/v1/images/omni-image",
    members=_MEMBERS,
    accept=_accept,
    estimate=_price,
    generation_seconds=_generation_seconds,
    pictures=_pictures,
    pack="image",
    finds_by_external_id=True,
)
