"""Signed callbacks: verified with the reference library, rotated secrets, faults, and the console's test callback."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
import standardwebhooks

from kling_async.emulator import Emulator, Fault
from tests.emulator.conftest import Caller, Clock
from tests.emulator.test_server import Receiver

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def verifies(secret: str, headers: Mapping[str, str], body: Any) -> bool:
    """Whether `standardwebhooks` accepts a message as signed with a secret."""
    try:
        standardwebhooks.Webhook(secret).verify(json.dumps(body), dict(headers), json_parse=False)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


async def signed_by(emulator: Emulator, *secrets: str) -> list[bool]:
    """Whether a test callback verifies with the old secret, and with the new one."""
    emulator.webhooks.secrets = secrets
    async with Receiver() as receiver:
        callback = await emulator.post_test_callback(receiver.url)
        assert callback.http_status == 200
        headers, body = receiver.received.get_nowait()
    assert ("webhook-signature" in headers) is bool(secrets)
    return [verifies(secret, headers, body) for secret in (OLD, NEW)]


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [((), [False, False]), ((OLD,), [True, False]), ((OLD, NEW), [True, True]), ((NEW,), [False, True])],
)
async def test_secrets_rotate(secrets: tuple[str, ...], expected: list[bool]) -> None:
    """All secrets in use sign; without one nothing is signed; the test callback is a task just submitted."""
    async with Emulator(render=False) as emulator:
        assert await signed_by(emulator, *secrets) == expected


async def test_the_test_callback() -> None:
    """The test callback has the form of the current generation, and is posted at most once in 6 seconds."""
    now = time.time()
    async with Emulator(render=False, clock=lambda: now) as emulator, Receiver() as receiver:
        await emulator.post_test_callback(receiver.url)
        _, body = receiver.received.get_nowait()
        assert (body["status"], body["outputs"], len(body["id"])) == ("submitted", [], 18)
        with pytest.raises(ValueError, match="every 6 s"):
            await emulator.post_test_callback(receiver.url)
        now += 6
        assert (await emulator.post_test_callback("http://127.0.0.1:9/")).http_status is None


async def test_callbacks_of_tasks_are_signed(caller: Caller, clock: Clock) -> None:
    """Each change is a separate message; one that is posted twice has the same id."""
    caller.emulator.webhooks.secrets = [OLD]
    caller.emulator.faults.add(Fault.doubled(), on="callback", when=lambda call: call.status == "succeed")
    async with Receiver() as receiver:
        await caller.create(callback_url=receiver.url)
        came = []
        for seconds, count in ((10, 1), (2000, 2)):
            clock.advance(seconds)
            came += [await asyncio.wait_for(receiver.received.get(), 20) for _ in range(count)]
    assert [body["task_status"] for _, body in came] == ["processing", "succeed", "succeed"]
    ids = [headers["webhook-id"] for headers, _ in came]
    assert ids[0] != ids[1] == ids[2]


async def test_over_the_control_api(caller: Caller) -> None:
    """Secrets are set, counted, never shown; the test callback is posted; mistakes are errors, and change nothing."""
    base = caller.emulator.base_url + "/_emulator/webhooks"

    async def post(path: str, value: Any) -> tuple[int, Any]:
        async with caller.session.post(base + path, json=value) as answer:
            return answer.status, await answer.json()

    assert await post("", {"secrets": [OLD, NEW]}) == (200, {"secrets": 2})
    mistakes: list[Any] = [{"secrets": ["whsec_"]}, {"secrets": [1]}, {"secrets": OLD}, [], {"secrets": [], "more": 1}]
    for wrong in mistakes:
        assert (await post("", wrong))[0] == 400
    async with caller.session.get(base) as answer:
        assert await answer.json() == {"secrets": 2}
    assert (await post("/test", {"url": "file:///etc"}))[0] == 400
    async with Receiver() as receiver:
        assert await post("/test", {"url": receiver.url}) == (200, {"http_status": 200, "error": ""})
        headers, body = receiver.received.get_nowait()
        assert len(headers["webhook-signature"].split(" ")) == 2
        assert body["status"] == "submitted"
        assert (await post("/test", {"url": receiver.url}))[0] == 429
