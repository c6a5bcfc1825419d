"""Omni video from the call to the file: pictures, elements and videos in one request."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    CapabilityWarning,
    InvalidRequest,
    KlingClient,
    MediaFileMissing,
    OmniVideo,
    RequestRefused,
    TaskFailed,
    TaskStatus,
)
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import OTHERS
from tests.shell.conftest import ClientMaker

PROMPT = "<<<image_1>>> on a skateboard"
CLIP = "https://files.example.com/clip.mp4"
TEXT: dict[str, Any] = {"prompt": "a cat", "aspect_ratio": "9:16"}


async def test_by_method_and_by_record(client: KlingClient, emulator: Emulator) -> None:
    """Method and record send the same body to the endpoint's own path."""
    requested: dict[str, Any] = {**TEXT, "sound": True, "duration": 10, "element_list": [7], "mode": "std"}
    by_method = await client.omni_video(**requested)
    by_record = await client.submit(OmniVideo(**requested))
    for handle, entry in zip((by_method, by_record), emulator.ledger.entries, strict=True):
        assert (handle.reference, entry.endpoint) == (f"omni-video:{entry.task_id}", "omni-video")
        assert entry.parameters == to_wire(OmniVideo(**requested)) | {"external_task_id": handle.external_task_id}
        assert entry.units == 8


async def test_from_a_picture_to_a_file(
    make_client: ClientMaker, emulator: Emulator, image: Path, tmp_path: Path
) -> None:
    """A first frame is uploaded, the task followed, saved, listed and attached; the file has the requested length."""
    client = make_client()
    handle = await client.omni_video(
        "a cat turns its head", image_list=[{"image_url": image, "type": "first_frame"}], duration=3
    )
    task = await handle
    assert (task.status, task.final_unit_deduction) == (TaskStatus.SUCCEED, Decimal("2.4"))
    path = await handle.save(tmp_path)
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert (min(stream.width, stream.height), stream.average_rate) == (1080, 24)
        assert float(stream.duration * stream.time_base) == pytest.approx(3, abs=0.1)
    assert [found.reference async for found in client.tasks("omni-video")] == [handle.reference]
    assert (await make_client().attach(handle.reference)).task_id == task.task_id
    [entry] = emulator.ledger.entries
    [sent] = entry.parameters["image_list"]
    assert sent["image_url"].startswith("<png ")
    assert (sent["type"], "aspect_ratio" in entry.parameters) == ("first_frame", False)


