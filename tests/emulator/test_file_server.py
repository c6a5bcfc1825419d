import asyncio
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import aiohttp

from kling_async.emulator import Emulator
from kling_async.emulator.results.placeholder.video import VideoSpec
from kling_async.emulator.results.result_store import PlaceholderResults

from .conftest import FAR, PATH, Caller, Clock, base64_png, file_url, finished


async def test_a_file_is_served_as_a_cdn_does(caller: Caller, clock: Clock) -> None:
    """A result has a type, a length and a strong validator, the same for HEAD and GET, and is not charged again."""
    url = await file_url(caller, clock)

    head = await caller.request("HEAD", url)
    whole = await caller.request("GET", url)

    names = ("content-type", "content-length", "etag", "accept-ranges")
    assert {name: head.headers[name] for name in names} == {name: whole.headers[name] for name in names}
    assert (whole.status, whole.headers["content-type"]) == (200, "video/mp4")
    assert int(whole.headers["content-length"]) == len(whole.content) > 1_000_000
    assert whole.headers["etag"].startswith('"')
    assert head.content == b""
    assert whole.content[4:8] == b"ftyp"


async def test_a_range_is_served(caller: Caller, clock: Clock) -> None:
    """A range is answered with 206 and exactly its bytes, also when `If-Range` names the current file."""
    url = await file_url(caller, clock)
    whole = await caller.request("GET", url)
    size = len(whole.content)

    part = await caller.request("GET", url, headers={"Range": "bytes=1000-", "If-Range": whole.headers["etag"]})

    assert (part.status, part.headers["content-range"]) == (206, f"bytes 1000-{size - 1}/{size}")
    assert part.content == whole.content[1000:]
    assert part.headers["etag"] == whole.headers["etag"]


async def test_a_part_of_another_file_is_not_continued(caller: Caller, clock: Clock) -> None:
    """When `If-Range` names another file, the whole file is sent."""
    url = await file_url(caller, clock)

    whole = await caller.request("GET", url, headers={"Range": "bytes=1000-", "If-Range": '"other"'})

    assert (whole.status, whole.content[4:8]) == (200, b"ftyp")


async def test_a_range_outside_of_the_file(caller: Caller, clock: Clock) -> None:
    """A range beyond the end is 416, with the size."""
    url = await file_url(caller, clock)

    answer = await caller.request("GET", url, headers={"Range": "bytes=99999999-"})

    assert answer.status == 416
    assert re.fullmatch(r"bytes \*/[0-9]+", answer.headers["content-range"])


async def test_an_expired_or_changed_link_is_refused_in_xml(caller: Caller, clock: Clock) -> None:
    """A link that has expired or was changed is 403, with a body that is neither a video nor JSON."""
    url = await file_url(caller, clock)

    changed = await caller.request("GET", url.replace("expires=1", "expires=2"))
    clock.advance(31 * 86400)
    expired = await caller.request("GET", url)

    for answer in (changed, expired):
        assert (answer.status, answer.headers["content-type"]) == (403, "application/xml; charset=utf-8")
        assert b"<Code>AccessDenied</Code>" in answer.content


async def test_a_new_query_gives_a_fresh_link(clock: Clock) -> None:
    """When a link has expired, a new query returns a valid one."""
    async with Emulator(clock=clock, link_lifetime=60, render=False) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        data = await finished(caller, clock)
        old = data["task_result"]["videos"][0]["url"]
        clock.advance(61)
        new = (await caller.task(data["task_id"]))["task_result"]["videos"][0]["url"]

        statuses = [(await caller.request("GET", url)).status for url in (old, new)]

    assert statuses == [403, 200]


async def test_a_link_of_another_account_finds_nothing(caller: Caller, clock: Clock) -> None:
    """A correctly signed link to a task that the account does not have is 404, also in XML."""
    url = await file_url(caller, clock)
    async with Emulator(clock=clock, seed=1, render=False) as other:
        answer = await caller.request("GET", url.replace(caller.emulator.base_url, other.base_url))

    assert answer.status == 404
    assert b"<Code>NoSuchKey</Code>" in answer.content


async def test_credentials_do_not_belong_at_files(caller: Caller, clock: Clock) -> None:
    """A request for a file with credentials is refused, and counted."""
    url = await file_url(caller, clock)

    answer = await caller.request("GET", url, headers=caller.headers)

    assert answer.status == 400
    assert caller.emulator.ledger.credentials_at_files == 1
    assert caller.emulator.ledger.delivered == 0


async def test_each_file_is_another(caller: Caller, clock: Clock) -> None:
    """Two tasks have different videos, and so have a video and its variant with the watermark."""
    first = await finished(caller, clock, watermark_info={"enabled": True})
    second = await finished(caller, clock)
    video = first["task_result"]["videos"][0]
    urls = [video["url"], video["watermark_url"], second["task_result"]["videos"][0]["url"]]

    contents = {hashlib.sha256((await caller.request("GET", url)).content).digest() for url in urls}

    assert len(contents) == 3


async def test_few_files_are_kept_in_memory() -> None:
    """Large files do not accumulate: old ones are made again, with the same bytes."""
    with ThreadPoolExecutor(1) as worker:
        results = PlaceholderResults(worker)
        specs = [VideoSpec(width=5400, height=2160, fps=24, seconds=3, label=str(number)) for number in range(5)]
        first = await results.made(specs[0])
        for spec in specs[1:]:
            await results.made(spec)

        assert sum(made.size for made in results._cache.values()) <= 64 * 2**20
        assert await results.made(specs[4]) is results._cache[specs[4]]
        assert (again := await results.made(specs[0])) is not first
        assert (again.etag, again.source) == (first.etag, first.source)


async def test_thirty_two_files_at_once_leave_the_loop_alone(caller: Caller, clock: Clock) -> None:
    """Files are made off the event loop: meanwhile other requests are answered."""
    caller.emulator._account.concurrency = 100
    for _ in range(32):
        await caller.create(mode="pro", image=base64_png(1920, 1080))
    clock.advance(FAR)
    urls = [task["task_result"]["videos"][0]["url"] for task in (await caller.get(PATH + "?pageSize=500")).body["data"]]
    files = asyncio.gather(*(caller.request("HEAD", url) for url in urls))
    answered = 0
    while not files.done():
        assert (await caller.get("/_emulator/ledger")).status == 200
        answered += 1

    assert {answer.status for answer in await files} == {200}
    assert answered > 3
