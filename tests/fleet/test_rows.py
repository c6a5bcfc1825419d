"""What workers write about jobs whose engine job is no longer the current one."""

import contextlib
import errno
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from kling_async import DownloadError, JournalError, KlingError, TargetError, TextToVideo
from kling_async.fleet import Fleet, JobState, worker_saving
from kling_async.fleet.database import Database
from kling_async.fleet.worker_account import AccountRows
from kling_async.fleet.worker_client import WorkerClient
from kling_async.fleet.worker_database import WorkerDatabase
from kling_async.fleet.worker_saving import Saves
from kling_async.fleet.worker_values import Row
from kling_async.journal.decisions import OwnerState
from kling_async.journal.entry import Entry, EntryState
from kling_async.protocol.estimate import Estimate

from .conftest import Connection, one, request


async def claimed(rows: AccountRows, worker: Connection, *known: int) -> Row:
    """Returns the only job that a session gets, besides known ones."""
    state = await rows.state(worker)
    assert state is not None
    await rows.claim(worker, state.lines, 30.0, saves=1, new=True, most=1)
    (row,) = await rows.look(worker, [*known])
    assert isinstance(row, Row)
    return row


@pytest.fixture
def rows() -> AccountRows:
    """The rows of a session."""
    return AccountRows("default", uuid.uuid4())


@pytest.fixture
async def old(fleet: Fleet, worker: Connection, rows: AccountRows) -> Row:
    """A job claimed by a session, and meanwhile cancelled and submitted again with another request."""
    await fleet.submit(request("the old one"), key="cat")
    old = await claimed(rows, worker)
    assert await fleet.cancel("cat")
    await fleet.submit(request("the new one"), key="cat")
    return old


async def engine_has(worker: Connection) -> list[int]:
    """The engine's rows."""
    cursor = await worker.execute("SELECT id FROM kling_fleet.pgqueuer ORDER BY id")
    return [row["id"] for row in await cursor.fetchall()]


async def test_what_was_cancelled_is_not_sent_for_what_was_submitted_instead(
    old: Row, fleet: Fleet, worker: Connection, rows: AccountRows
) -> None:
    """A session with the old request may not send it, and drops it; the new one is unchanged."""
    assert not await rows.begin(worker, old)
    await rows.drop(worker, old)
    new = await claimed(rows, worker)
    assert await engine_has(worker) == [new.engine] != [old.engine]
    assert new.request["prompt"] == "the new one"
    assert await rows.begin(worker, new)
    assert not await fleet.cancel("cat")


async def test_what_was_cancelled_is_not_given_back_for_what_runs(
    old: Row, fleet: Fleet, worker: Connection, rows: AccountRows
) -> None:
    """However a session ends the old request, the new one stays begun and unfinished."""
    new = await claimed(rows, worker, old.engine)
    assert await rows.begin(worker, new)
    seat = [new.engine]
    for ending in (
        rows.back(worker, old, 0.0),
        rows.full(worker, old),
        rows.made(worker, old, None),
        rows.finish(worker, old, JobState.REFUSED, "no"),
        rows.finish(worker, old, JobState.LOST, "no"),
    ):
        async with worker.transaction(force_rollback=True):
            await ending
            assert await engine_has(worker) == seat
            assert await one(worker, "SELECT seat, begun_at IS NOT NULL AS begun, finished FROM kling_fleet.jobs") == {
                "seat": new.engine,
                "begun": True,
                "finished": None,
            }
    assert not await fleet.cancel("cat")


async def test_what_was_cancelled_is_known_as_such(old: Row, worker: Connection, rows: AccountRows) -> None:
    """A session that takes over the old request finds nothing to do: it was already finished."""
    (again,) = await rows.look(worker, [])
    assert isinstance(again, Row)
    assert (again.engine, again.outcome) == (old.engine, JobState.CANCELLED)
    assert (await claimed(rows, worker, old.engine)).outcome is None


