"""The bodies of the documentation's examples, made by our records."""

import json
from typing import Any

import pytest

from kling_async import current
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.endpoints.current.request import CurrentRequest
from kling_async.protocol.wire import requests
from tests.protocol.recorded_bodies import OTHERS

A, B, C, D = (f"https://v1-kling.example.invalid/{letter}.png" for letter in "abcd")
VIDEO = "https://v1-kling.example.invalid/v.mp4"
BOAT = "A paper boat drifts down a rainy street."
HOOK = "https://hooks.example.invalid/kling"

MADE: dict[str, CurrentRequest] = {
    "req_i2v_2_5_turbo_first_last": current.ImageToVideo(
        A,
        model="kling-2.5-turbo",
        last_frame=B,
        prompt=BOAT,
        resolution="1080p",
        duration=10,
        external_task_id="job-0112",
    ),
    "req_i2v_2_6_voice": current.ImageToVideo(
        A,
        model="kling-2.6",
        prompt="She says with @voice_1: good morning.",
        voices={"voice_1": "829824295735400000"},
        resolution="1080p",
        duration=5,
        audio="native",
        external_task_id="job-0111",
    ),
    "req_i2v_3_0_frames_element": current.ImageToVideo(
        A,
        model="kling-3.0",
        last_frame=B,
        prompt="@hero opens the door.",
        elements={"hero": 162},
        resolution="1080p",
        duration=5,
        external_task_id="job-0105",
    ),
    "req_i2v_3_0_turbo": current.ImageToVideo(
        A,
        model="kling-3.0-turbo",
        prompt=BOAT,
        resolution="1080p",
        duration=10,
        callback_url=HOOK,
        external_task_id="job-0103",
        watermark_info={"enabled": True},
    ),
    "req_kling_4_0_keyframes_unverified": current.ImageToVideo(
        A,
        model="kling-4.0",
        middle_frames=[B, C],
        last_frame=D,
        prompt="From dusk to dawn.",
        resolution="720p",
        duration=12,
    ),
    "req_motion_3_0": current.MotionControl(
        A,
        model="kling-3.0",
        video=VIDEO,
        prompt=BOAT,
        elements={"hero": 162},
        resolution="720p",
        character_orientation="video",
        external_task_id="job-0110",
    ),
    "req_omni_3_0_base_video": current.OmniVideo(
        "Repaint the car in @video_1.",
        model="kling-3.0-omni",
        base_video={"video_1": VIDEO},
        resolution="1080p",
        audio="original",
        external_task_id="job-0108",
    ),
    "req_omni_3_0_feature_video": current.OmniVideo(
        "Continue @video_1.",
        model="kling-3.0-omni",
        feature_video={"video_1": VIDEO},
        resolution="4k",
        multi_shot=True,
        external_task_id="job-0107",
    ),
    "req_omni_3_0_first_refer": current.OmniVideo(
        "Keep @image_1, dress as in @image_2.",
        model="kling-3.0-omni",
        first_frame={"image_1": A},
        refer_images={"image_2": B},
        resolution="1080p",
        duration=5,
        audio="native",
        callback_url=HOOK,
        external_task_id="job-0106",
    ),
    "req_omni_o1_first_refer": current.OmniVideo(
        BOAT,
        model="kling-o1",
        first_frame=current.NamedImage(A, id="image_1"),
        refer_images=[current.NamedImage(B, id="image_2")],
        resolution="1080p",
        duration=3,
        external_task_id="job-0109",
    ),
    "req_t2v_3_0": current.TextToVideo(
        BOAT,
        model="kling-3.0",
        resolution="4k",
        duration=15,
        aspect_ratio="9:16",
        audio="native",
        external_task_id="job-0104",
    ),
    "req_t2v_3_0_turbo": current.TextToVideo(
        BOAT,
        model="kling-3.0-turbo",
        resolution="720p",
        duration=5,
        aspect_ratio="16:9",
        external_task_id="job-0101",
    ),
    "req_t2v_3_0_turbo_multi_shot": current.TextToVideo(
        [current.Shot("a boat leaves the harbour", 3), current.Shot("the boat meets a whale", 4)],
        model="kling-3.0-turbo",
        resolution="720p",
        external_task_id="job-0102",
    ),
}


def path_in(recorded: dict[str, Any]) -> str:
    """The path that the recording names."""
    path: str = recorded["_meta"]["source"].rpartition("POST ")[2]
    return path


def test_all_are_made() -> None:
    """Each recorded request of the current generation is made by a record."""
    assert {name for name in OTHERS if name.startswith("req_")} == MADE.keys()


@pytest.mark.parametrize("name", MADE)
def test_records_make_the_recorded_bodies(name: str) -> None:
    """A record sends the recorded body to the recorded path, member by member."""
    request, recorded = MADE[name], OTHERS[name]
    endpoint = endpoint_of(request)
    assert endpoint is not None
    sent = requests.create(endpoint, request)
    expected = recorded["body"]
    [body] = sent.body
    assert isinstance(body, bytes)
    assert json.loads(body) == expected
    assert sent.path == endpoint.path_of(request) == path_in(recorded)
