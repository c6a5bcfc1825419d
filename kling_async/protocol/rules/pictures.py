"""Rules for the pictures of a request, whatever its parameters are called."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageSource
from kling_async.protocol.media.image_header import ImageFacts, ImageHeader
from kling_async.protocol.rules.values import text

BYTES_MOST = 10 * 2**20  # of the file, not of its base64
SIDE_LEAST = 300  # pixels

Facts = Mapping[str, ImageFacts]
"""What is known of local pictures, by field path as in `images_of`; one without an entry is not looked into."""


def images_of(request: object) -> dict[str, Image]:
    """All pictures of a request, each under its field path (`dynamic_masks[0].mask`).

    The caller looks at those from paths and bytes, and hands the rules an `ImageFacts` under the same path.
    """
    return dict(_images("", request))


def _images(path: str, value: Any) -> Iterator[tuple[str, Image]]:
    if isinstance(value, Image):
        yield path, value
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from _images(f"{path}[{place}]", item)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _images(f"{path}.{field.name}" if path else field.name, getattr(value, field.name))


def pictures(request: object, facts: Facts) -> Iterator[Problem]:
    """Each picture by itself: 10 MB (10 x 2**20 bytes), 300 px, 1:2.5 to 2.5:1, JPEG or PNG. Addresses pass."""
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
    """A ratio with as many digits as show that it is not 2.5; the sides of a file can be read to ten of them."""
    texts = (f"{ratio:.{digits}f}".rstrip("0").rstrip(".") for digits in range(2, 12))
    return next((text for text in texts if text != "2.5"), f"{ratio!r}")
