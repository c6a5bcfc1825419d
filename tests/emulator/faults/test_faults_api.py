import asyncio
import json

import aiohttp
import pytest

from kling_async.emulator import Emulator, Fault
from kling_async.emulator.service.errors import HTTP_STATUS
from tests.emulator.conftest import PATH, Caller

from .conftest import exchange, now, raw_create


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_reset_loses_the_answer(caller: Caller, *, after_effect: bool) -> None:
    """The connection is reset before the first byte of an answer; after the effect the task exists, and is charged."""
    caller.emulator.faults.add(Fault.reset(after_effect=after_effect), on="create", at=1)

    lost = await raw_create(caller)

    assert (lost.head, lost.body, lost.end) == ("", b"", "reset")
    assert caller.emulator.ledger.created == (1 if after_effect else 0)
    assert (caller.emulator.ledger.charged > 0) is after_effect
    assert caller.emulator.faults.injected == {("create", "reset"): 1}
    assert (await caller.create()).code == 0


async def test_a_lost_task_keeps_its_id(caller: Caller) -> None:
    """A task whose answer was lost exists: its external id finds it, and a second create is refused."""
    caller.emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)

    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.create(external_task_id="mine")

    assert (await caller.task("mine"))["task_status"] == "submitted"
    assert (await caller.create(external_task_id="mine")).message == "External_task_id mine already exists"
    assert caller.emulator.ledger.created == 1


@pytest.mark.parametrize("after_effect", [False, True])
async def test_each_error_of_the_table(caller: Caller, *, after_effect: bool) -> None:
    """Each code is sent with its HTTP status in an envelope, in place of the effect or in place of its answer."""
    for code in HTTP_STATUS:
        fault = Fault.error(code, message=f"number {code}", after_effect=after_effect)
        caller.emulator.faults.add(fault, on="create", at=1)
        answer = await caller.create()
        assert (answer.status, answer.code, answer.message) == (HTTP_STATUS[code], code, f"number {code}")
        assert set(answer.body) == {"code", "message", "request_id"}

    assert caller.emulator.faults.injected["create", "error"] == len(HTTP_STATUS)
    assert caller.emulator.ledger.created == (len(HTTP_STATUS) if after_effect else 0)


@pytest.mark.parametrize("after_effect", [False, True])
async def test_pages_of_a_gateway(caller: Caller, *, after_effect: bool) -> None:
    """A gateway answers in HTML, also with 200, in place of the effect or in place of its answer."""
    statuses = [200, 500, 502, 503, 504]
    for status in statuses:
        caller.emulator.faults.add(Fault.gateway(status, after_effect=after_effect), on="create", at=1)
        answer = await caller.create()
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert answer.content.startswith(b"<!DOCTYPE html>")

    assert caller.emulator.ledger.created == (len(statuses) if after_effect else 0)


async def test_a_large_upload_receives_its_error(caller: Caller) -> None:
    """A request refused before its effect is still received completely, so that the answer is not lost."""
    caller.emulator.faults.add(Fault.gateway(503), on="create", at=1)

    assert (await caller.create(prompt="x" * 8_000_000)).status == 503


async def test_a_late_answer_to_a_task_made_in_time(caller: Caller) -> None:
    """A delay after the effect: the task exists at once, its answer is sent after 6 s."""
    caller.emulator.faults.add(Fault.delay(6, after_effect=True), on="create")
    began = now()

    answer = await caller.create()

    assert 6 <= now() - began < 7
    assert answer.body["data"]["created_at"] / 1000 - began < 1


async def test_a_delay_before_the_effect(caller: Caller) -> None:
    """A delay before the effect: the task is made, and answered, after 6 s."""
    caller.emulator.faults.add(Fault.delay(6), on="create")
    began = now()

    answer = await caller.create()

    assert 6 <= answer.body["data"]["created_at"] / 1000 - began < 7


async def test_a_delayed_effect_does_not_need_its_client(caller: Caller) -> None:
    """A received create takes effect after its delay, although its client has disconnected."""
    caller.emulator.faults.add(Fault.delay(6), on="create", at=1)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(caller.create(), 3)

    assert caller.emulator.ledger.created == 0
    await asyncio.sleep(4)
    assert caller.emulator.ledger.created == 1


