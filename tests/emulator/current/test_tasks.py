"""Queries of tasks: by their ids, and page by page."""

import base64
import json
from typing import Any

import pytest

from tests.emulator.conftest import FAR, PATH, Caller, Clock
from tests.protocol.recorded_bodies import OTHERS, RECORDED

from .bodies import TEXT_TURBO, TURBO, V2_6, Body, ended, is_refused, made, of, page, shape, task, words

DAY = 86400


def of_id(external_task_id: str, **settings: Any) -> Body:
    """Returns a request with an external id."""
    return words(**settings) | {"options": {"external_task_id": external_task_id}}


async def shown(caller: Caller, **query: str) -> list[Any]:
    """Returns tasks by their ids."""
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    tasks: list[Any] = (await caller.get(f"/tasks?{parameters}")).body["data"]
    return tasks


async def test_a_task_is_followed(caller: Caller, clock: Clock) -> None:
    """A task is found by both of its ids, in each of its states as recorded."""
    task_id = await made(caller, TEXT_TURBO, of_id("job-0001"))
    states = []
    for wait in (0, 10, FAR):
        clock.advance(wait)
        (by_id,), (by_external_id,) = (
            await shown(caller, task_ids=task_id),
            await shown(caller, external_task_ids="job-0001"),
        )
        assert by_id == by_external_id
        states.append(by_id)

    names = ["new_tasks_get_submitted", "new_tasks_get_processing", "new_tasks_get_succeeded_omni_live"]
    recorded = [OTHERS[name]["body"]["data"][0] for name in names]
    assert [shape(each) for each in states] == [shape(each) for each in recorded]
    assert [each["status"] for each in states] == [each["status"] for each in recorded]
    assert [each["update_time"] - each["create_time"] > 0 for each in states] == [False, True, True]


async def test_the_envelope_is_the_recorded_one(caller: Caller) -> None:
    """Unknown ids are omitted, and an empty result is no error."""
    answer = await caller.get("/tasks?task_ids=1,2")

    assert (answer.status, answer.body | {"request_id": ""}) == (
        200,
        RECORDED["new_tasks_get_unknown_id"]["body"] | {"request_id": ""},
    )


async def test_several_ids_at_once(caller: Caller, clock: Clock) -> None:
    """Tasks are listed newest first, each once, for any order of the ids; unknown ones are omitted."""
    ids = []
    for number in range(3):
        ids.append(await made(caller, TEXT_TURBO, of_id(f"job-{number}")))
        clock.advance(1)

    both = await shown(caller, task_ids=f"{ids[0]},1,{ids[2]},{ids[0]}", external_task_ids="job-1,job-9")

    assert [each["id"] for each in both] == ids[::-1]


async def test_at_most_twenty_ids(caller: Caller) -> None:
    """More than 20 ids in total are refused, and so are none, with the recorded message."""
    ids = ",".join(map(str, range(10)))
    for query, name in (
        (f"task_ids={ids}&external_task_ids={ids}", ""),
        (f"task_ids={ids},10&external_task_ids={ids}", "error_1201_tasks_cap"),
        ("task_ids=", "error_1201_tasks_missing"),
        ("ids=1", "error_1201_tasks_missing"),
    ):
        answer = await caller.get(f"/tasks?{query}")
        assert is_refused(answer, RECORDED[name]["body"]["message"]) if name else answer.code == 0


@pytest.mark.parametrize(("method", "path"), [("GET", "/tasks?task_ids=1"), ("POST", "/tasks"), ("POST", TEXT_TURBO)])
async def test_an_api_key_is_required(caller: Caller, token: Any, method: str, path: str) -> None:
    """A token is refused, and so are other keys and none, as recorded; the API key serves both generations."""
    for authorization, name in (
        (f"Bearer {token()}", "error_1002_aksk_on_new_path"),
        ("Bearer api-key-of-somebody", "error_1002_unknown_api_key"),
        ("Bearer nonsense", "error_1002_unknown_api_key"),
        ("", "error_1001_no_auth"),
    ):
        answer = await caller.request(method, path, json=words(), headers={"Authorization": authorization})
        recorded = RECORDED[name]
        expected = recorded["body"]["message"].partition(";")[0]
        assert (answer.status, answer.code) == (recorded["_meta"]["http_status"], recorded["body"]["code"])
        assert answer.message.startswith(expected)
        assert answer.body.keys() == recorded["body"].keys()
    wrong = await caller.request(method, path, json=words(), headers={"Authorization": caller.emulator.api_key})
    assert (wrong.status, wrong.code) == (401, 1002)
    assert (await caller.get(PATH)).code == 0


async def test_other_methods_and_paths(caller: Caller) -> None:
    """The path of a model accepts creates only; unknown paths are 404."""
    answers = [await caller.get(TEXT_TURBO), await caller.post("/omni-image/kling-image-o1", {})]

    assert [(each.status, each.code) for each in answers] == [(404, 1202), (404, 1203)]


