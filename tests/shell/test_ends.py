"""How waiting ends: the deadline, closing, and the loop that a client belongs to."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kling_async import (
    ClientClosed,
    ConfigurationError,
    CreateInDoubt,
    InsufficientBalance,
    KlingClient,
    Polling,
    Retry,
    TaskStatus,
    TaskTimeout,
    TextToVideo,
    WrongEventLoop,
)
from kling_async.emulator import Emulator, Fault
from kling_async.emulator.service.endpoint import Pack
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import Answer, Seen, answer, refusal, script, serve, task_answer
from tests.virtual_time import VirtualTimeLoop

SILENCE = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
"""An answer whose body never comes."""


async def test_the_deadline_runs_from_acceptance(make_client: ClientMaker, image: Path) -> None:
    """`Polling.deadline` seconds after the service accepted a task, its waiters get TaskTimeout with the reference."""
    loop = asyncio.get_running_loop()
    handle = await make_client(polling=Polling(deadline=40)).image_to_video(image)
    began = loop.time()
    await asyncio.sleep(15)
    with pytest.raises(TaskTimeout, match="goes on and is billed") as caught:
        await handle
    assert 39.9 <= loop.time() - began < 42
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.reference == handle.reference


async def test_a_timeout_means_unknown_not_failed(make_client: ClientMaker, image: Path) -> None:
    """After TaskTimeout the task continues, and can be attached by its reference."""
    client = make_client(polling=Polling(deadline=40))
    handle = await client.image_to_video(image)
    with pytest.raises(TaskTimeout) as caught:
        await handle
    assert caught.value.reference is not None
    task = await make_client().attach(caught.value.reference)
    assert task.status is TaskStatus.SUCCEED


@pytest.mark.parametrize("first", [60, 59, 55, 40, 20])
async def test_a_poll_that_hangs_does_not_outlive_the_deadline(
    make_client: ClientMaker, image: Path, first: float
) -> None:
    """If the service stops responding, waiters end at the deadline plus ten seconds for a last query."""
    loop = asyncio.get_running_loop()
    async with hanging(script(task_answer(), None)) as base_url:
        polling = Polling(first=first, factor=1, maximum=first, deadline=60)
        handle = await make_client(base_url=base_url, polling=polling).image_to_video(image)
        began = loop.time()
        with pytest.raises(TaskTimeout):
            await handle
        assert 69.9 <= loop.time() - began <= 70.5


def suspend(seconds: float = 100_000) -> None:
    """Suspends the machine: only its clocks advance."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.jump(seconds)


@contextlib.asynccontextmanager
async def hanging(respond: Callable[[Seen], Answer]) -> AsyncIterator[str]:
    """A server that leaves a request beyond the script unanswered, with its connection open."""
    writers = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            raw = respond(Seen(head.split(" ")[0], head.split(" ")[1], {}, b""))
            if raw is not None:
                writer.write(raw)
                await writer.drain()
                writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:  # from Python 3.12 on, its end waits for those of the connections
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for writer in writers:
            writer.close()


@pytest.mark.parametrize(
    ("asleep_at", "polls"),
    [
        pytest.param(5, [task_answer("succeed")], id="before the first poll"),
        pytest.param(25, [task_answer("processing"), task_answer("succeed")], id="between two polls"),
        pytest.param(25, [None, task_answer("succeed")], id="while a poll is under way"),
        pytest.param(5, [answer(502, b"<html>"), b"", task_answer("succeed")], id="and the network wakes later"),
    ],
)
async def test_a_deadline_that_passed_in_a_suspend_gets_its_last_look(
    make_client: ClientMaker, image: Path, polls: list[Answer], asleep_at: float
) -> None:
    """A task that ended during a suspend far beyond its deadline is queried once more, and ends as it did."""
    async with hanging(script(task_answer(), *polls)) as base_url:
        polling = Polling(first=20, factor=1, maximum=20, deadline=60)
        handle = await make_client(base_url=base_url, polling=polling).image_to_video(image)
        waiter = asyncio.ensure_future(handle.wait())
        await asyncio.sleep(asleep_at)
        suspend()
        assert (await waiter).status is TaskStatus.SUCCEED


async def test_the_last_look_has_its_own_time(make_client: ClientMaker, image: Path) -> None:
    """After a suspend, a service that hangs has ten seconds from then, and no longer."""
    loop = asyncio.get_running_loop()
    async with hanging(script(task_answer(), None)) as base_url:
        handle = await make_client(base_url=base_url, polling=Polling(deadline=60)).image_to_video(image)
        waiter = asyncio.ensure_future(handle.wait())
        await asyncio.sleep(5)
        suspend()
        began = loop.time()
        with pytest.raises(TaskTimeout):
            await waiter
        assert 9.9 <= loop.time() - began <= 10.5


