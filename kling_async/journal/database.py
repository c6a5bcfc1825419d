"""What statements of a journal in SQL are run by; they are written in what SQLite and Postgres both understand."""

from collections.abc import Iterator
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:
        """The next row; None where there is none."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left."""
        ...


class Database(Protocol):
    """A database with a journal's tables, within a step."""

    def run(self, statement: str, *values: object) -> Rows:
        """Runs a statement, with a `?` for each value.

        Raises:
            JournalError: the journal is closed.
        """
        ...

    def insert(self, statement: str, *values: object) -> int:
        """Adds a row, whose `id` it gives."""
        ...
