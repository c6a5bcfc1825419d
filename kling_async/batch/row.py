"""A row of a batch: one piece of work, as it was read and checked."""

from collections.abc import Sequence
from typing import Any

import attrs

from kling_async.protocol.errors import KlingError, Problem


@attrs.frozen(kw_only=True)
class Row:
    """One piece of work.

    Attributes:
        id: its name in the batch, given or made from its contents: the key in the journal, and what its files are
            called after.
        line: of the jobs, from 1; None where they came from no file.
        endpoint: the client's method that makes it, such as `image_to_video`.
        request: the record that is submitted.
        pictures: paths of the pictures on this machine that it is made from, as they can be opened from here.
    """

    id: str
    line: int | None = None
    endpoint: str
    request: Any
    pictures: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RowProblem:
    """What is wrong with a row; nothing of it is sent.

    Attributes:
        line: of the jobs, from 1; None where they came from no file.
        id: of the row, where it has one.
        problem: the parameter, what is wrong with it and what would be right.
    """

    line: int | None
    id: str | None
    problem: Problem

    def __str__(self) -> str:
        """The place, then the problem."""
        place = " ".join(filter(None, [f"line {self.line}" if self.line else "", f"({self.id})" if self.id else ""]))
        return f"{place}: {self.problem}" if place else str(self.problem)


class InvalidBatch(KlingError, ValueError):
    """Rows of a batch are wrong. Nothing was sent, nothing is paid.

    Attributes:
        problems: all of them, each with its place.
    """

    problems: tuple[RowProblem, ...]

    @classmethod
    def of(cls, problems: Sequence[RowProblem]) -> "InvalidBatch":
        """The error for these problems, one line each."""
        lines = "".join(f"\n  - {problem}" for problem in problems)
        return cls(f"{len(problems)} problems, nothing was sent:{lines}", problems=tuple(problems))
