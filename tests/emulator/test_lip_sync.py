import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator, mean_generation_seconds
from kling_async.emulator.results.placeholder.sound import wav
from kling_async.emulator.results.videos import RenderedVideo
from kling_async.emulator.service.endpoints import advanced_lip_sync, identify_face
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, Answer, Caller, Clock, base64_png, finished

RECORDED = Path(__file__).parents[1] / "recorded" / "siblings"
FACES, SYNC = identify_face.ENDPOINT.path, advanced_lip_sync.ENDPOINT.path
CLIP = "https://clips.example/cat.mp4"
TIMES = {"sound_start_time": 0, "sound_end_time": 3000, "sound_insert_time": 0}
FACE: dict[str, Any] = {"face_id": "0", "sound_file": "https://sounds.example/a.mp3", **TIMES}


def body(session_id: str = "1", **changes: Any) -> dict[str, Any]:
    """Returns a lip-sync of one face."""
    return {"session_id": session_id, "face_choose": [FACE | changes]}


def recorded(name: str) -> Any:
    """Returns the `data` of a recorded body."""
    return json.loads((RECORDED / f"{name}.json").read_text())["body"]["data"]


async def session_of(caller: Caller, **video: str) -> str:
    """Identifies the faces of a video."""
    answer = await caller.post(FACES, video or {"video_url": CLIP})
    return str(answer.body["data"]["session_id"])


async def test_faces_answer_as_recorded(caller: Caller, clock: Clock) -> None:
    """Faces are found at once for 0.05 units, in a session, each with a picture and its time in the video."""
    video = (await finished(caller, clock))["task_result"]["videos"][0]
    data = (await caller.post(FACES, {"video_id": video["id"], "video_url": ""})).body["data"]

    known = recorded("identify_face_ok")
    assert data.keys() == known.keys()
    assert [face.keys() for face in data["face_data"]] == [face.keys() for face in known["face_data"]]
    assert [(face["start_time"], face["end_time"]) for face in data["face_data"]] == [(0, 5041), (1000, 4000)]
    assert data["final_unit_deduction"] == "0.05"
    assert caller.emulator.ledger.charged == 1.55
    for face in data["face_data"]:
        picture = await caller.request("GET", face["face_image"])
        assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ({}, "exactly one of video_id and video_url must be given"),
        ({"video_id": "1", "video_url": CLIP}, "exactly one of video_id and video_url must be given"),
        ({"video_id": "1"}, "Video id not found: 1"),
        ({"video_url": "AAAA"}, "Video URL is invalid"),
    ],
)
async def test_faces_need_one_video(caller: Caller, video: dict[str, str], message: str) -> None:
    """A video is given either by id or by URL, and the id must be one of the account."""
    answer = await caller.post(FACES, video)

    assert (answer.code, answer.message) == (1201, message)
    assert caller.emulator.ledger.charged == 0


async def test_a_video_of_more_than_a_minute_has_no_faces(caller: Caller, clock: Clock) -> None:
    """An avatar may be longer than the 60 seconds in which faces are identified."""
    speech = {"text": "x" * 1000, "voice_id": "calm_story1", "voice_language": "en"}
    [audio] = (await caller.post("/v1/audio/tts", speech)).body["data"]["task_result"]["audios"]
    path, image = "/v1/videos/avatar/image2video", "https://pictures.example/face.png"
    created = await caller.post(path, {"image": image, "audio_id": audio["id"]})
    clock.advance(FAR)
    [video] = (await caller.get(f"{path}/{created.body['data']['task_id']}")).body["data"]["task_result"]["videos"]
    answer = await caller.post(FACES, {"video_id": video["id"]})

    assert (answer.code, answer.message) == (1201, "the duration of the video must be between 2 and 60 seconds")


