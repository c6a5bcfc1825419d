"""Pictures in requests: the checks of their format and size, and the facts that are kept."""

import binascii
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import attrs

from kling_async.emulator.results.image_header import JPEG_SIGNATURE, PNG_SIGNATURE, dimensions
from kling_async.emulator.service.errors import invalid

from . import fields

MAX_IMAGE_BYTES: Final = 10 * 2**20
"""An image holds at most 10 MB, before base64."""

MIN_SIDE: Final = 300
"""Each side has at least 300 pixels."""

MAX_RATIO: Final = 2.5
"""The longer side is at most 2.5 times the shorter one."""

# Decoded in pieces, so that other threads can take the GIL in between; a multiple of 4.
_PIECE: Final = 256 * 1024

# Characters that contain most headers; a multiple of 4.
_HEAD: Final = 4096

UNREACHABLE_MESSAGE: Final = "Something went wrong when we tried to get the contents of the file."
"""Message of a task that fails because its image cannot be fetched."""

SIDES_MESSAGE: Final = (
    "The resolution or aspect ratio of the input image is invalid. Please ensure it meets the required specifications."
)
"""Message of a task that fails because its image has other sides than documented."""

Pictures = Iterable[tuple[str, str]]
"""The pictures of a request, each with its place: "image", or "dynamic_masks.0" in an array."""


@attrs.frozen(kw_only=True)
class SubmittedImage:
    """The facts that are kept of an image, from its header.

    Attributes:
        format: Its format; an image given by URL is not fetched.
        width: Pixels from left to right as displayed, after EXIF rotation; an image by URL counts as 16:9.
        height: Pixels from top to bottom as displayed.
        size: Bytes before base64, 0 for an image by URL.
    """

    format: Literal["png", "jpeg", "url"]
    width: int
    height: int
    size: int

    @property
    def acceptable(self) -> bool:
        """Whether the sides and their ratio are within the documented limits."""
        shorter, longer = sorted((self.width, self.height))
        return shorter >= MIN_SIDE and longer <= MAX_RATIO * shorter

    def summary(self) -> str:
        """Returns a description of the image, stored in place of its data."""
        return f"<{self.format} {self.width}x{self.height}, {self.size} bytes>"


def read_image(text: str, field: str, most: int = MAX_IMAGE_BYTES) -> SubmittedImage:
    """Checks an image as sent on the wire: a URL, or raw base64 without a `data:` prefix.

    Args:
        text: The member's text.
        field: The member's name, for the refusal.
        most: Bytes, at most.

    Raises:
        Refusal: 1201, when the text is neither, or the file is not a PNG or JPEG, or too large.
    """
    if text.startswith(("http://", "https://")):
        return SubmittedImage(format="url", width=1920, height=1080, size=0)
    size = decoded_size(text)
    if size > most:
        raise invalid(f"{field}: file size can not exceed {most // 2**20}MB")
    try:
        try:
            return _read_header(text[:_HEAD], size, field)
        except (IndexError, struct.error):
            return _read_header(text, size, field)  # a long profile or preview precedes the JPEG's frame header
    except (ValueError, IndexError, struct.error):
        raise invalid(f"{field}: the image file is damaged") from None


def is_reachable(url: str) -> bool:
    """Whether an image's URL counts as reachable: nothing is fetched, so all do except those of a `.invalid` host.

    No real host name ends in `.invalid` (RFC 6761), so the emulator uses it as a switch.
    """
    try:
        host = urlsplit(url).hostname or "invalid"
    except ValueError:
        return False
    return not f".{host.removesuffix('.')}".endswith(".invalid")


def _read_header(text: str, size: int, field: str) -> SubmittedImage:
    data = binascii.a2b_base64(text)
    if not data.startswith((PNG_SIGNATURE, JPEG_SIGNATURE)):
        raise invalid(f"{field}: only jpg, jpeg and png are supported")
    width, height = dimensions(data)
    kind: Literal["png", "jpeg"] = "png" if data.startswith(PNG_SIGNATURE) else "jpeg"
    return SubmittedImage(format=kind, width=width, height=height, size=size)


def decoded_size(text: str) -> int:
    """Checks that a whole text is base64, and returns the number of encoded bytes, without keeping them."""
    # The standard alphabet, padded, without line breaks, is what the service is known to accept. The message was
    # recorded for a "data:" prefix.
    refusal = invalid("File is not in a valid base64 format")
    if not text.isascii() or len(text) % 4:
        raise refusal
    size = 0
    try:
        for start in range(0, len(text), _PIECE):
            if size % 3:
                raise refusal  # the piece before was padded
            size += len(binascii.a2b_base64(text[start : start + _PIECE], strict_mode=True))
    except binascii.Error:
        raise refusal from None
    return size


def picture(body: Mapping[str, Any], name: str) -> SubmittedImage | None:
    """Checks a picture, and returns its facts, None when there is no picture."""
    value = fields.text(body, name)
    return read_image(value, name) if value else None


def damage(pictures: Pictures, *seen: SubmittedImage | None) -> str:
    """Returns why a task will fail because of its pictures, "" if it will not.

    Args:
        pictures: All pictures.
        seen: The pictures whose sides must be as documented.
    """
    if not all(each.acceptable for each in seen if each is not None):
        return SIDES_MESSAGE
    urls = [text for _, text in pictures if text.startswith(("http://", "https://"))]
    return "" if all(map(is_reachable, urls)) else UNREACHABLE_MESSAGE


def read_all(pictures: Pictures) -> dict[str, SubmittedImage]:
    """Checks pictures, and returns the facts of each by its place."""
    return {name: read_image(text, name) for name, text in pictures}


def without_data(body: Any, pictures: Pictures, seen: Mapping[str, SubmittedImage]) -> Any:
    """Copies a checked request with a description in place of each picture's data, which would fill the memory.

    Args:
        body: The request, or a part of it.
        pictures: Its pictures.
        seen: The result of `read_all`.
    """
    brief_of = {text: seen[name].summary() for name, text in pictures if seen[name].format != "url"}

    def copied(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: copied(each) for name, each in value.items()}
        if isinstance(value, list):
            return [copied(each) for each in value]
        return brief_of.get(value, value) if isinstance(value, str) else value

    return copied(body)


def each_picture(items: Iterable[Mapping[str, Any]], member: str, owner: str) -> list[SubmittedImage]:
    """Checks the pictures of an array; each item must have one.

    Args:
        items: The items of the array.
        member: The member of each item that contains its picture.
        owner: The array's name, for the refusal.
    """
    return [read_image(fields.required(item, member, str, owner), member) for item in items]


def brief(value: str) -> str:
    """Returns a description of a picture, stored in place of its data, which would fill the memory; a URL is kept."""
    return value if value.startswith(("http://", "https://")) else f"<image, {len(value)} characters of base64>"
