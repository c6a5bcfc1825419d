"""Checks requests before they are sent and paid for: reads the headers of local pictures, then applies all rules."""

import functools
import io
import os
from collections.abc import Mapping

from kling_async.io.threads import begin
from kling_async.io.upload import opened, reason, shortage
from kling_async.protocol.endpoint import Described
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageSource
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.rules.pictures import images_of


async def problems_of(endpoint: Described, request: object) -> list[Problem]:
    """Finds all problems of a request, its pictures included.

    Raises:
        ConnectionFailed: this machine is short of open files or memory, which passes and is no problem of a picture.
    """
    return endpoint.problems(request, await _read_headers(images_of(request)))


async def _read_headers(images: Mapping[str, Image]) -> dict[str, ImageFacts]:
    """Reads the headers of all local pictures in a thread; pictures given by URL are left to the service."""
    local = {field: image for field, image in images.items() if image.source in {ImageSource.PATH, ImageSource.DATA}}
    if not local:
        return {}
    return await begin(lambda: {field: _facts(image) for field, image in local.items()})


def _facts(image: Image) -> ImageFacts:
    data = image.data
    if data is not None:
        return ImageFacts.of(lambda start, count: data[start : start + count], len(data))
    try:
        with opened(image) as file:
            return ImageFacts.of(functools.partial(_read_at, file), os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return ImageFacts(complaint=f"there is no file {_shown_path(image)}", missing_file=True)
    except (OSError, ValueError) as error:
        if (short := shortage(error)) is not None:
            raise short from None
        return ImageFacts(complaint=f"{_shown_path(image)} cannot be read: {reason(error)}")


def _read_at(file: io.FileIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _shown_path(image: Image) -> str:
    return repr(image.path)[:200]
