"""Voices, elements and faces, from the call to their use in a video."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    CallInDoubt,
    CreateElement,
    CreateVoice,
    DownloadError,
    Face,
    InvalidRequest,
    KlingClient,
    RequestRefused,
    TaskStatus,
    Video,
    Voice,
)
from kling_async.emulator import Emulator, Fault
from tests.shell.conftest import IMAGES, ClientMaker

SPEECH = "https://files.example/speech.mp3"
ELEMENT: dict[str, Any] = {"element_description": "small blue robot", "reference_type": "image_refer"}


@pytest.fixture
def robot() -> dict[str, Any]:
    """Pictures of which an element is created."""
    listed = {"frontal_image": IMAGES / "cat.png", "refer_images": [IMAGES / "rocket.jpg"]}
    return {"element_name": "robot", **ELEMENT, "element_image_list": listed}


async def clip(client: KlingClient, image: Path, **more: Any) -> Video:
    """A video with sound."""
    task = await (await client.image_to_video(image, mode="pro", sound=True, **more))
    return task.videos[0]


# ---------------------------------------------------------------------------------------------------- voices


async def test_a_voice_is_made_used_and_deleted(
    client: KlingClient, image: Path, robot: dict[str, Any], emulator: Emulator
) -> None:
    """A voice works in a video and an element as returned; after its deletion the service refuses it."""
    handle = await client.create_voice("narrator", voice_url=SPEECH)
    task = await handle
    [voice] = task.voices
    assert (voice.voice_name, task.final_unit_deduction) == ("narrator", Decimal("0.05"))
    assert handle.reference == f"general/custom-voices:{task.task_id}"
    await clip(client, image, prompt="<<<voice_1>>> says hello", voice_list=[voice])
    element = (await (await client.create_element(**robot, element_voice_id=voice))).elements[0]
    assert element.element_voice_info is not None
    assert element.element_voice_info.voice_id == voice.voice_id
    await client.delete_voice(voice)
    with pytest.raises(RequestRefused, match="not found"):
        await client.create_element(**robot, element_voice_id=voice)
    with pytest.raises(RequestRefused, match="not found"):
        await client.delete_voice("5")
    made = {entry.endpoint: entry.parameters for entry in emulator.ledger.entries}
    assert made["image2video"]["voice_list"] == [{"voice_id": voice.voice_id}]


async def test_a_voice_of_an_earlier_video(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """The video of a task is accepted as it is, and sent as its id."""
    video = await clip(client, image)
    task = await (await client.create_voice("narrator", video=video))
    assert task.status is TaskStatus.SUCCEED
    assert emulator.ledger.entries[-1].parameters["video_id"] == video.id
    with pytest.raises(RequestRefused, match="not found"):
        await client.create_voice("narrator", video_id="5")


async def test_voices_are_listed_and_attached(make_client: ClientMaker) -> None:
    """Other clients find a task by its reference and in the list, whose pages hold up to 1000."""
    first = await make_client().create_voice("narrator", voice_url=SPEECH, external_task_id="mine")
    await first
    other = make_client()
    assert (await other.attach("general/custom-voices:mine")).voices == first.result().voices
    assert [task async for task in other.tasks("general/custom-voices", page_size=1000)] == [first.result()]
    with pytest.raises(InvalidRequest, match="1 to 1000"):
        other.tasks("general/custom-voices", page_size=1001)


async def test_a_voice_whose_answer_is_lost(client: KlingClient, emulator: Emulator) -> None:
    """A voice whose response was lost is found by its external id, created once and paid once."""
    emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    task = await (await client.create_voice("narrator", voice_url=SPEECH))
    assert [voice.voice_name for voice in task.voices] == ["narrator"]
    assert (emulator.ledger.created, emulator.ledger.requests["create"]) == (1, 1)


# -------------------------------------------------------------------------------------------------- elements


async def test_an_element_is_made_used_and_deleted(
    client: KlingClient, image: Path, robot: dict[str, Any], emulator: Emulator
) -> None:
    """An element is created from files for free, works in a video as returned, and can be deleted."""
    task = await (await client.create_element(**robot, tag_list=["o_102"]))
    [element] = task.elements
    assert (element.element_name, element.reference_type) == ("robot", "image_refer")
    assert element.element_id > 2**53
    assert task.final_unit_deduction == 0
    await (await client.image_to_video(image, model_name="kling-v3", element_list=[element]))
    assert emulator.ledger.entries[-1].parameters["element_list"] == [{"element_id": element.element_id}]
    await client.delete_element(element)
    [listed] = [each async for each in client.tasks("general/advanced-custom-elements")]
    assert [each.status for each in listed.elements] == ["deleted"]


async def test_an_element_of_a_video(client: KlingClient) -> None:
    """An element can be created from the URL of a video."""
    request = CreateElement(
        "robot",
        element_description="small blue robot",
        reference_type="video_refer",
        element_video_list={"refer_videos": ["https://files.example/robot.mp4"]},
    )
    task = await (await client.submit(request))
    assert [element.reference_type for element in task.elements] == ["video_refer"]


# --------------------------------------------------------------------------------------------------- presets


async def test_presets(client: KlingClient, image: Path) -> None:
    """Presets come page by page or all at once, work like the user's own, and cannot be deleted."""
    voices = await client.preset_voices(page_size=2)
    assert [voice async for voice in client.preset_voices()] == voices
    assert len({voice.voice_id for voice in voices}) == len(voices) > 2
    assert {voice.owned_by for voice in voices} == {"kling"}
    [element, *_] = await client.preset_elements(page_size=1)
    await clip(client, image, voice_list=voices[:1])
    await (await client.image_to_video(image, model_name="kling-v3", element_list=[element]))
    with pytest.raises(RequestRefused):
        await client.delete_voice(voices[0])
    with pytest.raises(RequestRefused):
        await client.delete_element(element)


