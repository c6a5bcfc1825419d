"""Custom voices: requests, valid and refused parameters."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoints.assets.create_voice import ENDPOINT, CreateVoice
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Video
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import OTHERS

SPEECH = "https://files.example.invalid/voice.mp3"
VIDEO = Video(id="867283741759110900", url="https://h/made.mp4", created_at=datetime(2026, 9, 1, tzinfo=UTC))


def voice(**parameters: Any) -> CreateVoice:
    """A voice from a sound with these parameters."""
    return CreateVoice(**{"voice_name": "narrator", "voice_url": SPEECH, **parameters})


def test_the_recorded_request_is_sent() -> None:
    """The request of the official example is sent; its empty members count as omitted."""
    recorded = OTHERS["request_custom_voices"]["body"]
    assert to_wire(CreateVoice(**recorded)) == {name: value for name, value in recorded.items() if value}


@pytest.mark.parametrize("source", [{"video": VIDEO}, {"video_id": VIDEO.id}])
def test_a_video_is_sent_as_its_id(source: dict[str, Any]) -> None:
    """An earlier video is given as its task's result, or by its id."""
    request = voice(voice_url="", **source)
    assert to_wire(request) == {"voice_name": "narrator", "video_id": "867283741759110900"}
    assert ENDPOINT.problems(request, {}) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"voice_name": "x" * 20},
        {"voice_url": "http://h/a.mov?Signature=x"},
        {"voice_url": "https://h/speech", "callback_url": "https://h/x", "external_task_id": "mine"},
        {"video_id": "", "callback_url": "", "external_task_id": ""},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented values are valid; content at an address is left to the service."""
    assert ENDPOINT.problems(voice(**parameters), {}) == []


@pytest.mark.parametrize(
    ("parameters", "field", "expected_text"),
    [
        ({"voice_name": ""}, "voice_name", "is required"),
        ({"voice_name": "x" * 21}, "voice_name", "21 characters; at most 20"),
        ({"voice_name": 5}, "voice_name", "expected text"),
        ({"voice_url": None}, "voice_url", "give voice_url, video or video_id: one of them is required"),
        ({"voice_url": ""}, "voice_url", "one of them is required"),
        ({"video": VIDEO}, "video", "voice_url and video exclude each other"),
        ({"video_id": "5"}, "video_id", "voice_url and video_id exclude each other"),
        ({"voice_url": None, "video": VIDEO, "video_id": "5"}, "video_id", "video and video_id exclude each other"),
        ({"voice_url": "speech.mp3"}, "voice_url", "no address"),
        ({"voice_url": "data:audio/mp3;base64,AAAA"}, "voice_url", "'data:' address is not accepted"),
        ({"voice_url": b"ID3"}, "voice_url", "expected an address"),
        ({"voice_url": None, "video": "5"}, "video", "expected what an earlier request made"),
        ({"voice_url": None, "video_id": 5}, "video_id", "expected text"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
    ],
    ids=str,
)
def test_what_is_refused(parameters: dict[str, Any], field: str, expected_text: str) -> None:
    """Each broken rule is reported once, with its field and the valid values."""
    [problem] = ENDPOINT.problems(voice(**parameters), {})
    assert (problem.field, problem.only_warns) == (field, False)
    assert expected_text in problem.message


def test_an_old_video_warns() -> None:
    """Kling keeps a video for 30 days: near the end it is sent with a warning."""
    request = voice(voice_url=None, video=VIDEO)
    [problem] = ENDPOINT.problems(request, {}, datetime(2026, 9, 30, tzinfo=UTC))
    assert (problem.field, problem.only_warns) == ("video", True)
    assert ENDPOINT.problems(request, {}, datetime(2026, 9, 2, tzinfo=UTC)) == []


def test_signatures_stay_out_of_the_repr() -> None:
    """The repr shows an address without its query."""
    assert repr(voice(voice_url=f"{SPEECH}?Signature=secret")) == repr(voice())


def test_the_endpoint() -> None:
    """The endpoint is found by its record and its references; a voice costs 0.05 units, a page has up to 1000."""
    assert endpoint_of(voice()) is ENDPOINT
    assert endpoint_named("general/custom-voices") is ENDPOINT
    assert (ENDPOINT.result, ENDPOINT.finds_by_external_id, ENDPOINT.page_maximum) == (ResultKind.VOICE, True, 1000)
    assert attrs.astuple(ENDPOINT.estimate(voice())) == (Decimal("0.05"), Decimal("0.0070"))
    assert ENDPOINT.typical_seconds(None) == 12
