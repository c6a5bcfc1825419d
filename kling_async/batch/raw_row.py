"""A row of the jobs before it is interpreted."""

from collections.abc import Mapping
from typing import Any

import attrs

from kling_async.protocol.errors import Problem


@attrs.frozen(kw_only=True)
class RawRow:
    """One row of a file.

    Attributes:
        line: the line on which it begins, from 1.
        members: its values by name; None if it could not be read.
        problems: the problems found so far.
        id: the id to use if the row has none and it is not taken; None to derive one from the row's contents.
    """

    line: int | None
    members: Mapping[str, Any] | None
    problems: tuple[Problem, ...] = ()
    id: str | None = None


def unreadable(line: int, message: str) -> RawRow:
    """Returns a row that could not be read."""
    return RawRow(line=line, members=None, problems=(Problem("row", message),))
