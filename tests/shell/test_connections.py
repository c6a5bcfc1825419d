"""Connections that are kept, and sessions that are lent: neither costs a task."""

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


class Stammering:
    """A service behind a proxy that repeats the first answer to a create, on a connection that stays.

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


async def test_an_answer_too_many_is_not_taken(make_client: ClientMaker, image: Path) -> None:
    """The next create goes out on a connection of its own: both get their own tasks."""
    stammering = Stammering()
    async with serve_keeping(stammering) as stammering.service.base_url:
        client = make_client(base_url=stammering.service.base_url)
        first = await client.image_to_video(image)
        await asyncio.sleep(1)
        second = await client.image_to_video(image)
        assert [first.task_id, second.task_id] == ["1000", "1001"]
        await client.close()


async def test_an_answer_too_many_on_a_lent_session(make_client: ClientMaker, image: Path) -> None:
    """Where a lent session takes it all the same, a create in doubt comes of it, not another one's task."""
    stammering = Stammering()
    async with serve_keeping(stammering) as stammering.service.base_url, aiohttp.ClientSession() as session:
        client = make_client(base_url=stammering.service.base_url, session=session)
        await client.image_to_video(image)
        await asyncio.sleep(1)
        with pytest.raises(CreateInDoubt, match="the task of another create"):
            await client.image_to_video(image)
        await client.close()


async def test_the_name_of_a_task_is_kept(make_client: ClientMaker, image: Path) -> None:
    """A service that does not repeat the external id takes it from neither the handle nor the finished task."""
    stammering = Stammering()
    async with serve_keeping(stammering) as stammering.service.base_url:
        client = make_client(base_url=stammering.service.base_url)
        handle = await client.image_to_video(image, external_task_id="job-1")
        assert [(await handle).external_task_id, handle.external_task_id] == ["job-1", "job-1"]
        assert (await client.get_task("image2video:job-1")).external_task_id == "job-1"
        await client.close()


# ---------------------------------------------------------------------------------------------- lent sessions


async def test_a_lent_session_that_unpacks_nothing(make_client: ClientMaker, image: Path) -> None:
    """The service's answers are unpacked all the same: what was accepted is no doubt."""
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
    """Whatever a lent session's hook raises: what may be paid for is named, and what was not sent ends at once."""

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
