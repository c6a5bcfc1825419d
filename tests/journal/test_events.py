"""Events with a journal: each payment is reported once among all clients, and work keeps its trace."""

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
    """A listener that stores a trace context with each work."""

    received: list[events.Event] = attrs.Factory(list)
    traces: dict[str | None, str] = attrs.Factory(dict)

    def __call__(self, event: events.Event) -> None:
        """Stores the event."""
        self.received.append(event)

    def trace_of(self, work: int) -> str:
        """Returns the trace context to store."""
        [queued] = [each for each in those(self.received, events.Queued) if each.work == work]
        self.traces[queued.key] = f"00-{work:032x}-{work:016x}-01"
        return self.traces[queued.key]


async def test_what_one_client_began(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """Another client continues the work under the same key and trace; one of the two reports each payment."""
    first, second = Tracing(), Tracing()
    async with make_client(journal=any_place(), on_event=first) as client:
        ended = await client.submit(CAT, key="ended", save_to=tmp_path / "ended.mp4")
        await ended
        await client.submit(CAT, key="running", save_to=tmp_path / "running.mp4")
        await asyncio.sleep(1)
    async with make_client(journal=any_place(), on_event=second) as client:
        async for handle in client.recover():
            await handle.save()
    assert {each.key: each.trace for each in those(second.received, events.Attached)} == first.traces
    assert set(first.traces) == {"ended", "running"}
    assert {each.key for each in those(second.received, events.Saved)} == {"ended", "running"}
    assert [each.key for each in those(first.received, events.Paid)] == ["ended"]
    assert [each.key for each in those(second.received, events.Paid)] == ["running"]
    assert units(first.received) + units(second.received) == Decimal(str(emulator.ledger.charged))


async def test_what_was_in_doubt(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """A create left in doubt by one client is reported by another with its trace and, in the end, its payment."""
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
    assert [name for name in names(second.received) if name != "Changed"] == ["InDoubt", "Accepted", "Ended", "Paid"]
    assert those(second.received, events.InDoubt)[0].trace == first.traces["cat"]
    assert units(second.received) == Decimal(str(emulator.ledger.charged)) == Decimal("1.5")


async def test_two_living_clients(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """Of two living clients that wait for the same tasks, the one that follows them reports the payments."""
    first, second = Tracing(), Tracing()
    mine, others = make_client(journal=any_place(), on_event=first), make_client(journal=any_place(), on_event=second)
    handles = [await mine.submit(CAT, key=f"cat {number}") for number in range(3)]
    again = [await others.submit(CAT, key=f"cat {number}") for number in range(3)]
    await asyncio.gather(*handles, *again, others.attach(handles[0].reference))
    assert len(those(first.received, events.Paid)) == 3
    assert those(second.received, events.Paid) == []
    assert units(first.received) == Decimal(str(emulator.ledger.charged))


async def test_the_follower_is_gone(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """If the client that follows a task is closed, the one that waits for it reports the payment."""
    first, second = Tracing(), Tracing()
    mine, others = make_client(journal=any_place(), on_event=first), make_client(journal=any_place(), on_event=second)
    await mine.submit(CAT, key="cat")
    again = await others.submit(CAT, key="cat")
    waiting = asyncio.ensure_future(again.wait())
    await asyncio.sleep(5)
    await mine.close()
    await waiting
    assert those(first.received, events.Paid) == []
    assert units(second.received) == Decimal(str(emulator.ledger.charged)) == Decimal("1.5")


async def test_a_callback_for_a_task_without_a_follower(any_place: Place, make_client: ClientMaker) -> None:
    """The end of a task without a follower is reported by the client that receives the callback, and only once."""
    first, second = Tracing(), Tracing()
    async with make_client(journal=any_place()) as client:
        handle = await client.submit(CAT, key="cat")
    async with make_client(journal=any_place(), on_event=first) as client:
        body = legacy(handle.task_id, "succeed", final_unit_deduction="1.5")
        assert (await sender(client).post(body)).status == 200
    assert names(first.received) == ["Attached", "Ended", "Paid"]
    async with make_client(journal=any_place(), on_event=second) as client:
        async for recovered in client.recover():
            await recovered
    assert those(second.received, events.Ended)
    assert those(second.received, events.Paid) == []


async def test_callbacks_without_the_cost(make_client: ClientMaker, emulator: Emulator) -> None:
    """If a callback has no cost, it is queried; two callbacks make one payment."""
    received: list[events.Event] = []
    client: KlingClient = make_client(on_event=received.append, polling=SELDOM)
    handle = await client.submit(CAT)
    await asyncio.sleep(600)
    post = sender(client).post
    for _ in range(2):
        await post(legacy(handle.task_id, "succeed", after=wall()() - 1_800_000_000))
    assert (await handle).cost is None
    await asyncio.sleep(1)
    assert names(received)[-2:] == ["Ended", "Paid"]
    assert units(received) == Decimal("1.5")
    assert emulator.ledger.created == 1


async def test_an_invalid_trace(any_place: Place, make_client: ClientMaker, caplog: pytest.LogCaptureFixture) -> None:
    """A `trace_of` that raises, or returns no short text, changes nothing; it is logged once."""

    class Bad(Tracing):
        def trace_of(self, work: int) -> str:
            if work % 2:
                return "x" * 10_000
            raise ValueError("no")

    async with make_client(journal=any_place(), on_event=Bad()) as client:
        for key in "abc":
            await client.submit(CAT, key=key)
        assert [entry.trace async for entry in client.journal.entries()] == [None] * 3
    logged = [vars(each)["kling_event"] for each in caplog.records]
    assert logged == ["on_event_failed"]
