"""Saves the files of jobs whose tasks have ended."""

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
from kling_async.fleet.worker_database import WorkerDatabase
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
"""Attempts to save one job, over all workers; then it is left to be handled manually."""
_PAUSE_MAXIMUM: Final = 300.0
_OWNED_SECONDS: Final = 1.0
"""Seconds between checks of a job that another worker owns."""
_DISK_SECONDS: Final = 30.0
"""Seconds for which a worker takes no saves after its disk failed."""
_DISK_ERRORS: Final = frozenset(
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
"""Errors that affect all saves of one worker. Errors of a file's name, in contrast, affect all workers."""
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM})


class Saves:
    """Runs the saves of one session.

    Args:
        client: the session's client.
        database: the session's connection.
        rows: the session's rows.
        out: the directory for results.
    """

    def __init__(self, client: WorkerClient, database: WorkerDatabase, rows: Rows, out: Path) -> None:
        self._client = client
        self._database = database
        self._rows = rows
        self._out = out
        self._closed_until: float | None = None
        """When one save may next try the failed disk; None while the disk works."""

    def room(self, saving: int, most: int) -> int:
        """Returns how many saves may start now.

        Args:
            saving: how many are running.
            most: how many may run at once.
        """
        if self._closed_until is None:
            return most - saving
        return 0 if time.monotonic() < self._closed_until else max(0, 1 - saving)

    async def run(self, row: Row) -> None:
        """Saves the files of a job, or records why that failed."""
        if row.outcome is not None:
            await self._database.until_committed(functools.partial(self._rows.drop, row=row))
            return
        entry: Entry | None = None
        try:
            entry, owner = await self._client.taken(row.key)
            if owner is OwnerState.LIVING:
                # Do not wait: the owner may need this very row to continue, and other saves need the slot.
                await self._back(row, _OWNED_SECONDS, counts=False)
                return
            if entry is None or entry.task_id is None:
                raise KlingError("the journal does not have it")
            if entry.state is not EntryState.SAVED:
                place = self._place(row, entry.task_id)
                await in_thread(_make_folder, place)
                paths = await self._client.save(row, entry, place)
                self._closed_until = None
                await self._client.last(row.key)  # flushes the client's queued journal writes
                logger.info("%s is saved: %s", row.key, ", ".join(map(str, paths)), extra={"kling_event": "job_saved"})
        except ClientClosed:
            return
        except KlingError as error:
            await self._failed(row, entry, error)
        else:
            await self._database.until_committed(functools.partial(self._rows.finish, row=row, outcome=JobState.SAVED))

    def _place(self, row: Row, task_id: str) -> str:
        if row.save_to is None:
            return f"{self._out}/"
        day = row.submitted_at.astimezone(UTC)
        place = place_of(row.save_to, key=file_name(row.key), task_id=task_id, day=day)
        return f"{self._out}/{place}"  # a str, because a Path drops the trailing slash of a folder

    async def _failed(self, row: Row, entry: Entry | None, error: KlingError) -> None:
        if entry is not None:  # first, because another worker cannot use the row without the entry
            with contextlib.suppress(JournalError):
                await self._client.release(entry)
        if isinstance(error, TargetError) and await in_thread(_is_disk_error, error, self._out):
            await self._back(row, self._close(error), counts=False)
            return
        seconds = min(_PAUSE_MAXIMUM, 2.0**row.attempts)
        logger.warning("%s is not saved: %s", row.key, error, extra={"kling_event": "not_saved"})
        if (is_try := not isinstance(error, JournalError)) and row.attempts + 1 >= ATTEMPTS:
            outcome = functools.partial(self._rows.finish, row=row, outcome=JobState.SAVE_FAILED, error=str(error))
            await self._database.until_committed(outcome)
        else:
            await self._back(row, seconds, counts=is_try)

    def _close(self, error: KlingError) -> float:
        """Stops saving for a while; returns the seconds until another worker may take the failed save."""
        now, closed_until = time.monotonic(), self._closed_until
        self._closed_until = now + _DISK_SECONDS
        if closed_until is None:
            logger.warning(
                "this worker saves nothing until its disk takes files again, which it tries every %d s: %s",
                _DISK_SECONDS,
                error,
                extra={"kling_event": "place_closed"},
            )
        # Another worker's disk may work. But if a retry failed here, no other worker took the job before it: in that
        # case, delay it, so that the next retry here is of another job.
        return 0.0 if closed_until is None or now < closed_until else 2 * _DISK_SECONDS

    async def _back(self, row: Row, seconds: float, *, counts: bool) -> None:
        await self._database.until_committed(
            functools.partial(self._rows.back, row=row, seconds=seconds, counts=counts)
        )


def _is_disk_error(error: TargetError, out: Path) -> bool:
    """Whether no save can succeed on this worker's disk; one inaccessible folder affects only its own job."""
    cause = error.__context__
    if not isinstance(cause, OSError):
        return False
    return cause.errno in _DISK_ERRORS or (cause.errno in _REFUSED and not os.access(out, os.W_OK | os.X_OK))


def _make_folder(place: str) -> None:
    folder = os.path.dirname(place)  # noqa: PTH120  (a place that ends in a slash is the folder itself)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"{folder} cannot be made: {error.strerror}") from None
