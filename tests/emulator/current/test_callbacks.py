"""Callbacks of tasks of the current generation: the bare task, signed."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
import standardwebhooks

from kling_async.emulator import Fault
from tests.emulator.conftest import FAR, Caller, Clock
from tests.emulator.test_server import Receiver
from tests.protocol.recorded_bodies import OTHERS

from .bodies import TURBO, Body, item, made, of, shape, task

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))

SOON = 8.0
"""Seconds after which each task is in progress."""


def with_callback(url: str, *contents: Body | str) -> Body:
    """Returns a request with a `callback_url`."""
    body = of(*contents or ("first_frame",), duration=3)
    return body | {"options": {"callback_url": url, "external_task_id": "job-0001"}}


async def received(receiver: Receiver) -> tuple[Mapping[str, str], Any]:
    """Returns the next callback."""
    return await asyncio.wait_for(receiver.received.get(), 10)


async def test_callbacks_are_the_bare_task(caller: Caller, clock: Clock) -> None:
    """Each change of status is posted as the task in a query's answer, as recorded, without an envelope."""
    async with Receiver() as receiver:
        await made(caller, TURBO, with_callback(receiver.url))
        clock.advance(SOON)
        headers, running = await received(receiver)
        clock.advance(FAR)
        _, done = await received(receiver)
        shown = await task(caller, done["id"])

    processing, succeeded = (OTHERS[f"callback_new_{name}"]["body"] for name in ("processing", "succeeded"))
    assert running.keys() == processing.keys() - {"outputs", "billing"}  # which are empty, or absent
    assert (running["status"], done["status"]) == ("processing", "succeeded")
    assert shape(done) == shape(succeeded)
    assert (done["billing"], done["outputs"][0]["duration"]) == (succeeded["billing"], "3.041")
    assert done.keys() == shown.keys()
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Authorization" not in headers


async def test_callback_of_a_failed_task(caller: Caller, clock: Clock) -> None:
    """A failed task has a message and a price of nothing, as recorded."""
    async with Receiver() as receiver:
        await made(caller, TURBO, with_callback(receiver.url, item("first_frame", "https://h.invalid/a.png")))
        clock.advance(SOON)
        await received(receiver)
        clock.advance(FAR)
        _, failed = await received(receiver)

    recorded = OTHERS["callback_new_failed"]["body"]
    assert shape(failed) == shape(recorded)
    assert (failed["message"], failed["billing"]) == (recorded["message"], recorded["billing"])


@pytest.mark.parametrize("secrets", [(), (OLD,), (OLD, NEW)])
async def test_they_are_signed(caller: Caller, clock: Clock, secrets: tuple[str, ...]) -> None:
    """Callbacks are signed with all secrets in use, which are two during a rotation."""
    clock.now = time.time()  # which the verifier uses
    caller.emulator.webhooks.secrets = secrets
    async with Receiver() as receiver:
        await made(caller, TURBO, with_callback(receiver.url))
        clock.advance(SOON)
        headers, body = await received(receiver)

    assert len(headers.get("webhook-signature", "").split()) == len(secrets)
    for secret in secrets:
        standardwebhooks.Webhook(secret).verify(json.dumps(body), dict(headers), json_parse=False)


async def test_they_are_lost_and_repeated(caller: Caller, clock: Clock) -> None:
    """Callbacks can be lost and doubled."""
    faults = caller.emulator.faults
    faults.add(Fault.lost(), on="callback", times=1, when=lambda call: call.status == "processing")
    faults.add(Fault.doubled(), on="callback", times=1, when=lambda call: call.status == "succeed")
    async with Receiver() as receiver:
        await made(caller, TURBO, with_callback(receiver.url))
        clock.advance(FAR)
        messages = [await received(receiver) for _ in range(2)]

    assert [body["status"] for _, body in messages] == ["succeeded", "succeeded"]
    assert messages[0][1] == messages[1][1]


async def test_they_can_have_mixed_words(caller: Caller, clock: Clock) -> None:
    """If answers have legacy statuses, so do callbacks."""
    caller.emulator.account.mixed_words = True
    async with Receiver() as receiver:
        body = (await caller.post(TURBO, with_callback(receiver.url))).body["data"]
        clock.advance(FAR)
        messages = [await received(receiver) for _ in range(2)]

    assert {each["status"] for _, each in messages} == {"processing", "succeed"}
    assert {each["id"] for _, each in messages} == {body["task_id"]}
