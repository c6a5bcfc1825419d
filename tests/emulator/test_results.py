import asyncio
import base64
import io
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from kling_async.emulator import Emulator, server
from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.result_store import PlaceholderResults, RenderedResults, ResultFile
from kling_async.emulator.results.videos import RenderedVideo
from kling_async.emulator.service import video_models
from kling_async.emulator.service.endpoints import text2video

from .cards import BLUE, RED, card, found, shot
from .conftest import FAR, PATH, Caller, Clock, base64_png, file_url, finished


def in_base64(data: bytes) -> str:
    """Returns an image as it is on the wire."""
    return base64.b64encode(data).decode()


CARD = in_base64(card((0.5, 0.5, RED), size=(320, 300), radius=30))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes rendering fast: frames of a tenth of the usual size."""
    for mode, side in {"std": 72, "pro": 108, "4k": 216}.items():
        monkeypatch.setitem(video_models.SHORT_SIDE, mode, side)


@pytest.fixture
async def emulator(clock: Clock) -> AsyncIterator[Emulator]:
    """Yields a running emulator that renders."""
    async with Emulator(clock=clock, speed=1.0, render=True) as running:
        yield running


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each prompt is rendered."""
    from kling_async.emulator.results.rendering import render  # noqa: PLC0415 - where PyAV is imported

    counts: Counter[str] = Counter()
    original = render.render

    def counting(wanted: RenderSpec, *arguments: Any) -> None:
        counts[wanted.prompt] += 1
        original(wanted, *arguments)

    monkeypatch.setattr(render, "render", counting)
    return counts


def streams(content: bytes) -> list[str]:
    """Returns the codecs of a file."""
    with av.open(io.BytesIO(content)) as container:
        return [stream.codec_context.name for stream in container.streams]


def decoded(content: bytes) -> tuple[list[Any], int | None]:
    """Returns the frames of a file and its length in microseconds."""
    with av.open(io.BytesIO(content), "r") as container:
        return list(container.decode(video=0)), container.duration


async def test_a_result_shows_the_submitted_image(caller: Caller, clock: Clock) -> None:
    """The video has the image's ratio, the requested length, and the image's points in it."""
    url = await file_url(caller, clock, image=CARD)

    content = (await caller.request("GET", url)).content

    frames, duration = decoded(content)

    assert duration == 5_000_000
    assert len(frames) == 120
    assert (frames[0].width, frames[0].height) == (76, 72)
    assert found(frames[0], RED) == pytest.approx((38, 36), abs=2)


async def test_a_result_of_words_is_rendered(caller: Caller, clock: Clock, rendered: Counter[str]) -> None:
    """A task without an image is a clip of the requested ratio and length, with the prompt in it."""
    links = []
    for prompt in ("a cat", "a dog", "a cat"):
        body = {"prompt": prompt, "aspect_ratio": "9:16", "duration": "10", "model_name": "kling-v1-6"}
        path = text2video.ENDPOINT.path
        created = await caller.request("POST", path, json=body, headers=caller.headers)
        clock.advance(FAR)
        task = (await caller.get(f"{path}/{created.body['data']['task_id']}")).body["data"]
        links.append(task["task_result"]["videos"][0]["url"])
    cat, dog, again = [(await caller.request("GET", link)).content for link in links]

    frames, duration = decoded(cat)
    assert (duration, len(frames), frames[0].width, frames[0].height) == (10_000_000, 240, 72, 128)
    assert max(bytes(frames[0].planes[0])) > 200
    assert cat == again != dog
    assert rendered == {"a cat": 1, "a dog": 1}


async def test_a_rendered_file_is_served_in_parts(caller: Caller, clock: Clock) -> None:
    """Parts of a rendered file fit together, have its validator, and count as a delivery."""
    url = await file_url(caller, clock, image=CARD)
    whole = await caller.request("GET", url)
    part = await caller.request("GET", url, headers={"Range": "bytes=500-", "If-Range": whole.headers["etag"]})

    assert (part.status, part.content) == (206, whole.content[500:])
    assert caller.emulator.ledger.entries[0].delivered == 1