# ---------------------------------------------------------------------------------------------------- the list


async def test_an_empty_list(caller: Caller) -> None:
    """Without tasks there is no result and no cursor, as recorded."""
    assert await page(caller) == RECORDED["new_tasks_list_empty"]["body"]["data"]


async def test_pages_follow_a_cursor(caller: Caller, clock: Clock) -> None:
    """All tasks are shown once, newest first, also if new ones are created meanwhile; the form is the recorded one."""
    ids = [await made(caller, TEXT_TURBO, of_id(f"job-{number}")) for number in range(5)]
    clock.advance(FAR)
    filters = [{"key": "status", "values": ["succeeded"]}]
    first = await page(caller, limit=2, filters=filters)
    await ended(caller, clock, TEXT_TURBO, words())
    pages = [first]
    while pages[-1]["has_more"]:
        pages.append(
            await page(caller, limit=2, filters=filters, cursor=pages[-1]["next_cursor"], start_time=9, end_time=1)
        )

    assert [each["id"] for one in pages for each in one["result"]] == ids[::-1]
    assert [one["count"] for one in pages] == [2, 2, 1]
    recorded = OTHERS["new_tasks_list_page"]["body"]["data"]
    assert shape(first) == shape(recorded)
    assert pages[-1].keys() == recorded.keys() - {"next_cursor"}


async def test_a_page_has_a_hundred(caller: Caller) -> None:
    """Without a limit a page has 100 tasks, with the largest one 500."""
    caller.emulator.account.limit = 1000
    for _ in range(101):
        await made(caller, TEXT_TURBO, words())

    assert [(await page(caller, **body))["count"] for body in ({}, {"limit": 500}, {"limit": "7"})] == [100, 101, 7]


async def test_a_list_covers_a_period(caller: Caller, clock: Clock) -> None:
    """Tasks are those created in the requested period, by default the last 30 days."""
    ids, times = [], []
    for _ in range(3):
        ids.append(await made(caller, TEXT_TURBO, words()))
        times.append(int(clock() * 1000))
        clock.advance(20 * DAY)
    now = int(clock() * 1000)

    async def listed(**body: Any) -> list[str]:
        return [each["id"] for each in (await page(caller, **body)).get("result", [])]

    assert await listed() == [ids[2]]
    assert await listed(start_time=now - 61 * DAY * 1000) == ids[::-1]
    assert await listed(start_time=str(now - 61 * DAY * 1000), end_time=str(now - 39 * DAY * 1000)) == ids[1::-1]
    assert await listed(end_time=now - 39 * DAY * 1000) == ids[1::-1]
    assert await listed(start_time=times[0], end_time=times[2]) == ids[::-1]
    assert await listed(start_time=times[0] + 1, end_time=times[2] - 1) == [ids[1]]


async def test_filters(caller: Caller, clock: Clock) -> None:
    """The values of a filter are alternatives; all filters must match."""
    done = await made(caller, TEXT_TURBO, words())
    failed = await made(caller, TEXT_TURBO, words("forbidden"))
    picture = (await caller.post("/v1/images/generations", {"model_name": "kling-v3", "prompt": "a cat"})).body["data"]
    clock.advance(FAR)
    waiting = await made(caller, TEXT_TURBO, words())

    async def listed(**values: list[str]) -> set[str]:
        filters = [{"key": key, "values": each} for key, each in values.items()]
        return {each["id"] for each in (await page(caller, filters=filters)).get("result", [])}

    assert await listed(status=["submitted", "failed"]) == {waiting, failed}
    assert await listed(product_type=["image"]) == {picture["task_id"]}
    assert await listed(status=["succeeded"], product_type=["video", "try_on"]) == {done}
    assert await listed(status=["processing"]) == set()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"limit": 501}, "limit must be between 1 and 500"),
        ({"limit": 0}, "limit must be between 1 and 500"),
        ({"start_time": 5, "end_time": 5}, "start_time must be earlier than end_time"),
        ({"start_time": "yesterday"}, "start_time must be an integer"),
        ({"filters": {"status": "failed"}}, "filters must be an array"),
        ({"filters": [{"key": "name", "values": ["x"]}]}, "key value 'name' is invalid"),
        ({"filters": [{"values": ["x"]}]}, "key can not be null"),
        ({"filters": [{"key": "status"}]}, "values can not be null"),
        ({"filters": [{"key": "status", "values": ["succeed"]}]}, "status value 'succeed' is invalid"),
        ({"filters": [{"key": "product_type", "values": ["try-on"]}]}, "product_type value 'try-on' is invalid"),
        ({"cursor": "nonsense"}, "cursor is invalid"),
        ({"cursor": base64.b64encode(b"5").decode()}, "cursor is invalid"),
        ({"cursor": base64.b64encode(json.dumps(["1", 2, [], ""]).encode()).decode()}, "cursor is invalid"),
        ({"cursor": base64.b64encode(json.dumps([1, 2, [], "3"]).encode()).decode()}, "cursor is invalid"),
    ],
)
async def test_invalid_lists_are_refused(caller: Caller, body: Body, message: str) -> None:
    """Lists with a body that the documentation does not allow are refused."""
    assert is_refused(await caller.post("/tasks", body), message)


