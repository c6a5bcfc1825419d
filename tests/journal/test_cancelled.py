"""Cancellation: a cancelled create is not sent by any client, and work that a client gives up is free for others."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kling_async import CreateInDoubt, EntryState, ImageToVideo, KlingClient, RawTask, Retry, TaskHandle, TextToVideo
from kling_async.emulator import Emulator, Fault
from tests.adversity.steps import Moments
from tests.journal.conftest import Place
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")
QUICK = Retry(first=0.1, settle=1, budget=2)


async def recovered(client: KlingClient) -> list[TaskHandle]:
    """Returns all handles that `recover()` yields."""
    return [handle async for handle in client.recover()]


async def cancelled_at(number: int, job: Callable[[], Awaitable[object]]) -> bool:
    """Cancels a job at one of its awaits; returns whether it got that far."""
    moments = Moments(number, late=False)

    async def awaited() -> None:
        await job()

    with contextlib.suppress(asyncio.CancelledError):
        await moments.run(awaited)
    asyncio.get_running_loop().set_task_factory(None)
    return moments.struck


async def test_a_create_that_was_cancelled_before_it_was_sent(
    make_client: ClientMaker, emulator: Emulator, path: Path, image: Path
) -> None:
    """A create cancelled before its first byte is sent is never paid, by this client or the next."""
    request = ImageToVideo(image.read_bytes())
    number, paid = 0, True
    while paid or number < 5:
        number += 1
        place = path.with_name(f"{number}.sqlite")
        sent = emulator.faults.calls["create"]
        async with make_client(journal=place) as client:
            await cancelled_at(number, lambda client=client: client.submit(request))  # type: ignore[misc]  # mypy infers nothing for a default of a lambda
            await asyncio.gather(*client._submitter.under_way._creates, return_exceptions=True)
            unsent = emulator.faults.calls["create"] == sent
            entries = [entry async for entry in client.journal.entries()]
            if unsent:
                assert {entry.state for entry in entries} <= {EntryState.REFUSED}
                assert {entry.error for entry in entries} <= {"cancelled before it was sent"}
            assert list(path.with_name(f"{number}.sqlite.files").glob("*-*-0")) == []
        async with make_client(journal=place) as client:
            assert len(await recovered(client)) == (not unsent)
        assert emulator.faults.calls["create"] == sent + (not unsent)
        paid = unsent
    assert number > 5


async def left_in_doubt(make_client: ClientMaker, path: Path, emulator: Emulator, count: int = 1) -> None:
    """Leaves creates in doubt that have not created a task."""
    emulator.faults.add(Fault.reset(), on="create", times=count)
    emulator.faults.add(Fault.reset(), on="query")
    async with make_client(journal=path, retry=QUICK) as client:
        for number in range(count):
            with pytest.raises(CreateInDoubt):
                await client.submit(CAT, key=f"cat-{number}")
    emulator.faults.clear()


async def written(client: KlingClient) -> None:
    """Waits until everything the client has queued is on disk."""
    assert client._works is not None
    await client._works.journal.open()
    await client._works.journal.do(lambda _: None)


async def test_a_doubt_whose_settling_was_cancelled(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """Wherever the settling of a key is cancelled, another living client can take it, and one task is paid."""
    emulator.account.limit = 1000
    number, struck = 0, True
    while struck:
        number += 1
        place = path.with_name(f"{number}.sqlite")
        created = emulator.ledger.created
        await left_in_doubt(make_client, place, emulator)
        first, second = make_client(journal=place, retry=QUICK), make_client(journal=place, retry=QUICK)
        struck = await cancelled_at(number, lambda first=first: first.submit(CAT, key="cat-0"))  # type: ignore[misc]  # mypy infers nothing for a default of a lambda
        await asyncio.gather(*first._submitter.under_way._creates, return_exceptions=True)
        await written(first)
        async with asyncio.timeout(1000):
            await second.submit(CAT, key="cat-0")
        assert emulator.ledger.created == created + 1
    assert number > 5


@pytest.mark.parametrize("request_", [CAT, RawTask("/v1/videos/text2video", {"prompt": "a cat"})])
async def test_a_key_whose_create_goes_on_without_its_caller(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, request_: TextToVideo | RawTask
) -> None:
    """The next caller with the key waits for the create under way, and sends none."""
    emulator.faults.add(Fault.delay(30, after_effect=True), on="create", times=1)
    client = make_client(journal=any_place())
    creating = asyncio.ensure_future(client.submit(request_, key="cat"))
    await asyncio.sleep(5)
    creating.cancel()
    await asyncio.gather(creating, return_exceptions=True)
    handle = await client.submit(request_, key="cat")
    assert emulator.faults.calls["create"] == emulator.ledger.created == 1
    (entry,) = [entry async for entry in client.journal.entries()]
    assert (entry.state, entry.reference) == (EntryState.ACCEPTED, handle.reference)


async def test_recovering_that_is_broken_off(any_place: Place, make_client: ClientMaker) -> None:
    """Entries not yet yielded are left for other clients, and for the same one."""
    async with make_client(journal=any_place()) as left:
        references = {(await left.submit(CAT, key=f"cat-{number}")).reference for number in range(5)}
    first, second = make_client(journal=any_place()), make_client(journal=any_place())
    taken = set()
    for client, count in [(first, 2), (second, 1)]:
        async with contextlib.aclosing(client.recover()) as handles:
            for _ in range(count):
                taken.add((await anext(handles)).reference)
        await written(client)
    assert {handle.reference for handle in await recovered(first)} == references - taken


async def test_recovering_that_is_cancelled(make_client: ClientMaker, path: Path) -> None:
    """Wherever it is cancelled, another client gets the entries not yet yielded, while the first one lives."""
    number, struck = 0, True
    while struck:
        number += 1
        place = path.with_name(f"{number}.sqlite")
        async with make_client(journal=place) as left:
            handle = await left.submit(CAT)
        async with make_client(journal=place) as first, make_client(journal=place) as second:
            struck = await cancelled_at(number, lambda first=first: recovered(first))  # type: ignore[misc]  # mypy infers nothing for a default of a lambda
            await written(first)
            if struck:
                assert [each.reference for each in await recovered(second)] == [handle.reference]
    assert number > 1


async def test_what_could_not_be_settled_can_be_tried_again(
    make_client: ClientMaker, emulator: Emulator, path: Path
) -> None:
    """A recovery that fails because of the network leaves the work for the next one, also of the same client."""
    await left_in_doubt(make_client, path, emulator, 3)
    client = make_client(journal=path, retry=QUICK)
    emulator.faults.add(Fault.reset(), on="query")
    assert await recovered(client) == []
    emulator.faults.clear()
    assert len(await recovered(client)) == 3
    assert emulator.ledger.created == 3


async def test_a_client_cancelled_while_it_opens(make_client: ClientMaker, path: Path) -> None:
    """Wherever it is cancelled, neither a lock nor an owner's row remains."""
    number, struck = 0, True
    while struck:
        number += 1
        client = make_client(journal=path)
        struck = await cancelled_at(number, client.__aenter__)
        await client.close()
        last = make_client(journal=path)
        async with last:
            assert last._works is not None
            rows = await last._works.journal.do(lambda store: store.owners(unfinished=False))
            assert len(rows) == 1
            assert len(list(path.with_name("clips.sqlite.files").iterdir())) == 1
    assert number > 2


