"""Conditions of the account, and faults, on the paths of the current generation."""

from typing import Any, Literal

import aiohttp
import pytest

from kling_async.emulator import Call, Fault
from tests.emulator.conftest import FAR, Caller, Clock
from tests.protocol.recorded_bodies import OTHERS

from .bodies import OMNI, TEXT_TURBO, TURBO, V2_5, Body, ended, is_refused, item, made, of, page, shape, task, words

KEYFRAMES = OTHERS["req_kling_4_0_keyframes_unverified"]["body"]


def of_id(external_task_id: str) -> Body:
    """Returns a request with an external id."""
    return words() | {"options": {"external_task_id": external_task_id}}


# ------------------------------------------------------------------------------------------------- conditions


async def test_the_host_of_the_legacy_generation(caller: Caller) -> None:
    """Such a host answers all calls of the current generation with an HTML page, as recorded; legacy calls work."""
    caller.emulator.account.legacy_only = True
    answers = [
        await caller.post(TURBO, of("first_frame")),
        await caller.get("/tasks?task_ids=1"),
        await caller.post("/tasks", {}),
        await caller.post("/account/billing/package", {}),
        await caller.post("/image-to-video/kling-9", {}),
    ]

    recorded = OTHERS["error_404_html_wrong_host"]
    for each in answers:
        assert (each.status, each.content.decode()) == (recorded["_meta"]["http_status"], recorded["body"])
        assert each.headers["content-type"].startswith("text/html")
    assert (await caller.create()).code == 0
    assert caller.emulator.ledger.created == 1


async def test_a_model_that_forgets_external_ids(caller: Caller) -> None:
    """Such a model discards the id: answers have none, queries by it find nothing, and it may be used twice."""
    caller.emulator.account.forgetful = ["kling-3.0-turbo"]
    created = [(await caller.post(TEXT_TURBO, of_id("job-0001"))).body for _ in range(2)]
    other = (await caller.post("/text-to-video/kling-2.6", of_id("job-0001"))).body["data"]

    assert shape(created[0]) == shape(OTHERS["new_create_ok_without_echo"]["body"])
    found = (await caller.get("/tasks?external_task_ids=job-0001")).body["data"]
    assert [each["id"] for each in found] == [other["id"]]
    assert "external_id" not in await task(caller, created[1]["data"]["id"])
    assert caller.emulator.ledger.created == 3


@pytest.mark.parametrize("name", ["task_ids", "external_task_ids"])
async def test_ids_of_legacy_tasks(caller: Caller, name: str) -> None:
    """Legacy tasks are shown like others; the account can omit them, or refuse a query that contains one."""
    legacy = (await caller.create(external_task_id="old-1")).body["data"]["task_id"]
    current = await made(caller, TEXT_TURBO, of_id("new-1"))
    ids = {"task_ids": [legacy, current], "external_task_ids": ["old-1", "new-1"]}[name]
    path = f"/tasks?{name}={','.join(ids)}"

    async def found() -> set[str]:
        return {each["id"] for each in (await caller.get(path)).body["data"]}

    assert await found() == {legacy, current}
    caller.emulator.account.legacy_ids = "left out"
    assert await found() == {current}
    caller.emulator.account.legacy_ids = "refused"
    assert is_refused(await caller.get(path), f"Task not found by id: {legacy}")
    assert (await caller.get(f"/tasks?{name}={ids[1]}")).code == 0


async def test_models_that_no_page_documents(caller: Caller, clock: Clock) -> None:
    """The newest models are served once they are opened: they accept the form that partners send."""
    paths = ["/image-to-video/kling-4.0", "/text-to-video/kling-4.0", "/omni-video/kling-4.0"]
    refused = [await caller.post(path, KEYFRAMES) for path in paths]
    caller.emulator.account.opened = ["kling-4.0"]
    reachable = of("prompt", "first_frame", "middle_frame", "middle_frame", "last_frame", **KEYFRAMES["settings"])
    shown = await ended(caller, clock, paths[0], reachable)
    wide = await made(caller, paths[1], words(aspect_ratio="21:9", duration=30))
    await made(caller, paths[2], of("prompt", "refer_image", "voice", "element"))

    assert all(is_refused(each, "model is not supported") for each in refused)
    assert (await caller.post(paths[0], KEYFRAMES)).code == 0
    assert (shown["status"], shown["outputs"][0]["duration"]) == ("succeeded", "12.041")
    assert (await task(caller, wide))["status"] == "submitted"
    assert is_refused(await caller.post("/omni-video/kling-4.0-flash", of("prompt")), "model is not supported")


async def test_opened_models_where_it_is_strict(strict: Caller) -> None:
    """A strict emulator accepts the form that partners send, and refuses members that they do not document."""
    strict.emulator.account.opened = ["kling-4.0", "kling-4.0-flash"]
    path = "/image-to-video/kling-4.0"

    assert (await strict.post(path, KEYFRAMES)).code == 0
    assert (await strict.post("/text-to-video/kling-4.0", words("x" * 10_000))).code == 0
    assert is_refused(await strict.post(path, of("first_frame", *["middle_frame"] * 9)), "more than 8 middle frames")
    assert is_refused(await strict.post(path, of("first_frame", audio="native")), "settings.audio is not supported")
    assert is_refused(await strict.post(f"{path}-flash", of("first_frame", "last_frame")), "'last_frame'")
    assert is_refused(await strict.post(f"{path}-flash", of("first_frame", resolution="1080p")), "'1080p' is invalid")


