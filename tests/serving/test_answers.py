"""Results over HTTP on real sockets: what is fetched for a response, and how a misbehaving host is handled."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path

import pytest

from kling_async import DownloadError, InvalidRequest, KlingClient, Polling
from kling_async.emulator import Emulator
from kling_async.web import asgi_response
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import Answer, Seen, answer, refusal, serve

from .conftest import QUICK, Page, Serve, on_aiohttp, page_of
from .range_host import FILE, SIZE, RangeHost

pytestmark = pytest.mark.usefixtures("nothing_is_left")

PAGE = answer(200, b"<!DOCTYPE html><title>Sign in</title>", Content_Type="text/html")


@contextlib.asynccontextmanager
async def page(host: RangeHost, serve_handle: Serve = on_aiohttp, **options: object) -> AsyncIterator[Page]:
    """Serves the file of a host."""
    async with serve(host) as stub:
        host.base = stub.base_url
        async with page_of(serve_handle, stub.base_url, **options) as page:
            yield page
        await asyncio.sleep(0.1)  # the stub's handlers end a moment after their connections


# ------------------------------------------------------------------------------------------- what is fetched


async def test_a_seek_loads_nothing_that_lies_between(serve_handle: Serve) -> None:
    """The range is passed to the file host, which is probed once for all requests."""
    host = RangeHost()
    async with page(host, serve_handle) as browser:
        for first in (SIZE * 8 // 10, 1000):
            got = await browser.fetch(Range=f"bytes={first}-{first + 999}")
            assert (got.status, got.body) == (206, FILE[first : first + 1000])
            assert got.headers["Content-Range"] == f"bytes {first}-{first + 999}/{SIZE}"
        got = await browser.fetch(Range="bytes=-10")
        assert (got.status, got.body) == (206, FILE[-10:])
    begin = SIZE * 8 // 10
    spans = [f"{begin}-{begin + 999}", "1000-1999", f"{SIZE - 10}-{SIZE - 1}"]
    assert host.requested_ranges == ["bytes=0-0", *(f"bytes={span}" for span in spans)]


async def test_the_whole_file_comes_with_its_length_and_type(serve_handle: Serve) -> None:
    """Without a range: 200, all bytes, and what a browser needs to seek later."""
    async with page(RangeHost(), serve_handle) as browser:
        got = await browser.fetch()
    assert (got.status, got.body, got.whole) == (200, FILE, True)
    expected = {"Content-Type": "video/mp4", "Content-Length": str(SIZE), "Accept-Ranges": "bytes", "ETag": '"a"'}
    assert {name: got.headers.get(name) for name in expected} == expected


async def test_head_and_a_cached_file_load_nothing(serve_handle: Serve) -> None:
    """Neither response has a body, and one byte is requested from the host, once."""
    host = RangeHost()
    async with page(host, serve_handle) as browser:
        head = await browser.fetch("HEAD")
        had = await browser.fetch(If_None_Match='"a"')
        beyond = await browser.fetch(Range=f"bytes={SIZE}-")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(SIZE), b"")
    assert (had.status, had.body, beyond.status, beyond.body) == (304, b"", 416, b"")
    assert host.requested_ranges == ["bytes=0-0"]


@pytest.mark.parametrize(
    ("kind", "given", "media_type"),
    [
        ("images", "image/jpeg", "image/jpeg"),
        ("images", "", "image/png"),
        ("audios", "audio/mpeg", "audio/mpeg"),
        ("audios", "application/octet-stream", "audio/mpeg"),
    ],
)
async def test_pictures_and_sound_are_answered_as_well(kind: str, given: str, media_type: str) -> None:
    """The first file of a task is served, whatever its kind."""
    host = RangeHost(kind=kind, media_type=given)
    async with page(host) as browser:
        got = await browser.fetch(Range="bytes=5-9")
    assert (got.status, got.body, got.headers["Content-Type"]) == (206, FILE[5:10], media_type)


# ------------------------------------------------------------------------------------- hosts that misbehave


@pytest.mark.parametrize("etag", ['"a"', 'W/"a"', None, '"{}"'])
@pytest.mark.parametrize("first", [0, 1000])
async def test_a_break_of_the_host_is_not_seen_by_the_browser(first: int, etag: str | None) -> None:
    """If the host's connection breaks repeatedly, the response continues, with each byte once and in order."""
    host = RangeHost(etag=etag, cut=[10, 100_000, 500_000, 1_000_000, None])
    async with page(host) as browser:
        got = await browser.fetch(**({"Range": f"bytes={first}-"} if first else {}))
    if etag == '"{}"':  # hosts whose ETags differ: parts may be of different files
        first = 0
    assert (got.status, got.body == FILE[first:], got.whole) == (206 if first else 200, True, True)
    assert got.headers.get("ETag") == (etag if etag == '"a"' else None)