async def test_sound_is_present_if_requested(caller: Caller, clock: Clock) -> None:
    """There is an AAC track with `sound` on, none otherwise."""
    codecs = [
        streams((await caller.request("GET", await file_url(caller, clock, image=CARD, mode="pro", **options))).content)
        for options in ({"sound": "on"}, {"sound": "off"}, {})
    ]

    assert codecs == [["h264", "aac"], ["h264"], ["h264"]]


@pytest.mark.parametrize("member", ["image", "image_tail"])
async def test_a_broken_image_fails_its_task(caller: Caller, clock: Clock, member: str) -> None:
    """A task whose image cannot be decoded is created, then fails with a message and costs nothing; others continue."""
    broken = in_base64(base64.b64decode(CARD)[:-200])
    failed = await finished(caller, clock, **{"model_name": "kling-v1-6", "mode": "pro", "image": CARD, member: broken})
    fine = await finished(caller, clock, image=CARD)

    assert (failed["task_status"], fine["task_status"]) == ("failed", "succeed")
    assert "decode the input image" in failed["task_status_msg"]
    assert caller.emulator.ledger.entries[0].units == 0


async def test_the_same_picture_is_rendered_once(caller: Caller, clock: Clock, rendered: Counter[str]) -> None:
    """Tasks and requests with the same picture share one file; any change of the picture makes another."""
    requests: list[dict[str, Any]] = [
        {"prompt": "one"},
        {"prompt": "one", "external_task_id": "another task"},
        {"prompt": "two"},
        {"prompt": "two", "mode": "pro"},
    ]
    contents = []
    for parameters in requests:
        url = await file_url(caller, clock, image=CARD, **parameters)
        answers = await asyncio.gather(*(caller.request("GET", url) for _ in range(3)))
        contents += [answer.content for answer in answers]

    assert rendered == {"one": 1, "two": 2}
    assert len(set(contents)) == 3
    assert len(set(contents[:6])) == 1


async def test_the_watermark_is_another_file(caller: Caller, clock: Clock) -> None:
    """The variant with the watermark is rendered too, and differs."""
    task = await finished(caller, clock, image=CARD, watermark_info={"enabled": True})
    video = task["task_result"]["videos"][0]

    plain, marked = [(await caller.request("GET", video[name])).content for name in ("url", "watermark_url")]

    assert plain != marked
    assert streams(plain) == streams(marked) == ["h264"]


async def test_masks_reach_the_picture(caller: Caller, clock: Clock) -> None:
    """A trajectory in pixels of the image, from its bottom left corner, moves what the mask covers."""
    size = (320, 300)
    image = in_base64(card((0.25, 0.5, RED), (0.75, 0.75, BLUE), size=size, radius=25))
    mask = in_base64(card((0.25, 0.5, (255, 255, 255)), size=size, radius=40, ground=(0, 0, 0)))
    brush = {"mask": mask, "trajectories": [{"x": 80, "y": 150}, {"x": 80, "y": 250}]}
    url = await file_url(
        caller, clock, image=image, dynamic_masks=[brush], model_name="kling-v1-5", mode="pro", duration="5"
    )

    frames, _ = decoded((await caller.request("GET", url)).content)
    start, end = found(frames[0], RED), found(frames[-1], RED)

    assert start == pytest.approx((0.25 * 116, 0.5 * 108), abs=2)
    assert (end[0] - start[0], end[1] - start[1]) == pytest.approx((0, -36), abs=2)


