"""The check of `pageNum` and `pageSize` in the query of a list."""

from collections.abc import Mapping

from kling_async.emulator.service.errors import invalid

_PAGES = 1000


def requested_page(query: Mapping[str, str], page_maximum: int) -> tuple[int, int]:
    """Returns the number of the requested page, from 1, and the size of a page.

    Raises:
        Refusal: 1201, when one of them is invalid.
    """
    return _whole_number(query, "pageNum", 1, _PAGES), _whole_number(query, "pageSize", 30, page_maximum)


def _whole_number(query: Mapping[str, str], name: str, default: int, highest: int) -> int:
    value = query.get(name, str(default))
    if not (value.isascii() and value.isdecimal() and len(value) <= 9 and 1 <= int(value) <= highest):
        raise invalid(f"{name} must be an integer between 1 and {highest}")
    return int(value)
