"""Rules for masks and the trajectories of masked areas, from the image2video documentation."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.image_header import ImageHeader
from kling_async.protocol.records import DynamicMask, Point
from kling_async.protocol.rules.files import Facts
from kling_async.protocol.rules.nested import each_of
from kling_async.protocol.rules.pictures import header_of
from kling_async.protocol.rules.values import is_whole, listed, whole

MASKS_MOST = 6
POINTS_LEAST = 2
POINTS_MOST = 77  # documented for 5 seconds; for longer clips no limit is documented


class HasMasks(Protocol):
    """A request that can mark moving and static areas of its image."""

    @property
    def image(self) -> Image | None:
        """The image that the masks cover."""
        ...

    @property
    def static_mask(self) -> Image | None:
        """The static area."""
        ...

    @property
    def dynamic_masks(self) -> tuple[DynamicMask, ...] | None:
        """The moving areas."""
        ...

    @property
    def duration(self) -> int:
        """Seconds of the video."""
        ...


def masks(request: HasMasks, facts: Facts) -> Iterator[Problem]:
    """Allows at most 6 moving areas; requires all masks to have the image's ratio and the same resolution."""
    image = header_of(facts, "image")
    read = yield from listed("dynamic_masks", request.dynamic_masks, DynamicMask, most=MASKS_MOST)
    for path, mask in read:
        if mask.mask is None:
            yield Problem(f"{path}.mask", "expected a picture, got None")
        yield from _trajectory(f"{path}.trajectories", mask, request.duration, image)
    headers = {
        field: header_of(facts, field)
        for field in each_of(request, Image)
        if field.startswith(("static_mask", "dynamic_masks"))
    }
    yield from _mask_sizes({field: header for field, header in headers.items() if header is not None}, image)


def _mask_sizes(headers: Mapping[str, ImageHeader], image: ImageHeader | None) -> Iterator[Problem]:
    first: tuple[str, ImageHeader] | None = None
    for field, mask in headers.items():
        size = f"{mask.width} x {mask.height}"
        if image is not None and not _same_ratio(mask, image):
            yield Problem(
                field, f"the mask is {size}, the image {image.width} x {image.height}: their ratio must be equal"
            )
        if first is None:
            first = field, mask
        elif (mask.width, mask.height) != (first[1].width, first[1].height):
            yield Problem(
                field, f"the mask is {size}, {first[0]} is {first[1].width} x {first[1].height}: they must be equal"
            )


def _same_ratio(mask: ImageHeader, image: ImageHeader) -> bool:
    # A mask may be a scaled image, whose sides were each rounded by up to half a pixel.
    difference = abs(mask.width * image.height - mask.height * image.width)
    return 2 * difference < image.width + image.height


def _trajectory(field: str, mask: DynamicMask, duration: Any, image: ImageHeader | None) -> Iterator[Problem]:
    """Requires 2 to 77 points within the image, counted from its bottom left corner."""
    if mask.trajectories is None:
        yield Problem(field, f"expected {POINTS_LEAST} to {POINTS_MOST} points, got None")
    most = None if is_whole(duration) and duration > 5 else POINTS_MOST
    read = yield from listed(field, mask.trajectories, Point, most=most)
    if isinstance(mask.trajectories, tuple) and len(mask.trajectories) < POINTS_LEAST:
        yield Problem(field, f"has {len(mask.trajectories)} points; at least {POINTS_LEAST} are needed")
    good = []
    for path, point in read:
        problems = [*whole(f"{path}.x", point.x, 0), *whole(f"{path}.y", point.y, 0)]
        yield from problems
        if not problems:
            good.append((path, point))
    if image is None:
        return
    outside = [path for path, point in good if point.x > image.width or point.y > image.height]
    if outside:
        size = f"{image.width} x {image.height}"
        yield Problem(outside[0], f"lies outside of the image ({size}), as do {len(outside) - 1} further points")
