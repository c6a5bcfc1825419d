import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kling_async.protocol.endpoints import ImageToVideo
from kling_async.protocol.errors import BadResponse, UnknownStatus
from kling_async.protocol.media.image import Image
from kling_async.protocol.results import Video
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.codec import task_from_wire, to_wire

from .recorded_bodies import RECORDED

LEGACY = {"task_id": "8", "task_status": "succeed"}
NEW = {"id": "8", "status": "succeeded"}
URL = "https://h/a.mp4"


def read(**members: Any) -> Task:
    """A task of the legacy shape with these members."""
    return task_from_wire({**LEGACY, **members}, "image2video")


def moment(*parts: int) -> datetime:
    """A time in UTC; the last part is in microseconds."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # mypy counts no arguments of a tuple


# ------------------------------------------------------------------------------------------- new generation


@pytest.mark.parametrize(
    ("data", "task"),
    [
        (
            RECORDED["new_create_ok"]["body"]["data"],
            Task(
                endpoint="image2video",
                task_id="893605946402810000",
                status=TaskStatus.SUBMITTED,
                external_task_id="job-0001",
                created_at=moment(2026, 6, 10, 8, 39, 38, 802_000),
                updated_at=moment(2026, 6, 10, 8, 39, 38, 802_000),
            ),
        ),
        (
            RECORDED["new_tasks_get_ok"]["body"]["data"][0],
            Task(
                endpoint="image2video",
                task_id="930831534075680000",
                status=TaskStatus.SUCCEED,
                external_task_id="job-0001",
                created_at=moment(2026, 6, 10, 8, 39, 38, 802_000),
                updated_at=moment(2026, 6, 10, 8, 40, 6, 802_000),
                videos=(Video(id="1", url="https://v1-kling.example.invalid/a.mp4", duration=Decimal("3.041")),),
                final_unit_deduction=Decimal("2.4"),
            ),
        ),
        (
            RECORDED["new_tasks_list_ok"]["body"]["data"]["result"][0],
            Task(
                endpoint="image2video",
                task_id="893605946402810000",
                status=TaskStatus.SUCCEED,
                created_at=moment(2026, 6, 10, 8, 39, 38, 802_000),
                updated_at=moment(2026, 6, 10, 8, 39, 54, 151_000),
                videos=(Video(id="1", url="https://v1-kling.example.invalid/a.mp4", duration=Decimal("5.041")),),
            ),
        ),
        (
            RECORDED["callback_new_submitted_test"]["body"],
            Task(
                endpoint="image2video",
                task_id="913827032734640000",
                status=TaskStatus.SUBMITTED,
                created_at=moment(2026, 8, 5, 3, 51, 1, 504_000),
                updated_at=moment(2026, 8, 5, 3, 51, 1, 504_000),
            ),
        ),
    ],
)
def test_tasks_of_the_new_generation_are_read(data: Any, task: Task) -> None:
    """Where there is `id` instead of `task_id`, the members of the new shape become the same record."""
    assert task == task_from_wire(data, "image2video")


def test_outputs_that_are_no_videos_are_left_out() -> None:
    """Of the new shape's outputs only videos count, and a watermarked one shows that it was requested."""
    outputs = [{"type": "audio", "url": 5 * "x"}, {"type": "video", "id": 7, "url": URL, "watermark_url": URL + "?w"}]
    task = task_from_wire({**NEW, "outputs": outputs, "message": None}, "image2video")
    assert task.videos == (Video(id="7", url=URL, watermark_url=URL + "?w"),)
    assert task.watermark


@pytest.mark.parametrize(
    ("billing", "units"),
    [
        (None, None),
        ([], None),
        ("2.4", None),
        ([{"charge_type": "unit", "amount": "2.4"}, {"charge_type": "unit", "amount": 1}, 5], Decimal("3.4")),
        ([{"charge_type": "balance", "amount": "2.4"}, {"amount": "1"}], None),
        ([{"charge_type": "unit", "amount": "much"}, {"charge_type": "unit", "amount": "1"}], Decimal(1)),
        ([{"charge_type": "unit", "amount": "9e999999999999999999"}] * 2, None),
    ],
)
def test_units_billed_are_added_up(billing: Any, units: Decimal | None) -> None:
    """Of the new shape's bill the units count together; what is no amount is left out."""
    assert units == task_from_wire({**NEW, "billing": billing}, "image2video").final_unit_deduction


