from decimal import Decimal
from typing import Any

import pytest

from kling_async import Video
from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.audio.video_to_audio import ENDPOINT, VideoToAudio
from kling_async.protocol.result_files import files_for, files_of
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.wire import requests, responses
from tests.protocol.recorded_bodies import recorded

CLIP = "https://example.com/cat.mp4?sign=secret"
MADE = Video(id="867283741759110900", url="https://v1-kling.example.invalid/output/parent-900.mp4")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"video": MADE}, b'"video_id":"867283741759110900"'),
        ({"video_id": "8", "video_url": ""}, b'"video_id":"8"'),
        ({"video_url": CLIP}, f'"video_url":"{CLIP}"'.encode()),
    ],
)
def test_what_is_sent(given: dict[str, Any], sent: bytes) -> None:
    """A video of an earlier task goes out as its id; what is left out is not sent."""
    request = VideoToAudio(**given, sound_effect_prompt="purring", asmr_mode=True, callback_url="")
    made = requests.create(ENDPOINT, request)
    assert (made.method, made.path) == ("POST", "/v1/audio/video-to-audio")
    assert made.body == (b"{" + sent + b',"sound_effect_prompt":"purring","asmr_mode":true}',)


def test_a_video_may_be_given_without_its_name() -> None:
    """`video_to_audio(task.videos[0])` is how it is meant."""
    assert VideoToAudio(MADE).video is MADE


def test_no_signature_is_shown() -> None:
    """The repr has no address that may be signed."""
    assert "secret" not in repr(VideoToAudio(video_url=CLIP, callback_url="https://me.example/secret"))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"sound_effect_prompt": "x" * 200, "bgm_prompt": "x" * 200, "asmr_mode": False},
        {"sound_effect_prompt": "", "bgm_prompt": ""},
        {"external_task_id": "mine", "callback_url": "https://example.com/kling"},
    ],
    ids=str,
)
@pytest.mark.parametrize("video", [{"video": MADE}, {"video_id": "8"}, {"video_url": CLIP}], ids=list)
def test_what_passes(video: dict[str, Any], parameters: dict[str, Any]) -> None:
    """What is documented is not refused: one video, and words or none."""
    assert ENDPOINT.problems(VideoToAudio(**video, **parameters), {}) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({"video_url": None}, "video", "give video, video_id or video_url"),
        ({"video_url": "", "video_id": ""}, "video", "one of them is required"),
        ({"video_id": "8"}, "video_url", "video_id and video_url exclude each other"),
        ({"video": MADE}, "video_url", "video and video_url exclude each other"),
        ({"video_url": None, "video": "8"}, "video", "expected what an earlier request made"),
        ({"video_url": None, "video_id": 8}, "video_id", "expected text"),
        ({"video_url": "cat.mp4"}, "video_url", "this text is no address"),
        ({"video_url": "data:video/mp4;base64,AA"}, "video_url", "'data:'"),
        ({"video_url": b"MP4"}, "video_url", "expected an address"),
        ({"sound_effect_prompt": "x" * 201}, "sound_effect_prompt", "201 characters; at most 200"),
        ({"bgm_prompt": "x" * 201}, "bgm_prompt", "201 characters; at most 200"),
        ({"bgm_prompt": 5}, "bgm_prompt", "expected text"),
        ({"asmr_mode": "on"}, "asmr_mode", "expected True or False"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str) -> None:
    """Each broken rule is reported with its field and what would be right; no message repeats an address."""
    problems = ENDPOINT.problems(VideoToAudio(**{"video_url": CLIP, **parameters}), {})
    assert [problem.field for problem in problems] == [field]
    assert text in problems[0].message
    assert "secret" not in problems[0].message


def test_all_problems_at_once() -> None:
    """One look shows everything that is wrong."""
    wrong: dict[str, Any] = {"video_url": "x", "video_id": "8", "bgm_prompt": "x" * 201, "asmr_mode": 5}
    request = VideoToAudio(**wrong, callback_url="x", external_task_id=".")
    fields = [problem.field for problem in ENDPOINT.problems(request, {})]
    assert fields == ["video_url", "video_url", "bgm_prompt", "asmr_mode", "callback_url", "external_task_id"]


def test_estimate() -> None:
    """A task costs a quarter of a unit of the video pack, whatever the video."""
    estimate = ENDPOINT.estimate(VideoToAudio(video_url=CLIP))
    assert (estimate.units, estimate.usd) == (Decimal("0.25"), Decimal("0.035"))


def test_where_it_is_found() -> None:
    """The endpoint is found by its record and by the first half of its references; it has no models."""
    request = VideoToAudio(MADE)
    assert endpoint_of(request) is ENDPOINT
    assert endpoint_named("audio/video-to-audio") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert (ENDPOINT.pool, ENDPOINT.result) == (Pool.VIDEO, ResultKind.VIDEO)
    assert ENDPOINT.line_of(request) == "audio/video-to-audio"


def test_recorded_task() -> None:
    """The recorded task has a video and its sound: three files, of which the name of a place chooses one."""
    task = responses.task(recorded("video_to_audio_query_succeed"), ENDPOINT.name, "job-0031")
    assert [file.name("1", watermark=False) for file in files_of(task)] == ["1.mp4", "1.mp3", "1.wav"]
    chosen = [files_for(task, suffix)[0].url.rpartition("/")[2] for suffix in (".mp4", ".mp3", ".wav")]
    assert chosen == ["video-032.mp4", "500.mp3", "500.wav"]
    assert task.final_unit_deduction == ENDPOINT.estimate(VideoToAudio(MADE)).units
