"""Events are emitted once, in order, without secrets, and without side effects on the work."""

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


def names(emitted: Iterable[events.Event]) -> list[str]:
    """Names of the events, without those of polls."""
    return [type(each).__name__ for each in emitted if not isinstance(each, events.Polled)]


def those(emitted: Iterable[events.Event], kind: type[T]) -> list[T]:
    """The events of one kind."""
    return [each for each in emitted if isinstance(each, kind)]


def units(emitted: Iterable[events.Event]) -> Decimal:
    """The sum of all costs in the events."""
    return sum((each.cost.units or Decimal(0) for each in those(emitted, events.Paid)), Decimal(0))


async def test_one_generation(make_client: ClientMaker, tmp_path: Path) -> None:
    """A generation emits its events in order, under one number, with its ids, seconds and cost."""
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append)
    path = await client.generate(CAT, tmp_path / "cat.mp4")
    assert names(emitted) == ["Queued", "Sent", "Accepted", "Saving", "Changed", "Changed", "Ended", "Paid", "Saved"]
    work = those(emitted, events.WorkEvent)
    assert {(each.work - work[0].work, each.endpoint, each.line, each.external_task_id is None) for each in work} == {
        (0, "text2video", "kling-v2-6", False)
    }
    assert [each.task_id is None for each in work] == [True, True] + 7 * [False]
    (ended,), (paid,), (saved,) = (
        those(emitted, events.Ended),
        those(emitted, events.Paid),
        those(emitted, events.Saved),
    )
    assert ended.status == "succeed"
    assert ended.seconds > 10
    assert paid.cost.units == Decimal("1.5")
    assert saved.paths == (str(path),)
    assert saved.size == path.stat().st_size
    assert [each.at for each in emitted] == sorted(each.at for each in emitted)


async def test_polls_are_emitted(make_client: ClientMaker) -> None:
    """Each poll of tasks is an event, with its tasks and its duration."""
    emitted: list[events.Event] = []
    handle = await make_client(on_event=emitted.append).submit(CAT)
    await handle
    polled = those(emitted, events.Polled)
    assert polled
    assert {each.references for each in polled} <= {(handle.reference,), ()}
    assert all(each.seconds >= 0 and not each.error for each in polled)


@pytest.fixture
async def small(nothing_is_left: None) -> AsyncIterator[Emulator]:  # noqa: ARG001  (around it)
    """An account that runs one task at a time."""
    async with Emulator(render=False, speed=1.0, concurrency=1, clock=wall()) as emulator:
        yield emulator


async def test_a_full_account_throttles(small: Emulator) -> None:
    """A refusal because of a full account is an event, and so is the send that follows it."""
    emitted: list[events.Event] = []
    async with KlingClient(
        api_key=small.api_key, base_url=small.base_url, clock=wall(), on_event=emitted.append
    ) as client:
        await asyncio.gather(*[await client.submit(CAT), await client.submit(CAT)])
    (throttled, *_) = those(emitted, events.Throttled)
    assert (throttled.code, throttled.full) == (1303, True)
    assert [each.send for each in those(emitted, events.Sent) if each.work == throttled.work][-1] >= 2
    assert units(emitted) == Decimal(3)


async def test_a_lost_answer(make_client: ClientMaker, emulator: Emulator) -> None:
    """A lost response is an InDoubt event; the look-up that finds the task ends the doubt."""
    emitted: list[events.Event] = []
    emulator.faults.add(Fault.reset(after_effect=True), on="create", times=1)
    await (await make_client(on_event=emitted.append).submit(CAT))
    assert names(emitted)[:4] == ["Queued", "Sent", "InDoubt", "Accepted"]
    (doubt,), (accepted,) = those(emitted, events.InDoubt), those(emitted, events.Accepted)
    assert (doubt.final, doubt.error_type, accepted.found) == (False, "ConnectionFailed", True)


async def test_a_doubt_that_stays(make_client: ClientMaker, emulator: Emulator) -> None:
    """A create that stays in doubt is emitted as final; one that the service refuses as Refused."""
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append, retry=Retry(first=0.1, settle=0.2, budget=1))
    emulator.faults.add(Fault.reset(after_effect=True), on="create", times=1)
    emulator.faults.add(Fault.gateway(502), on="query", times=None)
    with pytest.raises(KlingError):
        await client.submit(CAT)
    assert [each.final for each in those(emitted, events.InDoubt)] == [False, True]
    with pytest.raises(KlingError):
        await client.submit(TextToVideo("refused"))
    assert [each.code for each in those(emitted, events.Refused)] == [1301]


