"""From a finished task to a file that is complete or absent."""

import asyncio
import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from kling_async import (
    ClientClosed,
    DownloadError,
    KlingClient,
    Retry,
    SaveInProgress,
    TargetError,
    TargetExists,
)
from kling_async.emulator import Emulator, Fault
from tests.shell.conftest import ClientMaker
from tests.shell.file_host import MOVIE, movie, save, service, whole
from tests.shell.stub import Answer, Seen, answer, serve, task_answer


async def test_save_makes_a_playable_file(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """`save` waits, streams to disk and leaves only the file: H.264, yuv420p, of the requested length."""
    handle = await client.image_to_video(image, mode="pro", duration=10)
    path = await handle.save(tmp_path / "cat.mp4")
    assert whole(tmp_path) == ["cat.mp4"]
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(10, abs=0.1)
        assert min(stream.width, stream.height) == 1080


@pytest.mark.parametrize("place", ["", "new/folder/"])
async def test_directories(client: KlingClient, image: Path, tmp_path: Path, place: str) -> None:
    """In an existing directory, or for text that ends in a separator, the file is named after the task."""
    handle = await client.image_to_video(image, watermark_info={"enabled": True})
    path = await handle.save(os.path.join(tmp_path, place))  # noqa: PTH118  (the separator at the end counts)
    assert path == tmp_path / place / f"{handle.task_id}.mp4"
    marked = await handle.save(path.parent, watermark=True)
    assert marked == tmp_path / place / f"{handle.task_id}-watermark.mp4"
    assert path.read_bytes() != marked.read_bytes()


async def test_an_existing_file_is_left_alone(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """Without `overwrite` a file is never replaced; the error is raised before waiting."""
    target = tmp_path / "cat.mp4"
    target.write_text("precious")
    handle = await client.image_to_video(image)
    with pytest.raises(TargetExists, match="overwrite=True") as caught:
        await handle.save(target)
    assert isinstance(caught.value, FileExistsError)
    assert not handle.done()
    assert target.read_text() == "precious"
    assert await handle.save(target, overwrite=True) == target
    assert target.stat().st_size > 100_000


async def test_a_file_that_appears_meanwhile_is_left_alone(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """A file that appears during the download is not replaced; the fetched bytes are kept."""
    target = tmp_path / "cat.mp4"
    handle = await client.image_to_video(image)
    saving = asyncio.ensure_future(handle.save(target))
    await handle
    target.write_text("precious")
    with pytest.raises(TargetExists):
        await saving
    assert target.read_text() == "precious"


@pytest.mark.parametrize("place", ["missing/cat.mp4", "file.txt/cat.mp4", "file.txt/", "", "a\0b"])
async def test_impossible_paths_are_refused_at_once(
    client: KlingClient, image: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that cannot be saved to raises a TargetError before waiting."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("x")
    handle = await client.image_to_video(image)
    with pytest.raises(TargetError) as caught:
        await handle.save(place)
    assert isinstance(caught.value, OSError)
    assert not handle.done()


async def test_two_saves_to_one_file(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """A second save to the same target is refused while the first runs, and allowed after it."""
    handle = await client.image_to_video(image)
    first = asyncio.ensure_future(handle.save(tmp_path / "cat.mp4"))
    await asyncio.sleep(1)
    with pytest.raises(SaveInProgress):
        await handle.save(tmp_path / ".." / tmp_path.name / "cat.mp4")
    await first
    await handle.save(tmp_path / "cat.mp4", overwrite=True)


async def test_no_watermark_was_requested(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """Saving a watermarked video that does not exist raises an error that explains how to get one."""
    handle = await client.image_to_video(image)
    with pytest.raises(DownloadError, match="watermark_info") as caught:
        await handle.save(tmp_path, watermark=True)
    assert caught.value.reference == handle.reference
    assert whole(tmp_path) == []


async def test_stream_gives_the_same_bytes(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """`stream()` yields the bytes that `save` writes."""
    handle = await client.image_to_video(image)
    streamed = b"".join([chunk async for chunk in handle.stream()])
    assert streamed == (await handle.save(tmp_path)).read_bytes()


async def test_slow_consumers_of_streams_hold_no_download_slot(
    make_client: ClientMaker, image: Path, tmp_path: Path
) -> None:
    """A stream that is not consumed does not block saves."""
    handle = await make_client(downloads=1).image_to_video(image)
    stream = handle.stream()
    await anext(stream)
    assert (await handle.save(tmp_path)).exists()
    await stream.aclose()


async def test_downloads_are_bounded(
    make_client: ClientMaker, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than `downloads` files are fetched at once."""
    open_now, peak = 0, 0
    client = make_client(downloads=2, concurrency=10)
    handles = [await client.image_to_video(image) for _ in range(6)]
    await asyncio.gather(*handles)
    fetch = client._transport._get

    async def counted(url: str, headers: Mapping[str, str]) -> object:
        nonlocal open_now, peak
        open_now += 1
        peak = max(peak, open_now)
        try:
            return await fetch(url, headers)
        finally:
            await asyncio.sleep(1)
            open_now -= 1

    monkeypatch.setattr(client._transport, "_get", counted)
    await asyncio.gather(*(handle.save(tmp_path) for handle in handles))
    assert peak == 2
    assert len(whole(tmp_path)) == 6


async def test_credentials_never_go_to_the_files_host(
    client: KlingClient, image: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """The result is fetched without the Authorization header."""
    await (await client.image_to_video(image)).save(tmp_path)
    assert emulator.ledger.requests["file"] >= 1
    assert emulator.ledger.credentials_at_files == 0


# ------------------------------------------------------------------------------------ a host that misbehaves


async def test_a_reset_is_resumed(make_client: ClientMaker, tmp_path: Path) -> None:
    """A download whose connection breaks half way resumes where it stopped."""
    half = len(MOVIE) // 2
    respond = service("/f.mp4", movie(end=half), movie)
    path = await save(make_client, respond, tmp_path / "x.mp4")
    assert path.read_bytes() == MOVIE
    first, second = respond.ranges
    assert first is None
    assert second is not None
    assert 0 < int(second[6:-1]) <= half


async def test_another_process_resumes(make_client: ClientMaker, tmp_path: Path) -> None:
    """A second save resumes the part of a broken one."""
    half = len(MOVIE) // 2
    with pytest.raises(DownloadError, match="save again to go on") as caught:
        await save(make_client, service("/f", movie(end=half), None), tmp_path / "x.mp4", retry=Retry(budget=5))
    assert caught.value.reference == "image2video:9"
    assert whole(tmp_path) == ["x.mp4.part", "x.mp4.part.json"]
    kept = (tmp_path / "x.mp4.part").stat().st_size
    respond = service("/f", movie)
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert 0 < kept <= half
    assert respond.ranges == [f"bytes={kept}-"]
    assert whole(tmp_path) == ["x.mp4"]


async def test_the_part_of_another_video_is_not_used(make_client: ClientMaker, tmp_path: Path) -> None:
    """A part whose note names another video begins anew."""
    (tmp_path / "x.mp4.part").write_bytes(b"other")
    (tmp_path / "x.mp4.part.json").write_text('{"video_id": "other", "length": 9, "etag": "\\"a\\""}')
    respond = service("/f", movie())
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert respond.ranges == [None]


@pytest.mark.parametrize("note", [None, "", "[]", '{"video_id": 3}', "{"])
async def test_a_part_without_a_note_is_not_used(make_client: ClientMaker, tmp_path: Path, note: str | None) -> None:
    """A part without a valid note is downloaded again."""
    (tmp_path / "x.mp4.part").write_bytes(b"junk")
    if note is not None:
        (tmp_path / "x.mp4.part.json").write_text(note)
    assert (await save(make_client, service("/f", movie()), tmp_path / "x.mp4")).read_bytes() == MOVIE


async def test_an_entity_that_changed_between_two_ranges(make_client: ClientMaker, tmp_path: Path) -> None:
    """Parts of two different files are never joined."""
    half = len(MOVIE) // 2
    respond = service("/f", movie(end=half), lambda begin: movie(begin, etag='"b"'), movie(etag='"b"'))
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert [requested is None for requested in respond.ranges] == [True, False, True]


async def test_a_host_that_ignores_ranges(make_client: ClientMaker, tmp_path: Path) -> None:
    """A whole response to a range request replaces the part."""
    half = len(MOVIE) // 2
    respond = service("/f", movie(end=half), movie())
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == MOVIE


async def test_a_host_that_always_gives_parts(make_client: ClientMaker, tmp_path: Path) -> None:
    """A host that sends a range that was not requested is given up."""
    with pytest.raises(DownloadError, match="nobody asked for"):
        await save(make_client, service("/f", movie(100)), tmp_path / "x.mp4")


async def test_an_expired_address_is_refreshed_once(make_client: ClientMaker, tmp_path: Path) -> None:
    """403 on the file causes one query; a second 403 is an error that states how long results are kept."""
    respond = service("/old", answer(403, b""), movie(), again="/new")
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert respond.queries == 2
    with pytest.raises(DownloadError, match="30 days"):
        await save(make_client, service("/old", answer(403, b"")), tmp_path / "y.mp4")


async def test_a_busy_host_is_waited_for(make_client: ClientMaker, tmp_path: Path) -> None:
    """503 and drops are retried by `retry`, and given up after its budget."""
    respond = service("/f", answer(503, b""), None, movie())
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == MOVIE
    with pytest.raises(DownloadError, match="HTTP 503"):
        await save(make_client, service("/f", answer(503, b"")), tmp_path / "y.mp4")


async def test_a_cancelled_save_keeps_what_came(
    client: KlingClient, image: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """Cancelling a save leaves a part that can be resumed, and no file."""
    handle = await client.image_to_video(image, mode="pro")
    await handle
    emulator.faults.add(Fault.stall(share=0.5), on="file", at=1)
    saving = asyncio.ensure_future(handle.save(tmp_path / "x.mp4"))
    await asyncio.sleep(1)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert not (tmp_path / "x.mp4").exists()
    assert (await handle.save(tmp_path / "x.mp4")).stat().st_size > 1_000_000
    assert whole(tmp_path) == ["x.mp4"]


async def test_closing_ends_a_stream(client: KlingClient, image: Path) -> None:
    """Reading a stream after `close()` raises ClientClosed."""
    handle = await client.image_to_video(image, mode="pro")
    stream = handle.stream()
    await anext(stream)
    await client.close()
    with pytest.raises(ClientClosed):
        async for _ in stream:
            pass


async def test_a_full_disk_is_a_target_error(
    client: KlingClient, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk error names the file and the reference, and keeps the received bytes."""
    handle = await client.image_to_video(image)
    await handle

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kling_async.io.part_file.os.writev", full)
    with pytest.raises(TargetError, match="No space left") as caught:
        await handle.save(tmp_path / "x.mp4")
    assert caught.value.reference == handle.reference
    monkeypatch.undo()
    assert (await handle.save(tmp_path / "x.mp4")).exists()


async def test_nothing_is_written_behind_a_gap(
    make_client: ClientMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a piece that was written incompletely nothing more is written, even if there is room again."""
    write, calls = os.writev, 0

    def full_at_first(descriptor: int, pieces: list[memoryview]) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return write(descriptor, [pieces[0][:1000]] if calls == 1 else pieces)

    monkeypatch.setattr("kling_async.io.part_file.os.writev", full_at_first)
    with pytest.raises(TargetError, match="No space left"):
        await save(make_client, service("/f", movie()), tmp_path / "x.mp4")
    assert (tmp_path / "x.mp4.part").read_bytes() == MOVIE[:1000]
    respond = service("/f", movie)
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert respond.ranges == ["bytes=1000-"]


async def test_a_disk_that_fails_at_the_end(
    make_client: ClientMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete part that could not be published is kept, with its note, and is not fetched again."""

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    small = MOVIE[:28] + b"\0\0\0\x10mdat" + bytes(8)
    whole_of_it = answer(200, small, Content_Type="video/mp4", ETag='"a"')
    monkeypatch.setattr("kling_async.io.part_file.os.fsync", broken)
    with pytest.raises(TargetError, match="what came is kept"):
        await save(make_client, service("/f", whole_of_it), tmp_path / "x.mp4")
    assert whole(tmp_path) == ["x.mp4.part", "x.mp4.part.json"]
    monkeypatch.undo()
    respond = service("/f", answer(403, b""))
    assert (await save(make_client, respond, tmp_path / "x.mp4")).read_bytes() == small
    assert respond.ranges == []


async def test_busy_threads_of_the_user_delay_no_save(make_client: ClientMaker, tmp_path: Path) -> None:
    """A save uses separate threads, so that a busy default executor does not delay it."""
    loop = asyncio.get_running_loop()
    done = threading.Event()
    busy = [loop.run_in_executor(None, done.wait, 20) for _ in range(40)]
    try:
        assert (await save(make_client, service("/f", movie()), tmp_path / "x.mp4")).read_bytes() == MOVIE
        assert not any(one.done() for one in busy)
    finally:
        done.set()
        await asyncio.gather(*busy)


async def test_a_file_system_without_hard_links(
    client: KlingClient, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without hard links the file is published all the same, and never over another."""

    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("kling_async.io.part_file.os.link", unsupported)
    handle = await client.image_to_video(image)
    assert (await handle.save(tmp_path / "x.mp4")).stat().st_size > 100_000
    assert whole(tmp_path) == ["x.mp4"]


async def test_a_stream_resumes(make_client: ClientMaker) -> None:
    """A stream whose connection breaks resumes where it stopped."""
    respond = service("/f", movie(end=len(MOVIE) // 2), movie)
    async with serve(respond) as stub:
        respond.base = stub.base_url
        handle = make_client(base_url=stub.base_url).attach("image2video:9")
        assert b"".join([chunk async for chunk in handle.stream()]) == MOVIE
    assert [asked is None for asked in respond.ranges] == [True, False]


async def test_further_videos_get_numbers(make_client: ClientMaker, tmp_path: Path) -> None:
    """A task with two videos saves both; the second gets `-2`."""

    def respond(seen: Seen) -> Answer:
        if seen.path.startswith("/v1/"):
            videos = [{"id": name, "url": f"http://{seen.headers['host']}/{name}"} for name in ("a", "b")]
            return task_answer("succeed", task_id="9", task_result={"videos": videos})
        return movie()

    async with serve(respond) as stub:
        handle = make_client(base_url=stub.base_url).attach("image2video:9")
        assert await handle.save(tmp_path / "x.mp4") == tmp_path / "x.mp4"
        assert whole(tmp_path) == ["x-2.mp4", "x.mp4"]
        await handle.save(f"{tmp_path}/out/")
        assert whole(tmp_path / "out") == ["9-2.mp4", "9.mp4"]


async def test_two_saves_into_one_directory(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """Of two saves of one task into one directory, the second is refused, since its file is the same."""
    handle = await client.image_to_video(image)
    outcomes = await asyncio.gather(handle.save(tmp_path), handle.save(tmp_path), return_exceptions=True)
    assert sum(isinstance(one, SaveInProgress) for one in outcomes) == 1
    assert whole(tmp_path) == [f"{handle.task_id}.mp4"]


async def test_threads_end_with_the_last_client_of_a_loop(
    make_client: ClientMaker, image: Path, tmp_path: Path
) -> None:
    """Closed clients keep no threads, however long they are referenced."""
    before = set(threading.enumerate())

    def ours() -> list[threading.Thread]:
        new = set(threading.enumerate()) - before
        return [thread for thread in new if thread.name.startswith("kling_async")]

    clients = [make_client(), make_client()]
    for number, client in enumerate(clients):
        await (await client.image_to_video(image)).save(tmp_path / f"{number}.mp4")
    await clients[0].close()
    assert ours()
    await clients[1].close()
    for thread in ours():
        thread.join(10)
    assert ours() == []


async def test_a_cancelled_save_is_cancelled_despite_disk_errors(
    client: KlingClient, image: Path, tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write error during a cancellation does not replace CancelledError."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    handle = await client.image_to_video(image, mode="pro", duration=10)
    await handle
    monkeypatch.setattr("kling_async.io.part_file.PartFile.write", full)
    emulator.faults.add(Fault.stall(share=0.45, seconds=20), on="file", at=1)  # behind the first piece
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle.save(tmp_path / "x.mp4"), 5)