async def test_hosts_whose_etags_differ_do_not_break_an_answer_off() -> None:
    """A response that continues at another host restarts there, and skips what the browser has."""
    host = RangeHost(cut=[300, None])

    def other(seen: Seen) -> Answer:
        host.etag = '"b"'
        return host._file(seen)

    async with page(host) as browser:
        host.instead = [host._file, host._file, other]
        got = await browser.fetch(Range="bytes=1000-1999")
    assert (got.status, got.body, got.headers["ETag"]) == (206, FILE[1000:2000], '"a"')
    assert host.requested_ranges[2:] == ["bytes=1300-1999", "bytes=1000-1999"]


async def test_a_span_that_breaks_requests_its_rest_only() -> None:
    """Bytes already sent are not fetched again if the host's ETag shows that the rest matches."""
    host = RangeHost(cut=[300, None])
    async with page(host) as browser:
        assert (await browser.fetch(Range="bytes=1000-1999")).body == FILE[1000:2000]
    assert host.requested_ranges == ["bytes=0-0", "bytes=1000-1999", "bytes=1300-1999"]
    assert host.seen[-1].headers["if-range"] == '"a"'


@pytest.mark.parametrize("first", [0, 1000])
async def test_a_file_that_changes_while_it_is_sent_breaks_the_answer_off(serve_handle: Serve, first: int) -> None:
    """Parts of two files are never joined: the browser sees an incomplete response."""
    host = RangeHost(cut=[300_000, None])

    def changed(seen: Seen) -> bytes:
        host.etag, host.file = '"b"', bytes(SIZE)
        raw = host._file(seen)
        assert raw is not None
        return raw

    async with page(host, serve_handle) as browser:
        await browser.fetch("HEAD")
        host.instead = [host._file, changed]
        got = await browser.fetch(**({"Range": f"bytes={first}-"} if first else {}))
    assert not got.whole
    assert got.body == FILE[first : first + len(got.body)]


async def test_a_file_that_changed_since_is_answered_as_it_is_now() -> None:
    """Cached facts are refreshed before anything is sent."""
    host = RangeHost()
    async with page(host) as browser:
        await browser.fetch("HEAD")
        host.etag, host.file = '"b"', FILE[:5000]
        got = await browser.fetch(Range="bytes=1000-")
    assert (got.status, got.body) == (206, FILE[1000:5000])
    assert (got.headers["ETag"], got.headers["Content-Range"]) == ('"b"', "bytes 1000-4999/5000")


@pytest.mark.parametrize("accepts_ranges", [False, True])
async def test_a_host_without_ranges_is_answered_whole(*, accepts_ranges: bool) -> None:
    """The response is 200 with all bytes, also if the host advertises ranges but does not support them."""
    host = RangeHost(ranges=False, accepts_ranges=accepts_ranges)
    async with page(host) as browser:
        got = await browser.fetch(Range="bytes=1000-1999")
    assert (got.status, got.body == FILE, got.headers["Content-Length"]) == (200, True, str(SIZE))
    assert "Accept-Ranges" not in got.headers


