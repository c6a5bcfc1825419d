"""One piece of work while a client has it: what happens to it is told to the journal as it happens."""

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import attrs

from kling_async.io.target import Target, absolute, found
from kling_async.io.task_watch import TaskWatch
from kling_async.io.threads import finished, in_thread
from kling_async.journal import files
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.contents import Part, marks_in
from kling_async.journal.entry import Entry, EntryState, SavedFile
from kling_async.journal.store import Work
from kling_async.protocol.errors import CreateInDoubt, JournalError, KlingError, TaskFailed, UnexpectedAnswer
from kling_async.protocol.tasks import Task, TaskStatus

logger = logging.getLogger("kling_async")


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
        self.external_task_id = external_task_id

    @property
    def key(self) -> str | None:
        """The caller's name of the work."""
        source = self.entry or self._work
        return source.key if source else None

    @property
    def save_to(self) -> str | None:
        """Where its files go."""
        source = self.entry or self._work
        return source.save_to if source else None

    # ------------------------------------------------------------------------------------ the create

    async def intend(self) -> None:
        """Is on disk before the first byte goes out.

        Raises:
            Taken: another client was quicker with the key.
            JournalError: it could not be written.
        """
        work = self._work
        if work is None or self.entry is not None:
            return
        try:
            await self._write_intent(work)
        finally:
            if self.entry is None:
                await in_thread(self._forget(work.request))
        self._parts = ()

    async def _write_intent(self, work: Work) -> None:
        marks = marks_in(work.request)
        if any("kept" in mark for mark in marks):
            await in_thread(files.keep, self._journal.directory, self._parts, marks)
        now, owner = self._journal.now(), self._journal.owner
        writing = self._journal.begin(lambda store: store.intend(work, owner, now))
        try:
            self.entry = await finished(writing)
        except asyncio.CancelledError:
            # It is there all the same: `failed` must close it, so that nobody sends what nobody wants any more.
            self.entry = None if writing.exception() else writing.result()
            raise
        if self.entry is None:
            raise Taken

    def accepted(self, task: Task, watch: TaskWatch) -> None:
        """The service has the task."""
        if self.entry is None:  # an older task, that was adopted
            return
        entry, now = self.entry, self._journal.now()
        self.entry = attrs.evolve(entry, state=EntryState.ACCEPTED, task_id=task.task_id, accepted_at=now, error="")
        alone = entry.external_task_id is None  # nothing but this note names the task
        forget = self._forget(entry.request)
        self._journal.tell(lambda store: store.accepted(entry.id, task, now), forget, at_once=alone)
        self.follow(watch)

    def failed(self, error: BaseException, *, undecided: bool) -> None:
        """The create ended without a task, or with one that nobody knows of."""
        if self.entry is None:
            return
        entry, now, text = self.entry, self._journal.now(), _text_of(error)
        if isinstance(error, UnexpectedAnswer):
            self._journal.tell(lambda store: store.closed(entry.id, EntryState.LOST, text, now))
        elif undecided or isinstance(error, CreateInDoubt):
            self._journal.tell(lambda store: store.in_doubt(entry.id, text))
        else:
            refused = EntryState.REFUSED
            self._journal.tell(lambda store: store.closed(entry.id, refused, text, now), self._forget(entry.request))

    # -------------------------------------------------------------------------------------- the task

    def follow(self, watch: TaskWatch) -> None:
        """Hears of the task's end."""
        if watch.end is not None:
            self.ended(watch.end)
        elif self not in watch.listeners:
            watch.listeners.append(self)

    def changed(self, _task: Task, /) -> None:
        """A status on the way is not kept."""

    def ended(self, end: Task | KlingError) -> None:
        """The task has ended, or is followed no longer."""
        task = end.task if isinstance(end, TaskFailed) else end
        if isinstance(task, Task) and self.entry is not None:
            entry, now = self.entry, self._journal.now()
            finished = task.status is TaskStatus.FAILED or not self._is_file
            self._journal.tell(lambda store: store.ended(entry.id, task, now, finished=finished))

    # ------------------------------------------------------------------------------------- the files

    async def whole(self, target: str | PathLike[str] | None) -> list[Path] | None:
        """Where its files are, if they are saved whole already.

        Args:
            target: where they are wanted; None for where they were to go, and if that was not said wherever they are.
        """
        entry = self.entry
        if entry is None:
            return None
        place = entry.save_to if target is None else absolute(target)
        paths = [Path(file.path) for file in entry.files]
        if (place is None or _are_at(paths, place)) and await in_thread(files.are_whole, entry.files):
            return paths
        if entry.saving_to is None or place != entry.saving_to:
            return None
        # Nothing was there when the save began, and a file appears whole: it is the one.
        path = Path(entry.saving_to)
        if await in_thread(path.is_file):
            await self.saved([path])
            return [path]
        return None

    async def saving(self, place: Target) -> None:
        """Files are about to be saved to a place that is free: whatever is there afterwards is this task's."""
        if self.entry is None:
            return
        entry, path = self.entry, str(place.path.absolute())
        if entry.saving_to != path and (place.is_directory or await in_thread(found, place.path) is None):
            try:
                await self._journal.do(lambda store: store.saving(entry.id, path))
            except JournalError as error:  # what is paid for is worth more than a note
                logger.warning("%s; %s is saved all the same", error, path, extra={"kling_event": "journal_failed"})
            else:
                self.entry = attrs.evolve(entry, saving_to=path)

    def began(self, place: Target) -> bool:
        """Whether a save to this directory has begun: files there that are called after the task are its own."""
        return place.is_directory and self.entry is not None and self.entry.saving_to == str(place.path.absolute())

    async def saved(self, paths: Sequence[Path]) -> None:
        """All files are whole."""
        if self.entry is None:
            return
        entry, now = self.entry, self._journal.now()
        described = await in_thread(_described, paths)
        self._journal.tell(lambda store: store.saved(entry.id, described, now))
        self.entry = attrs.evolve(entry, state=EntryState.SAVED, files=described, saving_to=None)

    # ---------------------------------------------------------------------------------------- inside

    def _forget(self, request: Mapping[str, Any]) -> Callable[[], None]:
        """Takes away the bytes that were kept of a request."""
        return functools.partial(files.forget, self._journal.directory, marks_in(request))


def _are_at(paths: Sequence[Path], place: str) -> bool:
    """Whether files are at a place: it is the name of the file, or of their directory."""
    name = place.rstrip(os.sep)
    return all(name in {str(path), str(path.parent)} for path in paths)


def _described(paths: Sequence[Path]) -> tuple[SavedFile, ...]:
    return tuple(files.describe(path) for path in paths)


def _text_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled before it was sent"
    return str(error) or type(error).__name__
