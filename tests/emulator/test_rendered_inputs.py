"""The content of clips with several inputs: frames, references, the moving picture."""

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import av
import pytest

from kling_async.emulator import Emulator
from kling_async.emulator.service import video_models

from .cards import BLUE, RED, Colour, card, found
from .conftest import FAR, Caller, Clock

PLACES = {RED: (0.3, 0.5), BLUE: (0.7, 0.5)}


def picture(colour: Colour) -> str:
    """Returns a picture with a dot, as sent on the wire."""
    return base64.b64encode(card((*PLACES[colour], colour), size=(320, 320), radius=30)).decode()


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


async def frames(caller: Caller, clock: Clock, path: str, body: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """Creates a task, and returns the frames of its clip and its tracks."""
    made = await caller.request("POST", path, json=body, headers=caller.headers)
    clock.advance(FAR)
    done = (await caller.get(f"{path}/{made.body['data']['task_id']}")).body["data"]
    content = (await caller.request("GET", done["task_result"]["videos"][0]["url"])).content
    with av.open(io.BytesIO(content), "r") as container:
        tracks: list[str] = [stream.type for stream in container.streams]
        return [frame.reformat(format="yuv420p") for frame in container.decode(video=0)], tracks


def is_at(frame: Any, colour: Colour) -> bool:
    """Whether a dot is at its place in the picture, apart from the movement of the camera."""
    x, y = found(frame, colour)
    across, down = PLACES[colour]
    return bool(abs(x - across * frame.width) < 12 and abs(y - down * frame.height) < 12)


async def test_from_frame_to_frame(caller: Caller, clock: Clock) -> None:
    """A clip begins with its first frame and ends with its last one, in the first one's ratio."""
    pictures = [
        {"image_url": picture(BLUE), "type": "end_frame"},
        {"image_url": picture(RED), "type": "first_frame"},
    ]
    body = {"model_name": "kling-v3-omni", "prompt": "a dot", "image_list": pictures, "duration": "3", "sound": "on"}
    shown, tracks = await frames(caller, clock, "/v1/videos/omni-video", body)

    assert (len(shown), shown[0].width, shown[0].height) == (72, 108, 108)
    assert is_at(shown[0], RED)
    assert is_at(shown[-1], BLUE)
    assert sorted(tracks) == ["audio", "video"]


async def test_references_are_shown(caller: Caller, clock: Clock) -> None:
    """A clip of references goes from the first picture to the last one, in the requested ratio."""
    pictures = [{"image_url": picture(RED)}, {"image_url": picture(BLUE)}]
    body = {"prompt": "dots", "image_list": pictures, "aspect_ratio": "1:1", "mode": "std", "duration": "3"}
    shown, tracks = await frames(caller, clock, "/v1/videos/omni-video", body)

    assert (len(shown), shown[0].width, shown[0].height) == (72, 72, 72)
    assert is_at(shown[0], RED)
    assert is_at(shown[-1], BLUE)
    assert tracks == ["video"]


async def test_a_picture_moves(caller: Caller, clock: Clock) -> None:
    """A clip of motion control begins with its picture, in its ratio, and keeps the sound of the video."""
    body = {
        "image_url": picture(RED),
        "video_url": "https://files.example.com/dance.mp4",
        "character_orientation": "video",
        "mode": "pro",
    }
    shown, tracks = await frames(caller, clock, "/v1/videos/motion-control", body)

    assert (len(shown), shown[0].width, shown[0].height) == (120, 108, 108)
    assert is_at(shown[0], RED)
    assert sorted(tracks) == ["audio", "video"]