async def test_a_host_without_a_length_is_answered_whole(serve_handle: Serve) -> None:
    """The response is chunked, without a length."""
    host = RangeHost(sends_length=False)
    host.file = FILE[:30] + bytes(2**16)  # not a complete MP4: it is fetched once more, and is the same
    async with page(host, serve_handle) as browser:
        got = await browser.fetch(Range="bytes=1000-1999")
    assert (got.status, got.body, got.whole) == (200, host.file, True)
    assert "Content-Length" not in got.headers


async def test_an_expired_address_is_queried_again(serve_handle: Serve) -> None:
    """An expired URL is replaced by a query, before a response and between two of them."""
    host = RangeHost()
    host.instead = [answer(403)]
    async with page(host, serve_handle) as browser:
        assert (await browser.fetch(Range="bytes=0-9")).body == FILE[:10]
        assert [seen.path for seen in host.seen] == ["/f?1", "/f?2", "/f?2"]
        host.instead = [answer(403)]
        assert (await browser.fetch(Range="bytes=5-9")).body == FILE[5:10]


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("instead", [PAGE, answer(500), None, answer(403)], ids=["page", "500", "reset", "403"])
async def test_what_the_host_does_not_give_is_502(serve_handle: Serve, instead: bytes | None) -> None:
    """Nothing was sent yet, so the browser gets an error status."""
    host = RangeHost()
    host.instead = [instead] * 1000
    async with page(host, serve_handle) as browser:
        got = await browser.fetch()
    assert (got.status, got.body) == (502, b"502 Bad Gateway\n")