async def the_cat(client: KlingClient) -> TaskHandle:
    """Returns the task of the key."""
    return await client.submit(CAT, key="cat")


@pytest.mark.parametrize("is_first", [True, False])
async def test_one_of_two_callers_of_a_key(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, *, is_first: bool
) -> None:
    """Wherever one of two concurrent callers of a key is cancelled, the other gets its task, and one is paid."""
    number, struck = 0, True
    while struck:
        number += 1
        created = emulator.ledger.created
        async with make_client(journal=any_place(f"clips_{number}")) as client:
            submit = functools.partial(the_cat, client)
            other = asyncio.ensure_future(submit()) if not is_first else None
            await asyncio.sleep(0)
            cancelled = asyncio.ensure_future(cancelled_at(number, submit))
            await asyncio.sleep(0)
            handle = await (other if other is not None else submit())
            struck = await cancelled
            assert emulator.ledger.created == created + 1
            entries = [entry async for entry in client.journal.entries()]
            paid = [entry for entry in entries if entry.state is not EntryState.REFUSED]
            assert [entry.reference for entry in paid] == [handle.reference]
    assert number > 2


@pytest.mark.parametrize("turns", [0, 1, 3, 10, 30, 100, 300])
async def test_closing_while_much_is_written(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, turns: int
) -> None:
    """If a busy client is closed, each create is in the journal or was never sent, and all can be continued."""
    client = make_client(journal=any_place(), concurrency=20)
    working = [asyncio.ensure_future(client.submit(CAT, key=f"{number}")) for number in range(20)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await client.close()
    await asyncio.gather(*working, return_exceptions=True)
    async with make_client(journal=any_place(), concurrency=20) as second:
        assert len(await recovered(second)) == emulator.ledger.created
        handles = await asyncio.gather(*(second.submit(CAT, key=f"{number}") for number in range(20)))
        assert len({handle.reference for handle in handles}) == emulator.ledger.created == 20