async def test_few_clips_are_rendered_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most two clips are rendered at a time, and the event loop is not blocked."""
    running, highest = 0, 0
    lock, both, go_on = threading.Lock(), threading.Event(), threading.Event()

    def slow(_shot: RenderSpec, _load: object, target: Path, _stopped: object) -> None:
        nonlocal running, highest
        with lock:
            running += 1
            highest = max(highest, running)
            if running == 2:
                both.set()
        go_on.wait(10)
        target.write_bytes(b"clip")
        with lock:
            running -= 1

    monkeypatch.setattr("kling_async.emulator.results.rendering.render.render", slow)
    async with rendered_results(tmp_path) as results:
        jobs = [asyncio.create_task(results.rendered(RenderedVideo(shot(prompt=str(number))))) for number in range(8)]
        assert await asyncio.to_thread(both.wait, 10)
        assert len(results._workers._threads) == 2  # no third rendering can begin
        go_on.set()
        files = await asyncio.gather(*jobs)

    assert (highest, len(files)) == (2, 8)


class rendered_results:  # noqa: N801 - used like a function
    """A `RenderedResults` whose store has one card under every name."""

    def __init__(self, directory: Path, **arguments: Any) -> None:
        self._worker = ThreadPoolExecutor(1)
        images: Any = type("OneCard", (), {"load": staticmethod(lambda _name: card((0.5, 0.5, RED)))})
        self.results = RenderedResults(directory, images, PlaceholderResults(self._worker), **arguments)

    async def __aenter__(self) -> RenderedResults:
        """Opens the results."""
        return self.results

    async def __aexit__(self, *_error: object) -> None:
        """Closes it."""
        await self.results.close()
        self._worker.shutdown()


def content(made: ResultFile) -> bytes:
    """Returns the bytes of a result."""
    with made.open() as file:
        return file.read()


async def test_old_clips_are_deleted(tmp_path: Path) -> None:
    """Clips beyond the limit are deleted, also while they are read; made again, they are the same."""
    async with rendered_results(tmp_path, limit=1) as results:
        first = await results.rendered(RenderedVideo(shot(prompt="one")))
        with first.open() as reading:
            second = await results.rendered(RenderedVideo(shot(prompt="two")))
            assert [path.name for path in tmp_path.iterdir()] == [Path(str(second.source)).name]
            before = reading.read()
        again = await results.rendered(RenderedVideo(shot(prompt="one")))

        assert (again.etag, again.size, content(again)) == (first.etag, first.size, before)


async def test_cancelling_a_waiter_does_not_stop_the_others(tmp_path: Path) -> None:
    """A cancelled request does not cancel the rendering for other waiters of the same clip."""
    async with rendered_results(tmp_path) as results:
        impatient, patient = (asyncio.create_task(results.rendered(RenderedVideo(shot(seconds=3)))) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()

        assert (await patient).size > 0
        assert impatient.cancelled()


async def test_closing_stops_rendering(tmp_path: Path) -> None:
    """Closing does not wait for unfinished clips, and leaves no partial file."""
    began = time.monotonic()
    async with rendered_results(tmp_path) as results:
        jobs = [
            asyncio.create_task(results.rendered(RenderedVideo(shot(width=1920, height=1080, seconds=600 + n))))
            for n in range(4)
        ]
        while not list(tmp_path.iterdir()):  # noqa: ASYNC110  (no event announces a new file)
            await asyncio.sleep(0.001)
    ends = await asyncio.gather(*jobs, return_exceptions=True)

    assert [type(end) for end in ends] == [asyncio.CancelledError] * 4
    assert not list(tmp_path.iterdir())
    assert time.monotonic() - began < 60


async def test_nothing_stays_on_disk(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Images and clips are in a temporary directory, which is removed when the emulator is closed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with Emulator(clock=clock, render=True) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        await caller.request("GET", await file_url(caller, clock, image=CARD))
        kept = sorted(path.suffix for path in tmp_path.glob("*/*"))

    assert kept == ["", ".rendered"]
    assert not list(tmp_path.iterdir())


async def test_a_restart_forgets_the_images_only(clock: Clock) -> None:
    """After close and start an old task still has a video, but a flat picture."""
    emulator = Emulator(clock=clock, render=True)
    async with aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        async with emulator:
            url = await file_url(caller, clock, image=CARD)
            film = (await caller.request("GET", url)).content
        async with emulator:
            flat = await caller.request("GET", url)

    assert (flat.status, flat.content == film, streams(flat.content)) == (200, False, ["h264"])


async def test_a_failed_rendering_is_a_flat_picture(
    caller: Caller, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If rendering fails, the task still has a video, and the reason is logged."""

    def failing(*_arguments: object) -> None:
        raise OSError("no such encoder")

    monkeypatch.setattr("kling_async.emulator.results.rendering.render.render", failing)
    url = await file_url(caller, clock, image=CARD)

    answer = await caller.request("GET", url)

    assert (answer.status, streams(answer.content)) == (200, ["h264"])
    assert "rendering failed" in caplog.text
    assert "no such encoder" in caplog.text


