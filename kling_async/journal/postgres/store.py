"""The store of a journal in Postgres, whose owners have leases by the server's clock."""

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from kling_async.journal.entry import EntryState, SavedFile
from kling_async.journal.postgres.address import Address
from kling_async.journal.postgres.database import CLOCK, PostgresDatabase
from kling_async.journal.sql_store import SqlStore
from kling_async.journal.store import lease_lost
from kling_async.protocol.budget import Settled
from kling_async.protocol.tasks import Task

_HOLDS: Final = f"SELECT 1 FROM owners WHERE id = ? AND seen_at + lease > {CLOCK}"  # noqa: S608  (constants)


class PostgresStore(PostgresDatabase, SqlStore):
    """A `Store` in a Postgres schema; used by one thread.

    Args:
        address: the journal's address.
        lease: seconds for which owners hold their work after a renewal.
    """

    def __init__(self, address: Address, lease: float) -> None:
        PostgresDatabase.__init__(self, address, lease)
        SqlStore.__init__(self)

    def one_of(self, values: Collection[str]) -> tuple[str, object]:
        """As `SqlStore.one_of`."""
        return "= ANY(?)", [*map(str, values)]

    def forget(self) -> None:
        """As `PostgresDatabase.forget`."""
        SqlStore.forget(self)

    def path_value(self, path: str | None) -> bytes | None:
        """As `SqlStore.path_value`."""
        return None if path is None else os.fsencode(path)

    # -------------------------------------------------------------------------------------- leases

    def enter(self, name: str, machine: str, boot: str) -> int:
        """As `Store.enter`."""
        added = f"INSERT INTO owners (name, machine, boot, seen_at, lease) VALUES (?, ?, ?, {CLOCK}, ?)"  # noqa: S608  (a constant)
        return self.insert(added, name, machine, boot, self._lease)

    def renew(self, owner: int) -> bool:
        """Renews the lease of an owner unless it has expired; returns whether it was renewed."""
        renewed = f"UPDATE owners SET seen_at = {CLOCK} WHERE id = ? AND seen_at + lease > {CLOCK}"  # noqa: S608  (constants)
        return self.run(renewed, owner).rowcount > 0

    def overdue(self, owner: int) -> float:
        """Returns the seconds since an owner's lease expired; negative before that, infinite for an unknown owner."""
        row = self.run(f"SELECT {CLOCK} - seen_at - lease FROM owners WHERE id = ?", owner).fetchone()  # noqa: S608  (constants)
        return float("inf") if row is None else float(row[0])

    def since_cut(self, entry: int) -> float:
        """Returns the seconds since the create of an entry was cut off; infinite if it was not."""
        row = self.run(f"SELECT {CLOCK} - cut_at FROM entries WHERE id = ?", entry).fetchone()  # noqa: S608  (a constant)
        return float("inf") if row is None or row[0] is None else float(row[0])

    def holds(self, owner: int) -> bool:
        """Whether an owner's lease has not expired."""
        return self.run(_HOLDS, owner).fetchone() is not None

    def must_own(self, owner: int) -> None:
        """As `SqlStore.must_own`."""
        if not self.holds(owner):
            raise lease_lost()

    def may_change(self, entry: int) -> bool:
        """As `SqlStore.may_change`."""
        if not self.actor or self.holds(self.actor):
            return True
        free = "SELECT 1 FROM entries WHERE id = ? AND (owner IS NULL OR owner = ?)"
        return self.run(free, entry, self.actor).fetchone() is not None

    # --------------------------------------------------------------------------------- kept bytes

    def keep(self, entry: int, parts: Mapping[str, bytes], digests: Collection[str]) -> None:
        """As `Store.keep`."""
        for digest, data in parts.items():
            self.run("INSERT INTO kept VALUES (?, ?) ON CONFLICT DO NOTHING", digest, data)
        self.hold(f"entry:{entry}", digests)

    def hold(self, holder: str, digests: Collection[str]) -> None:
        """Registers a holder of stored bytes, until `release`."""
        for digest in digests:
            self.run("INSERT INTO kept_for VALUES (?, ?) ON CONFLICT DO NOTHING", holder, digest)

    def release(self, holder: str) -> None:
        """Removes a holder, and deletes bytes that have no other one."""
        digests = [row[0] for row in self.run("DELETE FROM kept_for WHERE holder = ? RETURNING sha256", holder)]
        if digests:
            unheld = "NOT EXISTS (SELECT 1 FROM kept_for WHERE kept_for.sha256 = kept.sha256)"
            self.run(f"DELETE FROM kept WHERE sha256 = ANY(?) AND {unheld}", digests)  # noqa: S608  (a constant)

    def kept(self, digests: Collection[str]) -> dict[str, bytes]:
        """As `Store.kept`."""
        rows = self.run("SELECT sha256, data FROM kept WHERE sha256 = ANY(?)", [*digests])
        return {row[0]: row[1] for row in rows}

    def kept_bytes(self, digests: Collection[str]) -> int:
        """Returns the total size of stored bytes."""
        row = self.run("SELECT coalesce(sum(length(data)), 0)::bigint FROM kept WHERE sha256 = ANY(?)", [*digests])
        return int(row.fetchone()[0])

    # ----------------------------------------------- steps that notify other clients, or release bytes

    def accepted(self, entry: int, task: Task, now: datetime) -> None:
        """As `Store.accepted`."""
        super().accepted(entry, task, now)
        self._release_bytes(entry)

    def closed(self, entry: int, state: EntryState, error: str, now: datetime) -> None:
        """As `Store.closed`."""
        super().closed(entry, state, error, now)
        self._release_bytes(entry)
        self.notify()

    def ended(self, entry: int, task: Task, now: datetime, *, finished: bool) -> Settled | None:
        """As `Store.ended`."""
        settled = super().ended(entry, task, now, finished=finished)
        self._release_bytes(entry)
        self.notify()
        return settled

    def saved(self, entry: int, files: Sequence[SavedFile], now: datetime) -> None:
        """As `Store.saved`."""
        super().saved(entry, files, now)
        self._release_bytes(entry)

    def give(self, entry: int, owner: int, to: int) -> bool:
        """As `Store.give`."""
        given = super().give(entry, owner, to)
        if given:
            self.notify()
        return given

    def in_doubt(self, entry: int, error: str, *, cut_off: bool) -> None:
        """As `Store.in_doubt`."""
        if cut_off and self.may_change(entry):
            self.run(f"UPDATE entries SET cut_at = {CLOCK} WHERE id = ?", entry)  # noqa: S608  (a constant)
        super().in_doubt(entry, error, cut_off=cut_off)

    def leave(self, owner: int) -> None:
        """As `Store.leave`: an entry that is still an intent may be being sent at this moment."""
        intents = "owner = ? AND unfinished AND state = 'intent'"
        self.run(f"UPDATE entries SET cut_at = {CLOCK} WHERE {intents}", owner)  # noqa: S608  (constants)
        super().leave(owner)
        self.notify()

    def add_callback(self, entry: int, body: bytes, *, signed: bool) -> None:
        """As `Store.add_callback`."""
        super().add_callback(entry, body, signed=signed)
        self.notify()

    def notify(self) -> None:
        """Notifies all clients of the journal, once for each transaction."""
        self.run("SELECT pg_notify(?, '')", self._address.schema)

    def _release_bytes(self, entry: int) -> None:
        state = self.run("SELECT state FROM entries WHERE id = ?", entry).fetchone()
        if state is None or state[0] != EntryState.INTENT:
            self.release(f"entry:{entry}")
