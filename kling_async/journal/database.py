"""The interface to an SQL database, for statements in the dialect that SQLite and Postgres share."""

from collections.abc import Iterator
from typing import Any, Protocol


class Rows(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""
        ...

    def fetchone(self) -> Any:
        """Returns the next row; None if there is none."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Iterates over the remaining rows."""
        ...


class Database(Protocol):
    """A database with a journal's tables; used within a step."""

    def run(self, statement: str, *values: object) -> Rows:
        """Runs a statement with a `?` for each value.

        Raises:
            JournalError: the journal is closed.
        """
        ...

    def insert(self, statement: str, *values: object) -> int:
        """Inserts a row, and returns its `id`."""
        ...