@pytest.mark.parametrize("shape", [LEGACY, NEW])
@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("submitted", TaskStatus.SUBMITTED),
        ("processing", TaskStatus.PROCESSING),
        ("succeed", TaskStatus.SUCCEED),
        ("succeeded", TaskStatus.SUCCEED),
        ("failed", TaskStatus.FAILED),
        ("SUBMITTED", TaskStatus.SUBMITTED),
        ("Succeed ", TaskStatus.SUCCEED),
        ("Failed", TaskStatus.FAILED),
    ],
)
def test_both_generations_words_are_known(shape: dict[str, str], word: str, status: TaskStatus) -> None:
    """`succeed` and `succeeded` both mean success, in either shape and any case."""
    (key,) = {"task_status", "status"} & {*shape}
    assert status is task_from_wire({**shape, key: word}, "image2video").status


# ------------------------------------------------------------------------------------------------- strictly


@pytest.mark.parametrize("word", ["canceled", "queued", "x" * 5000, "\ud800", "a\nb"])
def test_an_undocumented_status_is_an_error(word: str) -> None:
    """A status word that is not documented never becomes a task, and the message is short and printable."""
    with pytest.raises(UnknownStatus, match=r"undocumented status .* for task 8; a newer version") as caught:
        read(task_status=word)
    assert len(str(caught.value).encode()) < 300


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        [],
        "8",
        {},
        {"task_id": "8"},
        {"id": "8"},
        {"status": "succeeded"},
        {**LEGACY, "task_id": None},
        {**LEGACY, "task_id": True},
        {**LEGACY, "task_id": 1.5},
        {**LEGACY, "task_id": ["8"]},
        {**LEGACY, "task_id": ""},
        {**LEGACY, "task_id": "  "},
        {**LEGACY, "task_id": "."},
        {**LEGACY, "task_id": ".."},
        {**LEGACY, "task_id": "a\n"},
        {**LEGACY, "task_id": "\ud800"},
        {**NEW, "id": {}},
        {**LEGACY, "task_status": None},
        {**LEGACY, "task_status": ""},
        {**LEGACY, "task_status": " "},
        {**LEGACY, "task_status": 5},
    ],
)
def test_what_a_task_is_known_by_is_read_strictly(data: Any) -> None:
    """Without a usable id or a status, an answer is no task."""
    with pytest.raises(BadResponse):
        task_from_wire(data, "image2video")


def test_large_ids_may_be_numbers() -> None:
    """Ids beyond 2**53 that come as numbers keep every digit."""
    data = {
        **LEGACY,
        "task_id": 829836802793406551,
        "task_result": {"videos": [{"id": 867283741759110001, "url": URL}]},
    }
    task = task_from_wire(data, "image2video")
    assert (task.task_id, task.videos[0].id) == ("829836802793406551", "867283741759110001")


# ------------------------------------------------------------------------------------------------ leniently


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        (1774805076166, moment(2026, 3, 29, 17, 24, 36, 166_000)),
        (1774805076166.0, moment(2026, 3, 29, 17, 24, 36, 166_000)),
        ("1774805076166", moment(2026, 3, 29, 17, 24, 36, 166_000)),
        (1774805076, moment(2026, 3, 29, 17, 24, 36)),
        (1774805076.25, moment(2026, 3, 29, 17, 24, 36, 250_000)),
        (0, moment(1970, 1, 1)),
        (None, None),
        ("yesterday", None),
        (True, None),
        (10**400, None),
        (math.inf, None),
        (math.nan, None),
        (-(10**18), None),
        ([], None),
    ],
)
def test_a_time_that_cannot_be_read_is_left_out(value: Any, read_as: datetime | None) -> None:
    """Times are milliseconds or seconds since 1970, in UTC; a paid video is not lost to a malformed one."""
    task = read(created_at=value, updated_at=value)
    assert (task.created_at, task.updated_at) == (read_as, read_as)


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ("1.235", Decimal("1.235")),
        ("0", Decimal(0)),
        (2, Decimal(2)),
        (1.5, Decimal("1.5")),
        ("", None),
        ("much", None),
        ("NaN", None),
        ("sNaN", None),
        ("Infinity", None),
        (math.inf, None),
        ("1e999999999999999999", None),
        ("1e-999999999999999999", None),
        ("1e99999999999999999999999", None),
        pytest.param(10**5000, None, id="thousands of digits"),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_an_amount_that_cannot_be_read_is_left_out(value: Any, read_as: Decimal | None) -> None:
    """Amounts and durations keep their decimal digits; what is no amount one could print is none."""
    task = read(
        final_unit_deduction=value,
        final_balance_deduction={"quota": value, "list_price": value},
        task_result={"videos": [{"id": "1", "url": URL, "duration": value}]},
    )
    assert task.final_balance_deduction is not None
    found = (
        task.final_unit_deduction,
        task.final_balance_deduction.quota,
        task.final_balance_deduction.list_price,
        task.videos[0].duration,
    )
    assert (read_as,) * 4 == found


