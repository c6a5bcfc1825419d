"""Rules for the files of a request, of any kind."""

from collections.abc import Iterator, Mapping
from typing import Literal

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.given import FileFacts, Media, MediaSource
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.media.shape import Read
from kling_async.protocol.media.sound import SoundFacts
from kling_async.protocol.rules.nested import each_of
from kling_async.protocol.rules.values import text

Facts = Mapping[str, FileFacts]
"""Facts about local files, by field path as in `files_of`; the contents of a file without an entry are not checked."""

MEGABYTE = 2**20  # of the file, not of its base64


def files_of(request: object) -> dict[str, Media]:
    """Returns all pictures and sounds of a request by field path (`dynamic_masks[0].mask`).

    The caller inspects those given as paths and bytes, and passes the facts to the rules under the same path.
    """
    return each_of(request, Media)


def facts_of(given: Media, read: Read, size: int) -> FileFacts:
    """Returns the facts about a local file.

    Args:
        given: the picture or sound that the file should be.
        read: reads from the file.
        size: of the file in bytes.
    """
    return ImageFacts.of(read, size) if isinstance(given, Image) else SoundFacts.of(read, size)


def file(field: str, given: Media, known: FileFacts | None, megabytes: int) -> Iterator[Problem]:
    """Requires a readable file that is not too large. Addresses pass: the service fetches them."""
    if given.source is MediaSource.UNREADABLE:
        yield Problem(field, given.complaint or "cannot be read")
    elif given.source is MediaSource.URL:
        yield from text(field, given.url)
    elif known is not None:
        if known.complaint is not None:
            kind: Literal["image", "sound"] = "image" if isinstance(given, Image) else "sound"
            yield Problem(field, known.complaint, missing_file=kind if known.missing_file else None)
        if known.size is not None and known.size > megabytes * MEGABYTE:
            most = f"{megabytes * MEGABYTE} ({megabytes} MB)"
            yield Problem(field, f"the file has {known.size} bytes; at most {most} are possible")
