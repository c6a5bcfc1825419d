"""What a journal in Postgres rests on: owners whose leases are renewed, and the bytes of requests in the database."""

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

_SURE: Final = 0.8
"""The part of a lease within which a client is sure to have it: the rest is for clocks and for the way."""
_RENEWALS: Final = 3
"""In one lease."""


class Lease:
    """A client's ownership of its work: until its lease is over, for ever if that is renewed in time.

    Args:
        seconds: how long it lasts.
        writer: of the journal.
        loop: that the client runs on.
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
        """Whether this is the child of its process."""
        return os.getpid() != self._process

    @property
    def holds(self) -> bool:
        """As `Owner.holds`: by a clock that goes on while the machine sleeps."""
        if system.boot_time() >= self._renewed_at + self.seconds * _SURE:
            return False
        return not (self._is_over or self.ends.is_set() or self.forked)

    def begin(self, at: float) -> None:
        """Holds since a time by the clock of this machine that was before the server's."""
        self._renewed_at = at
        threading.Thread(target=_renew, args=(weakref.ref(self),), name="kling_async-lease", daemon=True).start()

    def release(self) -> None:
        """As `Owner.release`."""
        self.ends.set()

    def renew(self) -> bool:
        """Renews soon; whether to go on."""
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
    """Renews in a thread of its own, which a loop that is busy does not hold up."""
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
        lease: seconds for which an owner holds what is its own after it was heard.
        writer: of the journal.
        listener: hears of what others write.
    """

    look_seconds = 5.0
    """Others say when there is something new; this is for what they could not say."""

    def __init__(self, lease: float, writer: Writer, listener: Listener) -> None:
        self._lease = lease
        self._writer = writer
        self.subscribe = listener.subscribe

    def prepare(self) -> None:
        """As `Backend.prepare`: the store makes all there is."""

    def new_owner(self, loop: asyncio.AbstractEventLoop) -> AnyOwner:
        """As `Backend.new_owner`."""
        return Lease(self._lease, self._writer, loop)

    def check(self, store: Store) -> None:
        """As `Backend.check`: all machines may work here."""

    def enter(self, store: Store, owner: AnyOwner) -> int:
        """As `Backend.enter`."""
        for each in store.owners(unfinished=False):
            if self.is_gone(store, each.id):
                store.leave(each.id)
        began = system.boot_time()
        entered = store.enter(owner.name, owners.machine(), owners.boot())
        assert isinstance(owner, Lease)  # noqa: S101  (for checkers: it is made here)
        owner.begin(began)
        return entered

    def is_gone(self, store: Store, owner: int | None, entry: Entry | None = None) -> bool:
        """As `Backend.is_gone`: what may still be under way to the service is left alone for as long as that takes."""
        assert isinstance(store, PostgresStore)  # noqa: S101  (for checkers: it is made with this)
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
        """As `Backend.forget`: the store does it, with what ends the need."""

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
    """Seconds after which a create that was about to be sent has ended for sure.

    Args:
        size: of its files; None where it has none.
    """
    connecting = 2 * transport.CONNECT_SECONDS
    if size is None:
        return connecting + transport.ANSWER_SECONDS
    return connecting + transport.UPLOAD_SECONDS + 1.4 * size / transport.UPLOAD_BYTES_PER_SECOND


def _bytes_of(part: Part, digest: str) -> bytes:
    data = part.data
    if data is not None:
        return data
    assert isinstance(part.given, Media)  # noqa: S101  (for checkers: it has a path)
    try:
        with opened(part.given) as file:
            data = file.read()
    except (OSError, ValueError) as error:
        raise InvalidRequest.of([Problem(part.path or "", f"cannot be read: {reason(error)}")]) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise InvalidRequest.of([Problem(part.path or "", "has changed while it was read")])
    return data
