"""Videos with speech, and ready-made scenes: from the call to the file, with results of earlier tasks."""

import asyncio
import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    Audio,
    Avatar,
    CapabilityWarning,
    CreateInDoubt,
    Face,
    InvalidRequest,
    KlingClient,
    LipSync,
    MediaFileMissing,
    RequestRefused,
    Task,
    TaskHandle,
    TaskStatus,
    Video,
    VideoEffect,
)
from kling_async.emulator import Emulator
from kling_async.emulator.results.placeholder.sound import wav
from tests.protocol.recorded_bodies import OTHERS
from tests.protocol.sound_files import M4A
from tests.shell.conftest import ClientMaker
from tests.shell.stub import Answer, answer, refusal, script, serve, task_answer

SPEECH = wav("a", "1", 3000)
URL = "https://images.example/cat.png"
SOUND = "https://sounds.example/a.mp3"
TIMES: dict[str, Any] = {"sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0}
CHOICE = {"face_id": "0", "sound_file": SOUND, **TIMES}
SYNC = LipSync("1", face_choose=[CHOICE])


async def spoken(client: KlingClient) -> Audio:
    """A sound created earlier."""
    text = "Hello, I am a cat, and this is what I have to say about dogs and about the weather."
    speech = await client.text_to_speech(text, voice_id="calm_story1", voice_language="en")
    return speech.audios[0]


async def followed(client: KlingClient, handle: TaskHandle, place: Path, name: str) -> Task:
    """Follows a task to its end: saved, decoded, listed, and found by its reference."""
    task = await handle
    path = await handle.save(place)
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        assert video.streams.video[0].height >= 720
    assert handle.reference == f"{name}:{task.task_id}"
    assert [one.task_id async for one in client.tasks(name)] == [task.task_id]
    assert (await client.attach(handle.reference)).task_id == task.task_id
    return task


# ------------------------------------------------------------------------------------------------- stories


async def test_a_face_speaks(client: KlingClient, emulator: Emulator, image: Path, tmp_path: Path) -> None:
    """A picture and an earlier sound become a video with sound, priced by its seconds."""
    audio = await spoken(client)
    handle = await client.avatar(image, audio=audio, mode="pro", prompt="the cat looks into the camera")
    task = await followed(client, handle, tmp_path, "avatar/image2video")
    [video] = task.videos
    assert task.final_unit_deduction is not None
    assert task.final_unit_deduction % Decimal("0.8") == 0
    assert (video.created_at, task.updated_at is None) == (task.updated_at, False)
    sent = emulator.ledger.entries[-1].parameters
    assert (sent["audio_id"], "audio" in sent, sent["mode"]) == (audio.id, False, "pro")


@pytest.mark.parametrize("as_path", [True, False])
async def test_a_local_sound(
    client: KlingClient, emulator: Emulator, image: Path, tmp_path: Path, *, as_path: bool
) -> None:
    """A local file and bytes are sent unchanged."""
    (tmp_path / "speech.wav").write_bytes(SPEECH)
    handle = await client.avatar(image, sound_file=tmp_path / "speech.wav" if as_path else SPEECH)
    assert (await handle).status is TaskStatus.SUCCEED
    assert emulator.ledger.entries[-1].parameters["sound_file"] == f"<sound, {len(SPEECH)} bytes>"


async def test_large_sounds_are_streamed_unchanged(make_client: ClientMaker, tmp_path: Path) -> None:
    """Picture and sound of any size are in the body as base64, each complete."""
    picture, sound = (tmp_path / "a.png", tmp_path / "a.wav")
    picture.write_bytes(await asyncio.to_thread(Path("examples/images/cat.png").read_bytes))
    sound.write_bytes(wav("a", "1", 20_001))
    async with serve(script(task_answer())) as stub:
        await make_client(base_url=stub.base_url).avatar(picture, sound_file=sound)
    body = json.loads(stub.seen[0].body)
    assert base64.b64decode(body["image"]) == picture.read_bytes()
    assert base64.b64decode(body["sound_file"]) == sound.read_bytes()


async def test_lips_are_synchronised(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """A video's faces are identified, and one of them speaks; each step accepts the previous result."""
    made = await (await client.text_to_video("a woman looks into the camera"))
    faces = await client.identify_faces(video=made.videos[0])
    audio = await spoken(client)
    choice = {"face": faces.face_data[0], "audio": audio, **TIMES, "original_audio_volume": 0}
    handle = await client.lip_sync(faces, face_choose=[choice], watermark_info={"enabled": True})
    task = await followed(client, handle, tmp_path, "advanced-lip-sync")
    assert task.final_unit_deduction == Decimal("0.5")
    assert (await handle.save(tmp_path, watermark=True)).name == f"{task.task_id}-watermark.mp4"
    sent = emulator.ledger.entries[-1].parameters
    [chosen] = sent["face_choose"]
    assert sent["session_id"] == faces.session_id
    assert chosen == {"face_id": "0", "audio_id": audio.id, **TIMES, "original_audio_volume": 0}


async def test_effects(client: KlingClient, emulator: Emulator, image: Path, tmp_path: Path) -> None:
    """A scene for one picture and one for two: parameters are flat, and are sent within `input`."""
    handle = await client.video_effect("pet_dance", image=image, duration=10)
    task = await followed(client, handle, tmp_path, "effects")
    assert (task.videos[0].duration, task.final_unit_deduction) == (None, Decimal(4))
    assert (await (await client.video_effect("hug_pro", images=[image, URL]))).status is TaskStatus.SUCCEED
    single, dual = (entry.parameters for entry in emulator.ledger.entries)
    assert (single["effect_scene"], single["input"].keys()) == ("pet_dance", {"image", "duration"})
    assert (dual["input"].keys(), dual["input"]["images"][1]) == ({"images"}, URL)


async def test_a_picture_of_an_earlier_task(client: KlingClient, emulator: Emulator) -> None:
    """The result of `generate_images` is accepted, and sent as its URL."""
    made = await (await client.generate_images("a cat"))
    await (await client.video_effect("pet_dance", image=made.images[0]))
    assert emulator.ledger.entries[-1].parameters["input"]["image"] == made.images[0].url


# --------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (
            Avatar("none.png", sound_file="none.wav", audio_id="7", prompt="x" * 2501, mode="4k"),  # type: ignore[arg-type]  # wrong on purpose
            ["image", "sound_file", "sound_file", "prompt", "mode"],
        ),
        (
            LipSync("", face_choose=[CHOICE | {"face_id": "", "sound_file": b"OggS" + bytes(60), "sound_volume": 3}]),
            ["face_choose[0].sound_file", "session_id", "face_choose[0].face_id", "face_choose[0].sound_volume"],
        ),
        (
            VideoEffect("", image="none.png", images=[URL], duration=0),
            ["image", "effect_scene", "images", "images", "duration"],
        ),
    ],
    ids=["avatar", "lip_sync", "video_effect"],
)
async def test_all_problems_at_once(client: KlingClient, emulator: Emulator, request_: Any, fields: list[str]) -> None:
    """A bad request reports all its problems, and nothing is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.submit(request_)
    assert [problem.field for problem in caught.value.problems] == fields
    assert sum(emulator.ledger.requests.values()) == 0


async def test_a_missing_sound(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """A missing sound is named in a missing-file error."""
    with pytest.raises(MediaFileMissing, match=r"sound_file: there is no file '.*speech\.mp3'"):
        await client.avatar(URL, sound_file=tmp_path / "speech.mp3")
    assert emulator.ledger.requests["create"] == 0


async def test_a_sound_that_is_gone_when_it_is_sent(make_client: ClientMaker, tmp_path: Path) -> None:
    """A sound that vanishes while its request waits for a slot is an error of that request, named as a sound."""
    (tmp_path / "speech.wav").write_bytes(SPEECH)
    client = make_client(concurrency=1)
    first = await client.avatar(URL, sound_file=SPEECH)
    first.add_done_callback(lambda _: (tmp_path / "speech.wav").unlink())
    with pytest.raises(InvalidRequest, match=r"^sound: cannot be read any more"):
        await client.avatar(URL, sound_file=tmp_path / "speech.wav")


async def test_a_sound_that_the_service_may_refuse(make_client: ClientMaker) -> None:
    """M4A is sent with a warning at the caller's line; the service's recorded message is raised."""
    body = OTHERS["error_1201_audio_format_invalid"]["body"]
    async with serve(script(answer(400, body))) as stub:
        client = make_client(base_url=stub.base_url)
        with (
            pytest.warns(CapabilityWarning, match="sound_file: this is M4A") as caught,
            pytest.raises(RequestRefused, match="Audio format is invalid"),
        ):
            await client.avatar(URL, sound_file=M4A)
    assert Path(caught[0].filename) == Path(__file__)
    assert [seen.method for seen in stub.seen].count("POST") == 1


async def test_an_old_result_warns(client: KlingClient) -> None:
    """A sound created 29 days ago, by the service's clock, is sent with a warning that names its expiry."""
    audio = await spoken(client)
    await asyncio.sleep(29 * 24 * 3600)
    with pytest.warns(CapabilityWarning, match=r"audio: the service keeps this result until 20\d\d-") as caught:
        await client.avatar(URL, audio=audio)
    assert Path(caught[0].filename) == Path(__file__)


