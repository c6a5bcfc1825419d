"""`/v1/general/presets-voices`: voices that every account can use."""

from collections.abc import Iterator
from typing import Any, Final

import attrs

from kling_async.protocol.call import Call, ListEndpoint
from kling_async.protocol.errors import Problem
from kling_async.protocol.results import Voice
from kling_async.protocol.rules.values import whole
from kling_async.protocol.wire.results import each_result

PAGE_MAXIMUM: Final = 1000


@attrs.frozen(kw_only=True)
class PresetVoices(Call[list[Voice]]):
    """The preset voices: `GET /v1/general/presets-voices`.

    Attributes:
        page_size: voices per request, 1 to 1000.
    """

    page_size: int = 100


def page_size(request: PresetVoices) -> Iterator[Problem]:
    """1 to 1000."""
    yield from whole("page_size", request.page_size, 1, PAGE_MAXIMUM)


def read(data: Any) -> list[tuple[Voice, ...]]:
    """Reads a page: each entry has the form of a task that made one.

    Raises:
        BadResponse: it is not a list.
    """
    return [results["voices"] for results in each_result(data)]


ENDPOINT = ListEndpoint(
    path="/v1/general/presets-voices",
    record=PresetVoices,
    rules=(page_size,),
    read=read,
    page_maximum=PAGE_MAXIMUM,
)
