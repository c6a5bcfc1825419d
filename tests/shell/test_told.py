"""Events: what happens is told, once, in order, without secrets, and without disturbing anything."""

import asyncio
import functools
import json
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest

from kling_async import (
    ClientClosed,
    ConfigurationError,
    CreateInDoubt,
    KlingClient,
    KlingError,
    QueueTimeout,
    Retry,
    TaskFailed,
    TextToSpeech,
    TextToVideo,
    events,
)
from kling_async.emulator import Emulator, Fault
from kling_async.emulator.faults.kinds import CallKind
from kling_async.io import events as client_events
from kling_async.io.emitting_work_events import EmittingWorkEvents
from kling_async.testing import KlingEmulator
from tests.shell.conftest import ClientMaker, wall
from tests.virtual_time import VirtualTimeLoop

CAT = TextToVideo("a cat")
T = TypeVar("T", bound=events.Event)


def names(told: Iterable[events.Event]) -> list[str]:
    """What was told, without the questions."""
    return [type(each).__name__ for each in told if not isinstance(each, events.Polled)]


def those(told: Iterable[events.Event], kind: type[T]) -> list[T]:
    """Those of one kind."""
    return [each for each in told if isinstance(each, kind)]


def units(told: Iterable[events.Event]) -> Decimal:
    """All that was paid, as the events tell."""
    return sum((each.cost.units or Decimal(0) for each in those(told, events.Paid)), Decimal(0))


async def test_one_generation(make_client: ClientMaker, tmp_path: Path) -> None:
    """A generation tells what happens to it in order, under one number, with its ids, seconds and cost."""
    told: list[events.Event] = []
    client = make_client(on_event=told.append)
    path = await client.generate(CAT, tmp_path / "cat.mp4")
    assert names(told) == ["Queued", "Sent", "Accepted", "Saving", "Changed", "Changed", "Ended", "Paid", "Saved"]
    work = those(told, events.WorkEvent)
    assert {(each.work - work[0].work, each.endpoint, each.line, each.external_task_id is None) for each in work} == {
        (0, "text2video", "kling-v2-6", False)
    }
    assert [each.task_id is None for each in work] == [True, True] + 7 * [False]
    (ended,), (paid,), (saved,) = those(told, events.Ended), those(told, events.Paid), those(told, events.Saved)
    assert ended.status == "succeed"
    assert ended.seconds > 10
    assert paid.cost.units == Decimal("1.5")
    assert saved.paths == (str(path),)
    assert saved.size == path.stat().st_size
    assert [each.at for each in told] == sorted(each.at for each in told)


async def test_questions_are_told(make_client: ClientMaker) -> None:
    """Each question about tasks is told, with what it asked for and how long it took."""
    told: list[events.Event] = []
    handle = await make_client(on_event=told.append).submit(CAT)
    await handle
    polled = those(told, events.Polled)
    assert polled
    assert {each.references for each in polled} <= {(handle.reference,), ()}
    assert all(each.seconds >= 0 and not each.error for each in polled)


@pytest.fixture
async def small(nothing_is_left: None) -> AsyncIterator[Emulator]:  # noqa: ARG001  (around it)
    """An account that runs one task at a time."""
    async with Emulator(render=False, speed=1.0, concurrency=1, clock=wall()) as emulator:
        yield emulator


async def test_a_full_account_throttles(small: Emulator) -> None:
    """A refusal as full is told, and so is the send that follows it."""
    told: list[events.Event] = []
    async with KlingClient(
        api_key=small.api_key, base_url=small.base_url, clock=wall(), on_event=told.append
    ) as client:
        await asyncio.gather(*[await client.submit(CAT), await client.submit(CAT)])
    (throttled, *_) = those(told, events.Throttled)
    assert (throttled.code, throttled.full) == (1303, True)
    assert [each.send for each in those(told, events.Sent) if each.work == throttled.work][-1] >= 2
    assert units(told) == Decimal(3)


async def test_a_lost_answer(make_client: ClientMaker, emulator: Emulator) -> None:
    """A lost answer is told as a doubt, which the look-up ends that finds the task."""
    told: list[events.Event] = []
    emulator.faults.add(Fault.reset(after_effect=True), on="create", times=1)
    await (await make_client(on_event=told.append).submit(CAT))
    assert names(told)[:4] == ["Queued", "Sent", "InDoubt", "Accepted"]
    (doubt,), (accepted,) = those(told, events.InDoubt), those(told, events.Accepted)
    assert (doubt.final, doubt.error_type, accepted.found) == (False, "ConnectionFailed", True)


