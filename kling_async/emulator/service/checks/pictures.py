"""Pictures in requests: what they have to be, and what is kept of them."""

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

# Decoded in pieces, so that other threads get the interpreter's lock between two of them; a multiple of 4.
_PIECE: Final = 256 * 1024

# What most headers are in; a multiple of 4.
_HEAD: Final = 4096

UNREACHABLE_MESSAGE: Final = "Something went wrong when we tried to get the contents of the file."
"""Why a task fails whose image cannot be fetched."""

SIDES_MESSAGE: Final = (
    "The resolution or aspect ratio of the input image is invalid. Please ensure it meets the required specifications."
)
"""Why a task fails whose image has other sides than documented."""

Pictures = Iterable[tuple[str, str]]
"""The pictures of a request, each with where it is: "image", or "dynamic_masks.0" in an array."""


@attrs.frozen(kw_only=True)
class SubmittedImage:
    """What is kept of an image once its header was read.

    Attributes:
        format: Its format; an image that was given by URL is not fetched.
        width: Pixels from left to right as displayed, that is after EXIF rotation; an image by URL counts as 16:9.
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
        """Describe the image in place of its data."""
        return f"<{self.format} {self.width}x{self.height}, {self.size} bytes>"


def read_image(text: str, field: str, most: int = MAX_IMAGE_BYTES) -> SubmittedImage:
    """Look at an image as it is on the wire: a URL, or raw base64 without a `data:` prefix.

    Args:
        text: The member's text.
        field: The member's name, for the refusal.
        most: Bytes that it may hold.

    Raises:
        Refusal: 1201, when the text is neither, or the file is no PNG or JPEG, or holds more.
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
    """Tell whether an image's address might be fetched: nothing is, so that all are but those that say they are not.

    No name ends in `.invalid` (RFC 6761), which makes it a switch of the emulator.
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
    """Check that a text is base64 all through, and give the bytes that it stands for, without keeping them."""
    # The alphabet is the standard one, padded, without line breaks: what the service is known to accept. The
    # wording was recorded for a "data:" prefix.
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
    """Check a picture, and give None when there is none."""
    value = fields.text(body, name)
    return read_image(value, name) if value else None


def damage(pictures: Pictures, *seen: SubmittedImage | None) -> str:
    """Tell why a task will fail because of its pictures, "" if it will not.

    Args:
        pictures: All of them.
        seen: Those whose sides have to be as documented.
    """
    if not all(each.acceptable for each in seen if each is not None):
        return SIDES_MESSAGE
    urls = [text for _, text in pictures if text.startswith(("http://", "https://"))]
    return "" if all(map(is_reachable, urls)) else UNREACHABLE_MESSAGE


def read_all(pictures: Pictures) -> dict[str, SubmittedImage]:
    """Check pictures, and give what is kept of each by where it is."""
    return {name: read_image(text, name) for name, text in pictures}


def without_data(body: Any, pictures: Pictures, seen: Mapping[str, SubmittedImage]) -> Any:
    """Copy a checked request with a description in place of each picture's data, which would fill the memory.

    Args:
        body: The request, or a part of it.
        pictures: Its pictures.
        seen: What `read_all` gave.
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
    """Check the pictures of an array, each of which an item has to have.

    Args:
        items: Of the array.
        member: Of each item, which holds its picture.
        owner: The array's name, for the refusal.
    """
    return [read_image(fields.required(item, member, str, owner), member) for item in items]


def brief(value: str) -> str:
    """Describe a picture in place of its data, which would fill the memory; a URL stays."""
    return value if value.startswith(("http://", "https://")) else f"<image, {len(value)} characters of base64>"
