"""Kept connections and borrowed sessions do not cost a task."""

import asyncio
import gzip
import json
from pathlib import Path

import aiohttp
import pytest

from kling_async import ConnectionFailed, CreateInDoubt, TaskStatus
from tests.faults.other_service import OtherService
from tests.shell.conftest import ClientMaker
from tests.shell.keeping import kept, serve_keeping
from tests.shell.stub import Seen, answer, serve, task_answer

pytestmark = pytest.mark.usefixtures("nothing_is_left")


class RepeatingService:
    """A service behind a proxy that repeats the first response to a create, on a kept connection.

    Its tasks do not say which external id they have, as those of the service itself.
    """

    def __init__(self) -> None:
        self.service = OtherService(asyncio.get_running_loop().time, takes=60)
        self.names: list[str] = []

    def __call__(self, seen: Seen) -> list[bytes]:
        """Answers one request."""
        raw = self.service(seen)
        head, _, body = raw.partition(b"\r\n\r\n") if raw else (b"", b"", b"")
        envelope = json.loads(body)
        tasks = envelope.get("data")
        for task in tasks if isinstance(tasks, list) else [tasks] if tasks else []:
            task["task_info"] = {}
        once = kept(answer(int(head.split(b" ")[1]), envelope))
        return [once] * (2 if seen.method == "POST" and self.service.posts == 1 else 1)


async def test_a_surplus_response_is_not_used(make_client: ClientMaker, image: Path) -> None:
    """The next create uses a new connection, so both creates get their own tasks."""
    stammering = RepeatingService()
    async with serve_keeping(stammering) as stammering.service.base_url:
        client = make_client(base_url=stammering.service.base_url)
        first = await client.image_to_video(image)
        await asyncio.sleep(1)
        second = await client.image_to_video(image)
        assert [first.task_id, second.task_id] == ["1000", "1001"]
        await client.close()


async def test_a_surplus_response_on_a_lent_session(make_client: ClientMaker, image: Path) -> None:
    """A surplus response on a borrowed session puts a create in doubt, not into another create's task."""
    stammering = RepeatingService()
    async with serve_keeping(stammering) as stammering.service.base_url, aiohttp.ClientSession() as session:
        client = make_client(base_url=stammering.service.base_url, session=session)
        await client.image_to_video(image)
        await asyncio.sleep(1)
        with pytest.raises(CreateInDoubt, match="the task of another create"):
            await client.image_to_video(image)
        await client.close()


async def test_the_external_id_is_kept(make_client: ClientMaker, image: Path) -> None:
    """Handle and finished task keep an external id that the service does not repeat."""
    stammering = RepeatingService()
    async with serve_keeping(stammering) as stammering.service.base_url:
        client = make_client(base_url=stammering.service.base_url)
        handle = await client.image_to_video(image, external_task_id="job-1")
        assert [(await handle).external_task_id, handle.external_task_id] == ["job-1", "job-1"]
        assert (await client.get_task("image2video:job-1")).external_task_id == "job-1"
        await client.close()


# ---------------------------------------------------------------------------------------------- lent sessions


async def test_a_lent_session_without_decompression(make_client: ClientMaker, image: Path) -> None:
    """Responses are decompressed even if a borrowed session does not, so an accepted create is not in doubt."""
    packed = gzip.compress(task_answer().partition(b"\r\n\r\n")[2])
    async with (
        serve(lambda _: answer(200, packed, Content_Encoding="gzip")) as stub,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        client = make_client(base_url=stub.base_url, session=session)
        assert (await client.image_to_video(image)).status is TaskStatus.SUBMITTED
        await client.close()


@pytest.mark.parametrize(("moment", "kind", "arrived"), [("start", ConnectionFailed, 0), ("end", CreateInDoubt, 1)])
async def test_a_hook_that_raises(
    make_client: ClientMaker, image: Path, moment: str, kind: type[Exception], arrived: int
) -> None:
    """If a borrowed session's hook raises, a create that may be paid has a reference; an unsent one ends."""

    async def broken(*_: object) -> None:
        raise LookupError

    trace = aiohttp.TraceConfig()
    getattr(trace, f"on_request_{moment}").append(broken)
    service = OtherService(asyncio.get_running_loop().time)
    async with serve(service) as stub, aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = make_client(base_url=stub.base_url, session=session)
        with pytest.raises(kind, match="failed unexpectedly") as caught:
            await client.image_to_video(image, external_task_id="job-1")
    assert getattr(caught.value, "reference", None) == "image2video:job-1"
    assert (service.paid, asyncio.get_running_loop().time() < 20) == (arrived, True)
