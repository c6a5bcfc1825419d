import asyncio
import json
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Fault
from kling_async.emulator.faults.kinds import CallKind
from tests.emulator.conftest import FAR, PATH, Caller

from .conftest import exchange, now, raw_create, result_url

RESELLER = {"id": "task_1", "task_id": "task_1", "object": "video", "status": "queued"}


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (RESELLER, 200, "application/json; charset=utf-8"),
        ({"code": "task_not_exist", "message": "", "data": None}, 400, "application/json; charset=utf-8"),
        ([], 404, "application/json; charset=utf-8"),
        (None, 200, "application/json; charset=utf-8"),
        ('{"code": 0, "da', 200, "text/plain; charset=utf-8"),
    ],
)
async def test_a_foreign_body(caller: Caller, body: Any, status: int, kind: str, *, after_effect: bool) -> None:
    """Any JSON or text is sent with any status, in place of the effect or in place of its answer."""
    caller.emulator.faults.add(Fault.foreign(body, status=status, after_effect=after_effect), on="create", at=1)

    answer = await caller.create()

    assert (answer.status, answer.headers["content-type"]) == (status, kind)
    assert answer.content.decode() == (body if isinstance(body, str) else json.dumps(body))
    assert caller.emulator.ledger.created == (1 if after_effect else 0)


async def test_any_call_may_get_a_foreign_answer(caller: Caller) -> None:
    """Query, list, account and file get a foreign answer as well, with the headers of the fault."""
    url = await result_url(caller)
    headers = {"Content-Type": "application/problem+json", "Server": None, "X-Gateway": "1"}
    caller.emulator.faults.add(Fault.foreign({"detail": "no"}, status=403, headers=headers))

    for path in (PATH, f"{PATH}/1", "/account/costs?start_time=0&end_time=1", url):
        answer = await caller.request("GET", path, headers={} if path == url else caller.headers)
        assert (answer.status, answer.body) == (403, {"detail": "no"})
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-gateway"] == "1"
        assert "server" not in answer.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_login_page(caller: Caller, status: int) -> None:
    """A gateway may redirect, after the effect too."""
    caller.emulator.faults.add(Fault.gateway(status, location="/login?next=%2F", after_effect=True), on="create", at=1)

    page = await raw_create(caller)

    assert page.head.startswith(f"http/1.1 {status} ")
    assert page.head.endswith("\nlocation: /login?next=%2f")
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert caller.emulator.ledger.created == 1


async def test_a_status_that_allows_no_body(caller: Caller) -> None:
    """A status without a body is sent without one."""
    caller.emulator.faults.add(Fault.foreign(status=204), on="list", at=1)
    caller.emulator.faults.add(Fault.gateway(304), on="list", at=2)

    answers = [await caller.get(PATH) for _ in range(3)]

    assert [(answer.status, answer.content == b"") for answer in answers] == [(204, True), (304, True), (200, False)]


async def test_a_result_in_another_shape(caller: Caller) -> None:
    """The task of a query has the changes and removals; only this one answer is changed."""
    task_id = (await caller.create(external_task_id="mine")).body["data"]["task_id"]
    await asyncio.sleep(FAR)
    whole = await caller.task(task_id)
    video = whole["task_result"]["videos"][0]
    shapes: list[tuple[Fault, Any]] = [
        (Fault.reshaped({"/data/task_result/videos/0/id": None}), {"videos": [video | {"id": None}]}),
        (Fault.reshaped(without=["/data/task_result/videos/0/id"]), {"videos": [{**video, "id": 0}]}),
        (Fault.reshaped({"/data/task_result/videos": None}), {"videos": None}),
        (Fault.reshaped({"/data/task_result/videos": []}), {"videos": []}),
        (Fault.reshaped(without=["/data/task_result/videos"]), {}),
    ]
    for fault, result in shapes:
        caller.emulator.faults.add(fault, on="query", at=1)
        data = await caller.task(task_id)
        for each in data["task_result"].get("videos") or ():
            each.setdefault("id", 0)
        assert data == whole | {"task_result": result}

    assert await caller.task(task_id) == whole


