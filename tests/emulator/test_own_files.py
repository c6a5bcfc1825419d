"""Results of the emulator as inputs, by their links."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator
from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks.pictures import SIDES_MESSAGE
from kling_async.emulator.service.endpoint import AcceptedRequest

from .conftest import FAR, PATH, Caller, Clock, base64_png, file_url, finished

GENERATIONS = "/v1/images/generations"
OTHER = "https://example.com/cat.png"
FIRST_FRAME = {"model_name": "kling-v3-omni", "prompt": "a cat"}
ELEMENT = {"element_name": "Cat", "element_description": "a cat", "reference_type": "image_refer"}
DANCE_URL = "https://example.com/dance.mp4"
DANCE = {"video_url": DANCE_URL, "character_orientation": "image", "mode": "std"}
EDIT = FIRST_FRAME | {"prompt": "a dog", "mode": "pro", "video_list": [{"video_url": DANCE_URL}]}
MOTION = "/v1/videos/motion-control"
OMNI = "/v1/videos/omni-video"
OLD = {"model_name": "kling-v1", "mode": "std", "image": OTHER}
POINTS = [{"x": 1, "y": 1}, {"x": 2, "y": 2}]
SUBJECTS = "/v1/images/multi-image2image"
SUBJECT = {"subject_image_list": [{"subject_image": OTHER}]}
ELEMENTS = "/v1/general/advanced-custom-elements"

# Each member that holds a picture: the endpoint's path, and a request with LINK where the link will be.
GIVEN: list[tuple[str, dict[str, Any]]] = [
    (PATH, {"image": "LINK"}),
    (PATH, {"model_name": "kling-v2-6", "mode": "pro", "image": OTHER, "image_tail": "LINK"}),
    (PATH, OLD | {"static_mask": "LINK"}),
    (PATH, OLD | {"dynamic_masks": [{"mask": "LINK", "trajectories": POINTS}]}),
    (GENERATIONS, {"model_name": "kling-v1", "prompt": "a cat", "image": "LINK"}),
    ("/v1/images/omni-image", {"prompt": "a cat", "image_list": [{"image": "LINK"}]}),
    (SUBJECTS, {"subject_image_list": [{"subject_image": "LINK"}]}),
    (SUBJECTS, SUBJECT | {"scene_image": "LINK"}),
    (SUBJECTS, SUBJECT | {"style_image": "LINK"}),
    ("/v1/images/editing/expand", {"image": "LINK", "up_expansion_ratio": 0.5}),
    (OMNI, FIRST_FRAME | {"image_list": [{"image_url": "LINK", "type": "first_frame"}]}),
    (MOTION, DANCE | {"image_url": "LINK"}),
    ("/v1/videos/avatar/image2video", {"image": "LINK", "sound_file": "https://example.com/a.mp3"}),
    ("/v1/videos/effects", {"effect_scene": "hug", "input": {"images": ["LINK", OTHER]}}),
    (
        ELEMENTS,
        ELEMENT | {"element_image_list": {"frontal_image": "LINK", "refer_images": [{"image_url": OTHER}]}},
    ),
    (
        ELEMENTS,
        ELEMENT | {"element_image_list": {"frontal_image": OTHER, "refer_images": [{"image_url": "LINK"}]}},
    ),
]


async def picture_link(caller: Caller, clock: Clock, ratio: str = "1:1") -> str:
    """Returns the link to a picture that a task made."""
    made = (await caller.post(GENERATIONS, {"prompt": "a cat", "aspect_ratio": ratio})).body["data"]
    clock.advance(FAR)
    data = (await caller.get(f"{GENERATIONS}/{made['task_id']}")).body["data"]
    return str(data["task_result"]["images"][0]["url"])


async def accepted(caller: Caller, path: str, body: dict[str, Any]) -> AcceptedRequest:
    """Creates a task, and returns the request that the emulator accepted."""
    answer = await caller.post(path, body)
    assert answer.code == 0, answer.message
    return caller.emulator._account.task(answer.body["data"]["task_id"]).request


def clip_of(task: EmulatedTask) -> Any:
    """Returns the spec of the clip of a task."""
    return task.request.result.rendering("plain", {"image": "kept"}).spec  # type: ignore[attr-defined]  # the emulator can render its own results


@pytest.mark.parametrize(("path", "body"), GIVEN)
async def test_a_picture_is_taken_as_submitted(clock: Clock, path: str, body: dict[str, Any]) -> None:
    """In every member a link to a picture is replaced by the file, byte for byte; the parameters contain the link."""
    async with Emulator(clock=clock, render=True) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        link = await picture_link(caller, clock)
        given = json.loads(json.dumps(body).replace("LINK", link))
        request = await accepted(caller, path, given)
        file = (await caller.request("GET", link)).content

    assert hashlib.sha256(file).hexdigest() in request.images.values()
    assert request.parameters == given


@pytest.mark.parametrize(("ratio", "size"), [("1:1", (720, 720)), ("9:16", (720, 1280))])
async def test_a_clip_has_the_ratio_of_its_picture(
    caller: Caller, clock: Clock, ratio: str, size: tuple[int, int]
) -> None:
    """A clip of an earlier picture has the picture's ratio."""
    request = await accepted(caller, PATH, {"image": await picture_link(caller, clock, ratio)})

    assert request.result.size[0] == size[0]
    assert request.result.size[1] == pytest.approx(size[1], rel=0.02)


