"""The backend of a journal in Postgres: owners with leases, and the bytes of requests in the database."""

import asyncio
import hashlib
import os
import secrets
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kling_async.io import system, transport
from kling_async.io.upload import opened, reason
from kling_async.journal import files, owners
from kling_async.journal.backend import Keep
from kling_async.journal.backend import Owner as AnyOwner
from kling_async.journal.contents import Part, marks_in
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.postgres.listener import Listener
from kling_async.journal.postgres.store import PostgresStore
from kling_async.journal.store import Store
from kling_async.journal.writer import Writer
from kling_async.protocol.errors import InvalidRequest, Problem
from kling_async.protocol.media.given import Media, MediaSource

_SAFE_PART: Final = 0.8
"""The part of a lease for which a client relies on it; the rest allows for clock drift and network delays."""
_RENEWALS: Final = 3
"""How often a lease is renewed within its duration."""


class Lease:
    """A client's ownership of its work, until its lease expires; it is renewed regularly.

    Args:
        seconds: how long a lease lasts.
        writer: the journal's writer.
        loop: the loop that the client runs on.
    """

    def __init__(self, seconds: float, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        self.id = 0
        self.name = secrets.token_hex(8)
        self.seconds = seconds
        self._writer = weakref.ref(writer)
        self._loop = weakref.ref(loop)
        self._process = os.getpid()
        self._renewed_at = float("-inf")
        self._is_over = False
        self.ends = threading.Event()

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the owner's."""
        return os.getpid() != self._process

    @property
    def holds(self) -> bool:
        """As `Owner.holds`: by a clock that runs while the machine sleeps."""
        if system.boot_time() >= self._renewed_at + self.seconds * _SAFE_PART:
            return False
        return not (self._is_over or self.ends.is_set() or self.forked)

    def begin(self, at: float) -> None:
        """Starts the lease, and its renewals, as of a time of this machine's boot clock before the server's write."""
        self._renewed_at = at
        threading.Thread(target=_renew, args=(weakref.ref(self),), name="kling_async-lease", daemon=True).start()

    def release(self) -> None:
        """As `Owner.release`."""
        self.ends.set()

    def renew(self) -> bool:
        """Queues a renewal; returns whether to continue."""
        writer, loop = self._writer(), self._loop()
        if self._is_over or writer is None or loop is None or loop.is_closed():
            self._is_over = True
            return False
        began: list[float] = []

        def write(store: Store) -> None:
            began[:] = [system.boot_time()]
            if isinstance(store, PostgresStore) and self.id and not store.renew(self.id):
                began.clear()

        def written() -> None:
            self._is_over = self._is_over or not began
            self._renewed_at = max([self._renewed_at, *began])

        writer.enqueue(write, written, at_once=True)
        return True


def _renew(lease: "weakref.ref[Lease]") -> None:
    """Renews a lease regularly; runs in a thread, so that a busy loop does not delay it."""
    while True:
        held = lease()
        if held is None:
            return
        ends, seconds = held.ends, held.seconds / _RENEWALS
        del held
        if ends.wait(seconds):
            return
        held = lease()
        if held is None or not held.renew():
            return
        del held


class Leases:
    """The `Backend` of a journal in Postgres.

    Args:
        lease: seconds for which an owner holds its work after a renewal.
        writer: the journal's writer.
        listener: receives notifications from other clients.
    """

    look_seconds = 5.0
    """Other clients send notifications; regular checks are for those that got lost."""

    def __init__(self, lease: float, writer: Writer, listener: Listener) -> None:
        self._lease = lease
        self._writer = writer
        self.subscribe = listener.subscribe

    def prepare(self) -> None:
        """As `Backend.prepare`: the store creates everything."""

    def new_owner(self, loop: asyncio.AbstractEventLoop) -> AnyOwner:
        """As `Backend.new_owner`."""
        return Lease(self._lease, self._writer, loop)

    def check(self, store: Store) -> None:
        """As `Backend.check`: every machine may use the journal."""

    def enter(self, store: Store, owner: AnyOwner) -> int:
        """As `Backend.enter`."""
        for each in store.owners(unfinished=False):
            if self.is_gone(store, each.id):
                store.leave(each.id)
        began = system.boot_time()
        entered = store.enter(owner.name, owners.machine(), owners.boot())
        assert isinstance(owner, Lease)  # noqa: S101  (for type checkers: `new_owner` creates it)
        owner.begin(began)
        return entered

    def is_gone(self, store: Store, owner: int | None, entry: Entry | None = None) -> bool:
        """As `Backend.is_gone`: an entry whose create may be under way may be taken only once that must have ended."""
        assert isinstance(store, PostgresStore)  # noqa: S101  (for type checkers: the journal creates both)
        overdue = float("inf") if owner is None else store.overdue(owner)
        if entry is None or entry.state is not EntryState.INTENT:
            return overdue > 0
        digests = {mark["sha256"] for mark in marks_in(entry.request) if mark["sha256"]}
        ended = min(overdue, store.since_cut(entry.id))
        return ended > longest_create(store.kept_bytes(digests) if digests else None)

    def keep(self, parts: Sequence[Part], marks: Sequence[Mapping[str, Any]]) -> Keep:
        """As `Backend.keep`: all bytes go into the database, since another machine may have to send them."""
        data = {mark["sha256"]: _bytes_of(part, mark["sha256"]) for part, mark in zip(parts, marks, strict=bool(parts))}
        digests = [mark["sha256"] for mark in marks]
        return lambda store, entry: store.keep(entry, data, digests)

    def forget(self, marks: Sequence[Mapping[str, Any]]) -> None:
        """As `Backend.forget`: the store deletes them, in the step that ends their use."""

    def restore(
        self, mark: Mapping[str, Any], kinds: Mapping[str, type[Media]], kept: Mapping[str, bytes]
    ) -> Media | str:
        """As `Backend.restore`."""
        data = kept.get(mark["sha256"])
        if data is None:
            if "path" in mark:
                return files.restore(Path(), mark, kinds)
            raise InvalidRequest.of([Problem("request", "has a file that the journal keeps no more")])
        kind = kinds.get(mark["kind"])
        return data.decode() if kind is None else kind(MediaSource.DATA, data=data)


def longest_create(size: int | None) -> float:
    """Returns the seconds after which a create that was about to be sent has certainly ended.

    Args:
        size: the size of its files in bytes; None if it has none.
    """
    connecting = 2 * transport.CONNECT_SECONDS
    if size is None:
        return connecting + transport.ANSWER_SECONDS
    return connecting + transport.UPLOAD_SECONDS + 1.4 * size / transport.UPLOAD_BYTES_PER_SECOND


def _bytes_of(part: Part, digest: str) -> bytes:
    data = part.data
    if data is not None:
        return data
    assert isinstance(part.given, Media)  # noqa: S101  (for type checkers: it has a path)
    try:
        with opened(part.given) as file:
            data = file.read()
    except (OSError, ValueError) as error:
        raise InvalidRequest.of([Problem(part.path or "", f"cannot be read: {reason(error)}")]) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise InvalidRequest.of([Problem(part.path or "", "has changed while it was read")])
    return data
