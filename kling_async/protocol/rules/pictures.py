"""Rules for the pictures in any parameter of a request."""

from collections.abc import Iterator

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.image_header import ImageFacts, ImageHeader
from kling_async.protocol.rules.files import Facts, file
from kling_async.protocol.rules.nested import each_of

MEGABYTES_MOST = 10
SIDE_LEAST = 300  # pixels


def pictures(request: object, facts: Facts) -> Iterator[Problem]:
    """Checks each picture: at most 10 MB (10 x 2**20 bytes), at least 300 px, 1:2.5 to 2.5:1, JPEG or PNG.

    Addresses pass.
    """
    for field, image in each_of(request, Image).items():
        yield from picture(field, image, facts, MEGABYTES_MOST)


def picture(field: str, image: Image, facts: Facts, megabytes: int) -> Iterator[Problem]:
    """Checks one picture, which may have at most `megabytes`."""
    yield from file(field, image, facts.get(field), megabytes)
    header = header_of(facts, field)
    if image.is_local and header is not None:
        yield from _picture(field, header)


def header_of(facts: Facts, field: str) -> ImageHeader | None:
    """Returns the header of a field's picture; None if it is not known."""
    known = facts.get(field)
    return known.header if isinstance(known, ImageFacts) else None


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
    """Formats a ratio with enough digits to show that it is not 2.5; the sides of a file may have ten digits."""
    texts = (f"{ratio:.{digits}f}".rstrip("0").rstrip(".") for digits in range(2, 12))
    return next((text for text in texts if text != "2.5"), f"{ratio!r}")