@pytest.mark.parametrize(("state", "can_be"), [("accepted", False), ("intent", False), ("refused", True)])
async def test_what_is_paid_for_is_not_cancelled(
    fleet: Fleet, worker: Connection, rows: AccountRows, state: str, *, can_be: bool
) -> None:
    """A requeued job can be cancelled if nothing of it can be at the service."""
    await fleet.submit(TextToVideo("a cat"), key="cat\uf8ff")
    row = await claimed(rows, worker)
    assert await rows.begin(worker, row)
    await worker.execute(
        "INSERT INTO kling_journal_default.entries (key, attempt, endpoint, request, line, slots, state, unfinished, "
        "intended_at) VALUES (chr(63743) || 'x', 1, 'text2video', '{}', 'x', 1, 'accepted', TRUE, 0), "
        "('cat' || chr(63743) || 'f8ff', 1, 'text2video', '{}', 'x', 1, %s, TRUE, 0)",
        [state],
    )
    await rows.back(worker, row, 0.0)
    assert await fleet.cancel("cat\uf8ff") == can_be


class NoJournal:
    """A client whose journal is unavailable."""

    def __init__(self, error: KlingError) -> None:
        self.error = error

    async def taken(self, _key: str) -> None:
        """Like `WorkerClient.taken`."""
        raise self.error


class Unsaved:
    """A client whose file host is unavailable."""

    def __init__(self, worker: Connection, owner: OwnerState = OwnerState.OURS) -> None:
        self._worker = worker
        self._owner = owner
        self.let_go: list[object] = []
        """The engine's rows of the job at each release of its entry."""

    async def taken(self, key: str) -> tuple[Entry, OwnerState]:
        """Like `WorkerClient.taken`."""
        now, nothing = datetime.now(UTC), Estimate(units=None, usd=None)
        entry = Entry(
            id=1,
            key=key,
            attempt=1,
            endpoint="text2video",
            external_task_id=None,
            request={},
            state=EntryState.ENDED,
            intended_at=now,
            estimate=nothing,
            task_id="1",
        )
        return entry, self._owner

    async def save(self, *_: object) -> None:
        """Like `WorkerClient.save`."""
        raise DownloadError("the file host answered 404")

    async def release(self, _entry: Entry) -> None:
        """Like `WorkerClient.release`."""
        row = await one(self._worker, "SELECT status::text FROM kling_fleet.pgqueuer")
        self.let_go.append(row["status"])


@pytest.fixture
async def save(fleet: Fleet, worker: Connection, rows: AccountRows) -> Row:
    """A job claimed by a session to save its files."""
    await fleet.submit(request(), key="cat")
    job = await claimed(rows, worker)
    assert await rows.begin(worker, job)
    await rows.made(worker, job, None)
    return await claimed(rows, worker)


@contextlib.asynccontextmanager
async def saves(dsn: str, client: object, rows: AccountRows, out: Path) -> AsyncIterator[Saves]:
    """The saves of a session with such a client."""
    line = WorkerDatabase(Database(dsn).connect, 10.0)
    try:
        yield Saves(cast("WorkerClient", client), line, rows, out)
    finally:
        await line.close()


@pytest.mark.parametrize(("attempts", "status"), [(8, "queued"), (1, "failed")])
async def test_an_unsaved_entry_is_released(
    dsn: str,
    worker: Connection,
    rows: AccountRows,
    save: Row,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attempts: int,
    status: str,
) -> None:
    """The journal entry is released before the job is requeued, so that the next session need not wait for it."""
    monkeypatch.setattr(worker_saving, "ATTEMPTS", attempts)
    client = Unsaved(worker)
    async with saves(dsn, client, rows, tmp_path) as them:
        await them.run(save)
    assert client.let_go == ["picked"]
    assert (await one(worker, "SELECT status::text FROM kling_fleet.pgqueuer"))["status"] == status


