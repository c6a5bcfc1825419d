from typing import Any

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.videos.avatar import ENDPOINT, Avatar
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.media.given import FileFacts
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Audio
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.requests_made import URL

SOUND = "https://files.example.invalid/speech.mp3"
AUDIO = Audio(id="867283741759110501", url=SOUND)


@pytest.mark.parametrize(
    ("parameters", "sent"),
    [
        ({"audio_id": "7"}, {"audio_id": "7"}),
        ({"audio": AUDIO}, {"audio_id": AUDIO.id}),
        ({"audio": AUDIO, "audio_id": "", "sound_file": ""}, {"audio_id": AUDIO.id}),
        ({"audio_id": "7", "prompt": "", "mode": "pro"}, {"audio_id": "7", "prompt": "", "mode": "pro"}),
        (
            {"audio_id": "7", "watermark_info": {"enabled": True}, "callback_url": "", "external_task_id": "job"},
            {"audio_id": "7", "watermark_info": {"enabled": True}, "external_task_id": "job"},
        ),
    ],
    ids=str,
)
def test_what_is_sent(parameters: dict[str, Any], sent: dict[str, Any]) -> None:
    """Only the given members are sent; an earlier sound is sent as its id."""
    request = Avatar(URL, **parameters)
    assert ENDPOINT.problems(request, {}) == []
    members = to_wire(request)
    assert members.pop("image").url == URL
    assert members == sent


def test_sounds_are_sent_as_they_are() -> None:
    """A sound at an address is sent as the address, bytes as the file's content."""
    assert to_wire(Avatar(URL, sound_file=SOUND))["sound_file"].url == SOUND
    assert to_wire(Avatar(URL, sound_file=b"RIFF"))["sound_file"].data == b"RIFF"


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({"image": None}, "image", "is required"),
        ({"image": "data:x"}, "image", "'data:'"),
        ({"audio_id": None}, "audio_id", "give audio_id, sound_file or audio"),
        ({"audio_id": "", "sound_file": ""}, "audio_id", "one of them is required"),
        ({"sound_file": SOUND}, "sound_file", "audio_id and sound_file exclude each other"),
        ({"audio": AUDIO}, "audio", "audio_id and audio exclude each other"),
        ({"audio_id": None, "audio": AUDIO, "sound_file": SOUND}, "audio", "sound_file and audio exclude each other"),
        ({"audio_id": None, "audio": "7"}, "audio", "expected what an earlier request made"),
        ({"audio_id": 7}, "audio_id", "expected text"),
        ({"audio_id": None, "sound_file": "data:audio/mpeg;base64,AAAA"}, "sound_file", "'data:'"),
        ({"audio_id": None, "sound_file": 5}, "sound_file", "got int"),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters"),
        ({"mode": "4k"}, "mode", "use std or pro"),
        ({"mode": 5}, "mode", "use std or pro"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo"),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str) -> None:
    """Each broken rule is reported with its field and the valid values."""
    problems = ENDPOINT.problems(Avatar(**{"image": URL, "audio_id": "7", **parameters}), {})
    assert [problem.field for problem in problems] == [field]
    assert text in problems[0].message


def test_another_mode_can_be_sent() -> None:
    """An undocumented mode is refused by the map only, so that `strict=False` permits it."""
    assert [each.by_map for each in ENDPOINT.problems(Avatar(URL, audio_id="7", mode="4k"), {})] == [True]  # type: ignore[arg-type]  # wrong on purpose


def test_all_problems_at_once() -> None:
    """A missing picture, a sound that is too large and a long prompt are reported together."""
    facts = {"image": ImageFacts(complaint="there is no file"), "sound_file": FileFacts(size=2**30)}
    found = ENDPOINT.problems(Avatar("a.png", sound_file="a.mp3", prompt="x" * 2501), facts)
    assert [each.field for each in found] == ["image", "sound_file", "prompt"]


def test_the_endpoint() -> None:
    """Tasks make videos, support external ids and have a separate line; their price is not known in advance."""
    request = Avatar(URL, audio_id="7", mode="pro")
    assert endpoint_of(request) is ENDPOINT is endpoint_named("avatar/image2video")
    assert (ENDPOINT.result, ENDPOINT.pool, ENDPOINT.finds_by_external_id) == (ResultKind.VIDEO, Pool.VIDEO, True)
    assert ENDPOINT.estimate(request) == Estimate(units=None, usd=None)
    assert (ENDPOINT.line_of(request), ENDPOINT.kind_of(request)) == ("avatar/image2video", "avatar/image2video//pro")
    assert ENDPOINT.typical_seconds(None) == ENDPOINT.typical_seconds(request) == 600
