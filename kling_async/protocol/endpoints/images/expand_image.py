"""`/v1/images/editing/expand`: a picture grows beyond its edges."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.protocol import image_tasks, records
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.converters import none_if_empty, whole_number
from kling_async.protocol.endpoint import Endpoint, Pool, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.rules import image_settings, pictures, task_options, text
from kling_async.protocol.rules.values import number


@attrs.frozen
class ExpandImage(Request):
    """A picture with more around it: `POST /v1/images/editing/expand`.

    The new picture has at most 3 times the area of the old one: (1 + up + down) x (1 + left + right) is at most 3. A
    task takes as many slots as it makes pictures.

    Attributes:
        image: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 10 MB (10 x 2**20 bytes), each side at
            least 300 px, ratio 1:2.5 to 2.5:1.
        up_expansion_ratio: 0 to 2, what is added above, as a share of the picture's height.
        down_expansion_ratio: 0 to 2, what is added below, as a share of the picture's height.
        left_expansion_ratio: 0 to 2, what is added on the left, as a share of the picture's width.
        right_expansion_ratio: 0 to 2, what is added on the right, as a share of the picture's width.
        prompt: content of the added area, at most 2500 characters.
        n: how many pictures, 1 to 9.
        watermark_info: whether watermarked pictures are made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    image: Image | None = attrs.field(default=None, converter=as_image)
    up_expansion_ratio: float = attrs.field(default=0.0, kw_only=True)
    down_expansion_ratio: float = attrs.field(default=0.0, kw_only=True)
    left_expansion_ratio: float = attrs.field(default=0.0, kw_only=True)
    right_expansion_ratio: float = attrs.field(default=0.0, kw_only=True)
    prompt: str | None = attrs.field(default=None, kw_only=True)
    n: int = attrs.field(default=1, converter=whole_number, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


def image_needed(request: ExpandImage) -> Iterator[Problem]:
    """A picture is required."""
    if request.image is None:
        yield Problem("image", "is required: give the picture that is to grow")


def expansion(request: ExpandImage) -> Iterator[Problem]:
    """0 to 2 on each side, and at most 3 times the area. Whether all ratios may be 0 is not known."""
    sides: dict[str, Any] = {name: getattr(request, name) for name in _SIDES}
    problems = [problem for name, value in sides.items() for problem in number(name, value, 0, 2)]
    yield from problems
    if problems:
        return
    up, down, left, right = sides.values()
    area = (1 + up + down) * (1 + left + right)
    if area > _AREA_MOST + _TOLERANCE:
        yield Problem(
            "up_expansion_ratio",
            f"with these four ratios the picture grows to {area:.3f} times its area; use ratios that make at most "
            f"{_AREA_MOST}: (1 + up + down) x (1 + left + right)",
        )


_SIDES: Final = ("up_expansion_ratio", "down_expansion_ratio", "left_expansion_ratio", "right_expansion_ratio")
_AREA_MOST: Final = 3
_TOLERANCE: Final = 0.001  # of the area: the documentation's own example is rounded
_UNITS: Final = "8"  # units of a picture, by the price table of 2026-09
_SECONDS: Final = 30.0  # no measurement is known; other pictures took 20 to 40 s

ENDPOINT = Endpoint(
    path="/v1/images/editing/expand",
    record=ExpandImage,
    rules=(
        image_needed,
        expansion,
        text.prompt,
        image_settings.n,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
    ),
    picture_rules=(pictures.pictures,),
    units=lambda request: Decimal(_UNITS) * image_tasks.number_of_pictures(request),
    typical_seconds=lambda _request: _SECONDS,
    result=ResultKind.IMAGE,
    finds_by_external_id=True,
    pool=Pool.IMAGE,
    slots_of=image_tasks.number_of_pictures,
)
