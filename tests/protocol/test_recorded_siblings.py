"""What is recorded of the endpoints beside image2video is read as it came: one row for each file."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from kling_async.protocol.errors import ApiError, RequestRefused
from kling_async.protocol.results import BalanceDeduction
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.codec import task_from_wire
from kling_async.protocol.wire.envelope import HttpResponse

from .recorded_bodies import FOLDER, OTHERS, recorded

# As it is written in the files: what answered a create, a query or a list; status, ids, results with their ids (`w`
# with a watermarked variant), units, and money as quota/list price.
TASKS = """
advanced_elements_create            | create | submitted | 867283741759110139     | job-0039 | -                                 | -    | -
advanced_elements_list              | list   | succeed   | 867283741759110140     | job-0040 | elements 867283741759110          | 0    | 0/0
advanced_elements_query_succeed     | query  | succeed   | 867283741759110140     | job-0040 | elements 867283741759110          | 0    | 0/0
advanced_elements_query_video_refer | query  | succeed   | 867283741759110141     | job-0041 | elements 867283741759110          | 0    | 0/0
advanced_lip_sync_create            | create | submitted | 867283741759110117     | job-0017 | -                                 | -    | -
advanced_lip_sync_query_succeed     | query  | succeed   | 867283741759110118     | -        | videos 867283741759110119w        | 0.5  | 0/0
advanced_presets_elements_list      | list   | succeed   | 867283741759110142     | -        | elements 867283741759110          | -    | -
ai_multi_shot_query_succeed         | query  | succeed   | 867283741759110144     | job-0044 | images 0 0 0 1 1 1 2 2 2          | 0.5  | 0/0
avatar_create                       | create | submitted | 867283741759110114     | job-0014 | -                                 | -    | -
avatar_query_succeed                | query  | succeed   | 867283741759110115     | job-0015 | videos 867283741759110116w        | 4.4  | 0/0
custom_voice_query_succeed_live     | query  | succeed   | 867283741759110108     | -        | voices 867283741759110209         | 0.05 | -
custom_voices_create                | create | submitted | 867283741759110135     | job-0035 | -                                 | -    | -
custom_voices_list                  | list   | succeed   | 867283741759110136     | job-0036 | voices 867283741759110600         | 0.05 | 0/0
custom_voices_query_succeed         | query  | succeed   | 867283741759110136     | job-0036 | voices 867283741759110600         | 0.05 | 0/0
delete_elements_ok                  | create | succeed   | 867283741759110143     | -        | -                                 | -    | -
delete_voices_ok                    | create | succeed   | 867283741759110138     | -        | -                                 | -    | -
effects_create_2025_live            | create | submitted | 867283741759110107     | -        | -                                 | -    | -
effects_query_succeed               | query  | succeed   | 867283741759110110     | job-0010 | videos 867283741759110111w        | 2    | 0/0
effects_query_succeed_2025          | query  | succeed   | 867283741759110112     | job-0012 | videos 867283741759110113         | -    | -
expand_query_succeed                | query  | succeed   | 867283741759110149     | job-0049 | images 0                          | 8    | 0/0
images_generations_list             | list   | succeed   | 867283741759110145     | job-0045 | images 0                          | 8    | 0/0
images_generations_query_succeed    | query  | succeed   | 867283741759110145     | job-0045 | images 0w 1w                      | 16   | 0/0
lip_sync_old_query_succeed          | query  | succeed   | 867283741759110120     | -        | videos 867283741759110121         | -    | -
motion_control_query_succeed_live   | query  | succeed   | 867283741759110103     | -        | videos 867283741759110104         | 4    | -
multi_elements_create               | create | submitted | 867283741759110128     | job-0028 | -                                 | -    | -
multi_elements_query_succeed        | query  | succeed   | 867283741759110129     | job-0029 | videos 867283741759110130w        | 3    | 0/0
multi_image2image_query_succeed     | query  | succeed   | 867283741759110148     | job-0048 | images 0w                         | 16   | 0/0
multi_image2video_query_succeed     | query  | succeed   | 867283741759110124     | job-0024 | videos 867283741759110125w        | 2    | 0/0
omni_image_create_live              | create | submitted | 867283741759110105     | 10060    | -                                 | -    | -
omni_image_query_succeed_live       | query  | succeed   | 867283741759110106     | 10061    | images 0                          | 8    | -
omni_image_series_fixture           | query  | succeed   | 867283741759110147     | -        | images 0 1                        | -    | -
omni_image_series_query_succeed     | query  | succeed   | 867283741759110146     | job-0046 | images 0w 1w                      | 16   | 0/0
omni_video_query_failed             | query  | failed    | 867283741759110152     | -        | -                                 | 0    | -
omni_video_query_succeed            | query  | succeed   | 867283741759110126     | job-0026 | videos 867283741759110127w        | 4    | 0/0
presets_voices_list                 | list   | succeed   | 867283741759110137     | -        | voices 829824295735410756         | -    | -
text2video_create_2024_live         | create | submitted | CmYgAAAAAAAAAAAAAAAAAA | -        | -                                 | -    | -
text2video_query_succeed_live       | query  | succeed   | 867283741759110101     | 10052    | videos 867283741759110102         | 1    | -
text_to_audio_query_succeed         | query  | succeed   | 867283741759110133     | job-0033 | audios 867283741759110500         | 0.25 | 0/0
tryon_create_2025_live              | create | submitted | CjMTAAAAAAAAAAAAAAAAAA | -        | -                                 | -    | -
tryon_query_failed                  | query  | failed    | 867283741759110151     | -        | -                                 | -    | -
tryon_query_succeed                 | query  | succeed   | 867283741759110150     | -        | images 0                          | -    | -
tts_ok                              | create | succeed   | 867283741759110134     | -        | audios 867283741759110501         | 0.05 | 0/0
video_extend_query_succeed          | query  | succeed   | 867283741759110122     | -        | videos 867283741759110123         | -    | -
video_to_audio_query_succeed        | query  | succeed   | 867283741759110131     | job-0031 | videos 867283741759110132, audios 867283741759110500 | 0.25 | 0/0
"""  # noqa: E501  (a table)
ROWS = [[cell.strip() for cell in line.split("|")] for line in TASKS.strip().splitlines()]

CALLS: dict[str, set[str]] = {
    "billing_balance_ok": {"result", "next_cursor", "has_more"},
    "billing_package_ok": {"result", "next_cursor", "has_more"},
    "identify_face_ok": {"session_id", "final_unit_deduction", "final_balance_deduction", "face_data"},
    "image_recognize_ok": {"task_result", "final_unit_deduction", "final_balance_deduction"},
    "multi_elements_add_selection_ok": {
        "status",
        "session_id",
        "final_unit_deduction",
        "final_balance_deduction",
        "res",
    },
    "multi_elements_clear_selection_ok": {"status", "session_id", "final_unit_deduction", "final_balance_deduction"},
    "multi_elements_init_ok": {
        *("status", "session_id", "final_unit_deduction", "final_balance_deduction"),
        *("fps", "original_duration", "width", "height", "total_frame", "normalized_video"),
    },
    "multi_elements_preview_ok": {"status", "session_id", "final_unit_deduction", "final_balance_deduction", "res"},
}
"""Answers of paths that make no task, with the members of their data."""
ELEMENT = {
    *("element_id", "element_name", "element_description", "element_frontal_image", "element_refer_list"),
    *("tag_list", "owned_by"),
}
OLD_ELEMENTS: dict[str, set[str]] = {
    "old_custom_elements_create": ELEMENT,
    "old_custom_elements_list": ELEMENT,
    "old_presets_elements_list": {*ELEMENT, "final_unit_deduction"},
}
"""Of the older library, whose elements come without a task around them."""

REFUSALS: dict[str, type[ApiError]] = {
    "error_1201_audio_format_invalid": RequestRefused,
    "error_1201_omni_sound_with_video": RequestRefused,
    "error_1201_task_not_found_external": RequestRefused,
    "error_1201_tts_voice_not_found": RequestRefused,
    "error_1201_video_url_invalid": RequestRefused,
}
"""On a create; `lifecycle` decides what 1201 means for a query."""

REQUESTS: dict[str, str] = {
    "request_advanced_lip_sync": "lip_sync",
    "request_billing_balance": "no method: RawCall",
    "request_custom_voices": "create_voice",
    "request_effects_dual": "video_effect",
    "request_effects_dual_2025": "video_effect",
    "request_effects_single": "video_effect",
    "request_expand": "expand_image",
    "request_multi_elements_swap": "no method: RawTask",
    "request_omni_video_edit": "omni_video",
    "request_tts": "text_to_speech",
}
"""The method that sends the same; that it does is tested with its endpoint."""


def read(name: str, how: str) -> Task:
    """The task of a recorded answer."""
    response, data = recorded(name), OTHERS[name]["body"]["data"]
    if how == "create":
        return responses.created(response, "some", None)
    if how == "query":
        return responses.task(response, "some", data["task_id"])
    [task] = responses.tasks(response, "some").tasks
    return task


def results(task: Task) -> str:
    """The results of a task as in the table."""
    ids = {
        "videos": [video.id + "w" * bool(video.watermark_url) for video in task.videos],
        "images": [f"{image.index}{'w' * bool(image.watermark_url)}" for image in task.images],
        "audios": [audio.id for audio in task.audios],
        "voices": [voice.voice_id for voice in task.voices],
        "elements": [str(element.element_id) for element in task.elements],
    }
    return ", ".join(" ".join([kind, *found]) for kind, found in ids.items() if found) or "-"


def test_every_recorded_body_is_looked_at() -> None:
    """Each file is in exactly one of the tables."""
    named = [*(row[0] for row in ROWS), *CALLS, *OLD_ELEMENTS, *REFUSALS, *REQUESTS]
    assert sorted(named) == sorted(path.stem for path in (FOLDER / "siblings").glob("*.json"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_recorded_task_is_read(row: list[str]) -> None:
    """Its status, its ids, what it made and what it cost are those of the file; all results are kept as they came."""
    name, how, status, task_id, external, made, units, money = row
    task = read(name, how)
    assert (task.status.value, task.task_id, task.external_task_id or "-") == (status, task_id, external)
    assert results(task) == made
    assert task.final_unit_deduction == (None if units == "-" else Decimal(units))
    quota, _, list_price = money.partition("/")
    assert task.final_balance_deduction == (
        BalanceDeduction(quota=Decimal(quota), list_price=Decimal(list_price)) if list_price else None
    )
    data = OTHERS[name]["body"]["data"]
    came = data[0] if how == "list" else data
    assert task.raw == came.get("task_result")
    assert task.status_msg == came.get("task_status_msg", "")
    assert (task.created_at is None) == ("created_at" not in came)


@pytest.mark.parametrize("name", CALLS)
def test_a_recorded_answer_without_a_task_is_read(name: str) -> None:
    """The data is what the service sent, whole."""
    data = responses.answer(recorded(name))
    assert data == OTHERS[name]["body"]["data"]
    assert {*data} == CALLS[name]


@pytest.mark.parametrize("name", OLD_ELEMENTS)
def test_an_element_of_the_older_library_is_read(name: str) -> None:
    """It is the data itself, or in an array."""
    data = responses.answer(recorded(name))
    [element] = data if isinstance(data, list) else [data]
    assert {*element} == OLD_ELEMENTS[name]
    assert element["element_id"] == 160


@pytest.mark.parametrize(
    "reader", [responses.answer, lambda response: responses.created(response, "some", None)], ids=["call", "create"]
)
@pytest.mark.parametrize("name", REFUSALS)
def test_a_recorded_refusal_is_typed(name: str, reader: Callable[[HttpResponse], object]) -> None:
    """A refusal has its class, its code and the service's own words."""
    with pytest.raises(ApiError) as caught:
        reader(recorded(name))
    assert (type(caught.value), caught.value.code, caught.value.http_status) == (REFUSALS[name], 1201, 400)
    assert caught.value.message.startswith(OTHERS[name]["body"]["message"])


@pytest.mark.parametrize("element_id", [829836802793406551, "829836802793406551", 2**63 - 1, 160])
def test_ids_of_elements_keep_every_digit(element_id: Any) -> None:
    """They exceed 2**53, and come as numbers or as text."""
    element = {"element_id": element_id, "element_voice_info": {}}
    data = {"task_id": "1", "task_status": "succeed", "task_result": {"elements": [element]}}
    [made] = task_from_wire(data, "some").elements
    assert made.element_id == int(element_id)
