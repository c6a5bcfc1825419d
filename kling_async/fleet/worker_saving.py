"""What a worker does with one job whose task has ended: its files are saved, or somebody is told why they are not."""

import contextlib
import errno
import functools
import logging
import os
import time
from datetime import UTC
from pathlib import Path
from typing import Final

from kling_async.fleet.worker_client import WorkerClient
from kling_async.fleet.worker_database import Line
from kling_async.fleet.worker_rows import Rows
from kling_async.fleet.worker_values import Row
from kling_async.io.threads import in_thread
from kling_async.journal.decisions import OwnerState
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.names import file_name
from kling_async.protocol.errors import ClientClosed, JournalError, KlingError, TargetError
from kling_async.protocol.fleet.job_state import JobState
from kling_async.protocol.fleet.save_place import place_of

logger = logging.getLogger("kling_async")

ATTEMPTS: Final = 8
"""Saves of one job, by whichever workers; then somebody has to look at it."""
_PAUSE_MAXIMUM: Final = 300.0
_OWNED_SECONDS: Final = 1.0
"""Seconds after which work is looked at again that another worker has."""
_PLACE_SECONDS: Final = 30.0
"""Seconds for which a worker takes no saves whose disk takes none."""
_OF_THE_PLACE: Final = frozenset(
    {
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EROFS,
        errno.ESTALE,
    }
)
"""What fails wherever one worker saves; what is wrong with the name of a file is so for all workers."""
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM})


class Saves:
    """What the saves of one session need.

    Args:
        client: of the session.
        line: to the database.
        rows: of the session.
        out: the directory.
    """

    def __init__(self, client: WorkerClient, line: Line, rows: Rows, out: Path) -> None:
        self._client = client
        self._line = line
        self._rows = rows
        self._out = out
        self._closed_until: float | None = None
        """Until when the place is left alone; then one save tries it. None as long as it takes files."""

    def room(self, saving: int, most: int) -> int:
        """How many saves may begin now.

        Args:
            saving: how many there are.
            most: at once.
        """
        if self._closed_until is None:
            return most - saving
        return 0 if time.monotonic() < self._closed_until else max(0, 1 - saving)

    async def run(self, row: Row) -> None:
        """Saves the files of a job, or says why they are not saved."""
        if row.outcome is not None:
            await self._line.surely(functools.partial(self._rows.drop, row=row))
            return
        entry: Entry | None = None
        try:
            entry, owner = await self._client.taken(row.key)
            if owner is OwnerState.LIVING:
                # Not waited for: what the owner needs to go on may be this very row, and others want the place.
                await self._back(row, _OWNED_SECONDS, counts=False)
                return
            if entry is None or entry.task_id is None:
                raise KlingError("the journal does not have it")
            if entry.state is not EntryState.SAVED:
                place = self._place(row, entry.task_id)
                await in_thread(_make_folder, place)
                paths = await self._client.save(row, entry, place)
                self._closed_until = None
                await self._client.last(row.key)  # behind what it had to tell
                logger.info("%s is saved: %s", row.key, ", ".join(map(str, paths)), extra={"kling_event": "job_saved"})
        except ClientClosed:
            return
        except KlingError as error:
            await self._failed(row, entry, error)
        else:
            await self._line.surely(functools.partial(self._rows.finish, row=row, outcome=JobState.SAVED))

    def _place(self, row: Row, task_id: str) -> str:
        if row.save_to is None:
            return f"{self._out}/"
        day = row.submitted_at.astimezone(UTC)
        place = place_of(row.save_to, key=file_name(row.key), task_id=task_id, day=day)
        return f"{self._out}/{place}"  # as text: a slash at its end makes it a folder

    async def _failed(self, row: Row, entry: Entry | None, error: KlingError) -> None:
        if entry is not None:  # before others can have the row, which is of no use without it
            with contextlib.suppress(JournalError):
                await self._client.release(entry)
        if isinstance(error, TargetError) and await in_thread(_is_of_the_place, error, self._out):
            await self._back(row, self._close(error), counts=False)
            return
        seconds = min(_PAUSE_MAXIMUM, 2.0**row.attempts)
        logger.warning("%s is not saved: %s", row.key, error, extra={"kling_event": "not_saved"})
        if (is_try := not isinstance(error, JournalError)) and row.attempts + 1 >= ATTEMPTS:
            outcome = functools.partial(self._rows.finish, row=row, outcome=JobState.SAVE_FAILED, error=str(error))
            await self._line.surely(outcome)
        else:
            await self._back(row, seconds, counts=is_try)

    def _close(self, error: KlingError) -> float:
        """Takes no saves for a while; gives the seconds until others may have the one that failed."""
        now, closed_until = time.monotonic(), self._closed_until
        self._closed_until = now + _PLACE_SECONDS
        if closed_until is None:
            logger.warning(
                "this worker saves nothing until its disk takes files again, which it tries every %d s: %s",
                _PLACE_SECONDS,
                error,
                extra={"kling_event": "place_closed"},
            )
        # Others may have a disk for it. If they had, they would have taken it before this one tried: another one next.
        return 0.0 if closed_until is None or now < closed_until else 2 * _PLACE_SECONDS

    async def _back(self, row: Row, seconds: float, *, counts: bool) -> None:
        await self._line.surely(functools.partial(self._rows.back, row=row, seconds=seconds, counts=counts))


def _is_of_the_place(error: TargetError, out: Path) -> bool:
    """Whether this worker's disk takes nothing, by what the system said; a folder that it may not use is one job's."""
    cause = error.__context__
    if not isinstance(cause, OSError):
        return False
    return cause.errno in _OF_THE_PLACE or (cause.errno in _REFUSED and not os.access(out, os.W_OK | os.X_OK))


def _make_folder(place: str) -> None:
    folder = os.path.dirname(place)  # noqa: PTH120  (of a folder, which ends in a slash, the folder itself)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"{folder} cannot be made: {error.strerror}") from None
