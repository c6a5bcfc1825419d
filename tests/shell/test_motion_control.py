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
    """The method and the record make the same task, of the same body, at the endpoint's own path."""
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
    """The picture is uploaded, the task followed, saved, listed and attached; what it cost is known afterwards."""
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
    """The motion can be that of a video made before, which is given as it is."""
    [made] = (await (await client.text_to_video("a dancer"))).videos
    await client.motion_control(**{**DANCE, "video_url": None}, video=made)
    sent = emulator.ledger.entries[-1].parameters
    assert (sent["video_url"], "video" in sent) == (made.url, False)


async def test_a_video_that_cannot_be_fetched(client: KlingClient, emulator: Emulator) -> None:
    """The service's own words reach the user; nothing is made."""
    with pytest.raises(RequestRefused, match="Video URL is invalid"):
        await client.motion_control(**{**DANCE, "video_url": "https://files.example.invalid/dance.mp4"})
    assert emulator.ledger.created == 0


@pytest.mark.parametrize(
    ("mistake", "says"),
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
async def test_a_mistake_is_told(
    client: KlingClient, emulator: Emulator, mistake: dict[str, Any], says: list[str]
) -> None:
    """Each message names the parameter, what was given and what would be right, all at once; nothing is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.motion_control(**mistake)
    assert [word for word in says if word not in str(caught.value)] == [], str(caught.value)
    assert len(str(caught.value)) < 700
    assert sum(emulator.ledger.requests.values()) == 0


async def test_a_lost_answer_is_looked_up(client: KlingClient, emulator: Emulator) -> None:
    """After a create whose answer was lost the task is found by its external id: one is made, one is paid."""
    emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    handle = await client.motion_control(**DANCE)
    assert (await handle).status is TaskStatus.SUCCEED
    assert (emulator.ledger.created, emulator.ledger.requests["create"]) == (1, 1)