@pytest.mark.parametrize("in_parts", [False, True])
async def test_a_page_in_place_of_the_file_is_502_for_every_request(*, in_parts: bool) -> None:
    """A page is a 502 even if no byte of it would be sent; once the file is there, nothing of the page is cached."""
    host = RangeHost(ranges=in_parts, media_type="text/html")
    host.file = b"<!DOCTYPE html><title>Sign in</title>" + b"<p>Please sign in.</p>" * 50
    async with page(host) as browser:
        assert (await browser.fetch("HEAD")).status == 502
        for headers in ({}, {"If_None_Match": "*"}, {"If_None_Match": '"a"'}, {"Range": "bytes=9999-"}):
            assert (await browser.fetch(**headers)).status == 502
        host.file, host.media_type = FILE, "video/mp4"
        head = await browser.fetch("HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, str(SIZE))


async def test_a_file_without_a_type_is_looked_at_once() -> None:
    """Its first bytes show whether it is a page; they are not fetched for each request."""
    host = RangeHost(media_type="application/octet-stream")
    async with page(host) as browser:
        for _ in range(3):
            assert (await browser.fetch("HEAD")).headers["Content-Length"] == str(SIZE)
    assert host.requested_ranges == ["bytes=0-0", "bytes=0-511"]


async def test_a_method_that_is_neither_get_nor_head_is_405(serve_handle: Serve) -> None:
    """The response lists the allowed methods, and no request is sent to the host or the service."""
    host = RangeHost()
    async with page(host, serve_handle) as browser:
        got = await browser.fetch("POST")
    assert (got.status, got.headers["Allow"], host.queries) == (405, "GET, HEAD", 0)


async def test_a_websocket_is_closed() -> None:
    """An ASGI server also passes WebSockets to the application, which sends no file."""
    sent = []

    async def send(message: MutableMapping[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async with KlingClient(api_key="k") as kling:
        await asgi_response(kling.attach("image2video:9"))({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close"}]


async def test_a_failed_task_is_424_with_its_reason(serve_handle: Serve) -> None:
    """The page can show why there is no video."""
    host = RangeHost()
    host.task = {"status": "failed", "task_id": "9", "task_status_msg": "too dark"}
    async with page(host, serve_handle) as browser:
        got = await browser.fetch()
        head = await browser.fetch("HEAD")
    assert got.status == head.status == 424
    assert b"too dark" in got.body
    assert head.body == b""


async def test_an_unknown_task_is_404(serve_handle: Serve) -> None:
    """An unknown task is a 404, like any missing page."""

    def unknown(_seen: Seen) -> bytes:
        return refusal(404, 1203, "task not found")

    async with serve(unknown) as stub, page_of(serve_handle, stub.base_url) as browser:
        assert (await browser.fetch()).status == 404


async def test_a_task_that_does_not_end_in_time_is_504() -> None:
    """A task that does not end in time continues at the service; the browser may retry."""
    host = RangeHost()
    host.task = {"status": "processing", "task_id": "9"}
    async with page(host, polling=Polling(deadline=30)) as browser:
        assert (await browser.fetch()).status == 504


async def test_a_closed_client_is_503_and_a_cancelled_handle_409() -> None:
    """Neither means anything about the task."""
    host = RangeHost()
    host.task = {"status": "processing", "task_id": "9"}
    async with serve(host) as stub, KlingClient(base_url=stub.base_url, api_key="key", clock=wall()) as kling:
        handle = kling.attach("image2video:9")
        async with page_of(lambda _: on_aiohttp(handle), stub.base_url) as browser:
            asking = asyncio.ensure_future(browser.fetch())
            await asyncio.sleep(5)
            handle.cancel()
            assert (await asking).status == 409
            await kling.close()
        other = KlingClient(base_url=stub.base_url, api_key="key", clock=wall())
        closed = other.attach("image2video:9")
        await other.close()
        async with page_of(lambda _: on_aiohttp(closed), stub.base_url) as browser:
            assert (await browser.fetch()).status == 503
        await asyncio.sleep(0.1)


async def test_an_opened_file_takes_get_and_head_only() -> None:
    """Other methods are a mistake of the caller, and raise before any waiting."""
    host = RangeHost()
    async with serve(host) as stub, KlingClient(base_url=stub.base_url, api_key="key", clock=wall()) as kling:
        with pytest.raises(InvalidRequest, match="405"):
            async with kling.attach("image2video:9").open(method="POST"):
                pass
    assert host.queries == 0


async def test_a_task_without_a_file() -> None:
    """The error names the task."""
    host = RangeHost()
    host.task = {"status": "succeed", "task_id": "9", "task_result": {"voices": [{"voice_id": "1"}]}}
    async with serve(host) as stub, KlingClient(base_url=stub.base_url, api_key="key", retry=QUICK, clock=wall()) as k:
        with pytest.raises(DownloadError) as caught:
            async with k.attach("image2video:9").open():
                pass
    assert caught.value.reference == "image2video:9"


# -------------------------------------------------------------------------------------------- the emulator


async def test_a_request_waits_for_the_end_of_the_task(make_client: ClientMaker, image: Path) -> None:
    """A browser that requests the video before it exists gets it once it does."""
    kling = make_client()
    handle = await kling.image_to_video(image=image, prompt="it moves")
    async with page_of(lambda _: on_aiohttp(handle), "http://localhost:1") as browser:
        asking = asyncio.ensure_future(browser.fetch(Range="bytes=0-99"))
        await asyncio.sleep(1)
        assert not asking.done()
        got = await asking
    assert (got.status, len(got.body)) == (206, 100)


async def test_nothing_but_the_seek_leaves_the_emulator(
    emulator: Emulator, make_client: ClientMaker, image: Path
) -> None:
    """The file host's records show the bytes that a seek requested, and one more."""
    handle = await make_client().image_to_video(image=image, prompt="it moves")
    async with handle.open(headers={"range": "bytes=-100"}) as video:
        assert video.status == 206
        assert sum([len(chunk) async for chunk in video]) == 100
    assert emulator.ledger.requests["file"] == 2
