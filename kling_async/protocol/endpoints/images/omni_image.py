"""`/v1/images/omni-image`: a prompt that refers to pictures and elements becomes pictures, or a series of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import attrs

from kling_async.protocol import image_tasks, records
from kling_async.protocol.capability import CapabilityMap, Feature
from kling_async.protocol.converters import each_in, images, none_if_empty, whole_number
from kling_async.protocol.endpoint import Endpoint, Pool, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.records import ImageRatio, WatermarkInfo
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Element
from kling_async.protocol.rules import image_settings, models, pictures, settings, task_options, text
from kling_async.protocol.rules.values import is_whole, listed, one_of, whole

KnownRatio = ImageRatio | Literal["auto"]
KnownResolution = Literal["1k", "2k", "4k"]
KnownModel = Literal["kling-image-o1", "kling-v3-omni"]
"""Completions for editors; any other text is accepted, since models come and go."""


def _image_list(values: Iterable[ImageGiven | Mapping[str, Any]] | None) -> tuple[Image, ...] | None:
    return images(values, "image")


def _series_amount(value: int | str | None) -> int | Literal["auto"] | None:
    """A number, or `auto`."""
    given: Any = value
    is_auto = issubclass(type(given), str) and str.__eq__(given, "auto")
    return None if value is None else given if is_auto else whole_number(given)


@attrs.frozen
class OmniImage(Request):
    """Pictures, or a series of them, from a prompt that may refer to others: `POST /v1/images/omni-image`.

    What a model can do is in `kling_async.capabilities(OmniImage)`. A task takes as many slots as it makes pictures.

    Attributes:
        prompt: content of the pictures, at most 2500 characters; required. It refers to what is given as
            `<<<image_1>>>` and `<<<element_1>>>`, counted from 1.
        model_name: always sent; kling-v3-omni can do all that kling-image-o1 (the service's own default) can, at the
            same price.
        image_list: pictures that the prompt refers to, each a path, an `http(s)://` address or bytes; JPEG or PNG, at
            most 10 MB (10 x 2**20 bytes), each side at least 300 px, ratio 1:2.5 to 2.5:1. With `element_list` at most
            10 together.
        element_list: elements made from pictures, or their ids.
        resolution: `1k` (the service's default), `2k` or `4k` (kling-v3-omni).
        result_type: `single` (the service's default) or `series` (kling-v3-omni).
        n: how many pictures, 1 to 9; without effect on a series.
        series_amount: how many pictures a series has: 2 to 9 (the service's default is 4), or `auto`: as many as the
            prompt calls for. Their number and the price are not known in advance; the task waits for 9 slots.
        aspect_ratio: `auto` (the service's default), `16:9`, `9:16`, `1:1`, `4:3`, `3:4`, `3:2`, `2:3` or `21:9`.
            `auto` requires a picture: set another one for a prompt alone.
        watermark_info: whether watermarked pictures are made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    prompt: str | None = None
    model_name: KnownModel | str = attrs.field(default="kling-v3-omni", kw_only=True)
    image_list: tuple[Image, ...] | None = attrs.field(
        default=None, converter=_image_list, metadata=each_in("image"), kw_only=True
    )
    element_list: tuple[Element, ...] | None = attrs.field(default=None, converter=records.element_list, kw_only=True)
    resolution: KnownResolution | str | None = attrs.field(default=None, kw_only=True)
    result_type: Literal["single", "series"] | None = attrs.field(default=None, kw_only=True)
    n: int = attrs.field(default=1, converter=whole_number, kw_only=True)
    series_amount: int | Literal["auto"] | None = attrs.field(default=None, converter=_series_amount, kw_only=True)
    aspect_ratio: KnownRatio | str | None = attrs.field(default=None, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def no_picture(request: OmniImage) -> Iterator[Problem]:
    """The prompt is not the name of a picture: pictures are given in `image_list`."""
    yield from text.no_picture_name(request, "say what is to be seen, and give the picture in image_list")


def inputs(request: OmniImage) -> Iterator[Problem]:
    """At most 10 pictures and elements together."""
    read = yield from listed("image_list", request.image_list, Image, most=image_settings.INPUTS_MOST)
    yield from image_settings.inputs("image_list", request, pictures=len(read))


def series(request: OmniImage) -> Iterator[Problem]:
    """The type of result, and the number of pictures of a series."""
    if request.result_type is not None:
        yield from one_of("result_type", request.result_type, ("single", "series"))
    if request.series_amount is not None and request.series_amount != "auto":
        yield from whole("series_amount", request.series_amount, *_SERIES)
    if request.result_type == "series" and request.n != 1:
        yield Problem("n", "has no effect on a series: use series_amount", only_warns=True)
    if request.result_type != "series" and request.series_amount is not None:
        yield Problem("series_amount", "has an effect with result_type series only", only_warns=True)


def automatic_ratio(request: OmniImage) -> Iterator[Problem]:
    """By the map, an automatic ratio requires pictures or elements."""
    alone = not request.image_list and not request.element_list
    if request.aspect_ratio == "auto" and alone and request.model_name in CAPABILITIES.models:
        yield Problem("aspect_ratio", "auto needs an image_list; name a ratio for a prompt alone", by_map=True)


# ------------------------------------------------------------------------------------------ map, prices, slots

FEATURES: tuple[Feature[OmniImage], ...] = (
    Feature(name="image_list", heading="image", used=lambda request: bool(request.image_list)),
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
        name="4k",
        field="resolution",
        phrase="resolution 4k",
        without="resolution 2k",
        heading="4k",
        used=lambda request: request.resolution == "4k",
    ),
    Feature(
        name="series",
        field="result_type",
        phrase="result_type series",
        without="result_type single",
        heading="series",
        used=lambda request: request.result_type == "series",
    ),
)

_MAP = """
# model_name         mode  s    image elements 2k 4k series
kling-image-o1       any   any  y     y        y  -  -
kling-v3-omni        any   any  y     y        y  y  y
"""

# Units units of a picture, by the price table of 2026-09.
_PRICES = """
# model_name         mode       4k
kling-image-o1       any   8    ?
kling-v3-omni        any   8    16
"""

_SERIES: Final = (2, 9)  # pictures
_SERIES_DEFAULT: Final = 4  # pictures, if `series_amount` is omitted
_SECONDS: Final = 37.5  # measured in early 2026: one picture


def number_of_pictures(request: OmniImage) -> int | None:
    """Returns the number of pictures; None for a series whose length the service chooses."""
    if request.result_type != "series":
        return image_tasks.number_of_pictures(request)
    if request.series_amount == "auto":
        return None
    least, most = _SERIES
    amount: Any = request.series_amount
    return amount if is_whole(amount) and least <= amount <= most else _SERIES_DEFAULT


def slots_of(request: OmniImage) -> int:
    """Returns a slot for each picture; the maximum if their number is not known."""
    return number_of_pictures(request) or max(_SERIES)


CAPABILITIES = CapabilityMap(FEATURES, _MAP, _PRICES, priced_by=("4k",), price_of="picture")
_BY_MODEL = models.ModelRules(CAPABILITIES)
_WORDS = settings.Words(CAPABILITIES, ("auto", *image_settings.RATIOS), (*image_settings.RESOLUTIONS, "4k"))

ENDPOINT = Endpoint(
    path="/v1/images/omni-image",
    record=OmniImage,
    rules=(
        text.required_prompt,
        no_picture,
        models.model_name,
        text.prompt,
        inputs,
        series,
        image_settings.n,
        _WORDS.aspect_ratio,
        automatic_ratio,
        _WORDS.resolution,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
        _BY_MODEL.abilities,
    ),
    picture_rules=(pictures.pictures,),
    capabilities=CAPABILITIES,
    units=image_tasks.units_by(CAPABILITIES, number_of_pictures),
    typical_seconds=lambda _request: _SECONDS,
    result=ResultKind.IMAGE,
    finds_by_external_id=True,
    pool=Pool.IMAGE,
    slots_of=slots_of,
)
