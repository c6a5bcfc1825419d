"""Sound from text and for videos: followed, saved, listed, attached, refused, recovered."""

import io
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import (
    CapabilityWarning,
    InvalidRequest,
    KlingClient,
    RequestRefused,
    TargetExists,
    TaskHandle,
    TaskStatus,
    TextToAudio,
    Video,
    VideoToAudio,
)
from kling_async.emulator import Emulator, Fault
from tests.shell.conftest import ClientMaker

av: Any = pytest.importorskip("av")

RAIN: dict[str, Any] = {"prompt": "rain on a tin roof", "duration": 5.5}
CLIP = "https://example.com/cat.mp4"

Submit = Callable[[KlingClient], Coroutine[Any, Any, TaskHandle]]
EACH: dict[str, Submit] = {
    "audio/text-to-audio": lambda client: client.text_to_audio(**RAIN),
    "audio/video-to-audio": lambda client: client.video_to_audio(video_url=CLIP),
}


def codec_and_seconds(path: Path) -> tuple[str, float]:
    """Decodes the first stream of a sound file; returns its codec and its length in seconds."""
    with av.open(io.BytesIO(path.read_bytes())) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        return stream.codec_context.name, samples / stream.rate


def seen(path: Path) -> tuple[int, int]:
    """Width and height of a video, whose frames can be decoded."""
    with av.open(io.BytesIO(path.read_bytes())) as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