async def test_a_doubt_that_stays(make_client: ClientMaker, emulator: Emulator) -> None:
    """What nobody finds out is told as final; what the service refuses is refused."""
    told: list[events.Event] = []
    client = make_client(on_event=told.append, retry=Retry(first=0.1, settle=0.2, budget=1))
    emulator.faults.add(Fault.reset(after_effect=True), on="create", times=1)
    emulator.faults.add(Fault.gateway(502), on="query", times=None)
    with pytest.raises(KlingError):
        await client.submit(CAT)
    assert [each.final for each in those(told, events.InDoubt)] == [False, True]
    with pytest.raises(KlingError):
        await client.submit(TextToVideo("refused"))
    assert [each.code for each in those(told, events.Refused)] == [1301]


async def test_closing_leaves_a_create_in_doubt(
    make_client: ClientMaker, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """What closing cuts off is told, and logged with and without a listener, as the doubt that its caller gets."""
    told: list[events.Event] = []
    emulator.faults.add(Fault.delay(60), on="create")
    for on_event in (told.append, None):
        client = make_client(on_event=on_event)
        creating = asyncio.ensure_future(client.submit(CAT))
        await asyncio.sleep(1)
        await client.close()
        with pytest.raises(CreateInDoubt) as caught:
            await creating
        [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
        assert vars(record)["kling_event"] == "in_doubt"
        assert vars(record)["kling_error"] == caught.value.message
        assert vars(record)["kling_error_type"] == "CreateInDoubt"
        caplog.clear()
    [doubt] = those(told, events.InDoubt)
    assert (doubt.final, doubt.error_type) == (True, "CreateInDoubt")
    assert "it may be billed" in doubt.error


async def test_closing_ends_what_waits_in_line(make_client: ClientMaker) -> None:
    """What was not sent when the client closed is refused, as its caller hears it."""
    told: list[events.Event] = []
    client = make_client(on_event=told.append, concurrency=1)
    await client.submit(CAT)
    waiting = asyncio.ensure_future(client.submit(CAT))
    await asyncio.sleep(1)
    await client.close()
    with pytest.raises(ClientClosed):
        await waiting
    assert [each.error_type for each in those(told, events.Refused)] == ["ClientClosed"]
    assert those(told, events.InDoubt) == []


async def test_what_is_never_sent(make_client: ClientMaker) -> None:
    """What waits in vain, or is cancelled in line or before its first byte, is refused: each work has an end."""
    told: list[events.Event] = []
    client = make_client(on_event=told.append, concurrency=1)
    await client.submit(CAT)
    with pytest.raises(QueueTimeout):
        await client.submit(CAT, queue_deadline=1)
    waiting = asyncio.ensure_future(client.submit(CAT))
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [each.error_type for each in those(told, events.Refused)] == ["QueueTimeout", "CancelledError"]


async def test_a_failed_task(make_client: ClientMaker, tmp_path: Path) -> None:
    """A task that fails says so, costs nothing, and is not saved."""
    told: list[events.Event] = []
    with pytest.raises(TaskFailed):
        await make_client(on_event=told.append).generate(TextToVideo("forbidden"), tmp_path / "cat.mp4")
    assert names(told)[-2:] == ["Ended", "NotSaved"]
    (ended,) = those(told, events.Ended)
    assert (ended.status, ended.error_type) == ("failed", "TaskFailed")
    assert those(told, events.Paid) == []


async def test_attached_tasks(make_client: ClientMaker) -> None:
    """A task that another client made is told as attached; however often it is attached, it is paid once."""
    told: list[events.Event] = []
    handle = await make_client().submit(CAT)
    client = make_client(on_event=told.append)
    await client.attach(handle.reference)
    await client.attach(handle.reference)
    assert names(told)[0] == "Attached"
    assert len(those(told, events.Attached)) == 2
    assert units(told) == Decimal("1.5")


async def test_calls_that_charge(make_client: ClientMaker, emulator: Emulator) -> None:
    """A call without a task tells what it took, or that it may have."""
    told: list[events.Event] = []
    client = make_client(on_event=told.append)
    speech = TextToSpeech("Hello", voice_id="genshin_vindi2", voice_language="en")
    value = await client.submit(speech)
    assert names(told) == ["Sent", "Ended", "Paid"]
    assert those(told, events.Sent)[0].seconds == 0.0
    assert value.cost is not None
    assert units(told) == value.cost.units
    emulator.faults.add(Fault.reset(after_effect=True), on="call", times=1)
    with pytest.raises(KlingError):
        await client.submit(speech)
    assert those(told, events.InDoubt)[0].final


RAISED = (ValueError("no"), asyncio.CancelledError(), pytest.fail.Exception("no"), GeneratorExit(), BaseException())


async def test_a_listener_that_raises(
    make_client: ClientMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a listener raises disturbs nothing, is in the log once, and does not end the telling."""
    told: list[events.Event] = []

    def heard(event: events.Event) -> None:
        told.append(event)
        raise RAISED[len(told) % len(RAISED)]

    path = await make_client(on_event=heard).generate(CAT, tmp_path / "cat.mp4")
    assert path.is_file()
    assert names(told)[-1] == "Saved"
    assert [vars(each)["kling_event"] for each in caplog.records] == ["on_event_failed"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [events.Sent, events.Accepted, events.Polled, events.Ended, events.Paid])
def test_a_listener_that_ends_the_program(kind: type[BaseException], at: type[events.Event], tmp_path: Path) -> None:
    """What ends the program comes out of the loop, not out of the work, which goes on where the loop does."""

    def heard(event: events.Event) -> None:
        if isinstance(event, at) and not raised:
            raised.append(event)
            raise kind

    async def work() -> Path:
        async with emulator.client(on_event=heard) as client:
            return await client.generate(CAT, tmp_path / "cat.mp4")

    raised: list[events.Event] = []
    with KlingEmulator() as emulator, asyncio.Runner() as runner:
        loop = runner.get_loop()
        working = loop.create_task(work())
        with pytest.raises(kind):
            loop.run_until_complete(working)
        assert loop.run_until_complete(working).is_file()
        emulator.assert_paid(1)


async def test_a_slow_listener(make_client: ClientMaker, caplog: pytest.LogCaptureFixture) -> None:
    """A listener that holds up the loop is told of in the log, once, and disturbs nothing else."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    told: list[events.Event] = []

    def heard(event: events.Event) -> None:
        told.append(event)
        loop.jump(1.0)

    await (await make_client(on_event=heard).submit(CAT))
    assert names(told)[-1] == "Paid"
    assert [vars(each)["kling_event"] for each in caplog.records] == ["on_event_failed"]
    assert "queue" in caplog.text


async def test_a_listener_that_calls_back(make_client: ClientMaker) -> None:
    """What a listener causes is told behind what it was told of."""
    told: list[events.Event] = []

    def heard(event: events.Event) -> None:
        if isinstance(event, events.Accepted) and not told[2:]:
            client.attach(f"text2video:{event.task_id}").add_done_callback(lambda _: None)
        told.append(event)

    client = make_client(on_event=heard)
    await (await client.submit(CAT))
    assert names(told)[:3] == ["Queued", "Sent", "Accepted"]


async def test_a_call_that_is_repeated(make_client: ClientMaker, emulator: Emulator, tmp_path: Path) -> None:
    """A call that the service was too busy for tells that, as a create does, and its sound is saved as files are."""
    told: list[events.Event] = []
    emulator.faults.add(Fault.error(1302), on="call", at=1)
    emulator.faults.add(Fault.error(1303), on="call", at=2)
    client = make_client(on_event=told.append)
    speech = await client.submit(TextToSpeech("Hello", voice_id="genshin_vindi2", voice_language="en"))
    path = await speech.audios[0].save(tmp_path)
    assert names(told) == ["Sent", "Throttled", "Sent", "Throttled", "Sent", "Ended", "Paid", "Saving", "Saved"]
    assert [(each.code, each.full) for each in those(told, events.Throttled)] == [(1302, False), (1303, False)]
    assert len({each.work for each in those(told, events.WorkEvent)}) == 1
    (saved,) = those(told, events.Saved)
    assert (saved.paths, saved.size) == ((str(path),), path.stat().st_size)
    emulator.faults.add(Fault.gateway(404), on="file", times=None)
    with pytest.raises(KlingError):
        await speech.audios[0].save(tmp_path / "again.mp3")
    assert names(told)[-2:] == ["Saving", "NotSaved"]


async def test_a_save_that_is_cancelled_at_its_end(
    make_client: ClientMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each save that is told of is told to its end: files that are whole are saved, also while their size is read."""
    told: list[events.Event] = []
    client = make_client(on_event=told.append)
    handle = await client.submit(CAT)
    speech = await client.submit(TextToSpeech("Hello", voice_id="genshin_vindi2", voice_language="en"))
    loop, size_of = asyncio.get_running_loop(), client_events._size_of

    def cancelled_meanwhile(paths: Sequence[Path]) -> int:
        loop.call_soon_threadsafe(saving.cancel)
        return size_of(paths)

    monkeypatch.setattr(client_events, "_size_of", cancelled_meanwhile)
    for place, save in (("cat.mp4", handle.save), ("hello.mp3", speech.audios[0].save)):
        saving = asyncio.ensure_future(save(tmp_path / place))
        with pytest.raises(asyncio.CancelledError):
            await saving
        assert names(told)[-1] == "Saved"
        assert those(told, events.Saved)[-1].size == (tmp_path / place).stat().st_size


async def test_a_coroutine_is_no_listener(make_client: ClientMaker, caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine function is refused; what gives coroutines all the same is told of once, and none is left."""

    async def heard(_event: events.Event) -> None:
        """Would have to be awaited."""

    with pytest.raises(ConfigurationError, match="plain function"):
        make_client(on_event=heard)
    await (await make_client(on_event=lambda event: heard(event)).submit(CAT))  # noqa: PLW0108  (`heard` itself is refused)
    assert [vars(each)["kling_event"] for each in caplog.records] == ["on_event_failed"]


class Later:
    """Can be called, and has to be awaited."""

    async def __call__(self, _event: events.Event) -> None:
        """Would have to be awaited."""


def lazily(event: events.Event) -> Iterable[events.Event]:
    """Does nothing before somebody asks it to."""
    yield event


@pytest.mark.parametrize("listener", [Later, list, Later(), functools.partial(Later()), lazily, 5])
def test_what_would_hear_nothing_is_no_listener(listener: Any) -> None:
    """A class, and whatever does its work later, is refused where it is given: each event would be lost."""
    with pytest.raises(ConfigurationError, match="plain function"):
        KlingClient(api_key="k", on_event=listener)


async def test_no_secret_is_told(make_client: ClientMaker, emulator: Emulator, tmp_path: Path) -> None:
    """Neither keys nor signed addresses are in events, which are plain values; not even where errors repeat them."""
    told: list[events.Event] = []
    client = make_client(on_event=told.append)
    address = "https://files.example/cat.png?X-Amz-Signature=hush"
    emulator.faults.add(
        Fault.error(1201, message=f"{emulator.secret_key} cannot fetch {address}"), on="create", times=1
    )
    with pytest.raises(KlingError):
        await client.submit(CAT)
    await client.generate(CAT, tmp_path / "cat.mp4")
    text = json.dumps([attrs.asdict(each) for each in told], default=str, ensure_ascii=False) + repr(told)
    assert "cannot fetch" in text
    for secret in (emulator.secret_key, emulator.access_key, "hush", "?"):
        assert secret not in text.replace("?…", "")


async def test_nobody_listens(make_client: ClientMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens, and the log does not want to know, no event is made, nor anything that could."""
    logging.getLogger("kling_async").setLevel(logging.INFO)

    def refuse(*_: Any) -> None:
        raise AssertionError("made for nobody")

    monkeypatch.setattr(EmittingWorkEvents, "__init__", refuse)
    monkeypatch.setattr(events.Event, "__attrs_init__", refuse, raising=False)
    for kind in (events.Queued, events.Sent, events.Polled, events.Changed, events.Ended, events.Paid, events.Saved):
        monkeypatch.setattr(kind, "__init__", refuse)
    try:
        await make_client().generate(CAT, tmp_path / "cat.mp4")
    finally:
        logging.getLogger("kling_async").setLevel(logging.NOTSET)


async def test_the_log_has_what_happens(make_client: ClientMaker, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG each event is a record of the one logger, with its attributes as attributes."""
    caplog.set_level(logging.DEBUG, "kling_async")
    handle = await make_client().submit(CAT)
    await handle
    records = {vars(each).get("kling_event"): vars(each) for each in caplog.records}
    assert {"queued", "sent", "accepted", "polled", "changed", "ended", "paid"} <= set(records)
    assert records["paid"]["kling_units"] == Decimal("1.5")
    assert records["paid"]["kling_reference"] == handle.reference
    assert records["ended"]["message"].startswith(f"{handle.reference}: succeed after ")


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_paid_is_told_under_faults(make_client: ClientMaker, emulator: Emulator, seed: int) -> None:
    """Whatever goes wrong on the way: what is told as paid is what the account's books say."""
    rules: list[tuple[Fault, CallKind]] = [
        (Fault.reset(after_effect=True), "create"),
        (Fault.reset(), "create"),
        (Fault.error(1303), "create"),
        (Fault.gateway(504, after_effect=True), "create"),
        (Fault.reset(), "query"),
        (Fault.gateway(502), "query"),
        (Fault.error(5000), "list"),
    ]
    for fault, call in rules:
        emulator.faults.add(fault, on=call, probability=0.15, seed=seed)
    told: list[events.Event] = []
    client = make_client(on_event=told.append, concurrency=8)
    prompts = ["forbidden" if number % 5 == 0 else "a cat" for number in range(25)]
    handles = await asyncio.gather(*(client.submit(TextToVideo(prompt)) for prompt in prompts))
    await asyncio.gather(*handles, return_exceptions=True)
    await asyncio.gather(*(client.attach(handle.reference) for handle in handles), return_exceptions=True)
    assert units(told) == Decimal(str(emulator.ledger.charged))
    assert emulator.ledger.charged == 20 * 1.5
    assert those(told, events.InDoubt)
