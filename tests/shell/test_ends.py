"""How waiting ends: the deadline, closing, and the loop that a client belongs to."""

import asyncio
import logging
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
    WrongEventLoop,
)
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import Seen, serve, task_answer


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
    """After TaskTimeout the task goes on, and attaching to the reference gets it."""
    client = make_client(polling=Polling(deadline=40))
    handle = await client.image_to_video(image)
    with pytest.raises(TaskTimeout) as caught:
        await handle
    assert caught.value.reference is not None
    task = await make_client().attach(caught.value.reference)
    assert task.status is TaskStatus.SUCCEED


async def test_a_poll_that_hangs_does_not_outlive_the_deadline(make_client: ClientMaker, image: Path) -> None:
    """A service that stops answering cannot keep waiters beyond the deadline and one last look."""
    loop = asyncio.get_running_loop()

    def respond(seen: Seen) -> bytes:
        return task_answer() if seen.method == "POST" else b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

    async with serve(respond) as stub:
        handle = await make_client(base_url=stub.base_url, polling=Polling(deadline=60)).image_to_video(image)
        began = loop.time()
        with pytest.raises(TaskTimeout):
            await handle
        assert 59.9 <= loop.time() - began <= 75


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
    """One warning lists every unfinished task; closing again says nothing."""
    handles = [await client.image_to_video(image) for _ in range(2)]
    await client.close()
    await client.close()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert all(handle.reference in warnings[0] for handle in handles)


async def test_close_with_nothing_open_is_silent(client: KlingClient, caplog: pytest.LogCaptureFixture) -> None:
    """A client that has nothing to lose closes without a word."""
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
    """A create whose answer was lost is looked up while closing, for ten seconds at most."""
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
    """What the look-up finds during close ends as any unfinished task: in the warning."""
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


async def test_close_sends_those_in_line_away(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Who waits for a slot gets ClientClosed, and nothing was sent for him."""
    client = make_client(concurrency=1)
    await client.image_to_video(image)
    waiting = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    await client.close()
    with pytest.raises(ClientClosed, match="nothing was sent"):
        await waiting
    assert emulator.ledger.created == 1


async def test_a_closed_client_says_so(client: KlingClient, image: Path) -> None:
    """Every call on a closed client raises ClientClosed."""
    handle = client.attach("image2video:1")
    await client.close()
    for call in (
        lambda: client.image_to_video(image),
        lambda: client.get_task("image2video:1"),
        handle.wait,
        lambda: handle.save("x.mp4"),
        lambda: anext(aiter(client.tasks())),
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
    """A session that the user lent is used and not closed."""
    async with aiohttp.ClientSession() as session:
        client = make_client(session=session)
        await client.image_to_video(image)
        await client.close()
        assert not session.closed


def test_another_loop_is_a_clear_error() -> None:
    """A client used on a second event loop says that it belongs to the first."""
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


async def test_1102_fails_all_who_wait_now(make_client: ClientMaker, image: Path) -> None:
    """When the account runs empty, those in line fail at once, without requests of their own."""
    async with Emulator(render=False, speed=1.0, balance=3.0, concurrency=2, clock=wall()) as poor:
        client = make_client(base_url=poor.base_url, concurrency=2)
        creating = [asyncio.ensure_future(client.image_to_video(image)) for _ in range(8)]
        done = await asyncio.gather(*creating, return_exceptions=True)
        handles = [one for one in done if not isinstance(one, BaseException)]
        errors = [one for one in done if isinstance(one, InsufficientBalance)]
        assert (len(handles), len(errors)) == (2, 6)
        assert len({id(error) for error in errors}) == 6
        assert poor.ledger.requests["create"] == 3
        await asyncio.gather(*handles)


async def test_1102_fails_now_and_never_latches(make_client: ClientMaker, image: Path) -> None:
    """An empty account fails the create at once, without a retry; the next submit tries afresh."""
    async with Emulator(render=False, speed=1.0, balance=0.0, clock=wall()) as poor:
        client = make_client(base_url=poor.base_url, retry=Retry())
        for attempt in (1, 2):
            with pytest.raises(InsufficientBalance, match="Account balance not enough"):
                await client.image_to_video(image)
            assert poor.ledger.requests["create"] == attempt
