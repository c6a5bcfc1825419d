import asyncio
import base64
import re
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator
from kling_async.emulator.service.catalog import ENDPOINTS

from .conftest import PATH, Caller, Clock, base64_png, file_url, finished, png


async def test_a_create_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """A create answers with a task that is submitted; `task_info` is empty without an external id."""
    plain = await caller.create()
    named = await caller.create(external_task_id="job-0001")

    assert plain.status == 200
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", plain.body["request_id"]
    )
    task_id = plain.body["data"]["task_id"]
    assert re.fullmatch("[1-9][0-9]{17}", task_id)
    moment = int(clock() * 1000)
    times = {"created_at": moment, "updated_at": moment}
    assert plain.body | {"request_id": ""} == {
        "code": 0,
        "message": "SUCCEED",
        "request_id": "",
        "data": {"task_id": task_id, "task_status": "submitted", "task_info": {}, "task_result": {}} | times,
    }
    assert named.body["data"]["task_info"] == {"external_task_id": "job-0001"}


async def test_a_query_follows_the_task(caller: Caller, clock: Clock) -> None:
    """A task is found by both of its ids, and has no result before its end."""
    created = (await caller.create(external_task_id="a/b ü")).body["data"]
    clock.advance(10)

    by_id = await caller.get(f"{PATH}/{created['task_id']}")
    by_external_id = await caller.get(f"{PATH}/a%2Fb%20%C3%BC")

    assert by_id.body["data"] == by_external_id.body["data"]
    assert by_id.body["data"].pop("updated_at") > created["updated_at"]
    assert by_id.body["data"] == {
        "task_id": created["task_id"],
        "task_status": "processing",
        "task_status_msg": "",
        "task_info": {"external_task_id": "a/b ü"},
        "task_result": {},
        "created_at": created["created_at"],
    } | {"updated_at": by_id.body["data"]["updated_at"]}


async def test_a_finished_task_has_the_recorded_shape(caller: Caller, clock: Clock) -> None:
    """A succeeded task carries a video with a decimal duration, and its price as a decimal string."""
    data = await finished(caller, clock, mode="pro", external_task_id="job-0001", watermark_info={"enabled": True})

    (video,) = data["task_result"]["videos"]
    assert list(data) == [
        "task_id",
        "task_status",
        "task_status_msg",
        "task_info",
        "task_result",
        "watermark_info",
        "final_unit_deduction",
        "final_balance_deduction",
        "created_at",
        "updated_at",
    ]
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "2.5")
    assert (list(video), video["duration"]) == (["id", "url", "watermark_url", "duration"], "5.041")
    assert data["watermark_info"] == {"enabled": True}
    assert data["final_balance_deduction"] == {"quota": "0", "list_price": "0"}


async def test_no_watermark_unless_requested(caller: Caller, clock: Clock) -> None:
    """Without `watermark_info` there is no link to a file with a watermark."""
    data = await finished(caller, clock)

    assert list(data["task_result"]["videos"][0]) == ["id", "url", "duration"]
    assert data["watermark_info"] == {"enabled": False}


async def test_a_failed_task_has_a_message(caller: Caller, clock: Clock) -> None:
    """A failed task is a successful answer: HTTP 200, code 0, a message, no result, no price."""
    data = await finished(caller, clock, prompt="a forbidden thing")

    assert (data["task_status"], data["final_unit_deduction"]) == ("failed", "0")
    assert data["task_status_msg"] == "Failure to pass the risk control system"
    assert data["task_result"] == {}


async def test_the_list_is_a_bare_array(caller: Caller) -> None:
    """The list gives query bodies, 30 to a page by default, newest first, and an empty array at its end."""
    caller.emulator._account.concurrency = 100
    ids = [(await caller.create()).body["data"]["task_id"] for _ in range(31)]

    first = (await caller.get(PATH)).body["data"]
    second = (await caller.get(PATH + "/?pageNum=2&pageSize=30")).body["data"]

    assert [task["task_id"] for task in first + second] == ids[::-1]
    assert first[0] == await caller.task(ids[-1])
    assert (await caller.get(PATH + "?pageNum=3")).body["data"] == []


@pytest.mark.parametrize("query", ["pageNum=0", "pageNum=1001", "pageSize=0", "pageSize=501", "pageSize=x", "pageNum="])
async def test_pages_have_limits(caller: Caller, query: str) -> None:
    """`pageNum` is within 1 and 1000, `pageSize` within 1 and 500."""
    answer = await caller.get(f"{PATH}?{query}")

    assert (answer.status, answer.code) == (400, 1201)


