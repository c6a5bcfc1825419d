"""The progress of handles, and the event streams for pages."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from kling_async import ClientClosed, KlingClient, Polling, Progress, TaskHandle
from kling_async.emulator import Emulator
from kling_async.web import EVENT_HEADERS, progress_events
from kling_async.web.events import EVERY, KEEP_ALIVE
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import Seen, serve, task_answer

pytestmark = pytest.mark.usefixtures("nothing_is_left")

Event = tuple[str, dict[str, Any]]


def read(text: bytes) -> list[Event]:
    """Returns the events of a stream, parsed as a browser does."""
    found = []
    for block in text.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def watched(handle: Any) -> list[Event]:
    """Returns all events that one page gets."""
    return read(b"".join([chunk async for chunk in progress_events(handle)]))


async def test_a_page_sees_progress_each_second_and_the_end(client: KlingClient, image: Path) -> None:
    """The progress grows and stays below one, the time left shrinks, then the end comes at once."""
    handle = await client.image_to_video(image=image, prompt="it moves")
    loop = asyncio.get_running_loop()
    began = loop.time()
    seen = await watched(handle)
    assert handle.done()
    assert {name for name, _ in seen[:-1]} == {"progress"}
    shares = [data["share"] for _, data in seen]
    assert shares == sorted(shares)
    assert max(shares[:-1]) < 1
    assert (loop.time() - began) / EVERY * 0.9 < len(seen) < (loop.time() - began) / EVERY + 3
    assert seen[0][1]["status"] == "submitted"
    assert seen[-1] == ("end", {"status": "succeed", "share": 1.0, "seconds_left": 0, "message": ""})
    assert EVENT_HEADERS["Content-Type"] == "text/event-stream"


async def test_what_was_learned_makes_the_progress_of_the_next(client: KlingClient, image: Path) -> None:
    """After some tasks, half the duration is about half the progress, and the time left is about right."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for _ in range(20):
        await (await client.image_to_video(image=image, prompt="it moves"))
    took = (loop.time() - begun) / 20
    handle = await client.image_to_video(image=image, prompt="it moves")
    assert handle.progress.share == pytest.approx(0, abs=0.01)
    await asyncio.sleep(took / 2)
    progress = handle.progress
    assert progress.share == pytest.approx(0.5, abs=0.15)
    assert progress.seconds_left == pytest.approx(took / 2, rel=0.5)
    await handle
    assert handle.progress == Progress(1.0, 0.0)


async def test_a_cold_handle_has_no_progress(client: KlingClient) -> None:
    """The task was never queried, and reading the progress does not query it."""
    assert client.attach("image2video:9").progress == Progress(0.0, None)


async def test_a_hundred_pages_cost_one_follower(emulator: Emulator, make_client: ClientMaker, image: Path) -> None:
    """With a handle for each page, the service is queried as often as for one page."""
    loop = asyncio.get_running_loop()
    kling = make_client(polling=Polling(first=5, factor=1, maximum=5))
    handle = await kling.image_to_video(image=image, prompt="it moves")
    began = loop.time()
    seen = await asyncio.gather(*(watched(kling.attach(handle.reference)) for _ in range(100)))
    assert {each[-1][1]["status"] for each in seen} == {"succeed"}
    assert 0 < emulator.ledger.requests["query"] <= (loop.time() - began) / 5 + 1


def clients_tasks() -> list["asyncio.Task[Any]"]:
    """Returns all running tasks except those of the server's connections."""
    return [
        task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") != "RequestHandler.start"
    ]


async def test_pages_that_leave_leave_nothing(client: KlingClient, image: Path) -> None:
    """Neither tasks nor waiters are left; the handle stays usable."""
    handle = await client.image_to_video(image=image, prompt="it moves")
    before = len(clients_tasks())
    for _ in range(50):
        async with contextlib.aclosing(progress_events(handle)) as stream:
            async for _event in stream:
                break
    pages = [asyncio.ensure_future(watched(handle)) for _ in range(50)]
    await asyncio.sleep(3)
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)
    assert len(clients_tasks()) == before
    assert handle._waiters == []
    assert (await handle).status == "succeed"


def status(*, ends: float = float("inf"), **end: Any) -> Any:
    """Returns a service whose task changes its status after given seconds."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    def respond(_seen: Seen) -> bytes:
        return task_answer(**({"status": "processing"} | (end if loop.time() - begun >= ends else {})), task_id="9")

    return respond


async def test_a_stream_without_events_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without changes, a comment is sent every 15 seconds."""
    monkeypatch.setattr(TaskHandle, "progress", Progress(0.5, 10.0))
    loop = asyncio.get_running_loop()
    async with serve(status()) as stub, KlingClient(base_url=stub.base_url, api_key="key", clock=wall()) as kling:
        handle = kling.attach("image2video:9")
        gaps, last, comments = [], loop.time(), 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(600), contextlib.aclosing(progress_events(handle)) as stream:
                async for chunk in stream:
                    gaps.append(loop.time() - last)
                    last = loop.time()
                    comments += chunk.startswith(b":")
        handle.cancel()
    assert comments == 600 // KEEP_ALIVE - 1
    assert max(gaps) <= KEEP_ALIVE + EVERY
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("deadline", [3600.0, 40.0])
async def test_the_last_event_has_the_reason(deadline: float) -> None:
    """A failed task has the service's reason; one that did not end in time is unknown, not failed."""
    failing = status(ends=60, status="failed", task_status_msg="too dark")
    async with (
        serve(failing) as stub,
        KlingClient(base_url=stub.base_url, api_key="key", clock=wall(), polling=Polling(deadline=deadline)) as kling,
    ):
        name, data = (await watched(kling.attach("image2video:9")))[-1]
    assert name == "end"
    if deadline > 60:
        assert data == {"status": "failed", "share": 1.0, "seconds_left": 0, "message": "too dark"}
    else:
        assert (data["status"], data["seconds_left"]) == ("unknown", None)
        assert data["share"] < 1
        assert "40" in data["message"]
    await asyncio.sleep(0.1)


async def test_a_cancelled_handle_and_a_closed_client_end_the_stream() -> None:
    """The page gets an event; a client closed before is a mistake of the caller."""
    async with serve(status()) as stub:
        kling = KlingClient(base_url=stub.base_url, api_key="key", clock=wall())
        first, second = kling.attach("image2video:9"), kling.attach("image2video:8")
        cold = kling.attach("image2video:7")
        watching = [asyncio.ensure_future(watched(handle)) for handle in (first, second)]
        await asyncio.sleep(5)
        first.cancel()
        assert (await watching[0])[-1][1]["status"] == "cancelled"
        await kling.close()
        assert (await watching[1])[-1][1]["status"] == "unknown"
        with pytest.raises(ClientClosed):
            await watched(cold)
        await asyncio.sleep(0.1)
