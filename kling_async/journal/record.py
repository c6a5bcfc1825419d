"""One piece of work while a client has it: what happens to it is told to the journal as it happens."""

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
"""Seconds after its intent in which a create whose client is gone may have been sent last: it is tried for minutes, and
an intent does not say how often, when it had its turn, or by how wrong a clock."""


class Taken(Exception):
    """The key has been used meanwhile."""


class Record:
    """The place of one piece of work in the journal.

    Args:
        journal: of the client.
        work: what is to be done; None for what the journal has already.
        parts: the files of a new request.
        entry: what the journal has.
        is_file: whether there will be something to save.
        external_task_id: that is sent.
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
        """The caller's name of the work."""
        source = self.entry or self._work
        return source.key if source else None

    @property
    def file_name(self) -> str | None:
        """What its files are called after in a directory: the key; None without one."""
        return None if self.key is None else file_name(self.key)

    @property
    def save_to(self) -> str | None:
        """Where its files go."""
        source = self.entry or self._work
        return source.save_to if source else None

    @property
    def trace(self) -> str | None:
        """What the tracing of the client that made it wanted to be kept."""
        return self.entry.trace if self.entry else None

    @property
    def is_counted(self) -> bool:
        """Whether a client has heard what it cost."""
        return self.entry is not None and self.entry.cost is not None

    # ------------------------------------------------------------------------------------ the create

    async def intend(self, trace: str | None) -> None:
        """Is on disk before the first byte goes out.

        Args:
            trace: what its tracing wants to be kept with it.

        Raises:
            Taken: another client was quicker with the key.
            BudgetExceeded: the budget has not enough left.
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
            if error.attempt is not None:  # it may be there all the same, and is not sent
                self._journal.enqueue(lambda store: store.withdraw(work, owner, now))
            raise
        except asyncio.CancelledError as error:
            # It is there all the same, and nobody may send what nobody wants any more.
            self.entry = None if writing.exception() else writing.result()
            self.failed(error, undecided=False)
            raise
        if self.entry is None:
            raise Taken

    def must_hold(self) -> None:
        """As `ClientJournal.must_hold`."""
        self._journal.must_hold()

    async def others(self, tasks: Sequence[Task], until: datetime, begun_here: Collection[str]) -> Others:
        """What other entries say of tasks that may be this one's, which are without an id.

        Args:
            tasks: of the account, since this one was sent.
            until: when its last send ended, by this machine's clock.
            begun_here: external ids of creates that this client began itself, and judges by their sends.

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
                return True  # which may be sending it again, however old it is
            # What this client has taken over, and has not come to yet, is nobody's as much as what nobody has.
            is_known = entry.owner in {None, journal.owner} and entry.external_task_id in begun_here
            return not is_known and entry.intended_at >= since

        def look(store: Store) -> Others:
            undecided = any(may_have_made(store, entry) for entry in store.intents())
            return Others(frozenset(store.tasks_of_others(own.id, unnamed)), undecided)

        # Behind all that this client had to tell: what it has settled is in doubt no more.
        return await journal.do(look) if unnamed else NO_OTHERS

    def accepted(self, task: Task, watch: TaskWatch) -> None:
        """The service has the task."""
        if self.entry is None:  # an older task, that was adopted
            return
        entry, now = self.entry, self._journal.now()
        self.entry = attrs.evolve(entry, state=EntryState.ACCEPTED, task_id=task.task_id, accepted_at=now, error="")
        alone = entry.external_task_id is None or task.external_task_id is None  # nothing but this note names the task
        forget = self._forget(entry.request)
        self._journal.enqueue(lambda store: store.accepted(entry.id, task, now), forget, at_once=alone)
        self.follow(watch)

    def failed(self, error: BaseException, *, undecided: bool) -> None:
        """The create ended without a task, or with one that nobody knows of."""
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
                at_once=self._journal.budget is not None,  # others may be waiting for what was reserved
            )

    # -------------------------------------------------------------------------------------- the task

    def follow(self, watch: TaskWatch) -> None:
        """Hears of the task's end."""
        self._watch = watch
        if watch.end is not None:
            self.ended(watch.end)
        elif self not in [*watch.listeners, *watch.accounts]:
            (watch.listeners if self._journal.budget is None else watch.accounts).append(self)

    def changed(self, _task: Task, /) -> None:
        """A status on the way is not kept."""

    def ended(self, end: Task | KlingError) -> None:
        """The task has ended, or is followed no longer."""
        task = end.task if isinstance(end, TaskFailed) else end
        if self._watch is not None and self._watch.held:
            return  # who works on it says so, and what it has cost
        if isinstance(task, Task) and self.entry is not None:
            entry, now = self.entry, self._journal.now()
            finished = task.status is TaskStatus.FAILED or not self._is_file
            settled: list[Settled | None] = [None]

            def write(store: Store) -> None:
                settled[0] = store.ended(entry.id, task, now, finished=finished)

            self._journal.enqueue(write, lambda: warn_if_over(settled[0], task.reference))

    # ------------------------------------------------------------------------------------- the files

    async def whole(self, target: str | PathLike[str] | None, *, watermark: bool = False) -> list[Path] | None:
        """Where its files are, if they are saved whole already.

        Args:
            target: where they are wanted; None for where they were to go, and if that was not said wherever they are.
            watermark: whether the watermarked variants are.
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
        """Whether a save to this file, or directory, has begun where nothing was: what is there may be its own."""
        saving_to = self.entry.saving_to if self.entry is not None else None
        return saving_to is not None and _place(target) in {saving_to, os.path.dirname(saving_to)}  # noqa: PTH120  (texts)

    async def saving(self, place: Target, task: Task, *, watermark: bool, overwrite: bool) -> bool:
        """Files are about to be saved.

        Returns:
            Whether there is something already that may be this task's: a save to this place broke off, which began
            where nothing was. It may as well be of another save that was quicker: only its bytes can tell.

        Raises:
            TargetExists: there is a file of something else in the directory.
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
        if taken is not None and place.is_directory:  # before any of its files is there
            refuse_existing(taken, overwrite=overwrite)
        if taken is None:
            try:
                await self._journal.do(lambda store: store.saving(entry.id, path))
            except JournalError as error:  # what is paid for is worth more than a note
                logger.warning("%s; %s is saved all the same", error, path, extra={"kling_event": "journal_failed"})
            else:
                self.entry = attrs.evolve(entry, saving_to=path)
        return False

    def not_its_own(self, place: Target, task: Task) -> None:
        """What is there, where a save began, is something else's."""
        if self.entry is None or self.entry.saving_to != _saving_to(place, task):
            return  # another client is at another place
        entry = self.entry
        self._journal.enqueue(lambda store: store.saving(entry.id, None))
        self.entry = attrs.evolve(entry, saving_to=None)

    async def saved(self, paths: Sequence[Path], *, watermark: bool = False) -> None:
        """All files are whole."""
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
        """Learns what other clients have done with it since this one read it; where that fails, nothing."""
        if self.entry is None:
            return
        number = self.entry.id
        with contextlib.suppress(JournalError):
            now = await self._journal.do(lambda store: store.get(number))  # behind all that this client had to tell
            if now is not None and now.task_id == self.entry.task_id:
                self.entry = attrs.evolve(now, save_to=self.entry.save_to)

    # ---------------------------------------------------------------------------------------- inside

    def _forget(self, request: Mapping[str, Any]) -> Callable[[], None]:
        """Takes away the bytes that were kept of a request."""
        return functools.partial(self._journal.backend.forget, marks_in(request))


