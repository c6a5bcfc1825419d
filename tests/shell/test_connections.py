"""Connections that are kept, and what may be left on them: an answer too many gives nobody another one's task."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from kling_async import CreateInDoubt
from tests.faults.other_service import OtherService
from tests.shell.conftest import ClientMaker
from tests.shell.keeping import kept, serve_keeping
from tests.shell.stub import Seen, answer

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
