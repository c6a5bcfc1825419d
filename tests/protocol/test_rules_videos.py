from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async.protocol.results import Video
from kling_async.protocol.rules.values import exactly_one
from kling_async.protocol.rules.videos import HOST_IT, video_url


@attrs.frozen(kw_only=True)
class Made:
    """As a request names a video, in whichever way."""

    video: Any = None
    video_id: Any = None
    video_url: Any = None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "https://example.com/clip.mp4",
        "HTTP://EXAMPLE.COM/CLIP.MP4",
        "https://example.com:8443/a%20b.mov?signature=abc#t=1",
        "http://[::1]/clip.mp4",
        "https://例え.jp/クリップ.mp4",
        "https://example.com/no-suffix",
    ],
)
def test_an_address_passes(value: Any) -> None:
    """Any http(s) address with a host passes, whatever its file is called; "" counts as left out."""
    assert list(video_url(Made(video_url=value))) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("https:///secret.mp4", "with a host"),
        ("https://[::1/secret.mp4", "with a host"),
        ("https://?secret", "with a host"),
        ("https://h/secret clip.mp4", "without spaces"),
        (" https://h/secret.mp4", "without spaces"),
        ("https://h/secret.mp4\n", "without spaces"),
        ("https:/h/secret.mp4", "with a host"),
        ("data:video/mp4;base64,secret", "a 'data:' address is not accepted by the service; host the clip"),
        ("DATA:secret", "a 'data:' address is not accepted by the service; host the clip"),
        ("ftp://h/secret.mp4", "http:// and https:// only, not ftp://; host the clip"),
        ("s3://bucket/clip.mp4?signature=secret", "not s3://; host the clip"),
        ("file:///home/secret.mp4", "not file://; host the clip"),
        ("clip.mp4?secret", "this text is no address; host the clip"),
        ("C:\\secret.mp4", "this text is no address; host the clip"),
        ("~/secret.mp4", "this text is no address; host the clip"),
        ("h.example/clip.mp4?signature=secret://", "this text is no address; host the clip"),
        ("AAAAHGZ0eXBpc29tsecret" * 9000, "this text is no address; host the clip"),
        ("https://h/\ud83d", "half of a surrogate pair"),
        (Path("/home/secret.mp4"), "got a path; host the clip"),
        (b"secret", "got a value of type bytes; host the clip"),
        (bytearray(b"secret"), "got a value of type bytearray; host the clip"),
        (5, "expected an address, got 5; host the clip"),
        (["https://h/secret.mp4"], "got a value of type list; host the clip"),
        (Video(id="1", url="https://h/secret.mp4"), "got a value of type Video; host the clip"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_address_is_refused(value: Any, text: str) -> None:
    """The message contains advice, but nothing of the value, which may contain a signature, or be the clip."""
    [problem] = video_url(Made(video_url=value))
    assert problem.field == "video_url"
    assert text in problem.message.replace(HOST_IT, "host the clip")
    assert "secret" not in problem.message
    assert len(problem.message) < 200


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"video_id": "1"}, []),
        ({"video_url": "https://h/a.mp4", "video_id": ""}, []),
        ({"video_url": b"", "video_id": None}, []),  # which is for the rule of its own
        ({}, [("video", "give video, video_id or video_url: one of them is required")]),
        ({"video_id": "", "video_url": ()}, [("video", "give video, video_id or video_url: one of them is required")]),
        ({"video_id": "1", "video_url": "u"}, [("video_url", "video_id and video_url exclude each other; use one")]),
        (
            {"video": 1, "video_id": 2, "video_url": 3},
            [("video_url", "video, video_id and video_url exclude each other; use one")],
        ),
    ],
)
def test_exactly_one(given: dict[str, Any], found: list[tuple[str, str]]) -> None:
    """One of several parameters is required and the others are refused beside it; "" and () count as left out."""
    problems = exactly_one(Made(**given), "video", "video_id", "video_url")
    assert [(problem.field, problem.message) for problem in problems] == found