async def test_a_picture_of_a_call_is_an_input(caller: Caller) -> None:
    """A picture made by a call that answers at once is an input too; that of a face is too small for a clip."""
    (face, *_) = (await caller.post("/v1/videos/identify-face", {"video_url": OTHER})).body["data"]["face_data"]
    request = await accepted(caller, PATH, {"image": face["face_image"]})

    assert request.result.size == (720, 720)
    assert request.damage == SIDES_MESSAGE


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        (lambda link: link, 31 * 86400),
        (lambda link: link + "0", 0),
        (lambda link: link.replace("http://127.0.0.1", "http://127.0.0.2"), 0),
        (lambda link: link.partition("?")[0], 0),
    ],
    ids=["expired", "changed", "of another emulator", "without its signature"],
)
async def test_other_links_are_not_fetched(
    caller: Caller, clock: Clock, change: Callable[[str], str], seconds: float
) -> None:
    """An invalid or foreign link is a picture by URL, which counts as 16:9."""
    link = change(await picture_link(caller, clock))
    clock.advance(seconds)
    request = await accepted(caller, PATH, {"image": link})

    assert request.result.size == (1280, 720)


async def test_links_in_other_members_are_not_resolved(caller: Caller, clock: Clock) -> None:
    """A link is resolved only where a picture is expected."""
    link = await picture_link(caller, clock)
    request = await accepted(caller, GENERATIONS, {"prompt": link, "external_task_id": link})

    assert (request.prompt, request.external_task_id) == (link, link)


async def test_links_with_another_host_name(caller: Caller, clock: Clock) -> None:
    """Links have the address by which a call came, and are resolved by it."""
    here = caller.emulator.base_url.replace("127.0.0.1", "localhost")
    made = await caller.post(here + GENERATIONS, {"prompt": "a cat", "aspect_ratio": "1:1"})
    clock.advance(FAR)
    task = (await caller.get(f"{here}{GENERATIONS}/{made.body['data']['task_id']}")).body["data"]
    (picture,) = task["task_result"]["images"]
    assert picture["url"].startswith(here)

    answer = await caller.post(here + PATH, {"image": picture["url"]})
    assert caller.emulator._account.task(answer.body["data"]["task_id"]).request.result.size == (720, 720)


async def spoken(caller: Caller) -> Any:
    """Creates a speech of a text, and returns the sound."""
    body = {"text": "a" * 100, "voice_id": "AOT", "voice_language": "en"}
    return (await caller.post("/v1/audio/tts", body)).body["data"]["task_result"]["audios"][0]


async def test_a_sound_is_taken_as_submitted(caller: Caller) -> None:
    """A link to a sound is replaced by the file, so that its length is known."""
    audio = await spoken(caller)
    body = {"image": base64_png(), "sound_file": audio["url"]}
    request = await accepted(caller, "/v1/videos/avatar/image2video", body)

    assert request.duration == int(float(audio["duration"])) != 5
    assert request.parameters["sound_file"] == audio["url"]


async def test_a_member_that_takes_no_content_keeps_the_link(caller: Caller) -> None:
    """A voice is made from a sound by URL only, and the URL is kept."""
    audio = await spoken(caller)
    request = await accepted(caller, "/v1/general/custom-voices", {"voice_name": "mine", "voice_url": audio["url"]})

    assert not request.damage