async def test_closing_leaves_a_create_in_doubt(
    make_client: ClientMaker, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A create interrupted by closing is emitted as the doubt its caller gets, and logged even without a listener."""
    emitted: list[events.Event] = []
    emulator.faults.add(Fault.delay(60), on="create")
    for on_event in (emitted.append, None):
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
    [doubt] = those(emitted, events.InDoubt)
    assert (doubt.final, doubt.error_type) == (True, "CreateInDoubt")
    assert "it may be billed" in doubt.error


async def test_closing_ends_creates_in_line(make_client: ClientMaker) -> None:
    """A create not sent when the client closed is emitted as Refused, with its caller's error."""
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append, concurrency=1)
    await client.submit(CAT)
    waiting = asyncio.ensure_future(client.submit(CAT))
    await asyncio.sleep(1)
    await client.close()
    with pytest.raises(ClientClosed):
        await waiting
    assert [each.error_type for each in those(emitted, events.Refused)] == ["ClientClosed"]
    assert those(emitted, events.InDoubt) == []


async def test_creates_that_are_never_sent(make_client: ClientMaker) -> None:
    """A create that times out or is cancelled before its first byte is emitted as Refused."""
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append, concurrency=1)
    await client.submit(CAT)
    with pytest.raises(QueueTimeout):
        await client.submit(CAT, queue_deadline=1)
    waiting = asyncio.ensure_future(client.submit(CAT))
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [each.error_type for each in those(emitted, events.Refused)] == ["QueueTimeout", "CancelledError"]


async def test_a_failed_task(make_client: ClientMaker, tmp_path: Path) -> None:
    """A failed task is emitted as failed, costs nothing, and is not saved."""
    emitted: list[events.Event] = []
    with pytest.raises(TaskFailed):
        await make_client(on_event=emitted.append).generate(TextToVideo("forbidden"), tmp_path / "cat.mp4")
    assert names(emitted)[-2:] == ["Ended", "NotSaved"]
    (ended,) = those(emitted, events.Ended)
    assert (ended.status, ended.error_type) == ("failed", "TaskFailed")
    assert those(emitted, events.Paid) == []


async def test_attached_tasks(make_client: ClientMaker) -> None:
    """A task of another client is emitted as Attached; however often it is attached, it is paid once."""
    emitted: list[events.Event] = []
    handle = await make_client().submit(CAT)
    client = make_client(on_event=emitted.append)
    await client.attach(handle.reference)
    await client.attach(handle.reference)
    assert names(emitted)[0] == "Attached"
    assert len(those(emitted, events.Attached)) == 2
    assert units(emitted) == Decimal("1.5")


async def test_calls_that_charge(make_client: ClientMaker, emulator: Emulator) -> None:
    """A call without a task emits its cost, or a doubt."""
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append)
    speech = TextToSpeech("Hello", voice_id="genshin_vindi2", voice_language="en")
    value = await client.submit(speech)
    assert names(emitted) == ["Sent", "Ended", "Paid"]
    assert those(emitted, events.Sent)[0].seconds == 0.0
    assert value.cost is not None
    assert units(emitted) == value.cost.units
    emulator.faults.add(Fault.reset(after_effect=True), on="call", times=1)
    with pytest.raises(KlingError):
        await client.submit(speech)
    assert those(emitted, events.InDoubt)[0].final


RAISED = (ValueError("no"), asyncio.CancelledError(), pytest.fail.Exception("no"), GeneratorExit(), BaseException())


