"""Rules for the pictures of a body: those of records, and base64 in hand-written bodies."""

from collections.abc import Iterator
from typing import Final

from kling_async.protocol.endpoints.current.given import Given
from kling_async.protocol.endpoints.current.rules_shape import IMAGES
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.given import Media
from kling_async.protocol.media.image import Image
from kling_async.protocol.rules import pictures
from kling_async.protocol.rules.files import MEGABYTE, Facts, facts_of
from kling_async.protocol.rules.values import is_address

MEGABYTES_MOST: Final = 50
MEGABYTES_SURE: Final = 10  # the limit of legacy paths; the maximum size of a body is not documented


def images(given: Given, facts: Facts) -> Iterator[Problem]:
    """C31 [docs]: JPEG or PNG, 50 MB (50 x 2**20 bytes), 300 px, 1:2.5 to 2.5:1. Addresses pass.

    Args:
        given: the request with the pictures.
        facts: facts about the files of the pictures of a record.
    """
    for item in given.of(*IMAGES):
        value, field = item.members.get("url"), item.at("url")
        known = facts
        if isinstance(value, str) and value.strip() and not is_address(value):
            read = _decoded(value)
            if isinstance(read, Problem):
                yield Problem(field, read.message)
                continue
            value, data = read
            known = {field: facts_of(value, lambda start, count: data[start : start + count], len(data))}  # noqa: B023  (called before the next turn)
        if isinstance(value, Image):
            yield from pictures.picture(field, value, known, MEGABYTES_MOST)
            yield from _large(field, value, known)


def _decoded(text: str) -> "tuple[Image, bytes] | Problem":
    if text[:5].lower() == "data:":
        return Problem("", "a 'data:' address is not accepted by the service: leave out all before the base64")
    if "://" in text[:64]:
        return Problem("", "expected an http:// or https:// address with a host and without spaces, or base64")
    try:
        read = Image.from_base64(text)
    except ValueError:
        return Problem("", "is neither an http(s):// address nor base64")
    return read, read.data or b""


def _large(field: str, value: Media, facts: Facts) -> Iterator[Problem]:
    known = facts.get(field)
    size = known.size if known is not None and value.is_local else None
    if size is not None and MEGABYTES_SURE * MEGABYTE < size <= MEGABYTES_MOST * MEGABYTE:
        what = f"has {size} bytes; how large a request may be is not documented: an http(s):// address is safer"
        yield Problem(field, what, only_warns=True)
