"""A save always ends: with the file, or with an error once it makes no progress."""

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_async import DownloadError, Retry
from kling_async.protocol import transfer
from tests.shell.file_host import FileHost, chunked, finished, rest, video, whole, with_length
from tests.shell.stub import Answer, Seen, answer
from tests.shell.test_odd_files import FTYP, MOOV, MOVIE, NOISE, box
from tests.virtual_time import VirtualTimeLoop

LARGE = FTYP + MOOV + box(b"mdat", NOISE * 40)
BUDGET = Retry().budget
MONDAY = "Mon, 23 Nov 2026 10:00:00 GMT"
LATER = "Mon, 23 Nov 2026 10:00:05 GMT"


def seconds() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def cutting(body: bytes, places: Iterator[int], **headers: Any) -> Callable[[Seen], bytes]:
    """Cuts the connection at these offsets of the file, in turn, without support for ranges."""
    return lambda _: with_length(body, cut=next(places), **headers)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
async def test_a_host_that_cuts_at_varying_places_is_given_up(tmp_path: Path, headers: dict[str, str]) -> None:
    """Without a validator each connection starts from zero: only a new furthest offset is progress."""
    host = FileHost(cutting(LARGE, itertools.cycle([90_000, 150_000, 30_000, 120_000]), **headers))
    began = seconds()
    with pytest.raises(DownloadError, match="save again to go on"):
        await host.save(tmp_path / "x.mp4")
    assert seconds() - began < 2 * BUDGET
    assert set(host.ranges) == {None}
    began = seconds()
    with pytest.raises(DownloadError):
        await host.stream()
    assert seconds() - began < 2 * BUDGET


async def test_a_download_that_makes_progress_continues(tmp_path: Path) -> None:
    """A download with many breaks and an outage takes longer than the budget, and completes."""
    step, away = len(LARGE) // 20, 6

    def respond(seen: Seen) -> Answer:
        if len(host.seen) % away:
            return answer(503)
        whole_of_it = rest(LARGE)(seen)
        begin = int(seen.headers.get("range", "bytes=0-")[6:-1])
        return whole_of_it[: len(whole_of_it) - max(len(LARGE) - begin - step, 0)]

    host = FileHost(respond)
    began = seconds()
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == LARGE
    assert seconds() - began > 2 * BUDGET


