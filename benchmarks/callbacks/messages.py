"""Callbacks as the service sends them, signed."""

import base64
import hashlib
import hmac
import json
import time
from typing import Final

_KEY: Final = b"the secret of a benchmark, 32 B."
SECRET: Final = "whsec_" + base64.b64encode(_KEY).decode()

Message = tuple[bytes, dict[str, str]]


def round_of(number: int, tasks: int) -> list[Message]:
    """Returns two callbacks for each task: first "running" for all, then "ended" for all. No message id repeats.

    Args:
        number: Of the round, from 0.
        tasks: Number of tasks; task ids differ from round to round.
    """
    now = int(1000 * time.time())
    names = range(1 + number * tasks, 1 + (number + 1) * tasks)
    return [_signed(f"{name}", status, now) for status in ("processing", "succeed") for name in names]


def _signed(task_id: str, status: str, now: int) -> Message:
    video = {"id": f"v{task_id}", "url": f"https://files.example/{task_id}.mp4?sign={'a' * 200}", "duration": "5.1"}
    body = json.dumps(
        {
            "task_id": task_id,
            "task_status": status,
            "task_status_msg": "",
            "created_at": now,
            "updated_at": now + (1000 if status == "succeed" else 500),
            "final_unit_deduction": "1.5",
            "task_info": {"external_task_id": f"job-{task_id}"},
            "task_result": {"videos": [video]} if status == "succeed" else {},
        }
    ).encode()
    message_id, moment = f"msg_{task_id}_{status}", str(now // 1000)
    digest = hmac.new(_KEY, f"{message_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    headers = {"webhook-id": message_id, "webhook-timestamp": moment, "webhook-signature": signature}
    return body, {**headers, "Content-Type": "application/json; charset=utf-8"}
