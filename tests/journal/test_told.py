"""Events with a journal: what is paid is told once by all of its clients, and what one began another goes on with."""

import asyncio
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from kling_async import CreateInDoubt, KlingClient, Polling, Retry, TextToVideo, events
from kling_async.emulator import Emulator, Fault
from tests.journal.conftest import Place
from tests.shell.conftest import ClientMaker, wall
from tests.shell.test_events import names, those, units
from tests.web.callbacks import legacy, sender

CAT = TextToVideo("a cat")
SELDOM = Polling(first=1000, maximum=1000)


@attrs.define
class Tracing:
    """A listener that wants something to be kept with each work."""

    told: list[events.Event] = attrs.Factory(list)
    traces: dict[str | None, str] = attrs.Factory(dict)

    def __call__(self, event: events.Event) -> None:
        """Hears."""
        self.told.append(event)

    def trace_of(self, work: int) -> str:
        """What is kept."""
        [queued] = [each for each in those(self.told, events.Queued) if each.work == work]
        self.traces[queued.key] = f"00-{work:032x}-{work:016x}-01"
        return self.traces[queued.key]


async def test_what_one_client_began(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """Another client goes on under the same key and trace; of the two, one tells what each task took."""
    first, second = Tracing(), Tracing()
    async with make_client(journal=any_place(), on_event=first) as client:
        ended = await client.submit(CAT, key="ended", save_to=tmp_path / "ended.mp4")
        await ended
        await client.submit(CAT, key="running", save_to=tmp_path / "running.mp4")
        await asyncio.sleep(1)
    async with make_client(journal=any_place(), on_event=second) as client:
        async for handle in client.recover():
            await handle.save()
    assert {each.key: each.trace for each in those(second.told, events.Attached)} == first.traces
    assert set(first.traces) == {"ended", "running"}
    assert {each.key for each in those(second.told, events.Saved)} == {"ended", "running"}
    assert [each.key for each in those(first.told, events.Paid)] == ["ended"]
    assert [each.key for each in those(second.told, events.Paid)] == ["running"]
    assert units(first.told) + units(second.told) == Decimal(str(emulator.ledger.charged))


async def test_what_was_in_doubt(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """What one client left in doubt, another one tells of with its trace, and what it took in the end."""
    first, second = Tracing(), Tracing()
    quick = Retry(first=0.1, settle=0.2, budget=1)
    emulator.faults.add(Fault.reset(after_effect=True), on="create")
    emulator.faults.add(Fault.gateway(502), on="query")
    async with make_client(journal=any_place(), on_event=first, retry=quick) as client:
        with pytest.raises(CreateInDoubt):
            await client.submit(CAT, key="cat")
    emulator.faults.clear()
    async with make_client(journal=any_place(), on_event=second) as client:
        await (await client.submit(CAT, key="cat"))
    assert [name for name in names(second.told) if name != "Changed"] == ["InDoubt", "Accepted", "Ended", "Paid"]
    assert those(second.told, events.InDoubt)[0].trace == first.traces["cat"]
    assert units(second.told) == Decimal(str(emulator.ledger.charged)) == Decimal("1.5")


async def test_two_who_live(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """Of two living clients that wait for the same tasks, the one that follows them tells what they took."""
    first, second = Tracing(), Tracing()
    mine, others = make_client(journal=any_place(), on_event=first), make_client(journal=any_place(), on_event=second)
    handles = [await mine.submit(CAT, key=f"cat {number}") for number in range(3)]
    again = [await others.submit(CAT, key=f"cat {number}") for number in range(3)]
    await asyncio.gather(*handles, *again, others.attach(handles[0].reference))
    assert len(those(first.told, events.Paid)) == 3
    assert those(second.told, events.Paid) == []
    assert units(first.told) == Decimal(str(emulator.ledger.charged))


async def test_the_follower_is_gone(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """If the client that follows a task is closed, the one that waits for it tells what it took."""
    first, second = Tracing(), Tracing()
    mine, others = make_client(journal=any_place(), on_event=first), make_client(journal=any_place(), on_event=second)
    await mine.submit(CAT, key="cat")
    again = await others.submit(CAT, key="cat")
    waiting = asyncio.ensure_future(again.wait())
    await asyncio.sleep(5)
    await mine.close()
    await waiting
    assert those(first.told, events.Paid) == []
    assert units(second.told) == Decimal(str(emulator.ledger.charged)) == Decimal("1.5")


async def test_a_callback_for_nobody(any_place: Place, make_client: ClientMaker) -> None:
    """The end of a task that nobody follows is told by who was called back for it, and by nobody later on."""
    first, second = Tracing(), Tracing()
    async with make_client(journal=any_place()) as client:
        handle = await client.submit(CAT, key="cat")
    async with make_client(journal=any_place(), on_event=first) as client:
        body = legacy(handle.task_id, "succeed", final_unit_deduction="1.5")
        assert (await sender(client).post(body)).status == 200
    assert names(first.told) == ["Attached", "Ended", "Paid"]
    async with make_client(journal=any_place(), on_event=second) as client:
        async for recovered in client.recover():
            await recovered
    assert those(second.told, events.Ended)
    assert those(second.told, events.Paid) == []


async def test_callbacks_that_do_not_tell_the_cost(make_client: ClientMaker, emulator: Emulator) -> None:
    """Where a callback tells of an end without its cost, that is asked for; twice told it is paid once."""
    told: list[events.Event] = []
    client: KlingClient = make_client(on_event=told.append, polling=SELDOM)
    handle = await client.submit(CAT)
    await asyncio.sleep(600)
    post = sender(client).post
    for _ in range(2):
        await post(legacy(handle.task_id, "succeed", after=wall()() - 1_800_000_000))
    assert (await handle).cost is None
    await asyncio.sleep(1)
    assert names(told)[-2:] == ["Ended", "Paid"]
    assert units(told) == Decimal("1.5")
    assert emulator.ledger.created == 1


async def test_a_trace_that_is_none(
    any_place: Place, make_client: ClientMaker, caplog: pytest.LogCaptureFixture
) -> None:
    """A tracing that raises, or gives no short text, changes nothing; it is said once."""

    class Bad(Tracing):
        def trace_of(self, work: int) -> str:
            if work % 2:
                return "x" * 10_000
            raise ValueError("no")

    async with make_client(journal=any_place(), on_event=Bad()) as client:
        for key in "abc":
            await client.submit(CAT, key=key)
        assert [entry.trace async for entry in client.journal.entries()] == [None] * 3
    said = [vars(each)["kling_event"] for each in caplog.records]
    assert said == ["on_event_failed"]