async def test_only_answers_of_a_kind_are_changed(caller: Caller) -> None:
    """`where` restricts a change to tasks with a status, and a refusal may be changed too."""
    fault = Fault.reshaped({"/data/task_status": "SUCCESS"}, where={"/data/task_status": "succeed"})
    caller.emulator.faults.add(fault, on="query")
    caller.emulator.faults.add(Fault.reshaped({"/code": "1201"}, where={"/code": 1201}), on="list")
    task_id = (await caller.create()).body["data"]["task_id"]

    early = await caller.task(task_id)
    await asyncio.sleep(FAR)
    late = await caller.task(task_id)
    refused, listed = await caller.get(f"{PATH}?pageNum=0"), await caller.get(PATH)

    assert (early["task_status"], late["task_status"]) == ("submitted", "SUCCESS")
    assert (refused.status, refused.body["code"], listed.body["code"]) == (400, "1201", 0)


async def test_an_answer_about_another_clients_task(caller: Caller) -> None:
    """A create may be answered with another client's task, while its own exists."""
    stranger = {"/data/task_id": "1", "/data/task_info/external_task_id": "not mine"}
    caller.emulator.faults.add(Fault.reshaped(stranger), on="create", at=1)

    data = (await caller.create(external_task_id="mine")).body["data"]

    assert (data["task_id"], data["task_info"]) == ("1", {"external_task_id": "not mine"})
    assert (await caller.task("mine"))["task_id"] != "1"


async def test_each_task_of_a_list_is_changed(caller: Caller) -> None:
    """A star matches each task of the list, and a dash appends one."""
    for _ in range(2):
        await caller.create()
    caller.emulator.faults.add(Fault.reshaped({"/data/*/task_status": "", "/data/-": None}), on="list", at=1)

    data = (await caller.get(PATH)).body["data"]

    assert [item and item["task_status"] for item in data] == ["", "", None]


async def test_a_surplus_answer(caller: Caller) -> None:
    """An answer sent twice is the answer to the next call on the same connection, of any kind."""
    caller.emulator.faults.add(Fault.surplus(), on="create", at=1)
    async with aiohttp.ClientSession() as session:
        same = Caller(caller.emulator, session)
        first = (await same.create(external_task_id="first")).body
        second = (await same.create(external_task_id="second")).body
        await asyncio.sleep(1)

    assert first == second
    assert first["data"]["task_info"] == {"external_task_id": "first"}
    assert caller.emulator.ledger.created == 2


async def test_a_surplus_answer_without_another_request(caller: Caller) -> None:
    """Without another request on the connection, the second copy follows the first one."""
    caller.emulator.faults.add(Fault.surplus(), on="list", at=1)

    answer = await exchange(caller, f"GET {PATH}")

    first, _, rest = answer.body.partition(b"HTTP/1.1 200 OK\r\n")
    assert (answer.end, first) == ("closed", rest.partition(b"\r\n\r\n")[2])


async def test_answers_without_a_date(caller: Caller) -> None:
    """Neither an answer nor a refusal has a `Date`; without the fault they do."""
    caller.emulator.faults.add(Fault.undated(), at=(1, 2))

    answers = [await caller.get(PATH), await caller.get(f"{PATH}/nobody"), await caller.get(PATH)]

    assert ["date" in answer.headers for answer in answers] == [False, False, True]
    assert [answer.code for answer in answers] == [0, 1201, 0]


@pytest.mark.parametrize("by", [-86400 * 400, -3600, 0, 7200])
async def test_answers_with_a_wrong_date(caller: Caller, by: int) -> None:
    """The date is wrong by `by` seconds, in addition to the skew, and tokens are checked by the clock."""
    caller.emulator.account.clock_skew = 30
    caller.emulator.faults.add(Fault.dated(by))

    answer = await caller.get(PATH)

    assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - now() - 30 - by) < 2
    assert answer.code == 0


@pytest.mark.parametrize("on", ["create", "list"])
async def test_answers_with_other_headers(caller: Caller, on: CallKind) -> None:
    """The true answer has the headers and the status of the fault."""
    headers = {"Content-Type": "text/html", "Date": "yesterday", "X-Cache": "HIT"}
    caller.emulator.faults.add(Fault.other_headers(headers, status=203), on=on)

    answer = await (caller.create() if on == "create" else caller.get(PATH))

    assert (answer.status, answer.code) == (203, 0)
    assert headers.items() <= {name.title(): value for name, value in answer.headers.items()}.items()


async def test_other_headers_go_with_any_fault(caller: Caller) -> None:
    """A fault of another kind can have other headers as well."""
    fault = Fault.error(1303).with_headers({"Date": None}).with_headers({"Retry-After": "7"})
    caller.emulator.faults.add(fault, on="create")

    answer = await caller.create()

    assert (answer.code, answer.headers["retry-after"], "date" in answer.headers) == (1303, "7", False)