async def test_a_video_that_is_not_finished_or_too_old_has_no_faces(caller: Caller, clock: Clock) -> None:
    """The id of a video is valid for 30 days from the end of its task."""
    created = (await caller.create()).body["data"]
    result_id = caller.emulator._account.task(created["task_id"]).result_id
    codes = []
    for seconds in (0, FAR, 29 * 86400, 86400):
        clock.advance(seconds)
        codes.append((await caller.post(FACES, {"video_id": result_id})).code)

    assert codes == [1201, 0, 0, 1201]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sound_file": "", "audio_id": "1"},
        {"sound_volume": 2, "original_audio_volume": 0},
        {"sound_end_time": 2000, "sound_insert_time": 700},
        {"sound_file": base64.b64encode(wav("a", "1", 3000)).decode()},
    ],
)
def test_a_documented_lip_sync_is_accepted(changes: dict[str, Any]) -> None:
    """Documented requests are accepted, as far as their check does not depend on the account."""
    assert advanced_lip_sync.ENDPOINT.accept(body(**changes)).units > 0


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({"face_choose": [FACE]}, "session_id can not be null"),
        ({"session_id": "1"}, "face_choose can not be null"),
        ({"session_id": "1", "face_choose": [FACE] * 2}, "face_choose can not exceed 1 items"),
        (body(face_id=None), "face_id can not be null"),
        (body(audio_id="1"), "exactly one of audio_id and sound_file"),
        (body(sound_file=""), "exactly one of audio_id and sound_file"),
        (body(sound_insert_time=None), "sound_insert_time can not be null"),
        (body(sound_insert_time=-1), "sound_insert_time can not be less than 0"),
        (body(sound_end_time=1999), "can not be less than 2000"),
        (body(sound_volume=2.1), "sound_volume must be between 0 and 2"),
        (body(sound_file=base64.b64encode(wav("a", "1", 2500)).decode()), "sound_end_time can not exceed the sound"),
        (body() | {"callback_url": "cat"}, "callback_url is invalid"),
    ],
)
def test_a_forbidden_lip_sync_is_refused(request_body: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201."""
    with pytest.raises(Refusal, match=message) as caught:
        advanced_lip_sync.ENDPOINT.accept(request_body)

    assert caught.value.code == 1201


async def test_lips_are_synchronised_as_recorded(caller: Caller, clock: Clock) -> None:
    """The task contains its input video, whose length it has; five seconds cost half a unit."""
    video = (await finished(caller, clock))["task_result"]["videos"][0]
    session = await session_of(caller, video_id=video["id"])
    spoken = {"text": "a" * 100, "voice_id": "AOT", "voice_language": "en"}
    audio = (await caller.post("/v1/audio/tts", spoken)).body["data"]["task_result"]["audios"][0]
    made = await caller.post(SYNC, body(session, sound_file="", audio_id=audio["id"]) | {"external_task_id": "mine"})
    clock.advance(FAR)
    data = (await caller.get(f"{SYNC}/{made.body['data']['task_id']}")).body["data"]

    parent = data["task_info"]["parent_video"]
    assert parent.keys() == recorded("advanced_lip_sync_query_succeed")["task_info"]["parent_video"].keys()
    assert (parent["id"], parent["duration"]) == (video["id"], "5.041")
    assert (await caller.request("GET", parent["url"])).content == (await caller.request("GET", video["url"])).content
    (result,) = data["task_result"]["videos"]
    assert (result["duration"], data["final_unit_deduction"]) == ("5.041", "0.5")
    assert (await caller.request("GET", result["url"])).headers["content-type"] == "video/mp4"
    assert (await caller.get(f"{SYNC}/mine")).body["data"] == data
    assert caller.emulator.ledger.charged == 1.5 + 0.05 + 0.05 + 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"face_id": "2"}, "Face id not found: 2"),
        ({"sound_insert_time": 2500}, "the sound can not exceed the video"),
        ({"face_id": "1", "sound_end_time": 2900}, "must overlap the face by at least 2000 ms"),
        ({"sound_file": "", "audio_id": "1"}, "Audio id not found: 1"),
    ],
)
async def test_a_lip_sync_fits_its_session(caller: Caller, changes: dict[str, Any], message: str) -> None:
    """Face, sound and times must match the session; otherwise nothing is created."""
    answer = await caller.post(SYNC, body(await session_of(caller), **changes))

    assert (answer.code, message in answer.message) == (1201, True)
    assert caller.emulator.ledger.created == 0


async def test_the_clip_is_that_of_the_video(clock: Clock) -> None:
    """The result has size, rate, length and pictures of its input video, and sound; its length is charged."""
    async with Emulator(clock=clock, speed=1.0) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        video = (await finished(caller, clock, image=base64_png(360, 640), duration="10"))["task_result"]["videos"][0]
        await caller.post(SYNC, body(await session_of(caller, video_id=video["id"])))
        first, second = (task.request for task in emulator._account.tasks)

    clips = [each.result.rendering("plain", each.images) for each in (first, second)]
    one, two = (clip.spec for clip in clips if isinstance(clip, RenderedVideo))
    assert (one.width, one.height, one.image, one.sound) == (720, 1280, first.images["image"], False)
    assert (two.width, two.height, two.image, two.sound) == (720, 1280, first.images["image"], True)
    assert (two.fps, two.seconds, second.units) == (one.fps, 10, Decimal(1))


async def test_a_session_lives_for_a_day(caller: Caller, clock: Clock) -> None:
    """A session belongs to the account, and is valid for 24 hours."""
    session = await session_of(caller)
    answers = [await caller.post(SYNC, body("1"))]
    for seconds in (86_399, 10):
        clock.advance(seconds)
        answers.append(await caller.post(SYNC, body(session)))

    assert [answer.code for answer in answers] == [1201, 0, 1201]
    assert answers[2].message == "session_id is invalid or has expired"


async def test_a_video_by_address_is_a_parent_too(caller: Caller, clock: Clock) -> None:
    """For a video given by URL, the task contains that URL."""

    async def synced() -> Answer:
        made = await caller.post(SYNC, body(await session_of(caller)))
        clock.advance(FAR)
        return await caller.get(f"{SYNC}/{made.body['data']['task_id']}")

    parent = (await synced()).body["data"]["task_info"]["parent_video"]
    assert (parent["url"], parent["duration"], len(parent["id"])) == (CLIP, "5", 18)
    assert mean_generation_seconds(SYNC, body()) == 455