def _place(target: str | PathLike[str]) -> str:
    return absolute(target).rstrip("/" + os.sep)


def _saving_to(place: Target, task: Task) -> str:
    """What is noted where a save begins: the file, or what files in a directory begin with."""
    path = _place(place.path)
    return os.path.join(path, place.name or task.task_id) if place.is_directory else path  # noqa: PTH118  (texts)


def _kept(described: tuple[SavedFile, ...], known: Entry, *, watermark: bool) -> tuple[SavedFile, ...]:
    """All files of an entry where those of one variant were saved."""
    others = tuple(file for file in known.files if file.watermark is not watermark)
    return tuple(sorted(described + others, key=lambda file: file.watermark))


def _taken(place: Target, task: Task, watermark: bool) -> Path | None:  # noqa: FBT001  (called by a thread)
    """What is there of the names that a task's files would get."""
    names = [file.name(task.task_id, place.name, watermark=watermark) for file in files_of(task)]
    paths = [place.path / name for name in names] if place.is_directory else [place.path]
    return next((path for path in paths if found(path, follow_symlinks=False) is not None), None)


def _described(paths: Sequence[Path], watermark: bool) -> tuple[SavedFile, ...]:  # noqa: FBT001  (called by a thread)
    return tuple(attrs.evolve(files.describe(path), watermark=watermark) for path in paths)


def _text_of(error: BaseException, *, undecided: bool) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cut off before an answer said whether it was created" if undecided else "cancelled before it was sent"
    return str(error) or type(error).__name__