@pytest.mark.parametrize("path", [endpoint.path for endpoint in ENDPOINTS])
@pytest.mark.parametrize(("key", "kind"), [("job-0404", "external id"), ("867283741759110404", "id")])
async def test_an_unknown_task_is_a_bad_value(caller: Caller, path: str, key: str, kind: str) -> None:
    """An unknown task is 400/1201 and not 404, with the recorded message, on each endpoint."""
    answer = await caller.get(f"{path}/{key}")

    assert (answer.status, answer.code) == (400, 1201)
    assert answer.message == f"Task not found by {kind}: {key}"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/videos", 1203),
        ("POST", "/v1/image-to-video", 1203),
        ("DELETE", PATH, 1202),
        ("POST", PATH + "/1", 1202),
        ("POST", "/v1/videos/multi-elements/init-selection", 1203),
        ("GET", "/solutions?task_ids=1", 1203),
    ],
)
async def test_unknown_paths_and_methods(caller: Caller, method: str, path: str, code: int) -> None:
    """An unknown path is 404/1203, an unknown method 404/1202, for callers with valid credentials."""
    answer = await caller.request(method, path, headers=caller.headers)
    stranger = await caller.request(method, path)

    assert (answer.status, answer.code) == (404, code)
    assert (stranger.status, stranger.code) == (401, 1001)


async def test_a_path_that_is_not_emulated_has_its_own_message(caller: Caller) -> None:
    """Paths that are documented but not emulated have another message than unknown paths."""
    answer = await caller.request("POST", "/v1/videos/video-extend", json={}, headers=caller.headers)
    below = await caller.get("/v1/videos/video-extend/1")

    expected = (404, 1203, "this emulator does not emulate /v1/videos/video-extend, nor what is below it")
    assert [(each.status, each.code, each.message) for each in (answer, below)] == [expected] * 2


async def test_a_refused_create_answers_with_its_code(caller: Caller) -> None:
    """The three kinds of refusal at create have their HTTP status and wording, and create nothing."""
    caller.emulator._account.concurrency = 1
    await caller.create(external_task_id="job-0001")

    answers = [
        await caller.create(external_task_id="job-0001"),
        await caller.create(),
        await caller.create(prompt="refused"),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(400, 1201), (429, 1303), (400, 1301)]
    assert answers[0].message == "External_task_id job-0001 already exists"
    assert answers[1].message == "parallel task over resource pack limit"
    assert all("data" not in answer.body and "Retry-After" not in answer.headers for answer in answers)
    assert caller.emulator.ledger.created == 1
    assert caller.emulator.ledger.refused == {1201: 1, 1303: 1, 1301: 1}


async def test_an_empty_account_is_refused_first(clock: Clock) -> None:
    """Without balance each create, even an invalid one, gets 429/1102."""
    async with Emulator(balance=1.0, clock=clock) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        answers = [await caller.create(), await caller.create(image=None), await caller.create(cfg_scale="x")]

    assert [(answer.status, answer.code) for answer in answers] == [(429, 1102)] * 3
    assert answers[0].message == "Account balance not enough"


async def test_a_zero_balance_is_checked_before_the_body(clock: Clock) -> None:
    """With a balance of 0 the body is not even read."""
    async with Emulator(balance=0, clock=clock) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        answers = [
            await caller.create(model_name="nonsense"),
            await caller.request("POST", PATH, data=b"{", headers=caller.headers),
        ]

    assert [answer.code for answer in answers] == [1102, 1102]


