from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_async.protocol.converters import Malformed
from kling_async.protocol.endpoints import ImageToVideo
from kling_async.protocol.media.given import MediaSource
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import (
    CameraConfig,
    CameraControl,
    DynamicMask,
    Point,
    ShotPrompt,
    WatermarkInfo,
)
from kling_async.protocol.reference import Reference
from kling_async.protocol.results import BalanceDeduction, Element, Video, Voice
from kling_async.protocol.tasks import Task, TaskStatus
from tests.repeatable import pickled

URL = "https://example.com/a.png"


@pytest.mark.parametrize(
    ("status", "is_final"), [("submitted", False), ("processing", False), ("succeed", True), ("failed", True)]
)
def test_a_task_ends_with_succeed_or_failed(status: str, *, is_final: bool) -> None:
    """Two of the four documented words are final."""
    assert is_final is TaskStatus(status).is_final


def test_there_are_four_statuses() -> None:
    """The status words are the documentation's, and no more."""
    assert [*TaskStatus] == ["submitted", "processing", "succeed", "failed"]


@pytest.mark.parametrize(
    ("name", "given_value", "read"),
    [
        ("duration", 5, 5),
        ("duration", "10", 10),
        ("duration", " 10 ", 10),
        ("duration", 10.0, 10),
        ("duration", 5.5, 5.5),
        ("duration", "5.0", "5.0"),
        ("duration", "²", "²"),
        ("duration", "9" * 20, "9" * 20),
        ("duration", True, True),
        ("duration", float("inf"), float("inf")),
        ("sound", True, True),
        ("sound", "on", True),
        ("sound", "OFF", False),
        ("sound", "loud", "loud"),
        ("sound", 1, 1),
        ("external_task_id", "", None),
        ("callback_url", "", None),
        ("external_task_id", "a", "a"),
        ("image", URL, Image(MediaSource.URL, url=URL)),
        ("image", None, None),
        ("camera_control", {"type": "down_back"}, CameraControl(type="down_back")),
        (
            "camera_control",
            {"type": "simple", "config": {"pan": 5}},
            CameraControl(type="simple", config=CameraConfig(pan=5)),
        ),
        ("camera_control", CameraControl(type="down_back"), CameraControl(type="down_back")),
        ("watermark_info", {"enabled": True}, WatermarkInfo(enabled=True)),
        ("voice_list", ["7"], (Voice(voice_id="7"),)),
        ("voice_list", [{"voice_id": "7"}], (Voice(voice_id="7"),)),
        ("element_list", [2**60, "7"], (Element(element_id=2**60), Element(element_id=7))),
        ("element_list", [{"element_id": "7"}, Element(element_id=8)], (Element(element_id=7), Element(element_id=8))),
        ("element_list", (), ()),
        (
            "multi_prompt",
            [{"index": "1", "prompt": "p", "duration": "2"}],
            (ShotPrompt(index=1, prompt="p", duration=2),),
        ),
        (
            "dynamic_masks",
            ({"mask": URL, "trajectories": [{"x": x, "y": "3"}]} for x in (1, 2)),
            tuple(DynamicMask(mask=Image.of(URL), trajectories=(Point(x, 3),)) for x in (1, 2)),
        ),
    ],
)
def test_parameters_are_read_kindly(name: str, given_value: Any, read: object) -> None:
    """Documented forms and Python's own become one; what cannot be read stays, for the checks to report."""
    value = getattr(ImageToVideo(**{name: given_value}), name)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("name", "given_value", "complaint"),
    [
        ("camera_control", 5, "expected CameraControl or a dict with type, config; got int"),
        ("camera_control", {}, "missing key 'type'; the keys are type, config"),
        ("camera_control", {"type": "x", "zoom": 1}, "unknown key 'zoom'; the keys are type, config"),
        ("watermark_info", {5: 1}, "unknown key '5'; missing key 'enabled'; the keys are enabled"),
        ("watermark_info", {"k" * 99: 1, "enabled": True}, f"unknown key '{'k' * 40}'; the keys are enabled"),
        ("voice_list", "7", "expected a list, got str"),
        ("voice_list", b"7", "expected a list, got bytes"),
        ("element_list", bytearray(b"7"), "expected a list, got bytearray"),
        ("element_list", memoryview(b"7"), "expected a list, got memoryview"),
        ("multi_prompt", {"index": 1}, "expected a list, got dict"),
        ("dynamic_masks", 5, "expected a list, got int"),
    ],
)
def test_what_cannot_be_read_says_what_was_expected(name: str, given_value: Any, complaint: str) -> None:
    """A nested value of another shape becomes a complaint that names the keys, and never raises."""
    assert Malformed(complaint) == getattr(ImageToVideo(**{name: given_value}), name)


