"""A row of a batch: one unit of work, after reading and checking it."""

from collections.abc import Sequence
from typing import Any

import attrs

from kling_async.protocol.errors import KlingError, Problem


@attrs.frozen(kw_only=True)
class Row:
    """One unit of work.

    Attributes:
        id: its name in the batch, given or derived from its contents; the key in the journal, and the name of its
            files.
        line: line of the jobs, from 1; None if they do not come from a file.
        endpoint: the client's method for it, such as `image_to_video`.
        request: the request record to submit.
        pictures: paths of its local input pictures, relative to the current directory or absolute.
    """

    id: str
    line: int | None = None
    endpoint: str
    request: Any
    pictures: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RowProblem:
    """A problem of a row, which is then not sent.

    Attributes:
        line: line of the jobs, from 1; None if they do not come from a file.
        id: id of the row, if it has one.
        problem: the parameter, what is wrong with it, and how to correct it.
    """

    line: int | None
    id: str | None
    problem: Problem

    def __str__(self) -> str:
        """Returns the location, followed by the problem."""
        place = " ".join(filter(None, [f"line {self.line}" if self.line else "", f"({self.id})" if self.id else ""]))
        return f"{place}: {self.problem}" if place else str(self.problem)


class InvalidBatch(KlingError, ValueError):
    """Rows of a batch are invalid. Nothing was sent or paid.

    Attributes:
        problems: all problems, each with its location.
    """

    problems: tuple[RowProblem, ...]

    @classmethod
    def of(cls, problems: Sequence[RowProblem]) -> "InvalidBatch":
        """Returns an error that lists these problems, one per line."""
        lines = "".join(f"\n  - {problem}" for problem in problems)
        return cls(f"{len(problems)} problems, nothing was sent:{lines}", problems=tuple(problems))