async def test_sound_from_words(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """The sound has the requested length, is MP3 or WAV by the file name, and costs what was estimated."""
    handle = await client.text_to_audio("rain on a tin roof", duration=5.5)
    [entry] = emulator.ledger.entries
    own = {"external_task_id": handle.external_task_id}
    assert (handle.reference, entry.parameters) == (f"audio/text-to-audio:{entry.task_id}", RAIN | own)
    task = await handle
    assert (task.status, task.final_unit_deduction, entry.units) == (TaskStatus.SUCCEED, Decimal("0.25"), 0.25)
    assert codec_and_seconds(await handle.save(tmp_path / "rain.wav")) == ("pcm_s16le", 5.5)
    codec, seconds = codec_and_seconds(await handle.save(tmp_path / "rain.mp3"))
    assert codec in {"mp3", "mp3float"}
    assert seconds == pytest.approx(5.5, abs=0.1)


async def test_sound_for_a_video(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """The video of a task is accepted as it is; the suffix of a file name selects the video or its sound."""
    [video] = (await (await client.text_to_video("a cat", duration=10))).videos
    handle = await client.video_to_audio(video, sound_effect_prompt="purring", bgm_prompt="a waltz", asmr_mode=True)
    assert emulator.ledger.entries[-1].parameters == {
        "video_id": video.id,
        "sound_effect_prompt": "purring",
        "bgm_prompt": "a waltz",
        "asmr_mode": True,
        "external_task_id": handle.external_task_id,
    }
    task = await handle
    assert (len(task.videos), len(task.audios), task.final_unit_deduction) == (1, 1, Decimal("0.25"))
    assert task.videos[0].duration == video.duration
    assert seen(await handle.save(tmp_path / "cat.mp4")) == (1280, 720)
    assert codec_and_seconds(await handle.save(tmp_path / "cat.wav")) == ("pcm_s16le", 10.0)
    assert codec_and_seconds(await handle.save(tmp_path / "cat.mp3"))[1] == pytest.approx(10, abs=0.1)


async def test_a_dubbed_video_can_be_given_again(client: KlingClient) -> None:
    """The result of one task is accepted by the next one."""
    [video] = (await (await client.video_to_audio(video_url=CLIP))).videos
    task = await (await client.submit(VideoToAudio(video)))
    assert task.status is TaskStatus.SUCCEED


async def test_all_files(client: KlingClient, tmp_path: Path) -> None:
    """`save_all` saves all results of a task, named after it; a second call is refused."""
    handles = [await submit(client) for submit in EACH.values()]
    for handle, suffixes in zip(handles, ([".mp3", ".wav"], [".mp4", ".mp3", ".wav"]), strict=True):
        paths = await handle.save_all(tmp_path / "out")
        assert [path.name for path in paths] == [f"{handle.task_id}{suffix}" for suffix in suffixes]
        for path in paths:
            assert seen(path) == (1280, 720) if path.suffix == ".mp4" else codec_and_seconds(path)[1] > 4
        with pytest.raises(TargetExists):
            await handle.save_all(tmp_path / "out")


async def test_generate_to_a_name_of_sound(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """`generate` saves the sound; a second run finds the file, and pays nothing."""
    target = tmp_path / "cat.wav"
    assert await client.generate(VideoToAudio(video_url=CLIP), target) == target
    assert codec_and_seconds(target)[0] == "pcm_s16le"
    with pytest.raises(TargetExists):
        await client.generate(VideoToAudio(video_url=CLIP), target)
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("endpoint", EACH)
async def test_listed_and_attached(make_client: ClientMaker, endpoint: str) -> None:
    """A task is in its endpoint's list, and another process attaches it by reference or external id."""
    client = make_client()
    handle = await EACH[endpoint](client)
    assert [task.reference async for task in client.tasks(endpoint)] == [handle.reference]
    for name in EACH.keys() - {endpoint}:
        assert [task async for task in client.tasks(name)] == []
    other = make_client()
    for reference in (handle.reference, f"{endpoint}:{handle.external_task_id}"):
        assert (await other.attach(reference)).audios == (await handle).audios


@pytest.mark.parametrize("endpoint", EACH)
async def test_a_lost_answer_is_found_by_its_id(make_client: ClientMaker, emulator: Emulator, endpoint: str) -> None:
    """A task whose response was lost is looked up by its external id, and paid once."""
    emulator.faults.add(Fault.reset(after_effect=True), on="create", times=1)
    task = await (await EACH[endpoint](make_client()))
    assert task.status is TaskStatus.SUCCEED
    assert emulator.ledger.created == 1


BROKEN: list[tuple[Any, list[str]]] = [
    (
        TextToAudio("x" * 201, duration=11, callback_url="me.example", external_task_id=".."),
        ["prompt", "duration", "callback_url", "external_task_id"],
    ),
    (
        VideoToAudio(video_id="8", video_url="cat.mp4", sound_effect_prompt="x" * 201, bgm_prompt="x" * 201),
        ["video_url", "video_url", "sound_effect_prompt", "bgm_prompt"],
    ),
]


@pytest.mark.parametrize(("request_", "fields"), BROKEN, ids=["text", "video"])
async def test_bad_input(client: KlingClient, emulator: Emulator, request_: Any, fields: list[str]) -> None:
    """All problems are reported at once, and nothing is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.submit(request_)
    assert [problem.field for problem in caught.value.problems] == fields
    assert emulator.ledger.requests.total() == 0


async def test_the_service_judges_ids(client: KlingClient, emulator: Emulator) -> None:
    """An unknown id is sent; the service's refusal is raised, and no task is created."""
    with pytest.raises(RequestRefused, match="Video id not found: 8"):
        await client.video_to_audio(video_id="8")
    assert emulator.ledger.created == 0


async def test_an_old_video_warns_at_the_callers_line(client: KlingClient, emulator: Emulator) -> None:
    """A result that the service deletes in less than two days is sent with a warning."""
    [video] = (await (await client.text_to_video("a cat"))).videos
    assert isinstance(video, Video)
    assert video.created_at is not None
    old = attrs.evolve(video, created_at=video.created_at - timedelta(days=29))
    with pytest.warns(CapabilityWarning, match="video: the service keeps this result until") as caught:
        await client.video_to_audio(old)
    assert Path(caught[0].filename) == Path(__file__)
    assert emulator.ledger.created == 2