@pytest.mark.parametrize("name", ["url", "watermark_url"])
async def test_a_video_by_its_link_is_that_video(caller: Caller, clock: Clock, name: str) -> None:
    """A link to a video of the account is equivalent to its id: length and content are known."""
    data = await finished(caller, clock, image=base64_png(400, 400), duration="10", watermark_info={"enabled": True})
    (video,) = data["task_result"]["videos"]
    faces = (await caller.post("/v1/videos/identify-face", {"video_url": video[name]})).body["data"]["face_data"]
    made = (await caller.post("/v1/audio/video-to-audio", {"video_url": video[name]})).body["data"]
    task = caller.emulator._account.task(made["task_id"])

    assert faces[0]["end_time"] == 10_041
    assert (task.request.duration, task.request.result.size) == (10, (720, 720))
    assert task.parent is not None
    assert task.parent.task_id == data["task_id"]


async def test_a_video_with_sound_shows_the_video(caller: Caller, clock: Clock) -> None:
    """A video with an added sound has the size, rate and pictures of its input video."""
    link = await file_url(caller, clock, image=base64_png(360, 640))
    await accepted(caller, "/v1/audio/video-to-audio", {"video_url": link})
    first, second = map(clip_of, caller.emulator._account.tasks)

    assert (second.width, second.height, second.fps, second.image) == (720, 1280, first.fps, "kept")
    assert (second.card, second.sound, second.title) == ("", True, "video-to-audio")


@pytest.mark.parametrize(
    ("path", "body", "units"),
    [
        (MOTION, DANCE | {"image_url": OTHER}, 5),
        (OMNI, EDIT, 12),
        (OMNI, EDIT | {"model_name": "kling-video-o1"}, 12),
    ],
)
async def test_a_clip_is_as_long_as_its_video(
    caller: Caller, clock: Clock, path: str, body: dict[str, Any], units: int
) -> None:
    """Motion control and edited videos are charged by the length of the linked video."""
    link = await file_url(caller, clock, duration="10")
    given = json.loads(json.dumps(body).replace(DANCE_URL, link))
    request = await accepted(caller, path, given)

    assert (request.duration, float(request.units)) == (10, units)
    assert isinstance(request.result, VideoResult)
    assert request.result.spec.seconds == 10


@pytest.mark.parametrize(
    ("path", "body"),
    [(MOTION, DANCE | {"image_url": OTHER}), (OMNI, EDIT | {"model_name": "kling-video-o1"})],
)
async def test_a_video_that_is_too_long_is_refused(
    caller: Caller, clock: Clock, path: str, body: dict[str, Any]
) -> None:
    """If the length of a video is known, its documented limits are checked, and nothing is created beyond them."""
    link = await file_url(caller, clock, model_name="kling-v3", duration="15")
    given = json.loads(json.dumps(body).replace(DANCE_URL, link))
    answer = await caller.post(path, given)

    assert (answer.code, answer.message) == (1201, "the duration of the video must be between 3 and 10 seconds")
    assert caller.emulator.ledger.created == 1


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, ("kept", (720, 1280), "a dog")),
        ({"image_list": [{"image_url": OTHER}]}, ("reference", (720, 1280), "a dog")),
        ({"video_list": [{"video_url": DANCE_URL}]}, ("", (1280, 720), "a dog")),
    ],
    ids=["own", "own, with a picture", "another's"],
)
async def test_an_edited_video_shows_the_video(
    caller: Caller, clock: Clock, changes: dict[str, Any], shown: tuple[str, tuple[int, int], str]
) -> None:
    """An edited video has the ratio of its input, and its pictures unless others are given, with its own caption."""
    link = await file_url(caller, clock, image=base64_png(360, 640), prompt="a cat")
    await accepted(caller, OMNI, EDIT | {"mode": "std", "video_list": [{"video_url": link}]} | changes)
    result = caller.emulator._account.tasks[-1].request.result
    spec = result.rendering("plain", {"image": "kept", "image_list.0": "reference"}).spec  # type: ignore[attr-defined]  # the emulator can render its own results

    assert (spec.image, result.size, spec.prompt) == shown


async def test_a_video_among_several_results_is_an_input(caller: Caller, clock: Clock) -> None:
    """The video among several results can be an input, too."""
    link = await file_url(caller, clock, image=base64_png(360, 640))
    for _ in range(2):
        made = (await caller.post("/v1/audio/video-to-audio", {"video_url": link})).body["data"]
        clock.advance(FAR)
        data = (await caller.get(f"/v1/audio/video-to-audio/{made['task_id']}")).body["data"]
        link = data["task_result"]["videos"][0]["url"]
    last = caller.emulator._account.tasks[-1]

    assert clip_of(last).image == "kept"
    assert last.parent is not None
    assert not isinstance(last.request.result, VideoResult)
    assert last.request.result.files == {"plain": ".mp4", "mp3": ".mp3", "wav": ".wav"}
