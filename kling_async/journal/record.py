"""One piece of work that a client is working on; each of its steps is written to the journal."""

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.io.budget import warn_if_over
from kling_async.io.target import Target, absolute, found, refuse_existing
from kling_async.io.task_watch import TaskWatch
from kling_async.io.threads import finished, in_thread
from kling_async.journal import files
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.contents import Part, marks_in
from kling_async.journal.decisions import OwnerState
from kling_async.journal.entry import Entry, EntryState, SavedFile
from kling_async.journal.names import file_name
from kling_async.journal.store import Interrupted, Store, Work
from kling_async.protocol.budget import Settled
from kling_async.protocol.create_search import NO_OTHERS, Others
from kling_async.protocol.create_times import EARLIER_PROCESS_CLOCK
from kling_async.protocol.endpoint import SHOWN_WITHIN
from kling_async.protocol.errors import CreateInDoubt, JournalError, KlingError, TaskFailed, UnexpectedAnswer
from kling_async.protocol.result_files import files_of
from kling_async.protocol.tasks import Task, TaskStatus

logger = logging.getLogger("kling_async")

_SENT_WITHIN: Final = 3600.0 + EARLIER_PROCESS_CLOCK
"""Seconds after its intent in which a create whose client has died may last have been sent: it is tried for minutes,
and an intent does not record how often it was tried, when it left the queue, or how wrong the clock was."""


class Taken(Exception):
    """Another client has used the key in the meantime."""


