"""Closing a busy client: all waiters are notified, and nothing keeps running or is left behind."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from kling_async import (
    ClientClosed,
    CreateInDoubt,
    InsufficientBalance,
    KlingClient,
    Retry,
    SaveInProgress,
    WrongEventLoop,
)
from kling_async.emulator import Emulator, Fault
from tests.shell.conftest import ClientMaker
from tests.shell.stub import answer, refusal, serve, task_answer


async def stalled_file(client: KlingClient, emulator: Emulator, image: Path) -> str:
    """A finished task whose file's host goes silent half way."""
    handle = await client.image_to_video(image)
    await handle
    emulator.faults.add(Fault.stall(share=0.5), on="file")
    return handle.reference


@pytest.mark.parametrize("borrowed", [False, True])
async def test_a_stalled_download_is_woken(
    make_client: ClientMaker,
    emulator: Emulator,
    image: Path,
    tmp_path: Path,
    *,
    borrowed: bool,
) -> None:
    """`save` and `stream` on a silent host raise ClientClosed at once; the received bytes are kept."""
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        client = make_client(session=session if borrowed else None)
        reference = await stalled_file(client, emulator, image)

        async def stream() -> int:
            return sum([len(chunk) async for chunk in client.attach(reference).stream()])

        waiting = [
            asyncio.ensure_future(client.attach(reference).save(tmp_path / "x.mp4")),
            asyncio.ensure_future(stream()),
        ]
        await asyncio.sleep(5)
        began = loop.time()
        await client.close()
        done, _ = await asyncio.wait(waiting, timeout=2)
        assert (len(done), loop.time() - began < 2) == (2, True)
        for one in waiting:
            with pytest.raises(ClientClosed):
                await one
    assert (tmp_path / "x.mp4.part").stat().st_size > 0


async def test_close_goes_on_when_its_caller_is_cancelled(make_client: ClientMaker, image: Path) -> None:
    """A `close` cancelled during a create in doubt still completes; a second call waits for it."""
    async with serve(lambda seen: None if seen.method == "POST" else task_answer()) as stub:
        client = make_client(base_url=stub.base_url)
        waiter = asyncio.ensure_future(client.attach("image2video:1").wait())
        creating = asyncio.ensure_future(client.image_to_video(image))
        await asyncio.sleep(0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.close(), 0.1)
        await client.close()
        for one in (waiter, creating):
            with pytest.raises(ClientClosed):
                await (await one if one is creating else one)  # type: ignore[misc]  # only that one is a coroutine


@pytest.mark.parametrize("rounds", range(6))
async def test_close_right_after_a_submit(make_client: ClientMaker, rounds: int) -> None:
    """A create that is closed before its first byte raises ClientClosed, not CancelledError."""
    async with serve(lambda _: task_answer()) as stub:
        client = make_client(base_url=stub.base_url, on_intent=lambda _: asyncio.sleep(100))
        creating = asyncio.ensure_future(client.image_to_video("https://example.com/a.png"))
        for _ in range(rounds):
            await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await client.close()
        with pytest.raises(ClientClosed):
            await creating
        assert stub.seen == []


