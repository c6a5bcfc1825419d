"""Tasks that make pictures, from the create to the file."""

import json
from typing import Any

import pytest

from kling_async.emulator.results.image_header import dimensions
from kling_async.emulator.service.endpoints import expand, generations, multi_image2image, omni_image

from .conftest import FAR, Answer, Caller, Clock, base64_png
from .test_result_kinds import RECORDED, shape

CAT: dict[str, Any] = {"prompt": "a cat"}
PATH = generations.ENDPOINT.path
SERIES = CAT | {"model_name": "kling-v3-omni", "result_type": "series", "series_amount": 2}
SUBJECT = {"subject_image_list": [{"subject_image": base64_png()}]}
WATERMARK = {"watermark_info": {"enabled": True}}


async def created(caller: Caller, path: str, **parameters: Any) -> Answer:
    """Creates a task."""
    return await caller.request("POST", path, json=parameters, headers=caller.headers)


@pytest.mark.parametrize(
    ("path", "body", "recorded"),
    [
        (PATH, CAT | {"n": 2} | WATERMARK, "images_generations_query_succeed"),
        (omni_image.ENDPOINT.path, CAT, "omni_image_query_succeed_live"),
        (omni_image.ENDPOINT.path, SERIES | WATERMARK, "omni_image_series_query_succeed"),
        (multi_image2image.ENDPOINT.path, SUBJECT | WATERMARK, "multi_image2image_query_succeed"),
        (expand.ENDPOINT.path, {"image": base64_png()}, "expand_query_succeed"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_a_task_answers_as_recorded(
    caller: Caller, clock: Clock, path: str, body: dict[str, Any], recorded: str
) -> None:
    """A finished task, found by either id, has the members, types and price of the recorded body."""
    expected = json.loads((RECORDED / f"{recorded}.json").read_text())["body"]["data"]
    task_id = (await created(caller, path, external_task_id="mine", **body)).body["data"]["task_id"]
    clock.advance(FAR)
    data = (await caller.get(f"{path}/{task_id}")).body["data"]
    listed = (await caller.get(path)).body["data"]

    assert data["final_unit_deduction"] == expected["final_unit_deduction"]
    assert [name for name in data if name in expected] == list(expected)
    assert {name: shape(data[name]) for name in expected} == shape(expected)
    assert [data] == listed
    assert data == (await caller.get(f"{path}/mine")).body["data"]


@pytest.mark.parametrize("path", [each.ENDPOINT.path for each in (generations, omni_image, multi_image2image, expand)])
async def test_an_unknown_id_is_refused_as_recorded(caller: Caller, path: str) -> None:
    """An unknown id is 400/1201, not 404, with the recorded message."""
    recorded = json.loads((RECORDED / "error_1201_task_not_found_external.json").read_text())["body"]
    answer = await caller.get(f"{path}/job-0404")

    assert (answer.status, answer.code, answer.message) == (400, recorded["code"], recorded["message"])


async def test_pictures_are_files_of_the_requested_size(caller: Caller, clock: Clock) -> None:
    """Each picture of a task is a different PNG of the requested size, and so are those with the watermark."""
    body = CAT | {"n": 3, "aspect_ratio": "3:4", "resolution": "2k"} | WATERMARK
    task_id = (await created(caller, PATH, **body)).body["data"]["task_id"]
    clock.advance(FAR)
    images = (await caller.get(f"{PATH}/{task_id}")).body["data"]["task_result"]["images"]
    files = [await caller.request("GET", each[name]) for each in images for name in ("url", "watermark_url")]

    assert {file.headers["content-type"] for file in files} == {"image/png"}
    assert {dimensions(file.content) for file in files} == {(1760, 2336)}
    assert len({file.content for file in files}) == 6
    assert caller.emulator.ledger.entries[0].delivered == 6


async def test_an_image_task_takes_the_slots_of_its_pictures(caller: Caller, clock: Clock) -> None:
    """A task of four pictures takes four of five slots, separate from those of videos; a failed one costs nothing."""
    first = await created(caller, PATH, n=4, prompt="forbidden")
    full, fits = await created(caller, PATH, n=2, **CAT), await created(caller, PATH, **CAT)
    video = await caller.create(model_name="kling-v3")

    assert [answer.code for answer in (first, full, fits, video)] == [0, 1303, 0, 0]
    assert caller.emulator.ledger.peak("kling-v3 (image)") == 5
    clock.advance(FAR)
    assert (await caller.get(f"{PATH}/{first.body['data']['task_id']}")).body["data"]["task_status"] == "failed"
    assert {entry.endpoint: entry.units for entry in caller.emulator.ledger.entries} == {PATH[4:]: 8, "image2video": 3}
    assert (await created(caller, PATH, n=5, **CAT)).code == 0


async def test_the_page_shows_the_image_pack(caller: Caller) -> None:
    """Charges to the image pack are shown next to the balance of videos, once there are any."""
    await caller.create()
    before = (await caller.request("GET", "/_emulator/state")).body["account"]
    await created(caller, PATH, n=2, **CAT)
    after = (await caller.request("GET", "/_emulator/state")).body["account"]

    assert (before["balance"], before["other_packs"]) == ("9998.5", {})
    assert (after["balance"], after["other_packs"]) == ("9998.5", {"image": {"balance": "9984", "charged": "16"}})


async def test_numbers_may_be_strings(caller: Caller) -> None:
    """Numbers in strings are numbers, as the service probably reads them; "auto" is kept."""
    caller.emulator._account.concurrency = 12
    for amount in ("3", "auto"):
        answer = await created(caller, omni_image.ENDPOINT.path, **SERIES | {"series_amount": amount, "n": "1"})
        assert answer.code == 0
    assert caller.emulator.ledger.entries[0].units == 24