class Record:
    """One piece of work and its entry in the journal.

    Args:
        journal: the client's journal.
        work: new work; None if there is an entry already.
        parts: the files of a new request.
        entry: the existing entry.
        is_file: whether the task's result is a file to save.
        external_task_id: the external id that is sent.
    """

    def __init__(
        self,
        journal: ClientJournal,
        *,
        work: Work | None = None,
        parts: Sequence[Part] = (),
        entry: Entry | None = None,
        is_file: bool,
        external_task_id: str,
    ) -> None:
        self._journal = journal
        self._work = work
        self._parts = parts
        self.entry = entry
        self._is_file = is_file
        self._watch: TaskWatch | None = None
        self.external_task_id = external_task_id

    @property
    def key(self) -> str | None:
        """The caller's key for the work."""
        source = self.entry or self._work
        return source.key if source else None

    @property
    def file_name(self) -> str | None:
        """The base name of its files in a directory, derived from the key; None without one."""
        return None if self.key is None else file_name(self.key)

    @property
    def save_to(self) -> str | None:
        """Where its files are to be saved."""
        source = self.entry or self._work
        return source.save_to if source else None

    @property
    def trace(self) -> str | None:
        """The trace context stored by the client that created the entry."""
        return self.entry.trace if self.entry else None

    @property
    def is_counted(self) -> bool:
        """Whether the entry has the cost of its task."""
        return self.entry is not None and self.entry.cost is not None

    # ------------------------------------------------------------------------------------ the create

    async def intend(self, trace: str | None) -> None:
        """Writes the intent to disk, before the first byte of the request is sent.

        Args:
            trace: the trace context to store with it.

        Raises:
            Taken: another client used the key first.
            BudgetExceeded: the budget does not have enough left.
            JournalError: it could not be written.
        """
        work = self._work
        if work is None or self.entry is not None:
            return
        try:
            await self._write_intent(attrs.evolve(work, trace=trace))
        finally:
            if self.entry is None:
                await in_thread(self._forget(work.request))
        self._parts = ()

    async def _write_intent(self, work: Work) -> None:
        marks = marks_in(work.request)
        keep = await in_thread(self._journal.backend.keep, self._parts, marks) if marks else None
        now, owner = self._journal.now(), self._journal.owner

        def write(store: Store) -> Entry | None:
            entry = store.intend(work, owner, now)
            if entry is not None and keep is not None:
                keep(store, entry.id)
            return entry

        writing = self._journal.begin(write)
        try:
            self.entry = await finished(writing)
        except Interrupted as error:
            if error.attempt is not None:  # the intent may have been written, but nothing is sent
                self._journal.enqueue(lambda store: store.withdraw(work, owner, now))
            raise
        except asyncio.CancelledError as error:
            # The intent is written nevertheless, and must be closed so that no client sends what was cancelled.
            self.entry = None if writing.exception() else writing.result()
            self.failed(error, undecided=False)
            raise
        if self.entry is None:
            raise Taken

    def must_hold(self) -> None:
        """As `ClientJournal.must_hold`."""
        self._journal.must_hold()

    async def others(self, tasks: Sequence[Task], until: datetime, begun_here: Collection[str]) -> Others:
        """Returns which tasks without an external id belong to other entries, and whether another entry may own one.

        Args:
            tasks: tasks of the account since this create was sent.
            until: when its last send ended, by this machine's clock.
            begun_here: external ids of creates that this client began itself, which it judges by their sends.

        Raises:
            JournalError: it could not be read.
        """
        own = self.entry
        if own is None:
            return NO_OTHERS
        since = own.intended_at - timedelta(seconds=_SENT_WITHIN)
        until += timedelta(seconds=SHOWN_WITHIN)
        unnamed = {task.task_id for task in tasks if task.external_task_id is None}
        journal = self._journal

        def may_have_made(store: Store, entry: Entry) -> bool:
            if entry.id == own.id or entry.endpoint != own.endpoint or entry.intended_at > until:
                return False
            if journal.state_of(store, entry) is OwnerState.LIVING:
                return True  # its owner may be sending it again, however old it is
                # An entry that this client has taken over but not worked on yet counts like one without an owner.
            is_known = entry.owner in {None, journal.owner} and entry.external_task_id in begun_here
            return not is_known and entry.intended_at >= since

        def look(store: Store) -> Others:
            undecided = any(may_have_made(store, entry) for entry in store.intents())
            return Others(frozenset(store.tasks_of_others(own.id, unnamed)), undecided)

        # After all writes this client has queued: what it has settled is no longer in doubt.
        return await journal.do(look) if unnamed else NO_OTHERS

    def accepted(self, task: Task, watch: TaskWatch) -> None:
        """Records that the service accepted the task."""
        if self.entry is None:  # an older task that was adopted
            return
        entry, now = self.entry, self._journal.now()
        self.entry = attrs.evolve(entry, state=EntryState.ACCEPTED, task_id=task.task_id, accepted_at=now, error="")
        alone = entry.external_task_id is None or task.external_task_id is None  # only this write has the task's id
        forget = self._forget(entry.request)
        self._journal.enqueue(lambda store: store.accepted(entry.id, task, now), forget, at_once=alone)
        self.follow(watch)

    def failed(self, error: BaseException, *, undecided: bool) -> None:
        """Records that the create ended without a task, or without a known one."""
        if self.entry is None:
            return
        entry, now, text = self.entry, self._journal.now(), _text_of(error, undecided=undecided)
        if isinstance(error, UnexpectedAnswer):
            self._journal.enqueue(lambda store: store.closed(entry.id, EntryState.LOST, text, now))
        elif undecided or isinstance(error, CreateInDoubt):
            self._journal.enqueue(lambda store: store.in_doubt(entry.id, text, cut_off=undecided))
        else:
            refused = EntryState.REFUSED
            self._journal.enqueue(
                lambda store: store.closed(entry.id, refused, text, now),
                self._forget(entry.request),
                at_once=self._journal.budget is not None,  # other clients may be waiting for the reserved amount
            )

    # -------------------------------------------------------------------------------------- the task

    def follow(self, watch: TaskWatch) -> None:
        """Subscribes to the end of the task."""
        self._watch = watch
        if watch.end is not None:
            self.ended(watch.end)
        elif self not in [*watch.listeners, *watch.accounts]:
            (watch.listeners if self._journal.budget is None else watch.accounts).append(self)

    def changed(self, _task: Task, /) -> None:
        """Does nothing: intermediate statuses are not stored."""

    def ended(self, end: Task | KlingError) -> None:
        """Records the end of the task; does nothing if it is merely no longer followed."""
        task = end.task if isinstance(end, TaskFailed) else end
        if self._watch is not None and self._watch.held:
            return  # its owner records the end and the cost
        if isinstance(task, Task) and self.entry is not None:
            entry, now = self.entry, self._journal.now()
            finished = task.status is TaskStatus.FAILED or not self._is_file
            settled: list[Settled | None] = [None]

            def write(store: Store) -> None:
                settled[0] = store.ended(entry.id, task, now, finished=finished)

            self._journal.enqueue(write, lambda: warn_if_over(settled[0], task.reference))

    # ------------------------------------------------------------------------------------- the files

    async def whole(self, target: str | PathLike[str] | None, *, watermark: bool = False) -> list[Path] | None:
        """Returns the paths of its files if they are already saved and intact.

        Args:
            target: where they should be; None for the entry's own target, or for any place if it has none.
            watermark: whether the watermarked variants are meant.
        """
        entry = self.entry
        if entry is None:
            return None
        place = entry.save_to if target is None else target
        wanted = None if place is None else _place(place)
        known = [file for file in entry.files if file.watermark is watermark]
        paths = [Path(file.path) for file in known]
        here = wanted is None or all(wanted in {str(path), str(path.parent)} for path in paths)
        if here and known and await in_thread(files.are_whole, known):
            return paths
        if wanted is not None and not here and (moved := await in_thread(files.moved, known, wanted)):
            await self.saved(moved, watermark=watermark)
            return moved
        return None

    def began(self, target: str | PathLike[str]) -> bool:
        """Whether a save to this file or directory began while it was free, so that an existing file may be its own."""
        saving_to = self.entry.saving_to if self.entry is not None else None
        return saving_to is not None and _place(target) in {saving_to, os.path.dirname(saving_to)}  # noqa: PTH120  (texts)

    async def saving(self, place: Target, task: Task, *, watermark: bool, overwrite: bool) -> bool:
        """Records that files are about to be saved.

        Returns:
            Whether a file exists already that may be this task's, because a save that began while the place was free
            was interrupted. It may also be from another save that was faster: only its bytes can show that.

        Raises:
            TargetExists: the directory has a file of the same name from something else.
        """
        if self.entry is None:
            return False
        path = _saving_to(place, task)
        taken = await in_thread(_taken, place, task, watermark)
        if taken is not None and self.entry.saving_to != path:
            await self.read_again()  # another client may have begun here
        entry = self.entry
        if entry.saving_to == path:
            return taken is not None and not overwrite
        if taken is not None and place.is_directory:  # before any of its files is written
            refuse_existing(taken, overwrite=overwrite)
        if taken is None:
            try:
                await self._journal.do(lambda store: store.saving(entry.id, path))
            except JournalError as error:  # saving what is paid for matters more than this write
                logger.warning("%s; %s is saved all the same", error, path, extra={"kling_event": "journal_failed"})
            else:
                self.entry = attrs.evolve(entry, saving_to=path)
        return False

    def not_its_own(self, place: Target, task: Task) -> None:
        """Records that the file at the place of a save is not this task's."""
        if self.entry is None or self.entry.saving_to != _saving_to(place, task):
            return  # another client is saving to another place
        entry = self.entry
        self._journal.enqueue(lambda store: store.saving(entry.id, None))
        self.entry = attrs.evolve(entry, saving_to=None)

    async def saved(self, paths: Sequence[Path], *, watermark: bool = False) -> None:
        """Records that all files are saved."""
        if self.entry is None:
            return
        entry, now = self.entry, self._journal.now()
        described = await in_thread(_described, paths, watermark)

        def write(store: Store) -> None:
            known = store.get(entry.id) or entry  # another client may have saved the other variant
            store.saved(entry.id, _kept(described, known, watermark=watermark), now)

        self._journal.enqueue(write)
        kept = _kept(described, self.entry, watermark=watermark)
        self.entry = attrs.evolve(self.entry, state=EntryState.SAVED, files=kept, saving_to=None)

    async def read_again(self) -> None:
        """Reads the entry again, for changes by other clients; ignores failures of the journal."""
        if self.entry is None:
            return
        number = self.entry.id
        with contextlib.suppress(JournalError):
            now = await self._journal.do(lambda store: store.get(number))  # after all writes this client has queued
            if now is not None and now.task_id == self.entry.task_id:
                self.entry = attrs.evolve(now, save_to=self.entry.save_to)

    # --------------------------------------------------------------------------------------- internals

    def _forget(self, request: Mapping[str, Any]) -> Callable[[], None]:
        """Returns a function that deletes the stored bytes of a request."""
        return functools.partial(self._journal.backend.forget, marks_in(request))