async def test_a_listener_that_raises(
    make_client: ClientMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of a listener is logged once, affects nothing else, and further events are emitted."""
    emitted: list[events.Event] = []

    def listener(event: events.Event) -> None:
        emitted.append(event)
        raise RAISED[len(emitted) % len(RAISED)]

    path = await make_client(on_event=listener).generate(CAT, tmp_path / "cat.mp4")
    assert path.is_file()
    assert names(emitted)[-1] == "Saved"
    assert [vars(each)["kling_event"] for each in caplog.records] == ["on_event_failed"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [events.Sent, events.Accepted, events.Polled, events.Ended, events.Paid])
def test_a_listener_that_ends_the_program(kind: type[BaseException], at: type[events.Event], tmp_path: Path) -> None:
    """A SystemExit or KeyboardInterrupt of a listener is raised by the loop, not in the work, which continues."""

    def listener(event: events.Event) -> None:
        if isinstance(event, at) and not raised:
            raised.append(event)
            raise kind

    async def work() -> Path:
        async with emulator.client(on_event=listener) as client:
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
    """A listener that blocks the loop is logged once, without further effect."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    emitted: list[events.Event] = []

    def listener(event: events.Event) -> None:
        emitted.append(event)
        loop.jump(1.0)

    await (await make_client(on_event=listener).submit(CAT))
    assert names(emitted)[-1] == "Paid"
    assert [vars(each)["kling_event"] for each in caplog.records] == ["on_event_failed"]
    assert "queue" in caplog.text


async def test_a_listener_that_calls_back(make_client: ClientMaker) -> None:
    """An event that a listener causes is emitted after the current one."""
    emitted: list[events.Event] = []

    def listener(event: events.Event) -> None:
        if isinstance(event, events.Accepted) and not emitted[2:]:
            client.attach(f"text2video:{event.task_id}").add_done_callback(lambda _: None)
        emitted.append(event)

    client = make_client(on_event=listener)
    await (await client.submit(CAT))
    assert names(emitted)[:3] == ["Queued", "Sent", "Accepted"]


async def test_a_call_that_is_repeated(make_client: ClientMaker, emulator: Emulator, tmp_path: Path) -> None:
    """A call that a busy service refuses emits Throttled, as a create does; saving its sound emits events, too."""
    emitted: list[events.Event] = []
    emulator.faults.add(Fault.error(1302), on="call", at=1)
    emulator.faults.add(Fault.error(1303), on="call", at=2)
    client = make_client(on_event=emitted.append)
    speech = await client.submit(TextToSpeech("Hello", voice_id="genshin_vindi2", voice_language="en"))
    path = await speech.audios[0].save(tmp_path)
    assert names(emitted) == ["Sent", "Throttled", "Sent", "Throttled", "Sent", "Ended", "Paid", "Saving", "Saved"]
    assert [(each.code, each.full) for each in those(emitted, events.Throttled)] == [(1302, False), (1303, False)]
    assert len({each.work for each in those(emitted, events.WorkEvent)}) == 1
    (saved,) = those(emitted, events.Saved)
    assert (saved.paths, saved.size) == ((str(path),), path.stat().st_size)
    emulator.faults.add(Fault.gateway(404), on="file", times=None)
    with pytest.raises(KlingError):
        await speech.audios[0].save(tmp_path / "again.mp3")
    assert names(emitted)[-2:] == ["Saving", "NotSaved"]


async def test_a_save_that_is_cancelled_at_its_end(
    make_client: ClientMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each save emits its end: complete files are Saved, even if cancelled while their size is read."""
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append)
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
        assert names(emitted)[-1] == "Saved"
        assert those(emitted, events.Saved)[-1].size == (tmp_path / place).stat().st_size


async def test_a_coroutine_is_no_listener(make_client: ClientMaker, caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine function is refused; a function that returns coroutines is logged once, and they are closed."""

    async def listener(_event: events.Event) -> None:
        """Has to be awaited."""

    with pytest.raises(ConfigurationError, match="plain function"):
        make_client(on_event=listener)
    await (await make_client(on_event=lambda event: listener(event)).submit(CAT))  # noqa: PLW0108  (`listener` itself is refused)
    assert [vars(each)["kling_event"] for each in caplog.records] == ["on_event_failed"]


class Later:
    """A callable that has to be awaited."""

    async def __call__(self, _event: events.Event) -> None:
        """Has to be awaited."""


def lazily(event: events.Event) -> Iterable[events.Event]:
    """Does nothing when it is called."""
    yield event


@pytest.mark.parametrize("listener", [Later, list, Later(), functools.partial(Later()), lazily, 5])
def test_a_lazy_callable_is_no_listener(listener: Any) -> None:
    """A class, and a callable whose work runs later, are refused as listeners: each event would be lost."""
    with pytest.raises(ConfigurationError, match="plain function"):
        KlingClient(api_key="k", on_event=listener)


async def test_no_secret_is_emitted(make_client: ClientMaker, emulator: Emulator, tmp_path: Path) -> None:
    """Neither keys nor signed addresses are in events, which are plain values; not even where errors repeat them."""
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append)
    address = "https://files.example/cat.png?X-Amz-Signature=hush"
    emulator.faults.add(
        Fault.error(1201, message=f"{emulator.secret_key} cannot fetch {address}"), on="create", times=1
    )
    with pytest.raises(KlingError):
        await client.submit(CAT)
    await client.generate(CAT, tmp_path / "cat.mp4")
    text = json.dumps([attrs.asdict(each) for each in emitted], default=str, ensure_ascii=False) + repr(emitted)
    assert "cannot fetch" in text
    for secret in (emulator.secret_key, emulator.access_key, "hush", "?"):
        assert secret not in text.replace("?…", "")


async def test_no_listener(make_client: ClientMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a listener and with the log level above DEBUG, no event object is created."""
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
async def test_costs_are_emitted_under_faults(make_client: ClientMaker, emulator: Emulator, seed: int) -> None:
    """Under any faults, the cost in the events is that in the account's ledger."""
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
    emitted: list[events.Event] = []
    client = make_client(on_event=emitted.append, concurrency=8)
    prompts = ["forbidden" if number % 5 == 0 else "a cat" for number in range(25)]
    handles = await asyncio.gather(*(client.submit(TextToVideo(prompt)) for prompt in prompts))
    await asyncio.gather(*handles, return_exceptions=True)
    await asyncio.gather(*(client.attach(handle.reference) for handle in handles), return_exceptions=True)
    assert units(emitted) == Decimal(str(emulator.ledger.charged))
    assert emulator.ledger.charged == 20 * 1.5
    assert those(emitted, events.InDoubt)