# ----------------------------------------------------------------------------------------------------- faces


async def test_faces_of_an_earlier_video(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """The video of a task is accepted as it is; session and faces are returned at once, for 0.05 units."""
    video = await clip(client, image)
    before = emulator.ledger.charged
    faces = await client.identify_faces(video)
    assert faces.session_id
    assert faces.face_data[0] == Face(
        face_id=faces.face_data[0].face_id, face_image=faces.face_data[0].face_image, start_time=0, end_time=5041
    )
    assert faces.final_unit_deduction == Decimal("0.05")
    assert emulator.ledger.charged - before == pytest.approx(0.05)


@pytest.mark.parametrize("fault", [Fault.reset(after_effect=True), Fault.gateway(504, after_effect=True)], ids=str)
async def test_faces_whose_answer_is_lost(client: KlingClient, emulator: Emulator, fault: Fault) -> None:
    """A call whose response was lost may be paid and cannot be looked up, so it is not sent again."""
    emulator.faults.add(fault, on="call", at=1)
    with pytest.raises(CallInDoubt, match=r"identify-face.*0\.05 units") as caught:
        await client.identify_faces(video_url="https://files.example/clip.mp4")
    await asyncio.sleep(600)
    assert caught.value.estimate.units == Decimal("0.05")
    assert emulator.ledger.charged == pytest.approx(0.05)
    assert emulator.ledger.requests["call"] == 1


# -------------------------------------------------------------------------------------------------- mistakes


async def test_all_problems_are_reported_at_once(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """All problems are reported together, with their fields; nothing is sent, and `generate` needs a file."""
    with pytest.raises(InvalidRequest, match="4 problems") as caught:
        await client.create_element(
            "x" * 21,
            element_description="",
            reference_type="image_refer",
            element_image_list={"frontal_image": tmp_path / "missing.png", "refer_images": []},
        )
    assert {problem.field for problem in caught.value.problems} == {
        "element_name",
        "element_description",
        "element_image_list.frontal_image",
        "element_image_list.refer_images",
    }
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(InvalidRequest, match="2 problems"):
        await client.create_voice("", voice_url=SPEECH, video_id="5")
    with pytest.raises(InvalidRequest, match="one of them is required"):
        await client.identify_faces()
    with pytest.raises(InvalidRequest, match="voice_id: is required"):
        await client.delete_voice(Voice(voice_id=""))
    with pytest.raises(DownloadError, match="no file"):
        await client.generate(CreateVoice("narrator", voice_url=SPEECH), tmp_path / "voice.wav")
    assert sum(emulator.ledger.requests.values()) == 0
