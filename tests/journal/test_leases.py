"""The journal in Postgres: owners with expired leases, late reports, and the bytes of requests."""

import asyncio
import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

import attrs
import psycopg
import pytest

from kling_async import (
    CreateInDoubt,
    EntryState,
    ImageToVideo,
    InvalidRequest,
    KeyConflict,
    KlingClient,
    LeaseLost,
    PostgresJournal,
    Retry,
    TextToVideo,
)
from kling_async.emulator import Call, Emulator, Fault
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.entry import Entry
from kling_async.journal.postgres.leases import Lease, longest_create
from kling_async.journal.postgres.store import PostgresStore
from kling_async.journal.store import Store, Work
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.tasks import Task, TaskStatus
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")
WORK = Work(
    key="cat",
    endpoint="text2video",
    external_task_id="ka-1",
    request={},
    known=None,
    line="",
    slots=1,
    save_to=None,
    estimate=Estimate(units=None, usd=None),
)
AWAY = (
    "UPDATE kling_journal_default.owners SET seen_at = extract(epoch from clock_timestamp()) - lease - %s WHERE id = %s"
)
CUT = (
    "UPDATE kling_journal_default.entries SET cut_at = extract(epoch from clock_timestamp()) - %s "
    "WHERE cut_at IS NOT NULL"
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(task_id="1", status=TaskStatus.SUBMITTED, endpoint="text2video")
END = Task(task_id="1", status=TaskStatus.SUCCEED, endpoint="text2video")


async def opened(dsn: str) -> ClientJournal:
    """Returns a client's open journal."""
    journal = ClientJournal(PostgresJournal(dsn), time.time)
    await journal.open()
    return journal


def away(dsn: str, owner: int, seconds: float) -> None:
    """Ages an owner's lease as if it had expired some seconds ago."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(AWAY, (seconds, owner))


def all_away(dsn: str) -> None:
    """Ages all leases as if they had expired long ago."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE kling_journal_default.owners SET seen_at = 0")


async def intended(journal: ClientJournal, work: Work = WORK) -> Entry:
    """Writes an intent of a client."""
    owner = journal.owner
    entry = await journal.do(lambda store: store.intend(work, owner, NOW))
    assert entry is not None
    return entry


async def now_of(journal: ClientJournal, entry: Entry) -> Entry:
    """Returns the current entry."""
    found = await journal.do(lambda store: store.get(entry.id))
    assert found is not None
    return found


def journal_of(client: KlingClient) -> ClientJournal:
    """Returns the client's journal."""
    assert client._works is not None
    return client._works.journal


async def test_a_client_with_a_journal_in_postgres(
    postgres: str, make_client: ClientMaker, emulator: Emulator, tmp_path: Path, image: Path
) -> None:
    """What one client submits, another one finds, and continues once the first one is closed."""
    async with make_client(journal=postgres) as first:
        handle = await first.submit(CAT, key="cat", save_to=tmp_path / "cat.mp4")
        await first.submit(ImageToVideo(image), key="image")
        assert repr(first.journal) == f"PostgresJournal({first.journal.place!r})"
    async with make_client(journal=postgres) as second:
        assert {each.reference async for each in second.recover()} >= {handle.reference}
        assert await (await second.submit(CAT, key="cat")).save() == tmp_path / "cat.mp4"
        states = {entry.key: entry.state async for entry in second.journal.entries()}
    assert states == {"cat": EntryState.SAVED, "image": EntryState.ENDED}
    assert emulator.ledger.created == 2


async def test_the_work_of_a_client_whose_lease_has_expired(
    postgres: str, make_client: ClientMaker, emulator: Emulator
) -> None:
    """Another client takes its tasks at once; it follows its handles to the end, and begins no more work."""
    first, second = make_client(journal=postgres), make_client(journal=postgres)
    handle = await first.submit(CAT, key="cat")
    await journal_of(first).do(lambda _: None)
    assert [each async for each in second.recover()] == []
    away(postgres, journal_of(first).owner, 0.001)
    assert [each.reference async for each in second.recover()] == [handle.reference]
    with pytest.raises(LeaseLost, match="make another one"):
        await first.submit(CAT, key="dog")
    assert (await handle).status is TaskStatus.SUCCEED
    assert emulator.faults.calls["create"] == 1


