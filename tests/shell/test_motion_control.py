"""Motion control from the call to the file."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import InvalidRequest, KlingClient, MotionControl, RequestRefused, TaskStatus
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.wire.codec import to_wire
from tests.shell.conftest import ClientMaker

CLIP = "https://files.example.com/dance.mp4"
DANCE: dict[str, Any] = {
    "image_url": "https://files.example.com/cat.png",
    "video_url": CLIP,
    "character_orientation": "video",
    "mode": "pro",
}


async def test_by_method_and_by_record(client: KlingClient, emulator: Emulator) -> None:
    """Method and record send the same body to the endpoint's own path."""
    by_method = await client.motion_control(**DANCE)
    by_record = await client.submit(MotionControl(**DANCE))
    for handle, entry in zip((by_method, by_record), emulator.ledger.entries, strict=True):
        assert (handle.reference, entry.endpoint) == (f"motion-control:{entry.task_id}", "motion-control")
        own = {"external_task_id": handle.external_task_id, "image_url": DANCE["image_url"]}
        assert entry.parameters == to_wire(MotionControl(**DANCE)) | own
        assert entry.parameters["keep_original_sound"] == "yes"


async def test_from_a_picture_to_a_file(
    make_client: ClientMaker, emulator: Emulator, image: Path, tmp_path: Path
) -> None:
    """The picture is uploaded, the task followed, saved, listed and attached; the task has its cost."""
    client = make_client()
    handle = await client.motion_control(**{**DANCE, "image_url": image})
    task = await handle
    assert (task.status, task.final_unit_deduction) == (TaskStatus.SUCCEED, Decimal(4))
    path = await handle.save(tmp_path)
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert min(stream.width, stream.height) == 1080
        [made] = task.videos
        assert float(stream.duration * stream.time_base) == pytest.approx(float(made.duration or 0), abs=0.1)
    assert [found.reference async for found in client.tasks("motion-control")] == [handle.reference]
    assert (await make_client().attach(handle.reference)).task_id == task.task_id
    assert emulator.ledger.entries[0].parameters["image_url"].startswith("<png ")


async def test_a_video_of_an_earlier_task(client: KlingClient, emulator: Emulator) -> None:
    """The video of an earlier task is accepted as the motion."""
    [made] = (await (await client.text_to_video("a dancer"))).videos
    await client.motion_control(**{**DANCE, "video_url": None}, video=made)
    sent = emulator.ledger.entries[-1].parameters
    assert (sent["video_url"], "video" in sent) == (made.url, False)


async def test_a_video_that_cannot_be_fetched(client: KlingClient, emulator: Emulator) -> None:
    """The service's message is in the error; no task is created."""
    with pytest.raises(RequestRefused, match="Video URL is invalid"):
        await client.motion_control(**{**DANCE, "video_url": "https://files.example.invalid/dance.mp4"})
    assert emulator.ledger.created == 0


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        ({}, ["4 problems", "image_url", "video_url", "character_orientation", "image or video", "mode", "std or pro"]),
        ({**DANCE, "video_url": "dance.mp4"}, ["video_url", "host the clip", "http"]),
        ({**DANCE, "video_url": Path("dance.mp4")}, ["video_url", "got a path", "host the clip"]),
        ({**DANCE, "video_url": b"\0" * 9000}, ["video_url", "bytes", "host the clip"]),
        ({**DANCE, "mode": "4k"}, ["mode", "std or pro"]),
        ({**DANCE, "element_list": [1]}, ["element_list", "kling-v3"]),
        ({**DANCE, "character_orientation": "front", "keep_original_sound": "si"}, ["'front'", "'si'"]),
    ],
    ids=str,
)
async def test_a_wrong_request_names_the_correct_values(
    client: KlingClient, emulator: Emulator, mistake: dict[str, Any], expected: list[str]
) -> None:
    """Each message has the parameter, the given value and the accepted ones, all at once; nothing is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.motion_control(**mistake)
    assert [word for word in expected if word not in str(caught.value)] == [], str(caught.value)
    assert len(str(caught.value)) < 700
    assert sum(emulator.ledger.requests.values()) == 0


async def test_a_lost_answer_is_looked_up(client: KlingClient, emulator: Emulator) -> None:
    """After a lost response to a create, the task is found by its external id, created once and paid once."""
    emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    handle = await client.motion_control(**DANCE)
    assert (await handle).status is TaskStatus.SUCCEED
    assert (emulator.ledger.created, emulator.ledger.requests["create"]) == (1, 1)