@pytest.mark.parametrize(
    ("kwargs", "status"),
    [
        ({"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 400),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b"[]", "headers": {"Content-Type": "application/json; charset=utf-8"}}, 400),
    ],
)
async def test_a_body_that_is_not_a_json_object(caller: Caller, kwargs: dict[str, Any], status: int) -> None:
    """A create that is not a JSON object, or has another content type, gets 1200."""
    kwargs["headers"] |= caller.headers
    answer = await caller.request("POST", PATH, **kwargs)

    assert (answer.status, answer.code) == (status, 1200)


async def test_a_huge_body_is_refused(caller: Caller) -> None:
    """A body of more than 100 MB is refused before it is received."""
    headers = caller.headers | {"Content-Type": "application/json", "Content-Length": str(101 * 2**20)}
    answer = await caller.request("POST", PATH, data=b"{", headers=headers)

    assert (answer.status, answer.code) == (400, 1200)


async def test_a_large_image_is_read_and_not_kept(caller: Caller) -> None:
    """An image of 10 MB passes, one byte more does not; the data of neither is kept."""
    image = png() + bytes(10 * 2**20 - len(png()))

    fits = await caller.create(image=base64.b64encode(image).decode())
    exceeds = await caller.create(image=base64.b64encode(image + b"\0").decode())

    assert (fits.code, exceeds.code) == (0, 1201)
    assert "10MB" in exceeds.message
    assert caller.emulator.ledger.entries[0].parameters["image"] == "<png 640x360, 10485760 bytes>"


async def test_the_ledger_counts_what_happened(caller: Caller, clock: Clock) -> None:
    """The ledger counts creates, charges, requests and deliveries, and shows each task."""
    url = await file_url(caller, clock, mode="pro", prompt="a cat", external_task_id="job-0001")
    await caller.create(model_name="kling-v3")
    for _ in range(2):
        await caller.request("GET", url)

    ledger = caller.emulator.ledger

    assert (ledger.created, ledger.charged, ledger.balance, ledger.delivered) == (2, 5.5, 9994.5, 1)
    assert (ledger.peak(), ledger.peak("kling-v2-6"), ledger.peak("kling-v1")) == (1, 1, 0)
    assert ledger.requests == {"create": 2, "query": 1, "file": 2}
    done, fresh = ledger.entries
    assert (done.status, done.units, done.delivered, done.external_task_id) == ("succeed", 2.5, 2, "job-0001")
    assert (done.model_name, done.mode, done.duration, done.parameters["prompt"]) == ("kling-v2-6", "pro", 5, "a cat")
    assert (fresh.status, fresh.finished_at, fresh.delivered) == ("submitted", None, 0)
    assert done.finished_at is not None


async def test_the_ledger_is_readable_over_http(caller: Caller, clock: Clock) -> None:
    """Other processes can read the ledger as JSON, without credentials."""
    await finished(caller, clock)

    books = (await caller.request("GET", "/_emulator/ledger")).body

    assert (books["created"], books["charged"], books["delivered"], books["peak"]["all"]) == (1, 1.5, 0, 1)
    assert books["requests"] == {"create": 1, "query": 1, "ledger": 1}
    assert books["entries"][0]["status"] == "succeed"


async def test_parts_that_cover_a_file_are_a_delivery(caller: Caller, clock: Clock) -> None:
    """A download in two parts counts as delivered once both were sent; a single part or a HEAD does not."""
    url = await file_url(caller, clock)
    ledger = caller.emulator.ledger
    delivered = []
    for method, span in (("HEAD", ""), ("GET", "bytes=0-999999"), ("GET", "bytes=0-9"), ("GET", "bytes=999999-")):
        await caller.request(method, url, headers={"Range": span})
        delivered.append(ledger.delivered)

    assert delivered == [0, 0, 0, 1]


async def test_a_dropped_download_is_no_delivery(
    caller: Caller, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that disconnects in the middle does not count as a delivery, and does not disturb the emulator."""
    url = await file_url(caller, clock, mode="4k", model_name="kling-v3", image=base64_png(1500, 600))
    async with aiohttp.ClientSession() as session:
        response = await session.get(url)
        await response.content.readexactly(1000)
        response.close()

    assert (await caller.get(PATH)).code == 0
    assert caller.emulator.ledger.delivered == 0
    assert caplog.text == ""


async def test_an_upload_that_breaks_off_creates_nothing(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """A client that disconnects before its body is complete creates nothing."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.emulator.api_key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    _, writer = await asyncio.open_connection("127.0.0.1", int(caller.emulator.base_url.rpartition(":")[2]))
    writer.write(head.encode())
    await writer.drain()
    writer.transport.abort()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    assert (await caller.get(PATH)).body["data"] == []
    assert caplog.text == ""


async def test_costs_come_in_two_envelopes(caller: Caller, clock: Clock) -> None:
    """The account's packs are inside a second envelope; times are requested in milliseconds."""
    await finished(caller, clock)

    answer = await caller.get("/account/costs?start_time=0&end_time=1")
    wrong = await caller.get("/account/costs?start_time=0")
    at_once = await caller.get("/account/costs?start_time=1&end_time=1")

    data = answer.body["data"]
    assert (answer.code, data["code"], data["msg"]) == (0, 0, "success")
    pack, *others = data["resource_pack_subscribe_infos"]
    assert [other["remaining_quantity"] for other in others] == [10000.0, 10000.0]
    assert (pack["total_quantity"], pack["remaining_quantity"], pack["status"]) == (10000.0, 9998.5, "online")
    assert list(pack) == [
        "resource_pack_name",
        "resource_pack_id",
        "resource_pack_type",
        "total_quantity",
        "remaining_quantity",
        "purchase_time",
        "effective_time",
        "invalid_time",
        "status",
    ]
    assert (wrong.code, at_once.code) == (1201, 1201)


async def test_an_account_without_packs_has_no_list(clock: Clock) -> None:
    """If there never was a pack, the list is absent, as recorded."""
    async with Emulator(balance=0, clock=clock) as emulator, aiohttp.ClientSession() as session:
        answer = await Caller(emulator, session).get("/account/costs?start_time=0&end_time=1")

    assert answer.body["data"] == {"code": 0, "msg": "success"}