async def test_retired_models(caller: Caller) -> None:
    """A model of the current generation can be retired, too, on one path, as recorded of legacy ones."""
    caller.emulator.account.retired = {V2_5[1:]: ["*"], "image2video": ["kling-v2-6"]}
    answers = [await caller.post(V2_5, of("first_frame")), await caller.create()]

    recorded = OTHERS["error_1203_model_discontinued"]
    assert [(each.status, each.code) for each in answers] == [(recorded["_meta"]["http_status"], 1203)] * 2
    assert answers[1].message == recorded["body"]["message"]
    assert (await caller.post("/text-to-video/kling-2.5-turbo", words())).code == 0


async def test_a_clock_that_is_ahead(caller: Caller, clock: Clock) -> None:
    """Times in answers and lists are those of the service's clock."""
    caller.emulator.account.clock_skew = 3600
    answer = (await caller.post(TEXT_TURBO, words())).body["data"]

    ahead = int((clock() + 3600) * 1000)
    assert answer["create_time"] == ahead
    assert (await page(caller, start_time=ahead - 1))["count"] == 1
    assert (await page(caller, end_time=ahead - 1))["count"] == 0


# ----------------------------------------------------------------------------------------------------- faults


async def test_faults_select_paths_and_kinds(caller: Caller) -> None:
    """Faults can be selected by kind of call, path and ids."""
    seen: list[tuple[str, str, str]] = []

    def note(call: Call) -> Fault | None:
        seen.append((call.kind, call.endpoint, call.key))
        return None

    caller.emulator.faults.add(note)
    await made(caller, TEXT_TURBO, words())
    await caller.get("/tasks?task_ids=1,2")
    await caller.get("/tasks?external_task_ids=job-0001")
    await page(caller)
    await caller.post("/account/billing/package", {})

    assert seen == [
        ("create", TEXT_TURBO[1:], ""),
        ("query", "tasks", "1,2"),
        ("query", "tasks", "job-0001"),
        ("list", "tasks", ""),
        ("account", "account/billing/package", ""),
    ]


async def test_a_create_whose_answer_is_lost(caller: Caller) -> None:
    """The task exists and is charged, and its external id finds it."""
    caller.emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    with pytest.raises(aiohttp.ClientError):
        await caller.post(TEXT_TURBO, of_id("job-0001"))
    again = await caller.post(TEXT_TURBO, of_id("job-0001"))

    assert is_refused(again, "already exists")
    assert len((await caller.get("/tasks?external_task_ids=job-0001")).body["data"]) == 1
    assert caller.emulator.ledger.created == 1


@pytest.mark.parametrize("on", ["query", "list"])
async def test_batches_go_wrong(caller: Caller, on: Literal["query", "list"]) -> None:
    """Answers about many tasks can be lost, foreign, silent, cut, refused, or lack some of the tasks."""
    ids = [await made(caller, TEXT_TURBO, words()) for _ in range(3)]
    faults, tasks = caller.emulator.faults, "/data" if on == "query" else "/data/result"

    async def query_batch() -> Any:
        return await (caller.get(f"/tasks?task_ids={','.join(ids)}") if on == "query" else caller.post("/tasks", {}))

    for fault in (Fault.reset(), Fault.stall(seconds=0.01), Fault.wrong_length()):
        faults.clear()
        faults.add(fault, on=on)  # for every call, because a lost GET may be sent again
        with pytest.raises(aiohttp.ClientError):
            await query_batch()
    faults.clear()
    faults.add(Fault.truncated(), on=on, times=1)
    with pytest.raises(ValueError, match="char"):
        _ = (await query_batch()).body
    faults.add(Fault.foreign({"detail": "no"}, status=404), on=on, times=1)
    faults.add(Fault.error(1302), on=on, times=1)
    faults.add(Fault.reshaped(without=[f"{tasks}/0"]), on=on, times=1)
    foreign, limited, partial = [await query_batch() for _ in range(3)]

    found = partial.body["data"] if on == "query" else partial.body["data"]["result"]
    assert (foreign.status, foreign.body) == (404, {"detail": "no"})
    assert (limited.status, limited.code) == (429, 1302)
    assert [each["id"] for each in found] == ids[1::-1]


async def test_a_refusal_under_http_200(caller: Caller) -> None:
    """A business code can have HTTP status 200, as recorded."""
    recorded = OTHERS["error_1303_under_http_200"]
    caller.emulator.faults.add(Fault.foreign(recorded["body"]), on="create")
    answer = await caller.post(TEXT_TURBO, words())

    assert (answer.status, answer.body) == (200, recorded["body"])


async def test_unknown_statuses_and_types(caller: Caller, clock: Clock) -> None:
    """A fault can put unknown statuses and output types into answers."""
    faults = caller.emulator.faults
    task_id = await made(caller, TEXT_TURBO, words())
    clock.advance(FAR)
    unknown = [each["type"] for each in OTHERS["new_outputs_unknown_type"]["body"]["data"][0]["outputs"]]
    outputs = [{"type": each, "url": "https://files.example.com/x"} for each in unknown]
    where = {"/data/*/status": "succeeded"}
    faults.add(Fault.reshaped({"/data/*/status": "queued"}, where=where), on="query", at=1)
    faults.add(Fault.reshaped({"/data/*/outputs": outputs}, where=where), on="query", at=2)
    word, types = [await task(caller, task_id) for _ in range(2)]

    assert word["status"] == "queued"
    assert [each["type"] for each in types["outputs"]] == unknown


async def test_money_without_its_currency(caller: Caller, clock: Clock) -> None:
    """A bill can lack its currency, as observed in lists."""
    caller.emulator.account.pays = "USD"
    await ended(caller, clock, OMNI, of("prompt", item("feature_video")))
    caller.emulator.faults.add(Fault.reshaped(without=["/data/result/*/billing/0/currency"]), on="list")
    bill = (await page(caller))["result"][0]["billing"]

    assert shape(bill) == shape(OTHERS["new_billing_cash_without_currency"]["body"]["data"]["result"][0]["billing"])