@pytest.mark.parametrize(
    ("name", "given_value"),
    [("voice_list", [7]), ("element_list", [1.5]), ("multi_prompt", ["p"]), ("dynamic_masks", [5])],
)
def test_a_malformed_item_spares_the_others(name: str, given_value: Any) -> None:
    """One item that cannot be read does not spoil the list."""
    (item,) = getattr(ImageToVideo(**{name: given_value}), name)
    assert isinstance(item, Malformed)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "config", "mask", "trajectories", "x", "y", "voice_id"]), inner),
        st.dictionaries(st.integers(), inner, max_size=2),
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.dictionaries(st.sampled_from([field.name for field in attrs.fields(ImageToVideo)]), _JSON))
def test_no_parameter_raises(parameters: dict[str, Any]) -> None:
    """A request can be made of anything: the checks report all problems at once, instead of the first."""
    request = ImageToVideo(**parameters)
    assert repr(request).encode()
    assert repr(request) == repr(pickled(request))


def test_a_generator_is_read_once() -> None:
    """An iterator given as a list is taken whole, so that looking twice finds the same."""

    def ids() -> Iterator[str]:
        yield "1"
        yield "2"

    request = ImageToVideo(voice_list=ids())
    assert request.voice_list == (Voice(voice_id="1"), Voice(voice_id="2"))


def test_a_request_shows_no_secret() -> None:
    """The repr of a request has neither picture, nor signatures, nor the callback's address (it may hold a token)."""
    request = ImageToVideo(
        image=b"PICTURE",
        image_tail="https://u:PASSWORD@example.com/a?SIGNATURE",
        static_mask="data:image/png;base64,UElDVFVSRQ==",
        dynamic_masks=[{"mask": "data:,UElDVFVSRQ==", "trajectories": 5}],
        callback_url="https://example.com/CALLBACK?token",
    )
    shown = repr(request)
    assert [word for word in ("PICTURE", "PASSWORD", "SIGNATURE", "UElD", "CALLBACK", "token") if word in shown] == []


@pytest.mark.parametrize(
    ("watermark_url", "shown"),
    [(None, "None"), ("https://h/w?SIG", "'https://h/w'"), ("", "''")],
)
def test_a_video_shows_no_signature(watermark_url: str | None, shown: str) -> None:
    """The repr of a video has its addresses without their signatures."""
    video = Video(id="v", url="https://h/a.mp4?SIG", watermark_url=watermark_url, duration=Decimal("5.1"))
    assert repr(video) == (f"Video(id='v', url='https://h/a.mp4', watermark_url={shown}, duration=Decimal('5.1'))")


@pytest.mark.parametrize(
    "record",
    [
        ImageToVideo(image="cat.jpg", voice_list=["1"]),
        Task(
            endpoint="image2video",
            task_id="8",
            status=TaskStatus.SUCCEED,
            videos=(Video(id="v", url="https://h/a?s"),),
            final_balance_deduction=BalanceDeduction(quota=Decimal(1)),
        ),
        Reference("image2video", "8"),
    ],
)
def test_records_are_values(record: Any) -> None:
    """Records pickle, compare by value, hash, and cannot be changed."""
    twin = pickled(record)
    assert record == twin
    assert hash(record) == hash(twin)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(record, attrs.fields(type(record))[0].name, None)


def test_a_task_names_itself() -> None:
    """A task's reference is its endpoint and the service's id, also where the caller has an id of its own."""
    task = Task(endpoint="image2video", task_id="8", status=TaskStatus.FAILED, external_task_id="mine")
    assert task.reference == "image2video:8"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("image2video:8429", Reference("image2video", "8429")),
        (" image2video:8429\n", Reference("image2video", "8429")),
        ("image2video:a:b/ü c", Reference("image2video", "a:b/ü c")),
    ],
)
def test_a_reference_is_read(text: str, reference: Reference) -> None:
    """A reference is an endpoint, a colon and an id, which may hold colons itself."""
    assert reference == Reference.parse(text)
    assert str(reference) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "8429", ":8", "image2video:", "image2video:.", "image2video:..", "a:\n\x07b", "a:\ud800", None, 5]
)
def test_other_text_is_no_reference(text: Any) -> None:
    """What has no endpoint, no id, or an id that cannot be part of an address is refused with an example."""
    with pytest.raises(ValueError, match="expected a reference such as '<endpoint>:<task id>'"):
        Reference.parse(text)