async def test_the_cursor_keeps_the_filters(caller: Caller) -> None:
    """With a cursor the filters must be the same as before."""
    for _ in range(2):
        await made(caller, TEXT_TURBO, words())
    cursor = (await page(caller, limit=1))["next_cursor"]

    other = {"cursor": cursor, "filters": [{"key": "status", "values": ["failed"]}]}
    assert is_refused(await caller.post("/tasks", other), "filters must be the same")
    assert (await page(caller, cursor=cursor))["count"] == 1


async def test_a_shuffled_list(caller: Caller) -> None:
    """The order of the list is not documented: with a seed it is another one, consistent over all pages."""
    caller.emulator.account.list_seed = 4
    ids = [await made(caller, TEXT_TURBO, words()) for _ in range(5)]
    first = await page(caller, limit=3)
    second = await page(caller, cursor=first["next_cursor"])
    found = [each["id"] for one in (first, second) for each in one["result"]]

    assert sorted(found) == sorted(ids)
    assert found != ids[::-1]


# ---------------------------------------------------------------------------------------- one account for both


async def test_one_account(caller: Caller, clock: Clock) -> None:
    """Tasks of both generations are in one list; legacy queries do not find those of the current one."""
    legacy = (await caller.create(external_task_id="job-0001")).body["data"]["task_id"]
    current = await made(caller, TEXT_TURBO, words())
    clock.advance(FAR)

    assert {each["id"] for each in (await page(caller))["result"]} == {legacy, current}
    assert (await shown(caller, external_task_ids="job-0001"))[0]["id"] == legacy
    assert (await caller.get(f"{PATH}/{current}")).code == 1201
    assert [each["task_id"] for each in (await caller.get(PATH)).body["data"]] == [legacy]


async def test_an_external_id_is_unique(caller: Caller) -> None:
    """A second create with an external id is refused on any path, with the recorded message, and costs nothing."""
    await made(caller, TEXT_TURBO, of_id("job-0001"))
    before = caller.emulator.ledger.charged
    answers = [
        await caller.post("/text-to-video/kling-2.6", of_id("job-0001")),
        await caller.create(external_task_id="job-0001"),
        await caller.post(V2_6, of("first_frame") | {"options": {"external_task_id": "job-0001"}}),
    ]

    message = RECORDED["error_1201_duplicate_external_task_id"]["body"]["message"]
    assert all(is_refused(each, message) for each in answers)
    assert (caller.emulator.ledger.created, caller.emulator.ledger.charged) == (1, before)


async def test_slots_are_held_until_the_end(caller: Caller, clock: Clock) -> None:
    """A task of any path takes its slot until it ends; beyond the limit creates are refused, as recorded."""
    caller.emulator.account.limit = 2
    for path in (TEXT_TURBO, TEXT_TURBO):
        await made(caller, path, words())
    clock.advance(8)
    full = await caller.post(TURBO, of("first_frame"))
    clock.advance(FAR)
    fits = await caller.post(TEXT_TURBO, words())

    recorded = RECORDED["error_1303_concurrency"]
    assert (full.status, full.message) == (recorded["_meta"]["http_status"], recorded["body"]["message"])
    assert (full.code, fits.code) == (1303, 0)


async def test_a_new_task_may_not_be_seen_yet(caller: Caller, clock: Clock) -> None:
    """Queries can lag: neither kind shows a new task for a while, although its id is taken already."""
    caller.emulator.account.visible_after = 60
    task_id = await made(caller, TEXT_TURBO, of_id("job-0001"))
    early = [*await shown(caller, task_ids=task_id), *await shown(caller, external_task_ids="job-0001")]
    listed = await page(caller)
    again = await caller.post(TEXT_TURBO, of_id("job-0001"))
    clock.advance(60)

    assert (early, listed["count"]) == ([], 0)
    assert is_refused(again, "already exists")
    assert (await task(caller, task_id))["id"] == task_id


async def test_results_are_for_tasks_only(caller: Caller) -> None:
    """Presets and results of calls that answer at once are not tasks: neither kind of query shows them."""
    preset = (await caller.get("/v1/general/advanced-presets-elements")).body["data"][0]["task_id"]
    speech = (
        await caller.post("/v1/audio/tts", {"text": "hello", "voice_id": "genshin_vindi2", "voice_language": "en"})
    ).body

    ids = f"{preset},{speech.get('data', {}).get('task_id', 1)}"
    assert await shown(caller, task_ids=ids) == []
    assert (await page(caller))["count"] == 0
