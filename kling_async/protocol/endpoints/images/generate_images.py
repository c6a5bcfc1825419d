"""`/v1/images/generations`: a prompt, or a picture and a prompt, become pictures."""

from collections.abc import Iterator
from typing import Final, Literal

import attrs

from kling_async.protocol import image_tasks, records
from kling_async.protocol.capability import CapabilityMap, Feature
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.converters import none_if_empty, whole_number
from kling_async.protocol.endpoint import Endpoint, Pool, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import ImageRatio, WatermarkInfo
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Element
from kling_async.protocol.rules import image_settings, models, pictures, settings, task_options, text
from kling_async.protocol.rules.values import one_of

KnownResolution = Literal["1k", "2k"]
KnownModel = Literal["kling-v1", "kling-v1-5", "kling-v2", "kling-v2-new", "kling-v2-1", "kling-v3"]
"""Completions for editors; any other text is accepted, since models come and go."""


@attrs.frozen
class GenerateImages(Request):
    """Pictures from a prompt, or from a picture and a prompt: `POST /v1/images/generations`.

    What a model can do is in `kling_async.capabilities(GenerateImages)`. A task takes as many slots as it makes
    pictures.

    Attributes:
        prompt: content of the pictures, at most 2500 characters; required.
        model_name: always sent, since the service's own default changed with the years (it is kling-v3 since 2026).
        negative_prompt: what the pictures must not show, at most 2500 characters; not together with `image`.
        image: the reference picture: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 10 MB (10 x 2**20
            bytes), each side at least 300 px, ratio 1:2.5 to 2.5:1.
        image_reference: the part of `image` to use: `subject`, or `face` (of which it must show exactly one). With
            kling-v2-1 and kling-v1-5.
        image_fidelity: 0 to 1, how closely `image` is followed; the service's default is 0.5.
        human_fidelity: 0 to 1, how closely the person is followed, with `image_reference` `subject`; the service's
            default is 0.45.
        element_list: elements made from pictures, or their ids (kling-v3); with `image` at most 10 together.
        resolution: `1k` (the service's default) or `2k`.
        n: how many pictures, 1 to 9.
        aspect_ratio: `16:9` (the service's default), `9:16`, `1:1`, `4:3`, `3:4`, `3:2`, `2:3` or `21:9`.
        watermark_info: whether watermarked pictures are made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    prompt: str | None = None
    # Of the two models in the documentation of 2026-09, the one that is the service's default, and was observed live.
    model_name: KnownModel | str = attrs.field(default="kling-v3", kw_only=True)
    negative_prompt: str | None = attrs.field(default=None, kw_only=True)
    image: Image | None = attrs.field(default=None, converter=as_image, kw_only=True)
    image_reference: Literal["subject", "face"] | None = attrs.field(default=None, kw_only=True)
    image_fidelity: float | None = attrs.field(default=None, kw_only=True)
    human_fidelity: float | None = attrs.field(default=None, kw_only=True)
    element_list: tuple[Element, ...] | None = attrs.field(default=None, converter=records.element_list, kw_only=True)
    resolution: KnownResolution | str | None = attrs.field(default=None, kw_only=True)
    n: int = attrs.field(default=1, converter=whole_number, kw_only=True)
    aspect_ratio: ImageRatio | str | None = attrs.field(default=None, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def no_picture(request: GenerateImages) -> Iterator[Problem]:
    """The prompt is not the name of a picture: that is given as `image`."""
    yield from text.no_picture_name(request, "say what is to be seen, and give the picture as image")


def reference(request: GenerateImages) -> Iterator[Problem]:
    """`image_reference` is `subject` or `face`, and requires a picture."""
    if request.image_reference is not None:
        yield from one_of("image_reference", request.image_reference, _REFERENCES)
        if request.image is None:
            yield Problem("image", "is required with image_reference")
    elif request.model_name == "kling-v1-5" and request.image is not None:
        yield Problem("image_reference", "is required by kling-v1-5 with image: use subject or face", by_map=True)


def fidelities(request: GenerateImages) -> Iterator[Problem]:
    """0 to 1 each; the documentation has them only together with `image` and a reference to a subject."""
    yield from image_settings.fidelity("image_fidelity", request.image_fidelity)
    yield from image_settings.fidelity("human_fidelity", request.human_fidelity)
    if request.image_fidelity is not None and request.image is None:
        yield Problem("image_fidelity", "has probably no effect without image", only_warns=True)
    if request.human_fidelity is not None and request.image_reference != "subject":
        yield Problem("human_fidelity", "has probably no effect without image_reference subject", only_warns=True)


def no_negative_prompt_with_image(request: GenerateImages) -> Iterator[Problem]:
    """A negative prompt excludes a picture, as documented for all models in the map."""
    if request.negative_prompt and request.image is not None and request.model_name in CAPABILITIES.models:
        yield Problem("negative_prompt", "is not possible together with image; say it in the prompt", by_map=True)


def inputs(request: GenerateImages) -> Iterator[Problem]:
    """At most 10 pictures and elements together."""
    yield from image_settings.inputs("element_list", request, pictures=int(request.image is not None))


_REFERENCES: Final = ("subject", "face")

# --------------------------------------------------------------------------------------- map and prices

FEATURES: tuple[Feature[GenerateImages], ...] = (
    Feature(
        name="text",
        field="image",
        phrase="a prompt alone",
        without="an image",
        heading="text",
        used=lambda request: request.image is None,
    ),
    Feature(name="image", heading="image", used=lambda request: request.image is not None),
    Feature(name="image_reference", heading="reference", used=lambda request: request.image_reference in _REFERENCES),
    Feature(name="element_list", heading="elements", used=lambda request: bool(request.element_list)),
    Feature(
        name="2k",
        field="resolution",
        phrase="resolution 2k",
        without="resolution 1k",
        heading="2k",
        used=lambda request: request.resolution == "2k",
    ),
    Feature(
        name="21:9",
        field="aspect_ratio",
        phrase="aspect_ratio 21:9",
        without="another aspect_ratio",
        heading="21:9",
        used=lambda request: request.aspect_ratio == "21:9",
    ),
)

# `?` refuses nothing: sources do not mention these sizes.
_MAP = """
# model_name         mode  s    text image refer elements 2k 21:9
kling-v1             any   any  y    y     -     -        ?  -
kling-v1-5           any   any  y    y     y     -        ?  y
kling-v2             any   any  y    y     -     -        ?  y
kling-v2-new         any   any  -    y     -     -        ?  y
kling-v2-1           any   any  y    y     y     -        y  y
kling-v3             any   any  y    y     -     y        y  y
"""

# Units units of a picture, by the price table of 2026-09; there is no certain source for the older models.
_PRICES = """
# model_name         mode  text image
kling-v2-1           any   4    8
kling-v3             any   8    8
"""

# By the change log, which does not mention kling-v1 and kling-v2-new, although they are no longer documented either.
_RETIRED = """
# model_name         since       instead
kling-v1-5           2026-09-15  kling-v2-1
kling-v2             2026-09-15  kling-v3
"""

# Measured in 2026-09: 24 s for one picture.
_SECONDS: Final = 24.0

CAPABILITIES = CapabilityMap(FEATURES, _MAP, _PRICES, priced_by=("image",), price_of="picture", retired=_RETIRED)
_BY_MODEL = models.ModelRules(CAPABILITIES)
_WORDS = settings.Words(CAPABILITIES, image_settings.RATIOS, image_settings.RESOLUTIONS)

ENDPOINT = Endpoint(
    path="/v1/images/generations",
    record=GenerateImages,
    rules=(
        text.required_prompt,
        no_picture,
        models.model_name,
        text.prompt,
        text.negative_prompt,
        no_negative_prompt_with_image,
        reference,
        fidelities,
        inputs,
        image_settings.n,
        _WORDS.aspect_ratio,
        _WORDS.resolution,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
        _BY_MODEL.abilities,
    ),
    picture_rules=(pictures.pictures,),
    capabilities=CAPABILITIES,
    units=image_tasks.units_by(CAPABILITIES),
    typical_seconds=lambda _request: _SECONDS,
    result=ResultKind.IMAGE,
    finds_by_external_id=True,
    pool=Pool.IMAGE,
    slots_of=image_tasks.number_of_pictures,
)
