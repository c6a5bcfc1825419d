"""`/v1/general/advanced-presets-elements`: elements that every account can use."""

from collections.abc import Iterator
from typing import Any, Final

import attrs

from kling_async.protocol.call import Call, ListEndpoint
from kling_async.protocol.errors import Problem
from kling_async.protocol.results import Element
from kling_async.protocol.rules.values import whole
from kling_async.protocol.wire.results import each_result

PAGE_MAXIMUM: Final = 500


@attrs.frozen(kw_only=True)
class PresetElements(Call[list[Element]]):
    """The preset elements: `GET /v1/general/advanced-presets-elements`.

    Attributes:
        page_size: elements per request, 1 to 500.
    """

    page_size: int = 100


def page_size(request: PresetElements) -> Iterator[Problem]:
    """1 to 500."""
    yield from whole("page_size", request.page_size, 1, PAGE_MAXIMUM)


def read(data: Any) -> list[tuple[Element, ...]]:
    """Reads a page: each entry has the form of a task that made one.

    Raises:
        BadResponse: it is not a list.
    """
    return [results["elements"] for results in each_result(data)]


ENDPOINT = ListEndpoint(
    path="/v1/general/advanced-presets-elements",
    record=PresetElements,
    rules=(page_size,),
    read=read,
    page_maximum=PAGE_MAXIMUM,
)
