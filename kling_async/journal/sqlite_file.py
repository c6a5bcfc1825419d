"""The file of a journal in SQLite: its creation, migration and locking."""

import contextlib
import os
import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Final

from kling_async.journal.names import DAMAGED, JOURNAL_ID_LETTERS, base32
from kling_async.journal.schema import APPLICATION, MIGRATIONS
from kling_async.protocol.errors import JournalError

LOCK_SECONDS: Final = 20.0
"""How long another process may hold the lock before a step here fails; a step takes milliseconds."""
_PAGE_BYTES: Final = 8192
"""An entry takes 500 to 1000 bytes: of the usual page of 4096 a sixth would stay unused."""
_PAUSE: Final = 0.01
_STEP_ERRORS: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""Errors of statements and values, not of the file."""


class SqliteFile:
    """The SQLite file of a store and the connection to it; used by one thread.

    Args:
        path: the file; created if it does not exist, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._opened = 0
        self.id = ""

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Runs a statement, within a step.

        Raises:
            JournalError: the journal is closed.
        """
        return self._open_connection().execute(statement, values)

    def forget(self) -> None:
        """Clears cached rows, which may be wrong after a rollback or once the file is closed."""

    def open(self) -> None:
        """As `Store.open`."""
        if self._connection is not None:
            return
        try:
            self._make_file()
            self._refuse_device()
            # One thread uses it, but before a fork another thread closes it.
            self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            self._prepare(self._connection)
            self._opened += 1
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._explained(error) from None
        except JournalError:
            self.close()
            raise

    def _make_file(self) -> None:
        """Creates the file with its final permissions, which SQLite copies to the files beside it."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def _refuse_device(self) -> None:
        """Refuses devices such as `/dev/null`, which SQLite would open, and whose permissions must not be changed.

        Raises:
            JournalError: the path is not a regular file.
        """
        if self._path.exists() and not self._path.is_file() and not self._path.is_dir():
            raise JournalError(f"the journal {self._path} cannot be opened: it is no regular file; choose another file")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._patiently(lambda: self._version(connection))  # before anything is changed
        if self._path.stat().st_mode & 0o077:
            self._path.chmod(0o600)
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file
        self._patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS; nothing elsewhere
        with self.together():
            version = self._version(connection)
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    connection.execute(statement)
            if version == 0:
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                made = base32(secrets.token_bytes(5), JOURNAL_ID_LETTERS)
                connection.execute("INSERT INTO facts VALUES ('id', ?)", (made,))
            if version < len(MIGRATIONS):
                connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            # Written on every opening, to prove that the file is writable before anything is paid.
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('opened_at', ?)", (str(int(time.time())),))
            row = connection.execute("SELECT value FROM facts WHERE name = 'id'").fetchone()
            if row is None:
                raise JournalError(f"the journal {self._path} is {DAMAGED}")
            self.id = row[0]
        if version == 0:
            # If the file is copied without its WAL, keys still give the same external ids.
            self._patiently(lambda: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))

    def _version(self, connection: sqlite3.Connection) -> int:
        """Returns the version of the tables; 0 for a new file.

        Raises:
            JournalError: the file is not a journal, or is newer than this version supports.
        """
        # Tables first: another process may be creating the journal, and if the tables exist, so does the rest.
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if application != APPLICATION and tables:
            raise JournalError(f"{self._path} is a database of something else, no journal; choose another file")
        if version > len(MIGRATIONS):
            raise JournalError(
                f"{self._path} was written by a newer version of kling_async (journal version {version}, this one "
                f"knows {len(MIGRATIONS)}); update kling_async"
            )
        return version

    def close(self) -> None:
        """As `Store.close`."""
        connection, self._connection = self._connection, None
        self.forget()
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """As `Store.together`."""
        connection = self._open_connection()
        try:
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
            try:
                yield
                self._patiently(lambda: connection.execute("COMMIT"))
            except BaseException:
                self.forget()
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._explained(error) from None

    def took_effect(self) -> int | None:
        """As `Store.took_effect`: a file is never interrupted."""
        return None

    def version(self) -> Hashable:
        """As `Store.version`."""
        by_others = self.run("PRAGMA data_version").fetchone()[0]
        return self._opened, by_others, self._open_connection().total_changes

    def fails_by(self, error: Exception) -> bool:
        """As `Store.fails_by`."""
        return isinstance(error, sqlite3.Error | OSError | MemoryError) and not isinstance(error, _STEP_ERRORS)

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalError(f"the journal {self._path} is closed")
        return self._connection

    def _patiently(self, work: Callable[[], object]) -> None:
        """Calls `work`, and retries with random pauses while another process holds the lock."""
        ends_at = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                work()
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
                if not busy or time.monotonic() > ends_at:
                    raise
                time.sleep(_PAUSE * random.random())  # noqa: S311  (no secret)
            else:
                return

    def _explained(self, error: OSError | sqlite3.Error) -> JournalError:
        path = self._path
        if isinstance(error, OSError):
            return JournalError(f"the journal {path} cannot be opened: {error.strerror}")
        if path.is_dir():
            return JournalError(f"the journal {path} cannot be opened: it is a directory; name a file in it")
        if getattr(error, "sqlite_errorcode", None) is None:  # raised by Python's text decoding, not by SQLite
            return JournalError(f"the journal {path} is {DAMAGED} ({error})")
        code = error.sqlite_errorcode & 0xFF
        text = {
            sqlite3.SQLITE_BUSY: f"is locked by something else for {LOCK_SECONDS:g} seconds: close what has it open",
            sqlite3.SQLITE_READONLY: "is read-only: make the file and its directory writable",
            sqlite3.SQLITE_CANTOPEN: "cannot be opened: its directory must exist, and be writable",
            sqlite3.SQLITE_FULL: "cannot be written: the disk is full",
            sqlite3.SQLITE_IOERR: f"cannot be read or written ({error}): the disk is full, or broken",
            sqlite3.SQLITE_CORRUPT: f"is {DAMAGED}",
            sqlite3.SQLITE_NOTADB: "is no journal, or damaged: choose another file",
        }.get(code, f"failed: {error}")
        return JournalError(f"the journal {path} {text}")
