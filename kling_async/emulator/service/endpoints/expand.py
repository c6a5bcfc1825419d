"""Expanded pictures: a picture with more around it."""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.image_header import MAX_PIXELS
from kling_async.emulator.results.pictures import PicturesResult
from kling_async.emulator.results.rendering.picture_spec import PictureSpec, Placed
from kling_async.emulator.service import image_models
from kling_async.emulator.service.checks import fields, members, pictures
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import SubmittedImage
from kling_async.emulator.service.checks.text import check_content, prompts
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid

_SIDES: Final = ("up", "down", "left", "right")
_MEMBERS: Final[dict[str, Any]] = {
    "image": str,
    **{f"{side}_expansion_ratio": float for side in _SIDES},
    "prompt": str,
    "n": int,
    **members.EVERY_TASK,
}

_UNITS: Final = 8
_TYPICAL_SECONDS: Final = 30.0  # a guess
_LARGEST_RATIO: Final = 2
_LARGEST_AREA: Final = 3
_TOLERANCE: Final = 0.001  # the official example comes to 2.9999


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    prompt = prompts(body)
    count = image_models.count_of(body)
    # They are required on one page, and default to 0 on an older one.
    up, down, left, right = (
        fields.number(body, f"{side}_expansion_ratio", 0, _LARGEST_RATIO) or 0.0 for side in _SIDES
    )
    if (1 + up + down) * (1 + left + right) > _LARGEST_AREA + _TOLERANCE:
        raise invalid(f"the area of the expanded image can not exceed {_LARGEST_AREA} times that of the original image")
    image = pictures.picture(body, "image")
    if image is None:
        raise invalid("image can not be null")
    check_content(prompt)
    every = every_task(body)
    return AcceptedRequest(
        **every,
        units=_price(body),
        prompt=prompt,
        parameters=pictures.without_data(body, _pictures(body), {"image": image}),
        result=PicturesResult(
            spec=_expanded(image, (up, down, left, right), prompt), count=count, watermark=every["watermark"]
        ),
        slots=count,
        damage=pictures.damage(_pictures(body), image),
    )


def _expanded(image: SubmittedImage, ratios: tuple[float, float, float, float], prompt: str) -> PictureSpec:
    """Returns the spec of the picture: the given one keeps its size, unless the result would be too large here."""
    up, down, left, right = ratios
    across, along = 1 + left + right, 1 + up + down
    shrunk = min(1.0, math.sqrt(MAX_PIXELS / (image.width * across * image.height * along)))
    width, height = image.width * shrunk, image.height * shrunk
    place = Placed(
        image="image",
        left=_even(left * width),
        top=_even(up * height),
        width=max(_even(width), 2),
        height=max(_even(height), 2),
    )
    return PictureSpec(
        width=max(round(across * width), 1),
        height=max(round(along * height), 1),
        title="expanded",
        prompt=prompt,
        images=(place,),
    )


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "image", body["image"]


def _price(body: Mapping[str, Any]) -> Decimal:
    return Decimal(_UNITS * image_models.unchecked_count(body))


def _generation_seconds(body: Mapping[str, Any]) -> float:
    return image_models.seconds(_TYPICAL_SECONDS, image_models.unchecked_count(body))


ENDPOINT: Final = Endpoint(
    path="/v1/images/editing/expand",
    members=_MEMBERS,
    accept=_accept,
    estimate=_price,
    generation_seconds=_generation_seconds,
    pictures=_pictures,
    pack="image",
    finds_by_external_id=True,
)
