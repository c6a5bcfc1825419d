"""A journal in one SQLite file of this machine."""

import contextlib
import json
import os
import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.journal import saved_files
from kling_async.journal.entry import Entry, EntryState, SavedFile
from kling_async.journal.names import JOURNAL_ID_LETTERS, base32
from kling_async.journal.schema import APPLICATION, MIGRATIONS
from kling_async.journal.sqlite_budgets import SqliteBudgets
from kling_async.journal.store import OwnerRow, Work
from kling_async.protocol.budget import Settled
from kling_async.protocol.errors import JournalError
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.tasks import Task, TaskStatus

LOCK_SECONDS: Final = 20.0
"""How long another process may write before a step of this one fails: each of ours takes milliseconds."""
_PAGE_BYTES: Final = 8192
"""Entries have 500 to 1000 bytes: in the usual 4096 the rest of a page would be a sixth of it."""
_PAUSE: Final = 0.01
_DAMAGED: Final = "damaged: put it away, and keep it; `sqlite3 FILE .recover` saves what there is"
_OF_A_STEP: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""What SQLite says of statements and values, and not of the file."""
_COLUMNS: Final = (
    "entries.id, key, attempt, endpoint, external_task_id, request, members, line, slots, save_to, state, owner, "
    "intended_at, accepted_at, ended_at, saved_at, task_id, estimate_units, estimate_usd, status, units, quota, "
    "list_price, error, saving_to, files"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM entries LEFT JOIN knowledge ON knowledge.id = knowledge"  # noqa: S608  (of constants)


class SqliteStore:
    """A `Store` in a file; used by one thread.

    Args:
        path: the file; made where there is none, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._knowledge: dict[frozenset[str], int] = {}
        self.budgets = SqliteBudgets(self._run)
        self.id = ""

    # ------------------------------------------------------------------------------------- the file

    def open(self) -> None:
        """As `Store.open`."""
        if self._connection is not None:
            return
        try:
            self._make_file()
            # One thread uses it; before a fork another one closes it.
            self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            self._prepare(self._connection)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._explained(error) from None
        except JournalError:
            self.close()
            raise

    def _make_file(self) -> None:
        """With its permissions, before there is anything in it; SQLite gives them to the files beside it."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._patiently(lambda: self._version(connection))  # before anything is changed
        if self._path.stat().st_mode & 0o077:
            self._path.chmod(0o600)
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file
        self._patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
        connection.execute("PRAGMA synchronous = FULL")
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
            # Written every time: that it can be is known before anything is paid.
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('opened_at', ?)", (str(int(time.time())),))
            self.id = connection.execute("SELECT value FROM facts WHERE name = 'id'").fetchone()[0]
        if version == 0:
            # Where the file is copied without its WAL, the keys give the same external ids still.
            self._patiently(lambda: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))

    def _version(self, connection: sqlite3.Connection) -> int:
        """The version of the tables; 0 for a new file.

        Raises:
            JournalError: it is no journal, or a newer one.
        """
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if application != APPLICATION and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
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
        self._knowledge.clear()
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
                self._knowledge.clear()
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._explained(error) from None

    def fails_by(self, error: Exception) -> bool:
        """As `Store.fails_by`."""
        return isinstance(error, sqlite3.Error | OSError | MemoryError) and not isinstance(error, _OF_A_STEP)

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalError(f"the journal {self._path} is closed")
        return self._connection

    def _patiently(self, work: Callable[[], object]) -> None:
        """Again while another process writes, after times that differ from its."""
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
        if getattr(error, "sqlite_errorcode", None) is None:  # not SQLite says so, but who reads text out of it
            return JournalError(f"the journal {path} is {_DAMAGED} ({error})")
        code = error.sqlite_errorcode & 0xFF
        text = {
            sqlite3.SQLITE_BUSY: f"is locked by something else for {LOCK_SECONDS:g} seconds: close what has it open",
            sqlite3.SQLITE_READONLY: "is read-only: make the file and its directory writable",
            sqlite3.SQLITE_CANTOPEN: "cannot be opened: its directory must exist, and be writable",
            sqlite3.SQLITE_FULL: "cannot be written: the disk is full",
            sqlite3.SQLITE_IOERR: f"cannot be read or written ({error}): the disk is full, or broken",
            sqlite3.SQLITE_CORRUPT: f"is {_DAMAGED}",
            sqlite3.SQLITE_NOTADB: "is no journal, or damaged: choose another file",
        }.get(code, f"failed: {error}")
        return JournalError(f"the journal {path} {text}")

    # -------------------------------------------------------------------------------------- owners

    def enter(self, name: str, machine: str, boot: str) -> int:
        """As `Store.enter`."""
        added = self._run("INSERT INTO owners (name, machine, boot) VALUES (?, ?, ?)", name, machine, boot)
        return added.lastrowid or 0

    def leave(self, owner: int) -> None:
        """As `Store.leave`."""
        self._run("UPDATE entries SET owner = NULL WHERE owner = ? AND unfinished", owner)
        self._run("DELETE FROM owners WHERE id = ?", owner)

    def owner(self, owner: int) -> OwnerRow | None:
        """As `Store.owner`."""
        row = self._run("SELECT id, name, machine, boot FROM owners WHERE id = ?", owner).fetchone()
        return OwnerRow(*row) if row else None

    def owners(self, *, unfinished: bool) -> list[OwnerRow]:
        """As `Store.owners`."""
        work = "EXISTS (SELECT 1 FROM entries WHERE unfinished AND owner = owners.id)"
        rows = self._run(f"SELECT id, name, machine, boot FROM owners WHERE {work} = ?", unfinished)  # noqa: S608  (constants)
        return [OwnerRow(*row) for row in rows]

    # ---------------------------------------------------------------------------------------- work

    def intents(self) -> list[Entry]:
        """As `Store.intents`."""
        return [_entry(row) for row in self._run(f"{_SELECT} WHERE unfinished AND state = 'intent'")]

    def last(self, key: str) -> Entry | None:
        """As `Store.last`."""
        row = self._run(f"{_SELECT} WHERE key = ? ORDER BY attempt DESC LIMIT 1", key).fetchone()
        return _entry(row) if row else None

    def get(self, entry: int) -> Entry | None:
        """As `Store.get`."""
        row = self._run(f"{_SELECT} WHERE entries.id = ?", entry).fetchone()
        return _entry(row) if row else None

    def running(self, task_id: str) -> Entry | None:
        """As `Store.running`."""
        running = "unfinished AND task_id = ? AND state = ?"  # of few entries, by the index of the unfinished ones
        row = self._run(f"{_SELECT} WHERE {running}", task_id, EntryState.ACCEPTED).fetchone()
        return _entry(row) if row else None

    def intend(self, work: Work, owner: int, now: datetime) -> Entry | None:
        """As `Store.intend`."""
        if work.replaces is not None:
            refused = "SELECT 1 FROM entries WHERE id = ? AND state = ?"
            if not self._run(refused, work.replaces, EntryState.REFUSED).fetchone():
                return None
        if work.key is not None:
            there = "SELECT 1 FROM entries WHERE key = ? AND attempt >= ? AND id IS NOT ?"
            if self._run(there, work.key, work.attempt, work.replaces).fetchone():
                return None
        claim = work.claim  # before anything is changed: it may be refused
        reservation = None if claim is None else self.budgets.reserve(claim.budget, claim.amount, now)
        if work.replaces is not None:
            self._run("DELETE FROM entries WHERE id = ?", work.replaces)
        values: dict[str, Any] = {
            "key": work.key,
            "attempt": work.attempt,
            "endpoint": work.endpoint,
            "external_task_id": work.external_task_id,
            "request": _json(work.request),
            "knowledge": self._knowledge_of(work.known),
            "line": work.line,
            "slots": work.slots,
            "save_to": _bytes_where_no_text(work.save_to),
            "state": EntryState.INTENT,
            "owner": owner,
            "unfinished": 1,
            "intended_at": now.timestamp(),
            "estimate_units": _text(work.estimate.units),
            "estimate_usd": _text(work.estimate.usd),
            "spending": reservation and reservation.account,
            "reservation": reservation and str(reservation.amount),
        }
        places = ", ".join("?" * len(values))
        added = self._run(f"INSERT INTO entries ({', '.join(values)}) VALUES ({places})", *values.values())  # noqa: S608  (names)
        members = attrs.asdict(work, recurse=False)
        return Entry(
            id=added.lastrowid or 0,
            intended_at=now,
            owner=owner,
            **{name: value for name, value in members.items() if name not in {"replaces", "claim"}},
        )

    def take(self, entry: int, owner: int | None) -> None:
        """As `Store.take`."""
        self._run("UPDATE entries SET owner = ? WHERE id = ?", owner, entry)

    def let_go(self, entries: Sequence[int], owner: int) -> None:
        """As `Store.let_go`."""
        for entry in entries:
            self._run("UPDATE entries SET owner = NULL WHERE id = ? AND owner = ? AND unfinished", entry, owner)

    def aim(self, entry: int, save_to: str) -> None:
        """As `Store.aim`."""
        self._set(entry, save_to=_bytes_where_no_text(save_to))

    def take_left(self, owner: int, is_gone: Callable[[int | None], bool]) -> list[Entry]:
        """As `Store.take_left`."""
        owners = [row[0] for row in self._run("SELECT DISTINCT owner FROM entries WHERE unfinished")]
        taken: list[Entry] = []
        for gone in filter(is_gone, owners):
            taken += [_entry(row) for row in self._run(f"{_SELECT} WHERE unfinished AND owner IS ?", gone)]
            self._run("UPDATE entries SET owner = ? WHERE unfinished AND owner IS ?", owner, gone)
        return sorted(taken, key=lambda entry: entry.id)

    def accepted(self, entry: int, task: Task, now: datetime) -> None:
        """As `Store.accepted`."""
        # Only forwards: what is heard late, or twice, changes nothing.
        accepted = {"state": EntryState.ACCEPTED, "task_id": task.task_id, "accepted_at": now.timestamp()}
        self._set(entry, "state = 'intent'", **accepted, error=None)

    def ended(self, entry: int, task: Task, now: datetime, *, finished: bool) -> Settled | None:
        """As `Store.ended`."""
        money = task.final_balance_deduction
        self._set(
            entry,
            "state IN ('intent', 'accepted')",
            state=EntryState.ENDED,
            unfinished=int(not finished),
            task_id=task.task_id,
            ended_at=now.timestamp(),
            status=task.status,
            units=_text(task.final_unit_deduction),
            quota=_text(money.quota if money else None),
            list_price=_text(money.list_price if money else None),
            error=_printable(task.status_msg) or None,
        )
        return self.budgets.ended(entry, task)

    def saving(self, entry: int, place: str) -> None:
        """As `Store.saving`."""
        self._set(entry, saving_to=_bytes_where_no_text(place))

    def saved(self, entry: int, files: Sequence[SavedFile], now: datetime) -> None:
        """As `Store.saved`."""
        row = self._run("SELECT save_to FROM entries WHERE id = ?", entry).fetchone()
        target = os.fsdecode(row[0]) if row and row[0] is not None else None
        done = {"state": EntryState.SAVED, "unfinished": 0, "saved_at": now.timestamp()}
        self._set(entry, **done, files=_json(saved_files.shortened(files, target)), saving_to=None)

    def closed(self, entry: int, state: EntryState, error: str, now: datetime) -> None:
        """As `Store.closed`."""
        self._set(entry, state=state, unfinished=0, error=_printable(error), ended_at=now.timestamp())
        self.budgets.ended(entry, None, free=state is EntryState.REFUSED)

    def in_doubt(self, entry: int, error: str) -> None:
        """As `Store.in_doubt`."""
        self._set(entry, "state = 'intent'", error=_printable(error), owner=None)

    def entries(
        self, after: int, count: int, *, key: str | None, state: EntryState | None, endpoint: str | None
    ) -> list[Entry]:
        """As `Store.entries`."""
        wanted = {"key": key, "state": state, "endpoint": endpoint}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = "".join(f" AND {name} = ?" for name in given)
        select = f"{_SELECT} WHERE entries.id > ?{where} ORDER BY entries.id LIMIT ?"
        rows = self._run(select, after, *given.values(), count)
        return [_entry(row) for row in rows]

    # -------------------------------------------------------------------------------------- inside

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._open_connection().execute(statement, values)

    def _set(self, entry: int, where: str = "1", /, **values: object) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        self._run(f"UPDATE entries SET {names} WHERE id = ? AND {where}", *values.values(), entry)  # noqa: S608  (constants)

    def _knowledge_of(self, known: frozenset[str] | None) -> int | None:
        if known is None:
            return None
        if known not in self._knowledge:
            text = " ".join(sorted(known))
            self._run("INSERT OR IGNORE INTO knowledge (members) VALUES (?)", text)
            self._knowledge[known] = self._run("SELECT id FROM knowledge WHERE members = ?", text).fetchone()[0]
        return self._knowledge[known]


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() or _is_text(text) else json.dumps(value, separators=(",", ":"))


def _is_text(text: str) -> bool:
    """Whether it can be written: names of files may hold bytes that are no text, and strings half a letter."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes_where_no_text(path: str | None) -> str | bytes | None:
    return path if path is None or _is_text(path) else os.fsencode(path)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _entry(row: Sequence[Any]) -> Entry:
    """An entry of a row.

    Raises:
        JournalError: something else than a journal writes stands there.
    """
    try:
        return _read(row)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise JournalError(f"entry {row[0]} of the journal is {_DAMAGED} ({error})") from None


def _read(row: Sequence[Any]) -> Entry:
    names = [name.rpartition(".")[2] for name in _COLUMNS.split(", ")]
    values = dict(zip(names, row, strict=True))
    members = values.pop("members")
    units, usd = values.pop("estimate_units"), values.pop("estimate_usd")
    values["intended_at"] = datetime.fromtimestamp(values["intended_at"], UTC)
    values |= {name: values[name] and os.fsdecode(values[name]) for name in ("save_to", "saving_to")}
    values |= {name: _moment(values[name]) for name in ("accepted_at", "ended_at", "saved_at")}
    values |= {name: _number(values[name]) for name in ("units", "quota", "list_price")}
    return Entry(
        **values
        | {
            "request": json.loads(values["request"]),
            "known": None if members is None else frozenset(members.split()),
            "estimate": Estimate(units=_number(units), usd=_number(usd)),
            "state": EntryState(values["state"]),
            "status": values["status"] and TaskStatus(values["status"]),
            "error": values["error"] or "",
            "files": saved_files.from_text(values["files"], values["save_to"]),
        }
    )
