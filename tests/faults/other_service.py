"""A service that is not the emulator: raw bytes, no check of duplicates, and arbitrary responses."""

import json
import urllib.parse
from collections.abc import Callable
from typing import Any, Final

import attrs

from kling_async.emulator.results.placeholder.video import VideoSpec, render
from tests.shell.stub import Answer, Seen, answer, refusal

VIDEO: Final = render(VideoSpec(width=64, height=36, fps=24, seconds=5, label="1"))

PAGE: Final = b"<html><body><h1>Please sign in</h1></body></html>"


def page(status: int, **headers: str) -> bytes:
    """An HTML page of an intermediary."""
    return answer(status, PAGE, Content_Type="text/html", **headers)


GATEWAY_TASK: Final = answer(200, {"id": "task_1", "task_id": "task_1", "object": "video", "status": "queued"})
"""The answer of a popular gateway to a create."""
GATEWAY_MISSING: Final = answer(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
"""Its answer to a look-up by an unknown name."""

FOREIGN: Final[dict[str, Answer]] = {
    **{f"page {status}": page(status) for status in (301, 302, 400, 401, 403, 404, 405, 409, 413, 429, 499, 502, 504)},
    "redirect": page(302, Location="https://login.example/?next=1"),
    "code 200": answer(200, {"code": 200, "data": {"task_id": "7"}}),
    "unknown code": answer(200, {"code": 777, "message": "?"}),
    "detail": answer(404, {"detail": "Not Found"}),
    "base_resp": answer(200, {"base_resp": {"status_code": 0}}),
    "code as text": GATEWAY_MISSING,
}
"""Answers of intermediaries."""


@attrs.define
class OtherService:
    """Makes a task for each create that takes effect.

    Attributes:
        now: Seconds of the story's clock.
        creates: Answers to creates in place of the true ones, in turn; `LOST` closes the connection.
        looks: The same for queries.
        effect: Whether creates with such an answer take effect.
        visible_after: Seconds until a query by its external id finds a task.
        takes: Seconds that a task takes.
        strange: Members that replace those of a queried task.
        file: Answers requests for a file.
    """

    now: Callable[[], float]
    creates: list[Answer] = attrs.field(factory=list)
    looks: list[Answer] = attrs.field(factory=list)
    effect: bool = True
    visible_after: float = 0.0
    takes: float = 20.0
    strange: dict[str, Any] = attrs.field(factory=dict)
    file: Callable[[Seen], Answer] = lambda _: answer(200, VIDEO, Content_Type="video/mp4", ETag='"1"')
    base_url: str = ""
    posts: int = 0
    tasks: list[tuple[float, str]] = attrs.field(factory=list)
    """Time of creation and external id of each task."""

    @property
    def paid(self) -> int:
        """Number of created tasks, each of which costs money."""
        return len(self.tasks)

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        if seen.path.startswith("/files/"):
            return self.file(seen)
        if seen.method == "POST":
            return self._create(json.loads(seen.body)["external_task_id"])
        if self.looks:
            return self.looks.pop(0)
        if "?" in seen.path:
            return enveloped([self.task(index) for index in range(self.paid)])
        return self._query(urllib.parse.unquote(seen.path.rpartition("/")[2]))

    def _create(self, name: str) -> Answer:
        self.posts += 1
        if not self.creates or self.effect:
            self.tasks.append((self.now(), name))
        return self.creates.pop(0) if self.creates else enveloped(self.task(self.paid - 1))

    def _query(self, name: str) -> Answer:
        for index, (made_at, external) in enumerate(self.tasks):
            shows = name == external and self.now() >= made_at + self.visible_after
            if shows or name == str(1000 + index):
                return enveloped(self.shown(index))
        return refusal(400, 1201, f"Task not found by id/external id: {name}")

    def shown(self, index: int) -> dict[str, Any]:
        """The answer to a query of a task."""
        return {**self.task(index), **self.strange}

    def task(self, index: int) -> dict[str, Any]:
        """A task as in answers."""
        made_at, external = self.tasks[index]
        task_id = str(1000 + index)
        done = self.now() >= made_at + self.takes
        video = {"id": f"v{task_id}", "url": f"{self.base_url}/files/{task_id}.mp4", "duration": "5"}
        return {
            "task_id": task_id,
            "task_status": "succeed" if done else "processing",
            "task_info": {"external_task_id": external},
            "task_result": {"videos": [video]} if done else {},
        }


def enveloped(data: Any) -> bytes:
    """The service's true answer."""
    return answer(200, {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})