async def test_delays_begin_anew_with_each_progress(tmp_path: Path) -> None:
    """After a connection that made progress, the retry delay starts from its first value."""
    host = FileHost(*[answer(503)] * 6, with_length(LARGE, cut=150_000, ETag='"a"'), rest(LARGE))
    times: list[float] = []
    host_call = host.__call__

    class Timed(FileHost):
        def __call__(self, seen: Seen) -> Answer:
            times.append(seconds())
            return host_call(seen)

    timed = Timed(None)
    assert (await timed.save(tmp_path / "x.mp4")).read_bytes() == LARGE
    assert times[-2] - times[-3] > 10
    assert times[-1] - times[-2] <= 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    places=st.lists(st.integers(0, len(MOVIE)), min_size=1, max_size=8),
    clean=st.booleans(),
    etag=st.sampled_from([None, '"a"', 'W/"a"']),
    changes=st.booleans(),
)
def test_any_save_ends(places: list[int], etag: str | None, *, clean: bool, changes: bool) -> None:
    """However a host cuts, and with any validator, changed or not, there is a whole file, or an error."""
    numbers = itertools.cycle(enumerate(places))

    def respond(seen: Seen) -> Answer:
        number, place = next(numbers)
        begin = int(seen.headers.get("range", "bytes=0-")[6:-1])
        tag = f'{etag[:-1]}{number}"' if etag and changes else etag
        headers: dict[str, Any] = {} if tag is None else {"ETag": tag}
        if begin and not changes:
            headers["Content_Range"] = f"bytes {begin}-{len(MOVIE) - 1}/{len(MOVIE)}"
            full = answer(206, MOVIE[begin:], **headers)
            return full[: len(full) - max(len(MOVIE) - max(place, begin), 0)]
        return chunked(MOVIE[:place], **headers) if clean else with_length(MOVIE, cut=place, **headers)

    async def save(directory: Path) -> None:
        began = seconds()
        try:
            path = await FileHost(respond).save(directory / "x.mp4")
        except DownloadError:
            assert not (directory / "x.mp4").exists()
        else:
            assert path.read_bytes() == MOVIE or (clean and MOVIE.startswith(path.read_bytes()))
        assert seconds() - began < 100 * BUDGET

    with (
        tempfile.TemporaryDirectory() as directory,
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        patch.setattr("tests.virtual_time.GRACE", 0.0)
        runner.run(save(Path(directory)))


# ------------------------------------------------------------------------------------------- hosts that crawl


@contextlib.asynccontextmanager
async def crawling(body: bytes, piece: int, every: float) -> AsyncIterator[tuple[str, list[float]]]:
    """Runs a host that sends a piece now and then; yields its URL and the times of its requests."""
    requested_at: list[float] = []
    handlers: list[asyncio.Task[None] | None] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            requested_at.append(seconds())
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            for begin in range(0, len(body), piece):
                writer.write(body[begin : begin + piece])
                await writer.drain()
                await asyncio.sleep(every)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requested_at
    finally:
        server.close()
        await asyncio.gather(*(handler for handler in handlers if handler is not None))


async def test_a_host_that_crawls_is_given_up(tmp_path: Path) -> None:
    """Less than 1 KiB a second over a minute ends a connection; repeated, it ends the save."""
    async with crawling(LARGE, 500, 1.0) as (url, requested_at):
        began = seconds()
        with pytest.raises(DownloadError, match="less than 1024 bytes in a second"):
            await FileHost(None).save(tmp_path / "x.mp4", finished(video(f"{url}/f")))
        assert seconds() - began < 2 * BUDGET
        assert requested_at[1] - requested_at[0] >= transfer.LEAST_SECONDS
    assert (tmp_path / "x.mp4.part").stat().st_size > 0


async def test_a_slow_host_is_waited_for(tmp_path: Path) -> None:
    """A host slightly above the minimum rate is read to its end."""
    async with crawling(LARGE, 20_000, 15.0) as (url, requested_at):
        path = await FileHost(None).save(tmp_path / "x.mp4", finished(video(f"{url}/f")))
        assert path.read_bytes() == LARGE
        assert len(requested_at) == 1


async def test_a_slow_consumer_is_not_the_host() -> None:
    """Waiting for a stream's consumer neither ends the connection nor counts as slowness of the host."""
    host = FileHost(with_length(LARGE, cut=150_000, ETag='"a"'), rest(LARGE))
    async with host.downloads() as downloads:
        task = finished(video(f"{host.base}/f"))
        got = b""
        async with contextlib.aclosing(downloads.stream(task, host.refresh(task), watermark=False)) as stream:
            async for chunk in stream:
                got += chunk
                await asyncio.sleep(100)
    assert got == LARGE


# ----------------------------------------------------------------------------------- without a length, by date


async def test_a_body_without_a_length_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that sends no length may send 2 GiB at most; one that sends a length may send more."""
    assert transfer.MOST_BYTES == 2 * 2**30
    monkeypatch.setattr(transfer, "MOST_BYTES", 100_000)
    with pytest.raises(DownloadError, match="too many"):
        await FileHost(chunked(LARGE)).save(tmp_path / "x.mp4")
    with pytest.raises(DownloadError, match="too many"):
        await FileHost(chunked(LARGE)).stream()
    assert (await FileHost(with_length(LARGE)).save(tmp_path / "y.mp4")).read_bytes() == LARGE


async def test_a_date_validates_the_rest(tmp_path: Path) -> None:
    """Without a strong ETag the rest is requested by `Last-Modified`, if that is older than the response."""
    dated: dict[str, Any] = {"ETag": 'W/"a"', "Last_Modified": MONDAY, "Date": LATER}
    host = FileHost(with_length(MOVIE, cut=3000, **dated), rest(MOVIE, 'W/"a"', Last_Modified=MONDAY))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == [None, "bytes=3000-"]
    assert host.seen[1].headers["if-range"] == MONDAY
    fresh: dict[str, Any] = {"Last_Modified": MONDAY, "Date": MONDAY}
    host = FileHost(with_length(MOVIE, cut=3000, **fresh), with_length(MOVIE))
    assert (await host.save(tmp_path / "y.mp4")).read_bytes() == MOVIE
    assert host.ranges == [None, None]


async def test_a_date_is_used_by_another_process(tmp_path: Path) -> None:
    """The note contains the date, too."""
    dated: dict[str, Any] = {"Last_Modified": MONDAY, "Date": LATER}
    with pytest.raises(DownloadError):
        await FileHost(with_length(MOVIE, cut=3000, **dated), None).save(tmp_path / "x.mp4", retry=Retry(budget=5))
    host = FileHost(rest(MOVIE, Last_Modified=MONDAY))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == ["bytes=3000-"]
    assert whole(tmp_path) == ["x.mp4"]
