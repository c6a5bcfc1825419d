"""Callback bodies, built and signed as documented, independent of the code under test."""

import base64
import hashlib
import hmac
import itertools
import json
from typing import Any

import attrs

from kling_async import KlingClient
from kling_async.web import CallbackReceiver, WebhookAnswer
from tests.shell.conftest import wall

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two letters..").decode()
VIDEO = {"id": "1", "url": "https://v1-kling.example.invalid/a.mp4", "duration": "5.1"}
_NUMBERS = itertools.count()


def legacy(task_id: str | None, status: str, after: float = 60.0, **more: Any) -> bytes:
    """Returns a body of the legacy generation, whose status changed `after` seconds after the loop began."""
    body: dict[str, Any] = {"task_id": task_id, "task_status": status, "task_status_msg": "", "created_at": 0}
    body["updated_at"] = _milliseconds(after)
    body["task_result"] = {"videos": [VIDEO]} if status == "succeed" else {}
    return json.dumps(body | more).encode()


def current(task_id: str | None, status: str, after: float = 60.0, **more: Any) -> bytes:
    """As `legacy`, for the current generation."""
    body: dict[str, Any] = {"id": task_id, "status": status, "message": "", "update_time": _milliseconds(after)}
    body["outputs"] = [{"type": "video", **VIDEO}] if status == "succeeded" else []
    return json.dumps(body | more).encode()


def _milliseconds(after: float) -> int:
    return int(1000 * (1_800_000_000 + after))


def signed(body: bytes, secret: str = SECRET, *, message_id: str | None = None, age: float = 0) -> dict[str, str]:
    """Returns the headers of a signed body."""
    message_id = message_id or f"m-{next(_NUMBERS)}"
    timestamp = int(wall()() - age)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"Webhook-Id": message_id, "Webhook-Timestamp": str(timestamp), "Webhook-Signature": signature}


@attrs.define
class Sender:
    """Posts to a receiver without a network."""

    receiver: CallbackReceiver
    target: str = "/kling"

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> WebhookAnswer:
        """Posts a body, signed with the secret if no headers are given."""
        given = signed(body) if headers is None else headers
        return await self.receiver.handle("POST", self.target, given, body)


def sender(client: KlingClient, **options: Any) -> Sender:
    """Returns a sender to a receiver that has the secret."""
    options.setdefault("secrets", [SECRET])
    return Sender(CallbackReceiver(client, **{"clock": wall(), **options}))