async def test_a_video_of_an_earlier_task_is_edited(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """The result of an earlier task is accepted; its sound is kept or not as requested."""
    [made] = (await (await client.omni_video(**TEXT))).videos
    edited = await client.generate(OmniVideo("purple", video_list=[made]), tmp_path / "purple.mp4")
    quiet = {"video": made, "refer_type": "feature", "keep_original_sound": False}
    await client.omni_video(**TEXT, video_list=[quiet])
    assert edited.read_bytes()[4:8] == b"ftyp"
    _, edit, feature = emulator.ledger.entries
    assert edit.parameters["video_list"] == [
        {"video_url": made.url, "refer_type": "base", "keep_original_sound": "yes"},
    ]
    assert feature.parameters["video_list"] == [
        {"video_url": made.url, "refer_type": "feature", "keep_original_sound": "no"},
    ]
    assert feature.units == 6


async def test_what_was_recorded_is_refused_as_recorded(client: KlingClient, emulator: Emulator) -> None:
    """The documented edit of an unreachable video raises the service's message; no task is created."""
    body = OTHERS["request_omni_video_edit"]["body"]
    with pytest.raises(RequestRefused, match="Video URL is invalid"):
        await client.submit(OmniVideo(**body))
    assert emulator.ledger.created == 0


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        ({}, ["prompt", "is required", "aspect_ratio", "16:9, 9:16 or 1:1"]),
        ({"prompt": "cat.png", "aspect_ratio": "1:1"}, ["prompt", "image_list"]),
        ({**TEXT, "image_list": "cat.png"}, ["image_list", "list"]),
        ({**TEXT, "image_list": [{"image": "cat.png"}]}, ["image_list[0]", "image", "image_url"]),
        ({**TEXT, "video_list": ["~/clip.mp4"]}, ["video_list[0].video_url", "host the clip", "http"]),
        ({**TEXT, "video_list": [b"\0" * 9000]}, ["video_list[0].video_url", "bytes", "host the clip"]),
        ({"prompt": "a", "video_list": [CLIP], "sound": True}, ["sound", "keep_original_sound"]),
        (
            {**TEXT, "video_list": [CLIP] * 2, "multi_shot": True},
            ["video_list", "at most 1", "shot_type", "multi_shot"],
        ),
        ({**TEXT, "duration": 20, "mode": "por"}, ["duration", "3 to 15", "mode", "'por'"]),
        ({**TEXT, "element_list": [*range(1, 12)]}, ["element_list", "11 pictures and elements", "7"]),
    ],
    ids=str,
)
async def test_a_wrong_request_names_the_correct_values(
    client: KlingClient, emulator: Emulator, mistake: dict[str, Any], expected: list[str]
) -> None:
    """Each message has the parameter, the given value and the accepted ones, all at once; nothing is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.omni_video(**mistake)
    assert [word for word in expected if word not in str(caught.value)] == [], str(caught.value)
    assert len(str(caught.value)) < 900
    assert sum(emulator.ledger.requests.values()) == 0


async def test_pictures_are_looked_at(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """An invalid or missing picture is named by its index in the list, before anything is sent."""
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InvalidRequest, match=r"image_list\[1\]\.image_url"):
        await client.omni_video(**TEXT, image_list=["https://h/a.png", tmp_path / "text.png"])
    with pytest.raises(MediaFileMissing, match=r"image_list\[0\]\.image_url"):
        await client.omni_video(**TEXT, image_list=[tmp_path / "none.png"])
    assert sum(emulator.ledger.requests.values()) == 0


async def test_what_the_map_alone_refuses(client: KlingClient, emulator: Emulator) -> None:
    """Nothing is sent with `strict`; without it the request is sent with a warning."""
    request = OmniVideo(**TEXT, model_name="kling-video-o1", duration=7)
    with pytest.raises(InvalidRequest, match="use 5 or 10"):
        await client.submit(request)
    assert emulator.ledger.requests["create"] == 0
    with pytest.warns(CapabilityWarning, match="use 5 or 10"), pytest.raises(RequestRefused):
        await client.submit(request, strict=False)


async def test_a_ratio_that_may_be_refused_is_sent(client: KlingClient) -> None:
    """With a first frame, another ratio than the picture's is sent with a warning."""
    with pytest.warns(CapabilityWarning, match="aspect_ratio"), pytest.raises(RequestRefused, match="aspect_ratio"):
        await client.omni_video(**TEXT, image_list=[{"image_url": "https://h/a.png", "type": "first_frame"}])


async def test_a_lost_answer_is_looked_up(client: KlingClient, emulator: Emulator) -> None:
    """After a lost response to a create, the task is found by its external id, created once and paid once."""
    emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    handle = await client.omni_video(**TEXT)
    assert (await handle).status is TaskStatus.SUCCEED
    assert (emulator.ledger.created, emulator.ledger.requests["create"]) == (1, 1)


async def test_a_task_that_fails(client: KlingClient, tmp_path: Path) -> None:
    """A failed task raises its reason with its reference, and leaves no file."""
    with pytest.raises(TaskFailed, match="risk control") as caught:
        await client.generate(OmniVideo("forbidden", aspect_ratio="1:1"), tmp_path / "cat.mp4")
    assert str(caught.value.reference).startswith("omni-video:")
    assert not (tmp_path / "cat.mp4").exists()
