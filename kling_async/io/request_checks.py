"""Checks requests before they are sent and paid for: inspects local files, then applies all rules."""

import functools
import io
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from kling_async.io.threads import begin
from kling_async.io.upload import opened, reason, shortage
from kling_async.protocol.catalog import of_the_other_generation
from kling_async.protocol.endpoint import Described
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.given import FileFacts, Media
from kling_async.protocol.rules.files import facts_of, files_of


async def problems_of(endpoint: Described, request: object, service_time: float) -> list[Problem]:
    """Returns all problems of a request and its files.

    Args:
        endpoint: of the request.
        request: about to be sent.
        service_time: seconds since 1970, by the service's clock.

    Raises:
        ConnectionFailed: this machine is short of open files or memory, which is transient and no problem of a file.
    """
    facts = await _look_at(files_of(request))
    found = endpoint.problems(request, facts, now=datetime.fromtimestamp(service_time, UTC))
    return [*found, *of_the_other_generation(endpoint, request)]


async def _look_at(files: Mapping[str, Media]) -> dict[str, FileFacts]:
    """Inspects all local files in a thread; files given by URL are left to the service."""
    local = {field: file for field, file in files.items() if file.is_local}
    if not local:
        return {}
    return await begin(lambda: {field: _facts(file) for field, file in local.items()})


def _facts(given: Media) -> FileFacts:
    data = given.data
    if data is not None:
        return facts_of(given, lambda start, count: data[start : start + count], len(data))
    try:
        with opened(given) as file:
            return facts_of(given, functools.partial(_read_at, file), os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return FileFacts(complaint=f"there is no file {_shown_path(given)}", missing_file=True)
    except (OSError, ValueError) as error:
        if (short := shortage(error)) is not None:
            raise short from None
        return FileFacts(complaint=f"{_shown_path(given)} cannot be read: {reason(error)}")


def _read_at(file: io.FileIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _shown_path(given: Media) -> str:
    return repr(given.path)[:200]