async def test_an_expired_lease_is_not_renewed(postgres: str) -> None:
    """An owner whose lease has expired is never an owner again; until then the lease is renewed."""
    journal = await opened(postgres)
    lease = journal._owner
    assert isinstance(lease, Lease)
    away(postgres, journal.owner, -20)
    lease.renew()
    await journal.do(lambda _: None)
    away(postgres, journal.owner, -20)
    assert not journal.is_fenced
    away(postgres, journal.owner, 0.001)
    lease.renew()
    await journal.do(lambda _: None)
    assert journal.is_fenced
    with pytest.raises(LeaseLost):
        journal.must_hold()
    await journal.close()


async def test_the_lease_is_checked_before_the_first_byte(
    postgres: str, make_client: ClientMaker, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a client is stopped between its intent and the first byte, nothing is sent, and the next client may send."""

    async def stopped(_: object) -> None:
        lease = journal_of(client)._owner
        assert isinstance(lease, Lease)
        monkeypatch.setattr(lease, "_renewed_at", lease._renewed_at - 0.81 * lease.seconds)

    client = make_client(journal=postgres, on_intent=stopped)
    with pytest.raises(LeaseLost):
        await client.submit(CAT, key="cat")
    await journal_of(client).do(lambda _: None)
    assert emulator.faults.calls["create"] == 0
    async with make_client(journal=postgres) as second:
        assert [entry.state async for entry in second.journal.entries()] == [EntryState.REFUSED]
        await second.submit(CAT, key="cat")
    assert emulator.ledger.created == 1


async def test_nothing_is_sent_again_after_the_lease(
    postgres: str, make_client: ClientMaker, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a send is lost and the lease expires, the create is looked up, and in doubt; the next client settles it."""

    def lost(_: Call) -> Fault:
        lease = journal_of(client)._owner
        assert isinstance(lease, Lease)
        monkeypatch.setattr(lease, "_renewed_at", lease._renewed_at - lease.seconds)
        return Fault.reset()

    client = make_client(journal=postgres, retry=Retry(first=0.1, settle=1, budget=5))
    emulator.faults.add(lost, on="create")
    with pytest.raises(CreateInDoubt):
        await client.submit(CAT, key="cat")
    await journal_of(client).do(lambda _: None)
    assert emulator.faults.calls["create"] == 1
    emulator.faults.clear()
    async with make_client(journal=postgres) as second:
        await second.submit(CAT, key="cat")
    assert emulator.ledger.created == 1


async def test_an_intent_that_may_be_under_way_is_not_taken(postgres: str) -> None:
    """An intent is taken only after the lease and the longest duration of a create; a task at once."""
    first, second = await opened(postgres), await opened(postgres)
    entry, accepted = await intended(first), await intended(first, attrs.evolve(WORK, key="dog"))
    await first.do(lambda store: store.accepted(accepted.id, TASK, NOW))
    away(postgres, first.owner, longest_create(None) - 5)
    assert [each.key for each in await second.take_left()] == ["dog"]
    away(postgres, first.owner, longest_create(None) + 1)
    assert [each.key for each in await second.take_left()] == ["cat"]
    assert (await now_of(second, entry)).owner == second.owner
    for each in (first, second):
        await each.close()


def long_ago(dsn: str, seconds: float) -> None:
    """Ages all cuts by some seconds."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(CUT, (seconds,))


@pytest.mark.parametrize("how", ["cut_off", "left", "both"])
async def test_an_intent_that_was_cut_off_is_not_taken(postgres: str, how: str) -> None:
    """A closing client may have been sending: its intent is protected as long as that of a killed client."""
    first, second = await opened(postgres), await opened(postgres)
    entry, accepted = await intended(first), await intended(first, attrs.evolve(WORK, key="dog"))
    await first.do(lambda store: store.accepted(accepted.id, TASK, NOW))
    if how != "left":
        await first.do(lambda store: store.in_doubt(entry.id, "?", cut_off=True))
    if how != "cut_off":
        await first.close()
        assert [each.key for each in await second.take_left()] == ["dog"]
    long_ago(postgres, longest_create(None) - 5)
    assert await second.take_left() == []
    assert await second.is_anothers("cat")
    long_ago(postgres, longest_create(None) + 1)
    assert [each.key for each in await second.take_left()] == ["cat"]
    for each in (first, second):
        await each.close()


async def test_a_settled_doubt_can_be_taken_at_once(postgres: str) -> None:
    """A create in doubt whose client has finished looking for its task can be taken at once."""
    first, second = await opened(postgres), await opened(postgres)
    entry = await intended(first)
    await first.do(lambda store: store.in_doubt(entry.id, "?", cut_off=False))
    assert [each.key for each in await second.take_left()] == ["cat"]
    for each in (first, second):
        await each.close()


async def test_a_create_that_the_end_of_its_client_cuts_off(
    postgres: str, make_client: ClientMaker, emulator: Emulator
) -> None:
    """Another client waits until the service may have processed it, and the entry does not claim it was not sent."""
    emulator.faults.add(Fault.delay(3600, after_effect=True), on="create", times=1)
    first, second = make_client(journal=postgres), make_client(journal=postgres)
    creating = asyncio.ensure_future(first.submit(CAT, key="cat"))
    await asyncio.sleep(5)
    await first.close()
    assert isinstance((await asyncio.gather(creating, return_exceptions=True))[0], CreateInDoubt)
    assert [each async for each in second.recover()] == []
    (left,) = [entry async for entry in second.journal.entries()]
    assert (left.state, left.error) == (EntryState.INTENT, "cut off before an answer said whether it was created")
    long_ago(postgres, 1000)
    assert len([each async for each in second.recover()]) == emulator.ledger.created == 1


async def test_a_create_that_was_not_begun_is_free_at_once(
    postgres: str, make_client: ClientMaker, emulator: Emulator
) -> None:
    """A create that a closing client has certainly not sent is refused, and any client may send it."""
    hanging = asyncio.Event()

    async def hang(_: object) -> None:
        hanging.set()
        await asyncio.Event().wait()

    first, second = make_client(journal=postgres, on_intent=hang), make_client(journal=postgres)
    creating = asyncio.ensure_future(first.submit(CAT, key="cat"))
    await hanging.wait()
    await first.close()
    await asyncio.gather(creating, return_exceptions=True)
    assert [entry.state async for entry in second.journal.entries()] == [EntryState.REFUSED]
    await second.submit(CAT, key="cat")
    assert emulator.ledger.created == 1


def test_large_files_take_longer() -> None:
    """A client that takes over waits for the time that an upload of the request's size may take."""
    assert longest_create(None) < longest_create(0) < longest_create(10_000_000) - 200


async def test_late_reports_if_another_client_has_the_entry(postgres: str) -> None:
    """Late reports of any kind do not change an entry that another client owns."""
    first, second = await opened(postgres), await opened(postgres)
    entry = await intended(first)
    away(postgres, first.owner, 1000)
    assert [each.id for each in await second.take_left()] == [entry.id]
    before = await now_of(second, entry)
    await first.do(lambda store: store.accepted(entry.id, TASK, NOW))
    await first.do(lambda store: store.ended(entry.id, END, NOW, finished=True))
    await first.do(lambda store: store.saving(entry.id, "/x"))
    await first.do(lambda store: store.saved(entry.id, [], NOW))
    await first.do(lambda store: store.in_doubt(entry.id, "?", cut_off=True))
    await first.do(lambda store: store.aim(entry.id, "/x"))
    await first.do(lambda store: store.closed(entry.id, EntryState.REFUSED, "?", NOW))
    assert await now_of(second, entry) == before
    await first.close()
    assert await now_of(second, entry) == before
    await second.close()


async def test_late_reports_if_no_client_has_the_entry(postgres: str) -> None:
    """Late reports are stored, since nothing else records the task."""
    first, second = await opened(postgres), await opened(postgres)
    entry = await intended(first)
    away(postgres, first.owner, 1)
    await first.do(lambda store: store.accepted(entry.id, TASK, NOW))
    assert (await now_of(second, entry)).task_id == "1"
    await first.do(lambda store: store.ended(entry.id, END, NOW, finished=False))
    assert (await now_of(second, entry)).state is EntryState.ENDED
    for each in (first, second):
        await each.close()


async def test_a_task_of_an_entry_closed_as_lost(postgres: str) -> None:
    """If an intent was closed as lost and its client then reports a task, any client may take the entry."""
    first, second = await opened(postgres), await opened(postgres)
    entry = await intended(first, attrs.evolve(WORK, external_task_id=None))
    away(postgres, first.owner, 1000)
    await second.take_left()
    await second.do(lambda store: store.closed(entry.id, EntryState.LOST, "?", NOW))
    await first.do(lambda store: store.accepted(entry.id, TASK, NOW))
    assert [(each.task_id, each.state) for each in await second.take_left()] == [("1", EntryState.ACCEPTED)]
    for each in (first, second):
        await each.close()


async def test_a_task_that_is_given_away(postgres: str, make_client: ClientMaker, emulator: Emulator) -> None:
    """A task given to another client is followed by it; it can be given neither twice nor to a dead owner."""
    first, second = make_client(journal=postgres), make_client(journal=postgres)
    await second.works.journal.open()
    handle = await first.submit(CAT, key="cat")
    (entry,) = [entry async for entry in first.journal.entries()]
    to = second.works.journal.owner
    assert await first.works.journal.give(entry.id, to)
    assert not await first.works.journal.give(entry.id, to)
    taken = await second.works.taken_up()
    assert [str(each.reference) for each in taken] == [handle.reference]
    assert await second.works.taken_up() == []
    away(postgres, first.works.journal.owner, 1)
    with pytest.raises(LeaseLost):
        await second.works.journal.give(entry.id, first.works.journal.owner)
    assert emulator.ledger.created == 1


async def test_work_stored_as_members(postgres: str, make_client: ClientMaker, emulator: Emulator, image: Path) -> None:
    """Work that was put into the journal's database by another program is sent with its files, once for its key."""
    data = image.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    mark = {"kling_async.file": {"path": "/elsewhere.png", "sha256": digest, "kind": "Image"}}
    members = {"model_name": "kling-v2-6", "duration": "5", "image": mark, "prompt": "a cat"}
    work = attrs.evolve(WORK, key="image", endpoint="image2video", request=members)
    client = make_client(journal=postgres)
    await client.works.journal.open()

    def keep(store: Store) -> None:
        assert isinstance(store, PostgresStore)
        store.run("INSERT INTO kept VALUES (?, ?)", digest, data)
        store.hold("job:1", [digest])

    await client.works.journal.do(keep)
    both = await asyncio.gather(client.works.submit_kept(work), client.works.submit_kept(work))
    assert len({str(each.reference) for each in both}) == emulator.ledger.created == 1
    handle = await client.submit(ImageToVideo(image, prompt="a cat"), key="image")
    assert handle.reference == str(both[0].reference)
    with pytest.raises(KeyConflict):
        await client.works.submit_kept(attrs.evolve(work, request={**members, "prompt": "a dog"}))
    with pytest.raises(InvalidRequest, match="knows no nothing"):
        await client.works.submit_kept(attrs.evolve(work, key="other", endpoint="nothing"))
    assert await client.works.journal.look(lambda store: store.kept([digest])) == {digest: data}


async def test_the_files_of_a_request(
    postgres: str, make_client: ClientMaker, emulator: Emulator, image: Path, tmp_path: Path
) -> None:
    """The files of a request are in the database as long as they may have to be sent, also those given by path."""
    copy = tmp_path / "copy.png"
    copy.write_bytes(image.read_bytes())
    seen: list[int] = []

    def kept() -> int:
        with psycopg.connect(postgres) as connection:
            rows = connection.execute("SELECT length(data) FROM kling_journal_default.kept").fetchall()
            held = connection.execute("SELECT count(*) FROM kling_journal_default.kept_for").fetchone()
        assert held is not None
        assert held[0] == len(rows)
        return sum(row[0] for row in rows)

    async def stopped(_: object) -> None:
        seen.append(kept())
        copy.unlink()
        raise asyncio.CancelledError

    first = make_client(journal=postgres, on_intent=stopped)
    with pytest.raises(asyncio.CancelledError):
        await first.submit(ImageToVideo(copy), key="cat")
    await first.close()
    assert (seen, kept()) == ([image.stat().st_size], 0)
    assert emulator.ledger.created == 0


async def test_another_machine_sends_the_files(
    postgres: str, make_client: ClientMaker, emulator: Emulator, image: Path, tmp_path: Path
) -> None:
    """Work of a client that was killed before its first byte is sent by another one, which does not have the files."""
    copy = tmp_path / "copy.png"
    copy.write_bytes(image.read_bytes())
    hanging = asyncio.Event()

    async def hang(_: object) -> None:
        hanging.set()
        await asyncio.Event().wait()

    first = make_client(journal=postgres, on_intent=hang)
    left = asyncio.ensure_future(first.submit(ImageToVideo(copy), key="cat"))
    await hanging.wait()
    copy.unlink()
    away(postgres, journal_of(first).owner, 1000)
    async with make_client(journal=postgres) as second:
        assert len([each async for each in second.recover()]) == 1
    left.cancel()
    assert emulator.ledger.created == 1