@pytest.mark.parametrize("after_effect", [False, True])
async def test_reads_are_delayed_too(caller: Caller, *, after_effect: bool) -> None:
    """A delayed query returns the state from before the delay, or from after it."""
    task_id = (await caller.create()).body["data"]["task_id"]
    caller.emulator.faults.add(Fault.delay(20, after_effect=after_effect), on="query")

    status = (await caller.task(task_id))["task_status"]

    assert status == ("submitted" if after_effect else "processing")


async def test_any_fault_may_come_late(caller: Caller) -> None:
    """A gateway's timeout of a minute is answered after a minute."""
    caller.emulator.faults.add(Fault.gateway(504, after_effect=True).delayed(60), on="create")
    caller.emulator.faults.add(Fault.reset().delayed(30), on="query")
    began = now()

    assert (await caller.create()).status == 504
    assert 60 <= now() - began < 61
    assert caller.emulator.ledger.created == 1
    assert (await exchange(caller, f"GET {PATH}/any")).end == "reset"
    assert 90 <= now() - began < 91


async def test_a_stall_after_the_headers(caller: Caller) -> None:
    """A stall sends the headers of the answer and no byte of its body, and keeps the connection."""
    caller.emulator.faults.add(Fault.stall(), on="create", at=1)

    stalled = await raw_create(caller)

    assert stalled.head.startswith("http/1.1 200")
    assert "content-length: " in stalled.head
    assert (stalled.body, stalled.end) == (b"", "silent")
    assert caller.emulator.ledger.created == 1


async def test_a_stall_in_the_body(caller: Caller) -> None:
    """A stall may occur in the middle of the body, and ends with a reset after its time."""
    caller.emulator.faults.add(Fault.stall(share=0.5, seconds=30), on="create", at=1)

    stalled = await raw_create(caller)

    length = int(stalled.head.partition("content-length: ")[2].partition("\r")[0])
    assert len(stalled.body) == length // 2
    assert stalled.body.startswith(b'{"code": 0')
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(stalled.body)
    assert stalled.end == "reset"


async def test_half_an_answer_with_a_clean_end(caller: Caller) -> None:
    """A truncated answer ends like a complete one, and only its JSON shows that something is missing."""
    caller.emulator.faults.add(Fault.truncated(), on="query", at=1)
    task_id = (await caller.create()).body["data"]["task_id"]

    answer = await caller.get(f"{PATH}/{task_id}")

    assert answer.status == 200
    assert "content-length" not in answer.headers
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(answer.content)


async def test_an_answer_that_is_shorter_than_announced(caller: Caller) -> None:
    """With a wrong length the connection is closed before all announced bytes are sent."""
    caller.emulator.faults.add(Fault.wrong_length(10), on="query", at=1)

    answer = await exchange(caller, f"GET {PATH}/unknown")

    assert f"content-length: {len(answer.body) + 10}" in answer.head
    assert answer.end == "closed"
    assert json.loads(answer.body)["code"] == 1201


async def test_an_answer_reset_in_the_middle(caller: Caller) -> None:
    """A reset with a share occurs after that share of the body."""
    caller.emulator.faults.add(Fault.reset(share=0.5), on="create", at=1)

    answer = await raw_create(caller)

    assert answer.head.startswith("http/1.1 200")
    assert answer.body.startswith(b'{"code": 0')
    assert answer.end == "reset"
    assert caller.emulator.ledger.created == 1


async def test_a_fault_needs_no_credentials(caller: Caller) -> None:
    """A fault before the effect strikes before the check of the token; one after it replaces the refusal."""
    caller.headers = {}
    caller.emulator.faults.add(Fault.error(1302), on="create", at=1)
    caller.emulator.faults.add(Fault.error(5000, after_effect=True), on="query", at=1)

    assert (await caller.create()).code == 1302
    assert (await caller.get(f"{PATH}/any")).code == 5000
    assert (await caller.create()).code == 1001


async def test_closing_ends_stalls_and_delays() -> None:
    """A closed emulator leaves no stall and no delay behind, of connected and of disconnected clients."""
    emulator = Emulator(clock=now)
    await emulator.start()
    emulator.faults.add(Fault.stall(), on="query")
    emulator.faults.add(Fault.delay(3000), on="create")
    async with aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        calls = [asyncio.create_task(each) for each in (caller.get(f"{PATH}/any"), caller.create(), caller.create())]
        await asyncio.sleep(5)
        calls[1].cancel()
        await asyncio.sleep(5)
        await emulator.close()
        ends = await asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(0.01)

    assert all(isinstance(end, (aiohttp.ClientError, asyncio.CancelledError)) for end in ends)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert emulator.ledger.created == 0