@pytest.mark.parametrize(
    ("members", "name", "value"),
    [
        ({"final_balance_deduction": "0"}, "final_balance_deduction", None),
        ({"watermark_info": {"enabled": True}}, "watermark", True),
        ({"watermark_info": {"enabled": "yes"}}, "watermark", False),
        ({"watermark_info": {}}, "watermark", False),
        ({"watermark_info": True}, "watermark", False),
        ({"task_info": None}, "external_task_id", None),
        ({"task_info": {}}, "external_task_id", None),
        ({"task_info": {"external_task_id": ""}}, "external_task_id", None),
        ({"task_info": {"external_task_id": 5}}, "external_task_id", "5"),
        ({"task_info": "text"}, "external_task_id", None),
        ({"task_info": [5]}, "external_task_id", None),
        ({"task_info": {"external_task_id": "a\x00"}}, "external_task_id", None),
        ({"task_info": {"external_task_id": "a"}}, "external_task_id", "a"),
        ({"task_status_msg": None}, "status_msg", ""),
        ({"task_status_msg": "bad\nimage"}, "status_msg", "bad image"),
        ({"task_result": None}, "videos", ()),
        ({"task_result": {}}, "videos", ()),
        ({"unknown": 5}, "videos", ()),
        ({"task_result": 5}, "videos", ()),
        ({"task_result": []}, "videos", ()),
        ({"task_result": {"videos": None}}, "videos", ()),
        ({"task_result": {"videos": 5}}, "videos", ()),
        ({"task_result": {"videos": [5, None, {}, {"id": "1"}, {"id": "1", "url": None}]}}, "videos", ()),
        ({"task_result": {"videos": [{"url": URL}]}}, "videos", (Video(id="", url=URL),)),
        ({"task_result": {"videos": [{"id": None, "url": URL}]}}, "videos", (Video(id="", url=URL),)),
        ({"task_result": {"videos": [{"id": {}, "url": 5}, {"url": URL}]}}, "videos", (Video(id="", url=URL),)),
        ({"task_result": {"videos": [{"url": "ftp://h/a"}]}}, "videos", (Video(id="", url="ftp://h/a"),)),
        ({"task_result": {"videos": [{"url": " https://h/a\r\n"}]}}, "videos", (Video(id="", url="https://h/a"),)),
        ({"task_result": {"videos": [{"url": "https://h/\ud800"}]}}, "videos", (Video(id="", url="https://h/"),)),
        (
            {"task_result": {"videos": [{"watermark_url": URL}]}},
            "videos",
            (Video(id="", url="", watermark_url=URL),),
        ),
        (
            {
                "task_result": {
                    "videos": [{"id": "1", "url": "HTTPS://h/a", "watermark_url": "", "more": 1}],
                    "images": 5,
                }
            },
            "videos",
            (Video(id="1", url="HTTPS://h/a"),),
        ),
    ],
)
def test_members_that_adorn_may_be_anything(members: dict[str, Any], name: str, value: object) -> None:
    """Optional members that are absent, unknown or malformed spoil nothing."""
    assert value == getattr(read(**members), name)


def test_a_request_keeps_its_pictures() -> None:
    """The wire dict has pictures as they are: their base64 is made when it is sent."""
    image = Image.of(b"x")
    assert to_wire(ImageToVideo(image=image))["image"] is image
