"""The answers of each service, in the shapes of their documentation and their clients."""

import json
from collections.abc import Callable
from typing import Any, Final

import attrs

from benchmarks.work.world import Task

CREATED_AT: Final = "2026-01-01T00:00:00Z"


@attrs.frozen
class Site:
    """The addresses of the server.

    Attributes:
        url: Without a trailing slash.
        tls: The same with TLS.
    """

    url: str
    tls: str

    def file(self, task: Task) -> str:
        """Returns the address of a task's video."""
        return f"{self.url}/files/{task.id}.mp4"


Answer = Callable[[Task, Site], Any]


@attrs.frozen(eq=False)
class Route:
    """A request that the server supports.

    Attributes:
        kind: Under which it is counted.
        running: Makes the answer for a task that is not done.
        finished: Makes the answer for one that is; None for the same.
    """

    kind: str
    running: Answer
    finished: Answer | None = None

    def body(self, task: Task, site: Site) -> bytes:
        """Returns the current answer for the task."""
        answer = self.finished if self.finished is not None and task.finished() else self.running
        if answer not in task.bodies:
            task.bodies[answer] = json.dumps(answer(task, site), separators=(",", ":")).encode()
        return task.bodies[answer]


# ------------------------------------------------------------------------------------------------- Kling


def kling_running(task: Task, _: Site, status: str = "processing") -> dict[str, Any]:
    """Returns an unfinished task, for single answers and the list."""
    return {
        "task_id": task.id,
        "task_status": status,
        "task_status_msg": "",
        "task_info": {"external_task_id": task.external_id} if task.external_id else {},
        "created_at": task.created_ms,
        "updated_at": task.created_ms,
    }


def kling_finished(task: Task, site: Site) -> dict[str, Any]:
    """Returns a finished task with one video."""
    video = {"id": f"{task.id}-1", "url": site.file(task), "watermark_url": "", "duration": "5.1"}
    return kling_running(task, site, "succeed") | {
        "task_result": {"videos": [video]},
        "watermark_info": {"enabled": False},
        "final_unit_deduction": "1.5",
        "updated_at": task.done_ms,
    }


def kling_created(task: Task, site: Site) -> dict[str, Any]:
    """Returns the answer to a create."""
    return kling_running(task, site, "submitted")


KLING_TASKS: Final = "/v1/videos/image2video"
KLING_LIST: Final = Route("list", kling_running, kling_finished)


def kling_envelope(data: bytes) -> bytes:
    """Wraps data in Kling's envelope."""
    head = b'{"code":0,"message":"SUCCEED","request_id":"c0656403-0000-4b7e-b8f8-000000000000","data":'
    return b"".join((head, data, b"}"))


# ------------------------------------------------------------------------------------------------- the peers


def _runway(task: Task, _: Site) -> dict[str, Any]:
    return {
        "id": task.id,
        "createdAt": CREATED_AT,
        "status": "RUNNING",
        "progress": 0.5,
        "estimatedCost": {"credits": 25},
    }


def _runway_finished(task: Task, site: Site) -> dict[str, Any]:
    return {
        "id": task.id,
        "createdAt": CREATED_AT,
        "status": "SUCCEEDED",
        "output": [site.file(task)],
        "cost": {"credits": 25},
    }


def _luma(task: Task, _: Site) -> dict[str, Any]:
    return {"id": task.id, "generation_type": "video", "state": "dreaming", "created_at": CREATED_AT, "model": "ray-2"}


def _luma_finished(task: Task, site: Site) -> dict[str, Any]:
    return _luma(task, site) | {"state": "completed", "assets": {"video": site.file(task)}}


def _fal_created(task: Task, site: Site) -> dict[str, Any]:
    address = f"{site.tls}/bench/video/requests/{task.id}"
    return {
        "request_id": task.id,
        "response_url": address,
        "status_url": f"{address}/status",
        "cancel_url": f"{address}/cancel",
    }


def _fal(_: Task, __: Site) -> dict[str, Any]:
    return {"status": "IN_PROGRESS", "logs": None}


def _fal_finished(_: Task, __: Site) -> dict[str, Any]:
    return {"status": "COMPLETED", "logs": None}


def _fal_result(task: Task, site: Site) -> dict[str, Any]:
    return {"video": {"url": site.file(task), "content_type": "video/mp4"}}


def _openai(task: Task, _: Site) -> dict[str, Any]:
    return {
        "id": task.id,
        "object": "video",
        "created_at": task.created_ms // 1000,
        "status": "in_progress",
        "model": "sora-2",
        "progress": 50,
        "seconds": "4",
        "size": "1280x720",
        "prompt": None,
    }


def _openai_finished(task: Task, site: Site) -> dict[str, Any]:
    return _openai(task, site) | {"status": "completed", "progress": 100, "completed_at": task.done_ms // 1000}


CREATES: Final = {
    KLING_TASKS: Route("create", kling_created),
    "/runway/v1/image_to_video": Route("create", _runway),
    "/luma/generations/video": Route("create", _luma),
    "/bench/video": Route("create", _fal_created),
    "/openai/videos": Route("create", _openai),
}
"""Creates by the path of the POST."""

QUERIES: Final = {
    KLING_TASKS + "/{}": Route("query", kling_running, kling_finished),
    "/runway/v1/tasks/{}": Route("query", _runway, _runway_finished),
    "/luma/generations/{}": Route("query", _luma, _luma_finished),
    "/bench/video/requests/{}/status": Route("query", _fal, _fal_finished),
    "/bench/video/requests/{}": Route("result", _fal_result),
    "/openai/videos/{}": Route("query", _openai, _openai_finished),
}
"""Queries by the path of the GET, with `{}` for the id."""

FILES: Final = frozenset({"/files/{}.mp4", "/openai/videos/{}/content"})
"""The paths of files."""