async def test_a_removed_image_leaves_a_flat_picture(
    caller: Caller, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """If the image is no longer stored, the task still has a video, and the reason is logged."""
    url = await file_url(caller, clock, image=CARD)
    running = caller.emulator._running
    assert running is not None
    assert running.directory is not None
    for path in Path(running.directory.name).iterdir():
        path.unlink()

    answer = await caller.request("GET", url)

    assert (answer.status, streams(answer.content)) == (200, ["h264"])
    assert "not kept any more" in caplog.text


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Pretends that PyAV is not installed, and that the notice has not been logged yet."""
    monkeypatch.setattr(server, "_can_render", lambda: False)
    server._log_how_to_render.cache_clear()
    return server._log_how_to_render.cache_clear


@pytest.mark.usefixtures("without_extra")
async def test_without_the_extra_all_works(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Without PyAV results are flat pictures, and the way to install it is logged once, with the licence."""
    for _ in range(2):
        async with Emulator(clock=clock) as emulator, aiohttp.ClientSession() as session:
            caller = Caller(emulator, session)
            answer = await caller.request("GET", await file_url(caller, clock, image=base64_png()[:-40] + "AAAA"))
            assert (answer.status, emulator.renders) == (200, False)

    assert [record.message for record in caplog.records] == [server.HOW_TO_RENDER]
    assert "kling-async[emulator-video]" in server.HOW_TO_RENDER
    assert "GPL" in server.HOW_TO_RENDER


@pytest.mark.usefixtures("without_extra")
def test_required_rendering_needs_the_extra() -> None:
    """`render=True` without PyAV raises a clear error at once."""
    with pytest.raises(RuntimeError, match="emulator-video"):
        Emulator(render=True)


async def test_rendering_can_be_declined(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With `render=False` nothing is stored, rendered or logged."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with Emulator(clock=clock, render=False) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        answer = await caller.request("GET", await file_url(caller, clock, image=CARD))
        assert (answer.status, emulator.renders, list(tmp_path.iterdir())) == (200, False, [])


def test_pyav_is_imported_only_to_render() -> None:
    """Importing the emulator, and creating one, does not import PyAV."""
    code = "import sys; from kling_async.emulator import Emulator; Emulator(); sys.exit('av' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_many_large_images_leave_the_loop_alone(caller: Caller, clock: Clock) -> None:
    """While clips are rendered, other requests are answered."""
    caller.emulator._account.concurrency = 100
    for number in range(6):
        await caller.create(mode="pro", image=CARD, prompt=f"clip {number}")
    clock.advance(FAR)
    urls = [task["task_result"]["videos"][0]["url"] for task in (await caller.get(PATH)).body["data"]]
    files = asyncio.gather(*(caller.request("HEAD", url) for url in urls))
    answered = 0
    while not files.done():
        assert (await caller.get("/_emulator/ledger")).status == 200
        answered += 1

    assert {answer.status for answer in await files} == {200}
    assert answered > 3
