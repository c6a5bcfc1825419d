"""The checks of members that every create accepts: callback, watermark, external id."""

from collections.abc import Mapping
from typing import Any, TypedDict

from kling_async.emulator.service.errors import invalid

from . import fields


class EveryTask(TypedDict):
    """Attributes of `AcceptedRequest` that all endpoints read in the same way."""

    watermark: bool
    external_task_id: str
    callback_url: str


def every_task(body: Mapping[str, Any]) -> EveryTask:
    """Checks these members, and returns their values."""
    callback_url = fields.text(body, "callback_url")
    if callback_url and not callback_url.startswith(("http://", "https://")):
        raise invalid("callback_url is invalid")
    watermark = fields.member(fields.member(body, "watermark_info", dict) or {}, "enabled", bool) or False
    external_task_id = fields.text(body, "external_task_id")
    return {"watermark": watermark, "external_task_id": external_task_id, "callback_url": callback_url}
