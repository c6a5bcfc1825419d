"""The current generation's paths of the same service: no check of duplicates, dropped ids, tasks shown late."""

import json
import urllib.parse
from typing import Any

import attrs

from tests.faults.other_service import OtherService, enveloped
from tests.shell.stub import Answer, Seen
from tests.virtual_time import EPOCH


@attrs.define
class CurrentService(OtherService):
    """Makes a task for each create that takes effect.

    Attributes:
        lists: Answers to `POST /tasks` in place of the true ones, in turn.
        listed_after: Seconds until that list contains a task.
        drops_ids: Whether external ids are dropped.
        ahead: Seconds by which its clock is ahead; its answers have no `Date`.
    """

    lists: list[Answer] = attrs.field(factory=list)
    listed_after: float = 0.0
    drops_ids: bool = False
    ahead: float = 0.0

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        path, _, query = seen.path.partition("?")
        if path.startswith("/files/"):
            return self.file(seen)
        if path != "/tasks":
            return self._create(json.loads(seen.body)["options"]["external_task_id"])
        if seen.method == "POST":
            return self.lists.pop(0) if self.lists else self._listed()
        if self.looks:
            return self.looks.pop(0)
        names = {name for each in urllib.parse.parse_qs(query).values() for name in each[0].split(",")}
        return enveloped([self.shown(index) for index in range(self.paid) if self._is_asked_for(index, names)])

    def _is_asked_for(self, index: int, names: set[str]) -> bool:
        made_at, external = self.tasks[index]
        by_external = external in names and not self.drops_ids and self.now() >= made_at + self.visible_after
        return by_external or str(1000 + index) in names

    def _listed(self) -> Answer:
        shown = [index for index in range(self.paid) if self.now() >= self.tasks[index][0] + self.listed_after]
        found = {"result": [self.shown(index) for index in shown]} if shown else {}
        return enveloped({**found, "count": len(shown), "has_more": False})

    def task(self, index: int) -> dict[str, Any]:
        """A task as in answers."""
        made_at, external = self.tasks[index]
        task_id = str(1000 + index)
        done = self.now() >= made_at + self.takes
        video = {"type": "video", "id": f"v{task_id}", "url": f"{self.base_url}/files/{task_id}.mp4", "duration": "5"}
        return {
            "id": task_id,
            "status": "succeeded" if done else "processing",
            "message": "",
            "create_time": round((EPOCH + self.ahead + made_at) * 1000),
            "update_time": round((EPOCH + self.ahead + made_at + self.takes * done) * 1000),
            **({} if self.drops_ids or not external else {"external_id": external}),
            **({"outputs": [video]} if done else {}),
        }