async def test_what_another_one_has_is_not_waited_for(
    dsn: str, worker: Connection, rows: AccountRows, save: Row, tmp_path: Path
) -> None:
    """A job whose entry a living client owns is requeued without counting an attempt, as that client may need it."""
    client = Unsaved(worker, OwnerState.LIVING)
    async with saves(dsn, client, rows, tmp_path) as them:
        await them.run(save)
    row = await one(worker, "SELECT status::text, attempts FROM kling_fleet.pgqueuer")
    assert row == {"status": "queued", "attempts": 0}
    assert client.let_go == []


@pytest.mark.parametrize(
    ("number", "closed"),
    [(errno.ENOSPC, True), (errno.EROFS, True), (errno.EACCES, False), (errno.ENAMETOOLONG, False)],
)
async def test_a_disk_that_is_full(
    dsn: str, worker: Connection, rows: AccountRows, save: Row, *, tmp_path: Path, number: int, closed: bool
) -> None:
    """A full disk counts no attempts and gets no jobs for a while; other errors belong to the job."""

    async def refuses(*_: object) -> None:
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            raise TargetError(f"it cannot be written: {error.strerror}") from None

    client = Unsaved(worker)
    client.save = refuses  # type: ignore[method-assign]  # a stand-in of this test
    async with saves(dsn, client, rows, tmp_path) as them:
        assert them.room(1, 4) == 3
        await them.run(save)
        assert them.room(0, 4) == (0 if closed else 4)
    row = await one(worker, "SELECT status::text, attempts, execute_after <= now() AS due FROM kling_fleet.pgqueuer")
    assert row == {"status": "queued", "attempts": int(not closed), "due": closed}
    assert client.let_go == ["picked"]


async def test_an_out_without_write_access(
    dsn: str, worker: Connection, rows: AccountRows, save: Row, *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without write access to its directory counts no attempts and gets no jobs for a while."""

    def refused(*_: object, **_more: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refused)
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for all users but root
    async with saves(dsn, Unsaved(worker), rows, tmp_path / "out") as them:
        await them.run(save)
        assert them.room(0, 4) == 0
    assert await one(worker, "SELECT attempts FROM kling_fleet.pgqueuer") == {"attempts": 0}


async def test_a_disk_is_tried_by_one_save(
    dsn: str,
    worker: Connection,
    rows: AccountRows,
    save: Row,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a while, a single save tries the failed disk; the failure is logged once until a save succeeds."""
    monkeypatch.setattr(worker_saving, "_DISK_SECONDS", 0.0)
    out = tmp_path / "out"
    out.write_text("no folder")
    full, client = [True], Unsaved(worker)

    def make(_place: str) -> None:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            if full[0]:
                raise TargetError("it cannot be made") from None

    async def saved(*_: object) -> list[Path]:
        return [out]

    async def last(_key: str) -> None:
        pass

    monkeypatch.setattr(worker_saving, "_make_folder", make)
    client.save, client.last = saved, last  # type: ignore[attr-defined,method-assign,assignment]  # as above
    async with saves(dsn, client, rows, out) as them:
        await them.run(save)
        assert (them.room(0, 4), them.room(1, 4)) == (1, 0)
        await them.run(await claimed(rows, worker))
        assert caplog.text.count("saves nothing until") == 1
        full[0] = False
        await them.run(await claimed(rows, worker))
        assert them.room(0, 4) == 4


@pytest.mark.parametrize(("error", "attempts"), [(JournalError("away"), 0), (TargetError("disk full"), 1)])
async def test_waiting_is_no_attempt(
    dsn: str, worker: Connection, rows: AccountRows, save: Row, *, error: KlingError, attempts: int
) -> None:
    """Saves have a limited number of attempts; temporary obstacles, such as an unavailable journal, do not count."""
    async with saves(dsn, NoJournal(error), rows, Path()) as them:
        await them.run(save)
    assert await one(worker, "SELECT status::text, attempts FROM kling_fleet.pgqueuer") == {
        "status": "queued",
        "attempts": attempts,
    }
