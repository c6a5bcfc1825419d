"""Pictures from several pictures: subjects, with a scene and a style."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.pictures import PicturesResult
from kling_async.emulator.results.rendering.picture_spec import PictureSpec, side_by_side
from kling_async.emulator.service import image_models
from kling_async.emulator.service.checks import fields, members, pictures
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.text import check_content, prompts
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.image_models import ASPECT_RATIOS, ImageModel

_MEMBERS: Final[dict[str, Any]] = {
    "model_name": str,
    "prompt": str,
    "subject_image_list": [{"subject_image": str}],
    "scene_image": str,
    "style_image": str,
    "n": int,
    "aspect_ratio": str,
    **members.EVERY_TASK,
}

_MODELS: Final = {"kling-v2": ImageModel(units=16), "kling-v2-1": ImageModel(units=16)}
_DEFAULT: Final = "kling-v2-1"
_TYPICAL_SECONDS: Final = 35.0  # a guess
_SUBJECTS: Final = 4


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    model_name = image_models.model_of(body, _MODELS, _DEFAULT)
    prompt = prompts(body)
    aspect_ratio = fields.choice(body, "aspect_ratio", ASPECT_RATIOS, "16:9")
    count = image_models.count_of(body)
    subjects = fields.objects(body, "subject_image_list", limit=_SUBJECTS)
    if not subjects:
        raise invalid("subject_image_list can not be null")
    for each in subjects:
        fields.required(each, "subject_image", str, "subject_image_list")
    for name in ("scene_image", "style_image"):
        fields.text(body, name)
    seen = pictures.read_all(_pictures(body))
    check_content(prompt)
    every = every_task(body)
    width, height = image_models.size(ASPECT_RATIOS[aspect_ratio])
    spec = PictureSpec(
        width=width, height=height, title=model_name, prompt=prompt, images=side_by_side(list(seen), width, height)
    )
    return AcceptedRequest(
        **every,
        model_name=model_name,
        units=_price(body),
        prompt=prompt,
        parameters=pictures.without_data(body, _pictures(body), seen),
        result=PicturesResult(spec=spec, count=count, watermark=every["watermark"]),
        slots=count,
        damage=pictures.damage(_pictures(body), *seen.values()),
    )


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, each in enumerate(body.get("subject_image_list") or ()):
        yield f"subject_image_list.{number}", each["subject_image"]
    for name in ("scene_image", "style_image"):
        if body.get(name):
            yield name, body[name]


def _price(body: Mapping[str, Any]) -> Decimal:
    model = image_models.unchecked_model(body, _MODELS, _DEFAULT)
    return Decimal(0) if model is None else model.price() * image_models.unchecked_count(body)


def _generation_seconds(body: Mapping[str, Any]) -> float | None:
    if image_models.unchecked_model(body, _MODELS, _DEFAULT) is None:
        return None
    return image_models.seconds(_TYPICAL_SECONDS, image_models.unchecked_count(body))


ENDPOINT: Final = Endpoint(
    path="/v1/images/multi-image2image",
    members=_MEMBERS,
    accept=_accept,
    estimate=_price,
    generation_seconds=_generation_seconds,
    pictures=_pictures,
    pack="image",
    finds_by_external_id=True,
)