def _place(target: str | PathLike[str]) -> str:
    return absolute(target).rstrip("/" + os.sep)


def _saving_to(place: Target, task: Task) -> str:
    """Returns the `saving_to` of a save: the file, or the common prefix of its files in a directory."""
    path = _place(place.path)
    return os.path.join(path, place.name or task.task_id) if place.is_directory else path  # noqa: PTH118  (texts)


def _kept(described: tuple[SavedFile, ...], known: Entry, *, watermark: bool) -> tuple[SavedFile, ...]:
    """Returns all files of an entry after those of one variant were saved."""
    others = tuple(file for file in known.files if file.watermark is not watermark)
    return tuple(sorted(described + others, key=lambda file: file.watermark))


def _taken(place: Target, task: Task, watermark: bool) -> Path | None:  # noqa: FBT001  (called by a thread)
    """Returns the first existing path among those that a task's files would get."""
    names = [file.name(task.task_id, place.name, watermark=watermark) for file in files_of(task)]
    paths = [place.path / name for name in names] if place.is_directory else [place.path]
    return next((path for path in paths if found(path, follow_symlinks=False) is not None), None)


def _described(paths: Sequence[Path], watermark: bool) -> tuple[SavedFile, ...]:  # noqa: FBT001  (called by a thread)
    return tuple(attrs.evolve(files.describe(path), watermark=watermark) for path in paths)


def _text_of(error: BaseException, *, undecided: bool) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cut off before an answer said whether it was created" if undecided else "cancelled before it was sent"
    return str(error) or type(error).__name__
