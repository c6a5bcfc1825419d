"""A row as it stands in the jobs, before anyone asks what it means."""

from collections.abc import Mapping
from typing import Any

import attrs

from kling_async.protocol.errors import Problem


@attrs.frozen(kw_only=True)
class RawRow:
    """One row of a file.

    Attributes:
        line: where it begins, from 1.
        members: what it holds, by name; None where it could not be read.
        problems: that were found so far.
        id: that it gets where its contents name none and it is free; None for one from its contents.
    """

    line: int | None
    members: Mapping[str, Any] | None
    problems: tuple[Problem, ...] = ()
    id: str | None = None


def unreadable(line: int, message: str) -> RawRow:
    """A row of which nothing is known but that it is wrong."""
    return RawRow(line=line, members=None, problems=(Problem("row", message),))