async def test_a_submit_cancelled_while_the_client_closes(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """A cancelled submit raises only CancelledError; the reference of its doubt is kept."""
    emulator.faults.add(Fault.delay(60), on="create")
    creating = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    (create,) = client._submitter.under_way._creates
    create.add_done_callback(lambda _: creating.cancel())  # in the moment in which it is given up
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert len(client.unsettled) == 1


async def test_an_unsent_create_without_a_waiter_leaves_no_doubt(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """A create whose caller is cancelled, refused for now and not sent again before closing leaves no doubt."""
    emulator.faults.add(Fault.error(1302).delayed(3), on="create")
    client = make_client(retry=Retry(first=100, maximum=100))
    creating = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    creating.cancel()
    await asyncio.sleep(5)
    assert len(client.unsettled) == 1
    await client.close()
    assert list(client.unsettled) == []
    assert emulator.ledger.requests["create"] == 1


async def test_no_create_goes_on_when_all_are_closed(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """Creates in doubt are reported before the parts they need are closed."""
    emulator.faults.add(Fault.delay(60), on="create")
    creating = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    await client._submitter.under_way.close()
    assert client.unsettled == ()
    with pytest.raises(CreateInDoubt):
        await creating


async def test_close_sends_nothing_again(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """A create refused for now while the client closes is not sent again."""
    emulator.faults.add(Fault.error(1302).delayed(3), on="create")
    creating = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    await client.close()
    with pytest.raises(ClientClosed, match="nothing was created"):
        await creating
    assert emulator.ledger.requests["create"] == 1


async def test_two_clients_save_to_one_file(
    make_client: ClientMaker, image: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """A second save to the same file is refused, also from another client or process."""
    handles = [await client.image_to_video(image) for client in (make_client(), make_client())]
    await asyncio.gather(*handles)
    emulator.faults.add(Fault.stall(share=0.5, seconds=20), on="file", at=1)
    first = asyncio.ensure_future(handles[0].save(tmp_path / "x.mp4"))
    await asyncio.sleep(5)
    with pytest.raises(SaveInProgress):
        await handles[1].save(tmp_path / "x.mp4")
    saved = (await first).read_bytes()
    assert saved == b"".join([chunk async for chunk in handles[0].stream()])


async def test_an_attached_task_blocks_no_submit(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """With one attached task and `concurrency=3`, two more run beside it."""
    other, client = make_client(), make_client(concurrency=3)
    elsewhere = await other.image_to_video(image)
    waiting = asyncio.ensure_future(client.attach(elsewhere.reference).wait())
    await asyncio.sleep(1)
    handles = await asyncio.wait_for(asyncio.gather(*(client.image_to_video(image) for _ in range(2))), 10)
    assert emulator.ledger.peak() == 3
    await asyncio.gather(waiting, *handles)


async def test_a_lost_answer_does_not_hold_up_the_others(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """While one create is in doubt, all other slots are usable."""
    emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    client = make_client(concurrency=5)
    handles = await asyncio.wait_for(asyncio.gather(*(client.image_to_video(image) for _ in range(5))), 20)
    assert emulator.ledger.created == emulator.ledger.peak() == 5
    await asyncio.gather(*handles)


async def test_a_lent_session_that_raises_for_status(make_client: ClientMaker, image: Path) -> None:
    """`raise_for_status` of a borrowed session does not hide the service's errors."""
    async with serve(lambda _: refusal(429, 1102)) as stub, aiohttp.ClientSession(raise_for_status=True) as session:
        with pytest.raises(InsufficientBalance):
            await make_client(base_url=stub.base_url, session=session).image_to_video(image)
        assert len(stub.seen) == 1


async def test_a_lent_session_that_is_closed(make_client: ClientMaker, image: Path) -> None:
    """A closed borrowed session raises at once; nothing is in doubt, since nothing was sent."""
    loop = asyncio.get_running_loop()
    async with serve(lambda _: answer(200, b"")) as stub, aiohttp.ClientSession() as session:
        client = make_client(base_url=stub.base_url, session=session)
        await session.close()
        began = loop.time()
        with pytest.raises(ClientClosed, match="session"):
            await client.image_to_video(image)
        assert loop.time() - began < 1


def test_a_handle_on_another_loop_is_a_clear_error() -> None:
    """Awaiting a handle on a second loop raises an error that names the cause."""

    async def begin() -> tuple[KlingClient, object]:
        async with aiohttp.ClientSession() as session:  # lent, so that nothing stays open when its loop ends
            client = KlingClient(api_key="k" * 40, base_url="http://127.0.0.1:9", session=session)
            handle = client.attach("image2video:1")
            handle.add_done_callback(print)
            return client, handle

    client, handle = asyncio.run(begin())

    async def go_on() -> None:
        await handle.wait()  # type: ignore[attr-defined]  # an object to mypy

    with pytest.raises(WrongEventLoop):
        asyncio.run(go_on())
    assert client is not None


@pytest.mark.parametrize(
    "occupied", ["x" * 250 + ".mp4", "dangling.mp4", "blocked.mp4"], ids=["too long", "dangling link", "part blocked"]
)
async def test_more_paths_that_are_refused_at_once(
    client: KlingClient, image: Path, tmp_path: Path, occupied: str
) -> None:
    """Too long names, dangling links and blocked part files are refused before waiting."""
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "blocked.mp4.part").mkdir()
    handle = await client.image_to_video(image)
    with pytest.raises(OSError, match=r"too long|link to nothing|in the way"):
        await handle.save(tmp_path / occupied)
    assert not handle.done()


async def test_an_existing_name_in_a_directory(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """In a directory the file name of a submitted task is known, so an existing file is refused before waiting."""
    handle = await client.image_to_video(image)
    (tmp_path / f"{handle.task_id}.mp4").write_text("precious")
    with pytest.raises(FileExistsError):
        await handle.save(tmp_path)
    assert not handle.done()


async def test_a_part_that_is_linked_to_a_video_is_left_alone(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """A part that a crash left as a second name of the video is not truncated."""
    first = await (await client.image_to_video(image)).save(tmp_path / "a.mp4")
    content = first.read_bytes()
    (tmp_path / "b.mp4.part").hardlink_to(first)
    await (await client.image_to_video(image)).save(tmp_path / "b.mp4")
    assert first.read_bytes() == content
    assert (tmp_path / "b.mp4").read_bytes() != content