async def test_unknown_ids_and_sessions(client: KlingClient) -> None:
    """Unknown ids and sessions are sent, and raise the service's message."""
    with pytest.raises(RequestRefused, match="session_id"):
        await client.submit(SYNC)
    with pytest.raises(RequestRefused):
        await client.avatar(URL, audio_id="none")


def test_a_wrong_parameter_raises_at_the_call() -> None:
    """A parameter that the record lacks is a TypeError at the call."""
    wrong: Any = {"sound": SPEECH}
    with pytest.raises(TypeError, match=r"KlingClient\.avatar\(\) got an unexpected keyword argument 'sound'"):
        _ = KlingClient(api_key="key").avatar(URL, **wrong)


# ----------------------------------------------------------------------------------------------- lost answers

LOST: dict[str, Answer] = {
    "closed": None,
    "broken": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "5000": refusal(500, 5000),
    "504": answer(504, b"<html>Gateway timeout</html>"),
}


@pytest.mark.parametrize("external_task_id", [None, "order-7"])
@pytest.mark.parametrize("name", LOST)
async def test_a_lost_lip_sync_is_never_sent_twice(
    make_client: ClientMaker, name: str, external_task_id: str | None
) -> None:
    """A lost lip-sync causes one create and no look-up, since only the list shows whether a task exists."""
    async with serve(script(LOST[name], task_answer())) as stub:
        with pytest.raises(CreateInDoubt, match="list") as caught:
            await make_client(base_url=stub.base_url).lip_sync(
                "1", face_choose=[CHOICE], external_task_id=external_task_id
            )
        await asyncio.sleep(3600)
    assert [(seen.method, seen.path) for seen in stub.seen] == [("POST", "/v1/videos/advanced-lip-sync")]
    assert caught.value.reference is None