@pytest.mark.parametrize("asleep_at", [15.0, 21.0])
async def test_many_deadlines_that_passed_in_a_suspend(
    make_client: ClientMaker, image: Path, emulator: Emulator, asleep_at: float
) -> None:
    """Tasks that are polled by pages get a last query, too, also while a page is under way."""
    emulator.faults.add(Fault.delay(5), on="list")
    polling = Polling(first=20, factor=1, maximum=20, deadline=60)
    client = make_client(concurrency=20, polling=polling)
    waiters = [asyncio.ensure_future((await client.image_to_video(image)).wait()) for _ in range(20)]
    await asyncio.sleep(asleep_at)
    suspend()
    assert {task.status for task in await asyncio.gather(*waiters)} == {TaskStatus.SUCCEED}


@pytest.mark.parametrize("then", [None, b""], ids=["it hangs", "it is gone"])
async def test_a_timeout_has_the_last_response(make_client: ClientMaker, image: Path, then: Answer) -> None:
    """A timeout has the service's last response, even if the service was silent before the deadline."""
    down = refusal(500, 5000, "Internal database down")
    async with hanging(script(task_answer(), down, then)) as base_url:
        handle = await make_client(base_url=base_url, polling=Polling(deadline=60)).image_to_video(image)
        with pytest.raises(TaskTimeout, match="Internal database down") as caught:
            await handle
        assert (caught.value.http_status, caught.value.code, caught.value.request_id) == (500, 5000, "r-1")
        assert str(caught.value).count("did not end") == 1


async def test_close_gives_waiters_the_reference(client: KlingClient, image: Path) -> None:
    """Closing ends all waits with ClientClosed, which carries the reference."""
    handle = await client.image_to_video(image)
    waiter = asyncio.ensure_future(handle.wait())
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(ClientClosed) as caught:
        await waiter
    assert caught.value.reference == handle.reference


