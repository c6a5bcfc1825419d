import asyncio

import aiohttp
import pytest

from kling_async.emulator import Fault
from tests.emulator.conftest import FAR, Answer, Caller

from .conftest import exchange, raw_file, result_url


async def rest(caller: Caller, url: str, start: int, etag: str) -> Answer:
    """Requests the rest of a file, if it is still the same one."""
    return await caller.request("GET", url, headers={"Range": f"bytes={start}-", "If-Range": etag})


async def test_half_a_file_with_a_clean_end(caller: Caller) -> None:
    """A truncated file has no announced length and ends like a complete one; it is not delivered."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.truncated(), on="file", at=1)

    half = await caller.request("GET", url)
    delivered = caller.emulator.ledger.delivered
    whole = await caller.request("GET", url)

    assert (half.status, half.headers["content-type"]) == (200, "video/mp4")
    assert "content-length" not in half.headers
    assert half.content == whole.content[: len(whole.content) // 2]
    assert (delivered, caller.emulator.ledger.delivered) == (0, 1)


async def test_a_file_reset_at_half(caller: Caller) -> None:
    """Half of the file is sent, then a reset; requesting the rest completes the delivery."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.reset(share=0.5), on="file", at=1)

    half = await raw_file(caller, url)
    whole = (await caller.request("HEAD", url)).headers
    size = int(whole["content-length"])
    more = await rest(caller, url, len(half.body), whole["etag"])

    assert f"content-length: {size}\r" in half.head
    assert (len(half.body), half.end) == (size // 2, "reset")
    assert (more.status, len(half.body) + len(more.content)) == (206, size)
    assert caller.emulator.ledger.delivered == 1


async def test_a_file_that_stalls_at_half(caller: Caller) -> None:
    """Half of the file is sent, then nothing, on an open connection; the sent bytes count at once."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.stall(share=0.5), on="file", at=1)

    half = await raw_file(caller, url)
    whole = (await caller.request("HEAD", url)).headers
    more = await rest(caller, url, len(half.body), whole["etag"])

    assert half.end == "silent"
    assert len(half.body) + len(more.content) == int(whole["content-length"])
    assert caller.emulator.ledger.delivered == 1


async def test_a_stall_after_the_headers_of_a_file(caller: Caller) -> None:
    """A stall, or a reset, right after the headers."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.stall(), on="file", at=1)
    caller.emulator.faults.add(Fault.reset(share=0), on="file", at=2)

    stalled, reset = await raw_file(caller, url), await raw_file(caller, url)

    assert stalled.head.startswith("http/1.1 200")
    assert (stalled.body, stalled.end) == (b"", "silent")
    assert reset.head.startswith("http/1.1 200")
    assert (reset.body, reset.end) == (b"", "reset")


async def test_no_answer_at_all(caller: Caller) -> None:
    """A reset without a share occurs before the first byte; a delay only delays the file."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.reset(), on="file", at=1)
    caller.emulator.faults.add(Fault.delay(30), on="file", at=2)

    reset, late = await raw_file(caller, url), await raw_file(caller, url)

    assert (reset.head, reset.end) == ("", "reset")
    assert (late.body[4:8], late.end) == (b"ftyp", "closed")


async def test_more_bytes_announced_than_come(caller: Caller) -> None:
    """A length that is too large: the whole file is sent, then the connection closes."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.wrong_length(1000), on="file", at=1)

    wrong = await raw_file(caller, url)
    whole = await raw_file(caller, url)

    assert f"content-length: {len(whole.body) + 1000}\r" in wrong.head
    assert (wrong.body, wrong.end) == (whole.body, "closed")


async def test_fewer_bytes_announced_than_there_are(caller: Caller) -> None:
    """A length that is too small: only the announced bytes are sent."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.wrong_length(-1000), on="file", at=1)

    wrong = await caller.request("GET", url)
    delivered = caller.emulator.ledger.delivered
    whole = await caller.request("GET", url)

    assert int(wrong.headers["content-length"]) == len(wrong.content)
    assert wrong.content == whole.content[:-1000]
    assert delivered == 0


@pytest.mark.parametrize("status", [200, 500, 502, 503, 504])
async def test_a_page_in_place_of_a_file(caller: Caller, status: int) -> None:
    """A gateway's page is sent in place of the file, also with 200."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.gateway(status), on="file", at=1)

    page = await caller.request("GET", url)

    assert (page.status, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert page.content.startswith(b"<!DOCTYPE html>")


async def test_a_file_that_changes_between_two_ranges(caller: Caller) -> None:
    """A changed file has another ETag and other bytes from then on; with `If-Range` the whole file is sent."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.changed(), on="file", at=2)

    old = await caller.request("GET", url)
    resumed = await rest(caller, url, 1000, old.headers["etag"])
    again = await rest(caller, url, 1000, resumed.headers["etag"])

    assert resumed.status == 200
    assert resumed.headers["etag"] != old.headers["etag"]
    assert resumed.content[4:8] == b"ftyp"
    assert resumed.content != old.content
    assert (again.status, again.content) == (206, resumed.content[1000:])


async def test_a_changed_file_whose_server_ignores_if_range(caller: Caller) -> None:
    """A server may send the range of a changed file: only its ETag shows the change."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.changed(if_range=False), on="file", at=2)

    old = await caller.request("GET", url)
    resumed = await rest(caller, url, 1000, old.headers["etag"])

    assert resumed.status == 206
    assert resumed.headers["etag"] != old.headers["etag"]
    assert resumed.content != old.content[1000:]


async def test_a_file_changes_independently(caller: Caller) -> None:
    """A changed file remains changed without any rule, and no other file changes with it."""
    first, second = await result_url(caller), await result_url(caller)
    before = [(await caller.request("HEAD", url)).headers["etag"] for url in (first, second)]
    caller.emulator.faults.add(Fault.changed(), on="file", when=lambda call: call.path in first, times=1)
    for url in (first, second):
        await caller.request("HEAD", url)
    caller.emulator.faults.clear()

    after = [(await caller.request("HEAD", url)).headers["etag"] for url in (first, second)]

    assert before[0] != after[0]
    assert before[1] == after[1]


async def test_a_server_that_ignores_ranges(caller: Caller) -> None:
    """The whole file is sent, with 200, although a part was requested."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.no_ranges(), on="file")

    whole = await caller.request("GET", url, headers={"Range": "bytes=1000-"})

    assert (whole.status, whole.content[4:8]) == (200, b"ftyp")
    assert "content-range" not in whole.headers


async def test_a_link_that_has_expired_once(caller: Caller) -> None:
    """A link is refused once as expired, and works when it is tried again."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.expired(), on="file", at=1)

    answers = [await caller.request("GET", url) for _ in range(2)]

    assert [answer.status for answer in answers] == [403, 200]
    assert b"Request has expired" in answers[0].content
    assert answers[0].headers["content-type"] == "application/xml; charset=utf-8"


async def test_links_that_are_always_expired(caller: Caller) -> None:
    """Without a condition each link is refused, the new one of a new query as well."""
    caller.emulator.faults.add(Fault.expired(), on="file")
    url = await result_url(caller)

    statuses = [(await caller.request("GET", each)).status for each in (url, url, await result_url(caller))]

    assert statuses == [403, 403, 403]
    assert caller.emulator.faults.injected["file", "expired"] == 3


async def test_a_range_may_be_cut(caller: Caller) -> None:
    """A fault of the body cuts the requested range, whose headers are correct."""
    url = await result_url(caller)
    size = int((await caller.request("HEAD", url)).headers["content-length"])
    caller.emulator.faults.add(Fault.truncated(0.25), on="file", at=1)

    part = await caller.request("GET", url, headers={"Range": f"bytes={size - 4000}-"})

    assert (part.status, len(part.content)) == (206, 1000)
    assert part.headers["content-range"] == f"bytes {size - 4000}-{size - 1}/{size}"


async def test_a_head_request(caller: Caller) -> None:
    """HEAD gets the true headers with any fault of the body, and the connection can be used again."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.wrong_length(), on="file", at=1)
    caller.emulator.faults.add(Fault.stall(), on="file", at=2)

    heads = [await asyncio.wait_for(caller.request("HEAD", url), FAR) for _ in range(3)]

    assert (
        heads[0].headers["content-length"] == heads[1].headers["content-length"] == heads[2].headers["content-length"]
    )


async def test_half_a_file_is_an_error_of_a_real_client(caller: Caller) -> None:
    """An HTTP client detects a file that was reset or is too short."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.reset(share=0.5), on="file", at=1)
    caller.emulator.faults.add(Fault.wrong_length(), on="file", at=2)

    for _ in range(2):
        with pytest.raises(aiohttp.ClientError):
            await caller.request("GET", url)


async def test_a_client_that_leaves_a_stall(caller: Caller) -> None:
    """A stall ends when its client has disconnected; until then it blocks neither the file nor the server."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.stall(share=0.5, seconds=3e6), on="file", at=1)

    assert (await raw_file(caller, url)).end == "silent"
    await asyncio.sleep(300)

    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]  # each has one
    assert "RequestHandler._handle_request" not in names
    assert (await exchange(caller, f"GET {url.removeprefix(caller.emulator.base_url)}")).end == "closed"
