"""Results of the current generation, and their tasks on the page."""

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import av
import pytest

from kling_async.emulator import Emulator
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.current import rows
from tests.emulator.cards import BLUE, RED
from tests.emulator.conftest import Caller, Clock, base64_png
from tests.emulator.test_rendered_inputs import is_at, picture

from .bodies import (
    MOTION,
    O1,
    OMNI,
    TEXT_TURBO,
    TEXT_V2_6,
    TEXT_V3,
    TURBO,
    V2_6,
    V3,
    Body,
    ended,
    item,
    of,
    taken,
    task,
    words,
)

LIKE = {"character_orientation": "video"}


def clip(path: str, body: Body) -> Any:
    """Returns the spec of the clip of a request."""
    result = taken(path, body).result
    assert isinstance(result, VideoResult)
    return result.spec


@pytest.mark.parametrize(
    ("path", "body", "size"),
    [
        (TEXT_TURBO, words(), (1280, 720)),
        (TEXT_TURBO, words(resolution="1080p", aspect_ratio="9:16"), (1080, 1920)),
        (TEXT_V3, words(resolution="4k", aspect_ratio="1:1"), (2160, 2160)),
        (TURBO, of(item("first_frame", base64_png(400, 600))), (720, 1080)),
        (V3, of(item("first_frame", base64_png(400, 600)), "last_frame"), (720, 1080)),
        (MOTION, of(item("image", base64_png(400, 600)), "video", resolution="1080p", **LIKE), (1080, 1620)),
        (OMNI, of("prompt", item("first_frame", base64_png(400, 600)), aspect_ratio="16:9"), (720, 1080)),
        (OMNI, of("prompt", item("refer_image", base64_png(400, 600)), aspect_ratio="1:1"), (720, 720)),
        (O1, of("prompt", "base_video"), (1280, 720)),
    ],
)
def test_sizes(path: str, body: Body, size: tuple[int, int]) -> None:
    """A clip has the size of its resolution, and the ratio of its first frame or, without one, the requested one."""
    spec = clip(path, body)

    assert ((spec.width, spec.height), spec.fps) == (size, 24)


@pytest.mark.parametrize(
    ("path", "body", "shown"),
    [
        (TEXT_TURBO, words(), ("", "", "a cat")),
        (TURBO, of("prompt", "first_frame"), ("contents.1", "", "")),
        (TURBO, of("first_frame", "last_frame"), ("contents.0", "", "")),  # the turbo ignores it
        (V3, of("last_frame", "prompt", "first_frame"), ("contents.2", "contents.0", "")),
        (OMNI, of("prompt", "refer_image", "refer_image", aspect_ratio="1:1"), ("contents.1", "contents.2", "")),
        (OMNI, of("prompt", "refer_image", "first_frame"), ("contents.2", "", "")),
        (OMNI, of("prompt", "image", "video"), ("", "", "a cat")),
        (OMNI, of("prompt", "base_video"), ("", "", "a cat")),
        (MOTION, of("prompt", "video", "image", **LIKE), ("contents.2", "", "")),
    ],
)
def test_what_a_clip_shows(path: str, body: Body, shown: tuple[str, str, str]) -> None:
    """The clip goes from the first frame to the last, or from one reference to another, or shows the prompt."""
    spec = clip(path, body)

    assert (spec.image, spec.tail, spec.card) == shown


@pytest.mark.parametrize(
    ("path", "body", "has_sound"),
    [
        (TEXT_TURBO, words(), True),
        (TEXT_V3, words(), False),
        (TEXT_V3, words(audio="native"), True),
        (TEXT_V2_6, words(audio="native"), False),  # not in 720p, which is the default
        (V2_6, of("first_frame", audio="native", resolution="1080p"), True),
        (OMNI, of("prompt", "base_video", audio="original"), True),
        (OMNI, of("prompt", "base_video"), False),
        (MOTION, of("image", "video", **LIKE), True),
        (MOTION, of("image", "video", audio="off", **LIKE), False),
    ],
)
def test_sound(path: str, body: Body, *, has_sound: bool) -> None:
    """A clip has sound if the model always makes it, if it is requested, or if that of a video is kept."""
    assert clip(path, body).sound is has_sound


def test_a_last_frame_alone() -> None:
    """A clip with only a last frame ends there."""
    assert clip(OMNI, of("prompt", "last_frame", aspect_ratio="1:1")).backwards


async def test_an_edited_clip_keeps_its_pictures(caller: Caller, clock: Clock) -> None:
    """An edited clip keeps its pictures and ratio, in the requested size."""
    frame = item("first_frame", base64_png(400, 600))
    url = (await ended(caller, clock, V3, of(frame)))["outputs"][0]["url"]
    await ended(caller, clock, OMNI, of("prompt", item("base_video", url), resolution="1080p"))
    await ended(caller, clock, OMNI, of("prompt", item("base_video", url), "refer_image"))
    made, edited, other = (await caller.request("GET", "/_emulator/state")).body["tasks"][::-1]

    assert [(each["width"], each["height"]) for each in (made, edited, other)] == [
        (720, 1080),
        (1080, 1620),
        (1280, 720),
    ]


@pytest.fixture
async def painter(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    """Yields a caller of an emulator that renders small clips."""
    monkeypatch.setitem(rows.SHORT_SIDE, "720p", 72)
    async with (
        Emulator(clock=clock, speed=1.0, render=True) as emulator,
        aiohttp.ClientSession() as session,
    ):
        yield Caller(emulator, session)


async def test_the_file_and_the_page(painter: Caller, clock: Clock) -> None:
    """The file goes from the first frame to the last and has a sound track; the page shows all of it."""
    pictures = [item("first_frame", picture(RED)), item("last_frame", picture(BLUE))]
    shown = await ended(painter, clock, V3, of(*pictures, "prompt", duration=3, audio="native"))
    await painter.create(image=picture(RED))
    content = (await painter.request("GET", shown["outputs"][0]["url"])).content
    with av.open(io.BytesIO(content), "r") as container:
        tracks: list[str] = [stream.type for stream in container.streams]
        frames = [frame.reformat(format="yuv420p") for frame in container.decode(video=0)]
    legacy, card = (await painter.request("GET", "/_emulator/state")).body["tasks"]

    assert (len(frames), frames[0].width, frames[0].height, sorted(tracks)) == (72, 72, 72, ["audio", "video"])
    assert is_at(frames[0], RED)
    assert is_at(frames[-1], BLUE)
    assert (card["endpoint"], card["model_name"], card["mode"]) == ("image-to-video", "kling-3.0", "720p")
    assert (card["status"], card["units"], card["prompt"]) == ("succeed", "2.7", "a cat")
    image = await painter.request("GET", card["images"]["contents.1"])
    assert image.content == base64.b64decode(picture(BLUE))
    assert legacy["endpoint"] == "image2video"


async def test_own_pictures_as_materials(painter: Caller, clock: Clock) -> None:
    """A picture that the account has made begins a clip, in its ratio."""
    body = {"model_name": "kling-v3", "prompt": "a cat", "aspect_ratio": "1:1"}
    made = (await painter.post("/v1/images/generations", body)).body["data"]["task_id"]
    clock.advance(2000)
    url = (await task(painter, made))["outputs"][0]["url"]
    await ended(painter, clock, TURBO, of(item("first_frame", url)))
    card = (await painter.request("GET", "/_emulator/state")).body["tasks"][0]

    assert (card["width"], card["height"], list(card["images"])) == (72, 72, ["contents.0"])
    assert card["parameters"]["contents"][0]["url"] == url
