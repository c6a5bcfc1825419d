import asyncio
import gzip
from urllib.parse import unquote

import pytest

from kling_async.emulator import Emulator, Fault
from tests.emulator.conftest import Caller

from .conftest import Exchange, exchange, now, raw_file, result_url


async def located(caller: Caller, url: str) -> str:
    """Returns the target of a redirect, as sent on the wire."""
    host, _, port = caller.emulator.base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    target = url.removeprefix(caller.emulator.base_url)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.read()).decode()
    writer.close()
    assert head.startswith("HTTP/1.1 302 ")
    location = head.partition("\nLocation: ")[2].partition("\r")[0]
    return location.removeprefix(caller.emulator.base_url)


async def fetched(caller: Caller, target: str) -> Exchange:
    """Requests a target, exactly as spelled."""
    return await exchange(caller, f"GET {target}")


async def test_a_redirect_to_a_signed_address(caller: Caller) -> None:
    """A file is at another address, valid exactly as sent, and is not redirected again."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.redirected(), on="file")

    target = await located(caller, url)
    there = await fetched(caller, target)

    assert there.body[4:8] == b"ftyp"
    assert caller.emulator.ledger.delivered == 1


async def test_a_signed_address_is_good_to_the_letter(caller: Caller) -> None:
    """Every other spelling of the same address is refused, among them those of clients that normalize."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.redirected(), on="file", at=1)
    target = await located(caller, url)
    path, _, query = target.partition("?")
    for written in ("~", "%7E", "%7e", "%c3", "'", "+", "%2B", "%2F", "%3D", "%41", "%20", ",", ";", "!", "*"):
        assert written in target

    spellings = [
        target.replace("%7E", "~"),
        target.replace("%7E", "%7e"),
        target.replace("~", "%7E"),
        target.replace("%c3", "%C3"),
        target.replace("'", "%27"),
        f"{path}?{query.replace('+', '%20')}",
        f"{path}?{query.replace('%2F', '/')}",
        f"{path}?{query.replace('%3B', ';')}",
        f"{path.replace('%41', 'A')}?{query}",
        f"{path}?{query.replace('%3D', '=')}",
        f"{path}?{query.replace('&empty=', '')}",
        f"{unquote(path).replace(' ', '%20').replace('é', '%c3%A9')}?{query}",
    ]

    assert len({*spellings, target}) == len(spellings) + 1
    assert {(await fetched(caller, each)).head.partition("\r")[0] for each in spellings} == {"http/1.1 403 forbidden"}


async def test_a_signed_address_expires(caller: Caller) -> None:
    """A signed address is not valid longer than the link that redirected to it."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.redirected(), on="file", at=1)
    target = await located(caller, url)
    await asyncio.sleep(31 * 86400)

    late = await fetched(caller, target)

    assert late.head.startswith("http/1.1 403")
    assert b"Request has expired" in late.body


async def test_a_file_that_is_there_later(caller: Caller) -> None:
    """A file is missing at first, with a 404 as of object stores."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.missing(), on="file", times=2)

    answers = [await caller.request("GET", url) for _ in range(3)]

    assert [answer.status for answer in answers] == [404, 404, 200]
    assert b"<Code>NoSuchKey</Code>" in answers[0].content


@pytest.mark.parametrize("by", [0, 3_000_000])
async def test_a_file_that_lies_compressed(caller: Caller, by: int) -> None:
    """The file is compressed without a request: length, ETag and ranges are those of the compressed bytes."""
    url = await result_url(caller)
    plain = await raw_file(caller, url)
    caller.emulator.faults.add(Fault.gzipped(by), on="file")

    whole, again = await raw_file(caller, url), await raw_file(caller, url)
    head = await caller.request("HEAD", url, headers={"Range": "bytes=10-19"})

    assert whole == again
    assert "\ncontent-encoding: gzip\r" in whole.head
    assert f"\ncontent-length: {len(whole.body)}\r" in whole.head
    assert gzip.decompress(whole.body) == plain.body + bytes(by)
    assert head.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
    assert head.headers["etag"] in whole.head
    assert head.headers["etag"] not in plain.head


async def test_a_compressed_file_may_grow_a_thousandfold(caller: Caller) -> None:
    """Appended zeros add few bytes on the wire."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.gzipped(), on="file", at=1)
    caller.emulator.faults.add(Fault.gzipped(20_000_000), on="file", at=2)

    small, large = await raw_file(caller, url), await raw_file(caller, url)

    assert len(large.body) - len(small.body) < 25_000


async def test_a_file_of_another_type(caller: Caller) -> None:
    """The whole file is sent, with a wrong type and status."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.other_headers({"Content-Type": "text/plain"}, status=203), on="file")

    answer = await caller.request("GET", url)

    assert (answer.status, answer.headers["content-type"], answer.content[4:8]) == (203, "text/plain", b"ftyp")


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
async def test_a_host_without_a_strong_validator(caller: Caller, etag: str | None) -> None:
    """There is no ETag or a weak one, also for an interrupted file; a date resumes it, a weak ETag does not."""
    url = await result_url(caller)
    fault = Fault.truncated().with_headers({"ETag": etag})
    caller.emulator.faults.add(fault, on="file", at=1)
    caller.emulator.faults.add(Fault.other_headers({"ETag": etag}), on="file")

    first = await caller.request("GET", url)
    tags = [etag] if etag else []
    dates = [first.headers["last-modified"], "Mon, 01 Jan 2024 00:00:00 GMT"]
    resumed = [
        (await caller.request("GET", url, headers={"Range": "bytes=9-", "If-Range": each})).status
        for each in dates + tags
    ]

    assert first.headers.get("etag") == etag
    assert resumed == [206, 200, *([200] if etag else [])]


async def test_a_changed_file_is_newer(caller: Caller) -> None:
    """A changed file has another date, so that a part of the old one is not resumed."""
    url = await result_url(caller)
    old = await caller.request("HEAD", url)
    caller.emulator.faults.add(Fault.changed(), on="file", at=1)
    part = {"Range": "bytes=9-", "If-Range": old.headers["last-modified"]}

    assert (await caller.request("GET", url, headers=part)).status == 200


async def test_a_slow_file(caller: Caller) -> None:
    """A file is sent at `rate` bytes per second, completely; a client that disconnects does not block it."""
    url = await result_url(caller)
    size = len((await caller.request("GET", url)).content)
    caller.emulator.faults.add(Fault.slow(size / 10), on="file", at=1)
    caller.emulator.faults.add(Fault.slow(1), on="file", at=2)
    began = now()

    whole = await raw_file(caller, url)
    took = now() - began

    assert (len(whole.body), whole.end) == (size, "closed")
    assert 9 <= took < 12
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(caller.request("GET", url), 10)


async def test_a_slow_file_does_not_hold_up_an_end(emulator: Emulator, caller: Caller) -> None:
    """Closing an emulator does not wait for a file that would take days."""
    url = await result_url(caller)
    caller.emulator.faults.add(Fault.slow(1), on="file")
    slow = asyncio.create_task(raw_file(caller, url))
    await asyncio.sleep(10)
    began = now()

    await emulator.close()

    assert now() - began < 10
    await asyncio.gather(slow, return_exceptions=True)
