"""Rules for pictures and for masks, from the image2video documentation."""

from collections.abc import Iterator, Mapping
from typing import Any

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageSource
from kling_async.protocol.media.image_header import ImageFacts, ImageHeader
from kling_async.protocol.records import DynamicMask, ImageToVideo, Point
from kling_async.protocol.rules.values import is_whole, listed, text, whole

BYTES_MOST = 10 * 2**20  # of the file, not of its base64
SIDE_LEAST = 300  # pixels
MASKS_MOST = 6
POINTS_LEAST = 2
POINTS_MOST = 77  # documented for 5 seconds; nothing is said of more for longer clips

Facts = Mapping[str, ImageFacts]


def images_of(request: ImageToVideo) -> dict[str, Image]:
    """All pictures of a request, each under its field path.

    The caller looks at those from paths and bytes, and hands `check` an `ImageFacts` under the same path.
    """
    found: dict[str, Any] = {name: getattr(request, name) for name in ("image", "image_tail", "static_mask")}
    masks: Any = request.dynamic_masks
    if isinstance(masks, tuple):
        for place, mask in enumerate(masks):
            if isinstance(mask, DynamicMask):
                found[f"dynamic_masks[{place}].mask"] = mask.mask
    return {field: image for field, image in found.items() if image is not None}


def pictures(request: ImageToVideo, facts: Facts) -> Iterator[Problem]:
    """Each picture by itself: 10 MB (10 x 2**20 bytes), 300 px, 1:2.5 to 2.5:1, JPEG or PNG. Addresses pass."""
    if request.image is None and request.image_tail is None:
        yield Problem("image", "give image (the first frame), image_tail (the last frame) or both")
    for field, image in images_of(request).items():
        if image.source is ImageSource.UNREADABLE:
            yield Problem(field, image.complaint or "is no picture")
        elif image.source is ImageSource.URL:
            yield from text(field, image.url)
        elif field in facts:
            yield from _file(field, facts[field])


def _file(field: str, facts: ImageFacts) -> Iterator[Problem]:
    if facts.complaint is not None:
        yield Problem(field, facts.complaint, missing_file=facts.missing_file)
    if facts.size is not None and facts.size > BYTES_MOST:
        yield Problem(field, f"the file has {facts.size} bytes; at most {BYTES_MOST} (10 MB) are possible")
    if facts.header is not None:
        yield from _picture(field, facts.header)


def _picture(field: str, header: ImageHeader) -> Iterator[Problem]:
    short, long = sorted((header.width, header.height))
    is_now = f"the picture is {header.width} x {header.height} pixels"
    if short < SIDE_LEAST:
        yield Problem(field, f"{is_now}; each side must have at least {SIDE_LEAST}")
    if long * 2 > short * 5:
        yield Problem(field, f"{is_now}, a ratio of {_beyond(long / short)}:1; it must be within 1:2.5 and 2.5:1")
    if not header.complete:
        yield Problem(field, f"the {header.format.upper()} file is cut off: the end of the picture is missing")


def _beyond(ratio: float) -> str:
    """A ratio with as many digits as show that it is not 2.5; the sides of a file can be told to ten of them."""
    texts = (f"{ratio:.{digits}f}".rstrip("0").rstrip(".") for digits in range(2, 12))
    return next((text for text in texts if text != "2.5"), f"{ratio!r}")


# ------------------------------------------------------------------------------------------------ masks


def masks(request: ImageToVideo, facts: Facts) -> Iterator[Problem]:
    """At most 6 areas with their ways; all masks of the image's ratio and of one resolution."""
    known = facts.get("image")
    image = known.header if known else None
    read = yield from listed("dynamic_masks", request.dynamic_masks, DynamicMask, most=MASKS_MOST)
    for path, mask in read:
        if mask.mask is None:
            yield Problem(f"{path}.mask", "expected a picture, got None")
        yield from _trajectory(f"{path}.trajectories", mask, request.duration, image)
    headers = {
        field: facts[field].header
        for field in images_of(request)
        if field not in {"image", "image_tail"} and field in facts
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
    """2 to 77 points, from the bottom left corner, in the image."""
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
