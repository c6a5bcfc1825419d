"""Conversion of a journal's SQL rows to entries, and of values to columns."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from kling_async.journal import saved_files
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.names import DAMAGED
from kling_async.protocol.errors import JournalError
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.tasks import TaskStatus

COLUMNS: Final = (
    "entries.id, key, attempt, endpoint, external_task_id, request, members, line, slots, save_to, state, owner, "
    "intended_at, accepted_at, ended_at, saved_at, task_id, estimate_units, estimate_usd, status, units, quota, "
    "list_price, currency, error, saving_to, files, trace"
)
SELECT: Final = f"SELECT {COLUMNS} FROM entries LEFT JOIN knowledge ON knowledge.id = entries.knowledge"  # noqa: S608  (of constants)


def entry_of(row: Sequence[Any]) -> Entry:
    """Returns the entry in a row.

    Raises:
        JournalError: the row has a value that no journal writes.
    """
    try:
        return _read(row)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise JournalError(f"entry {row[0]} of the journal is {DAMAGED} ({error})") from None


def _read(row: Sequence[Any]) -> Entry:
    names = [name.rpartition(".")[2] for name in COLUMNS.split(", ")]
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


def json_text(value: object) -> str:
    """Returns a value as JSON that can be encoded as UTF-8, with escapes where necessary."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() or _is_text(text) else json.dumps(value, separators=(",", ":"))


def _is_text(text: str) -> bool:
    """Whether a text can be encoded: file names may have undecodable bytes, and strings may have lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def path_value(path: str | None) -> str | bytes | None:
    """Returns a path as SQLite stores it: as text, or as bytes if it is not decodable."""
    return path if path is None or _is_text(path) else os.fsencode(path)


def printable(text: str) -> str:
    """Returns untrusted text in a form that can be encoded, with escapes where necessary."""
    return text.encode("utf-8", "backslashreplace").decode()


def number_text(number: Decimal | None) -> str | None:
    """Returns a number as it is stored."""
    return None if number is None else str(number)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
