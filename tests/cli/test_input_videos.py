"""Commands whose requests take pictures and a video: `omni-video` and `motion-control`."""

import json
import re
from pathlib import Path

import pytest

from kling_async.emulator import Emulator

from .conftest import CAT, Run

pytestmark = pytest.mark.usefixtures("hurry")

CLIP = "https://files.example.com/clip.mp4?signature=a,b"


def test_omni_video(run: Run, here: Path, service: Emulator) -> None:
    """Pictures are given one by one, as files or as JSON with their type; a video as its address, commas included."""
    frame = json.dumps({"image_url": CAT, "type": "first_frame"})
    clip = json.dumps({"video_url": CLIP, "refer_type": "feature", "keep_original_sound": False})
    words = ["--image-list", frame, "--image-list", CAT, "--video-list", clip]
    assert run("omni-video", "--prompt", "a cat", *words, "-o", "cat.mp4").code == 0
    edited = run("omni-video", "--prompt", "purple", "--video-list", CLIP, "-o", "purple.mp4", "--json")
    assert (edited.code, edited.data["reference"][:11]) == (0, "omni-video:")
    assert (here / "purple.mp4").read_bytes()[4:8] == b"ftyp"
    first, second = (entry.parameters for entry in service.ledger.entries)
    assert [image.get("type") for image in first["image_list"]] == ["first_frame", None]
    assert first["video_list"] == [{"video_url": CLIP, "refer_type": "feature", "keep_original_sound": "no"}]
    assert second["video_list"] == [{"video_url": CLIP, "refer_type": "base", "keep_original_sound": "yes"}]


def test_motion_control(run: Run, here: Path, service: Emulator) -> None:
    """The picture needs no option; a documented yes or no is a switch."""
    words = ["--video-url", CLIP, "--character-orientation", "image", "--mode", "std", "--no-keep-original-sound"]
    assert run("motion-control", CAT, *words, "-o", "dance.mp4").code == 0
    assert (here / "dance.mp4").read_bytes()[4:8] == b"ftyp"
    [entry] = service.ledger.entries
    assert (entry.parameters["keep_original_sound"], entry.parameters["mode"]) == ("no", "std")


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["omni-video", "--prompt", "cat"], ["--aspect-ratio: is required"]),
        (["omni-video", "--prompt", "cat", "--video-list", "clip.mp4"], ["--video-list[0]", "host the clip"]),
        (["motion-control", CAT], ["--video-url", "--character-orientation: is required", "--mode: is required"]),
        (["motion-control", CAT, "--mode", "4k"], ["'std', 'pro'"]),
    ],
)
def test_mistakes(run: Run, service: Emulator, words: list[str], texts: list[str]) -> None:
    """A mistake exits with 2, the error suggests a correction, and nothing is sent."""
    ran = run(*words, "-o", "a.mp4")
    assert (ran.code, ran.out) == (2, "")
    assert [text for text in texts if text not in ran.err] == [], ran.err
    assert not service.ledger.requests


def test_help_shows_what_can_be_typed(run: Run) -> None:
    """A `Task` video is for Python only: no option and no part of the JSON takes one."""
    omni, motion = (re.sub(r"\s+", " ", run(name, "--help").out) for name in ("omni-video", "motion-control"))
    assert '"video_url": "TEXT", "refer_type": "base", "keep_original_sound": true' in omni
    assert "--video " not in motion


def test_models(run: Run) -> None:
    """The price with a video is in the table; that of motion control is per second of the result."""
    omni, motion = (run("models", "--endpoint", name).out for name in ("omni-video", "motion-control"))
    assert re.search(r"^kling-v3-omni +pro +3-15 .* 0\.8 / 1 / \? / 1\.2 ", omni, re.MULTILINE)
    assert re.search(r"^kling-v3 +pro +y +1080p .* 1\.2 ", motion, re.MULTILINE)
