"""Requests of the current generation, as recorded and as changed by tests."""

import json
import re
from typing import Any

from kling_async.emulator.service import catalog, request_body
from kling_async.emulator.service.endpoint import AcceptedRequest
from tests.emulator.conftest import FAR, Answer, Caller, Clock
from tests.protocol.recorded_bodies import OTHERS

Body = dict[str, Any]

TURBO = "/image-to-video/kling-3.0-turbo"
TEXT_TURBO = "/text-to-video/kling-3.0-turbo"
V3 = "/image-to-video/kling-3.0"
TEXT_V3 = "/text-to-video/kling-3.0"
V2_6 = "/image-to-video/kling-2.6"
TEXT_V2_6 = "/text-to-video/kling-2.6"
V2_5 = "/image-to-video/kling-2.5-turbo"
TEXT_V2_5 = "/text-to-video/kling-2.5-turbo"
OMNI = "/omni-video/kling-3.0-omni"
O1 = "/omni-video/kling-o1"
MOTION = "/motion-control/kling-3.0"
MOTION_V2_6 = "/motion-control/kling-2.6"

IMAGE = "https://files.example.com/a.png"
CLIP = "https://files.example.com/v.mp4"


def path_of(name: str) -> str:
    """Returns the path of a recorded request."""
    found = re.search(r"POST (/[^ ;]+)", OTHERS[name]["_meta"]["source"])
    assert found is not None
    return found[1]


REQUESTS: dict[str, tuple[str, Body]] = {
    name: (path_of(name), recorded["body"])
    for name, recorded in OTHERS.items()
    if name.startswith("req_") and "unverified" not in name
}
"""The requests of the official pages, each with its path."""


def reachable(body: Body) -> Body:
    """Copies a request with reachable addresses."""
    copied: Body = json.loads(json.dumps(body).replace(".example.invalid", ".example.com"))
    return copied


def item(kind: str, value: str = "", **more: Any) -> Body:
    """Returns an item of the contents."""
    if kind == "prompt":
        return {"type": kind, "text": value or "a cat"} | more
    if kind in {"element", "voice"}:
        return {"type": kind, f"{kind}_id": value or "162"} | more
    return {"type": kind, "url": value or (CLIP if "video" in kind else IMAGE)} | more


def named(kind: str, name: str) -> Body:
    """Returns an item to which the prompt can refer."""
    return item(kind, id=name)


def of(*contents: Body | str, **settings: Any) -> Body:
    """Returns a request with contents: those given by type only have default values."""
    items = [item(each) if isinstance(each, str) else each for each in contents]
    return {"contents": items} | ({"settings": settings} if settings else {})


def words(prompt: str = "a cat", **settings: Any) -> Body:
    """Returns a request with a prompt."""
    return {"prompt": prompt} | ({"settings": settings} if settings else {})


ENDPOINTS = {endpoint.path: endpoint for endpoint in catalog.CURRENT}


def taken(path: str, body: Body, *, strict: bool = False) -> AcceptedRequest:
    """Returns the accepted request.

    Raises:
        Refusal: It is refused.
    """
    endpoint = ENDPOINTS[path]
    parsed = request_body.parse([json.dumps(body).encode()], endpoint.members, strict=strict, only_known=strict)
    if strict:
        endpoint.check(parsed)
    return endpoint.accept(parsed)


async def made(caller: Caller, path: str, body: Body) -> str:
    """Creates a task, and returns its id."""
    answer = await caller.post(path, body)
    assert answer.code == 0, answer.message
    return str(answer.body["data"]["id"])


async def task(caller: Caller, task_id: str) -> Any:
    """Returns a task as in answers."""
    (found,) = (await caller.get(f"/tasks?task_ids={task_id}")).body["data"]
    return found


async def ended(caller: Caller, clock: Clock, path: str, body: Body) -> Any:
    """Creates a task, lets it end, and returns it as in answers."""
    task_id = await made(caller, path, body)
    clock.advance(FAR)
    return await task(caller, task_id)


async def page(caller: Caller, **body: Any) -> Any:
    """Returns a page of the list."""
    answer = await caller.post("/tasks", body)
    assert answer.code == 0, answer.message
    return answer.body["data"]


def shape(value: Any) -> Any:
    """Returns the members of a JSON value and their types, without those that differ between calls."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value)


def is_refused(answer: Answer, message: str) -> bool:
    """Whether an answer is a refusal of an invalid value with this in its message."""
    return (answer.status, answer.code) == (400, 1201) and message in answer.message