async def test_a_lost_avatar_is_looked_up(make_client: ClientMaker) -> None:
    """A lost avatar is found by its external id, and created once."""
    async with serve(script(None, lambda _: task_answer(task_id="9", status="processing"))) as stub:
        handle = await make_client(base_url=stub.base_url).avatar(URL, audio_id="7")
        assert handle.task_id == "9"
    methods = [seen.method for seen in stub.seen]
    assert (methods[:2], methods.count("POST")) == (["POST", "GET"], 1)


# --------------------------------------------------------------------------------------------- recorded answers


@pytest.mark.parametrize(
    ("request_", "created", "finished", "units"),
    [
        (Avatar(URL, audio_id="7", external_task_id="job-0014"), "avatar_create", "avatar_query_succeed", "4.4"),
        (SYNC, "advanced_lip_sync_create", "advanced_lip_sync_query_succeed", "0.5"),
        (VideoEffect("a", image=URL), "effects_create_2025_live", "effects_query_succeed", "2"),
        (VideoEffect("a", image=URL), "effects_create_2025_live", "effects_query_succeed_2025", None),
    ],
    ids=["avatar", "lip_sync", "effects", "effects_2025"],
)
async def test_answers_as_they_were_recorded(
    make_client: ClientMaker, request_: Any, created: str, finished: str, units: str | None
) -> None:
    """Recorded responses to a create and a query are read, over a real socket."""
    accepted, body = OTHERS[created]["body"], OTHERS[finished]["body"]
    async with serve(script(answer(200, accepted), answer(200, body))) as stub:
        client = make_client(base_url=stub.base_url)
        handle = await client.submit(request_)
        assert handle.task_id == accepted["data"]["task_id"]
        name = handle.reference.partition(":")[0]
        task = await client.get_task(f"{name}:{body['data']['task_id']}")
    [video] = task.videos
    assert isinstance(video, Video)
    assert video.created_at == task.updated_at
    assert task.final_unit_deduction == (None if units is None else Decimal(units))
    assert [seen.path for seen in stub.seen[:1]] == [f"/v1/videos/{name}"]


async def test_a_face_that_comes_too_late(client: KlingClient, emulator: Emulator) -> None:
    """The times of a face are checked against those of the sound; nothing is sent."""
    late = Face(face_id="1", start_time=1000, end_time=2999)
    with pytest.raises(InvalidRequest, match=r"face_choose\[0\]\.sound_insert_time: .* is seen for 1000 ms"):
        await client.lip_sync("1", face_choose=[{"face": late, "sound_file": SOUND, **TIMES}])
    assert emulator.ledger.requests["create"] == 0
