"""A journal in one SQLite file of this machine."""

import json
from collections.abc import Collection
from pathlib import Path

from kling_async.journal.sql_store import SqlStore
from kling_async.journal.sqlite_file import SqliteFile


class SqliteStore(SqliteFile, SqlStore):
    """A `Store` in a file; used by one thread.

    Args:
        path: the file; created if it does not exist, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        SqliteFile.__init__(self, path)
        SqlStore.__init__(self)

    def insert(self, statement: str, *values: object) -> int:
        """As `Database.insert`."""
        return self.run(statement, *values).lastrowid or 0

    def one_of(self, values: Collection[str]) -> tuple[str, object]:
        """As `SqlStore.one_of`."""
        return "IN (SELECT value FROM json_each(?))", json.dumps([*values])

    def forget(self) -> None:
        """As `SqliteFile.forget`."""
        SqlStore.forget(self)