async def test_close_warns_once_of_all_that_is_unfinished(
    client: KlingClient, image: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning lists every unfinished task; closing again logs nothing."""
    handles = [await client.image_to_video(image) for _ in range(2)]
    await client.close()
    await client.close()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert all(handle.reference in warnings[0] for handle in handles)


async def test_close_with_nothing_open_is_silent(client: KlingClient, caplog: pytest.LogCaptureFixture) -> None:
    """A client without unfinished tasks closes without a warning."""
    await client.close()
    assert not caplog.records


async def test_close_is_quick(client: KlingClient, image: Path) -> None:
    """Closing does not wait for tasks."""
    loop = asyncio.get_running_loop()
    await client.image_to_video(image)
    began = loop.time()
    await client.close()
    assert loop.time() - began < 1


async def test_close_gives_a_doubtful_create_ten_seconds(make_client: ClientMaker, image: Path) -> None:
    """A create whose response was lost is looked up while closing, for ten seconds at most."""
    loop = asyncio.get_running_loop()
    async with serve(lambda _: None) as stub:
        client = make_client(base_url=stub.base_url)
        creating = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
        await asyncio.sleep(2)
        began = loop.time()
        await client.close()
        assert 9 < loop.time() - began < 12
        with pytest.raises(CreateInDoubt) as caught:
            await creating
        assert caught.value.reference == "image2video:job-1"


async def test_a_doubtful_create_found_while_closing_is_listed(
    make_client: ClientMaker, image: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A task found by a look-up during close is in the warning, as any unfinished task."""
    answers: list[bytes | None] = [None]

    def respond(seen: Seen) -> bytes | None:
        return answers.pop() if seen.method == "POST" else task_answer(task_id="77")

    async with serve(respond) as stub:
        client = make_client(base_url=stub.base_url)
        creating = asyncio.ensure_future(client.image_to_video(image))
        await asyncio.sleep(0.1)
        await client.close()
        handle = await creating
        with pytest.raises(ClientClosed):
            await handle
    assert "image2video:77" in caplog.text


async def test_close_ends_waits_for_slots(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A create that waits for a slot raises ClientClosed, and is not sent."""
    client = make_client(concurrency=1)
    await client.image_to_video(image)
    waiting = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    await client.close()
    with pytest.raises(ClientClosed, match="nothing was created"):
        await waiting
    assert emulator.ledger.created == 1


async def test_a_closed_client_refuses_every_call(client: KlingClient, image: Path) -> None:
    """Every call on a closed client raises ClientClosed."""
    handle = client.attach("image2video:1")
    await client.close()
    for call in (
        lambda: client.image_to_video(image),
        lambda: client.get_task("image2video:1"),
        handle.wait,
        lambda: handle.save("x.mp4"),
        lambda: anext(aiter(client.tasks("image2video"))),
    ):
        with pytest.raises(ClientClosed):
            await call()
    with pytest.raises(ClientClosed):
        client.attach("image2video:1")


async def test_the_session_is_made_lazily(client: KlingClient, image: Path) -> None:
    """No session exists before the first request."""
    assert client._transport._session is None
    await client.image_to_video(image)
    assert client._transport._session is not None


async def test_a_borrowed_session_stays_open(make_client: ClientMaker, image: Path) -> None:
    """A borrowed session is used and not closed."""
    async with aiohttp.ClientSession() as session:
        client = make_client(session=session)
        await client.image_to_video(image)
        await client.close()
        assert not session.closed


def test_another_loop_is_a_clear_error() -> None:
    """A client used on a second event loop raises an error that names the cause."""
    client = KlingClient(api_key="k" * 40, base_url="http://127.0.0.1:9")

    async def use() -> None:
        async with client:
            pass

    async def enter() -> None:
        await client.__aenter__()

    asyncio.run(enter())
    with pytest.raises(WrongEventLoop, match="one client per loop"):
        asyncio.run(use())


@pytest.mark.parametrize(
    ("options", "message"),
    [({"concurrency": 0}, "concurrency"), ({"concurrency": True}, "concurrency"), ({"downloads": -1}, "downloads")],
)
def test_numbers_that_cannot_work(options: dict[str, Any], message: str) -> None:
    """Limits below one are refused when the client is made."""
    with pytest.raises(ConfigurationError, match=message):
        KlingClient(api_key="k" * 40, **options)


async def test_1102_fails_all_waiting_creates(make_client: ClientMaker, image: Path) -> None:
    """When the account runs empty, creates in line fail at once, without requests."""
    async with Emulator(render=False, speed=1.0, balance=3.0, concurrency=2, clock=wall()) as poor:
        client = make_client(base_url=poor.base_url, concurrency=2)
        creating = [asyncio.ensure_future(client.image_to_video(image)) for _ in range(8)]
        done = await asyncio.gather(*creating, return_exceptions=True)
        handles = [one for one in done if not isinstance(one, BaseException)]
        errors = [one for one in done if isinstance(one, InsufficientBalance)]
        assert (len(handles), len(errors)) == (2, 6)
        assert len({id(error) for error in errors}) == 6
        assert [error.reference is None for error in errors].count(True) == 5, "what was not sent has no task"
        assert poor.ledger.requests["create"] == 3
        await asyncio.gather(*handles)


async def test_a_missing_pack_of_pictures_fails_no_video(make_client: ClientMaker) -> None:
    """Each pool has its own pack: waiting pictures fail with the first one, and waiting videos do not."""
    packs: dict[Pack, float] = {"video": 100.0, "image": 0.0}
    async with Emulator(render=False, speed=1.0, balance=packs, clock=wall()) as poor:
        client = make_client(base_url=poor.base_url, concurrency=1)
        videos = [asyncio.ensure_future(client.text_to_video("a cat")) for _ in range(3)]
        pictures = [asyncio.ensure_future(client.generate_images("a cat")) for _ in range(3)]
        errors = await asyncio.gather(*pictures, return_exceptions=True)
        assert [type(error) for error in errors] == [InsufficientBalance] * 3
        assert [(await (await video)).status for video in videos] == [TaskStatus.SUCCEED] * 3
        assert poor.ledger.requests["create"] == 4


async def test_attached_pictures_take_no_slot_of_videos(make_client: ClientMaker, emulator: Emulator) -> None:
    """A video starts at once while `concurrency` attached pictures run."""
    reference = (await make_client().generate_images("a cat")).reference
    client = make_client(concurrency=1)
    following = asyncio.ensure_future(client.attach(reference).wait())
    await asyncio.sleep(0.1)
    await client.submit(TextToVideo("a cat"), queue_deadline=1)
    assert emulator.ledger.requests["create"] == 2
    await following


async def test_1102_fails_now_and_never_latches(make_client: ClientMaker, image: Path) -> None:
    """An empty account fails the create at once, without a retry; the next submit tries afresh."""
    async with Emulator(render=False, speed=1.0, balance=0.0, clock=wall()) as poor:
        client = make_client(base_url=poor.base_url, retry=Retry())
        for attempt in (1, 2):
            with pytest.raises(InsufficientBalance, match="Account balance not enough"):
                await client.image_to_video(image)
            assert poor.ledger.requests["create"] == attempt
