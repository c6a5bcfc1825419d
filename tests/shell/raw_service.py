"""A path of the service without a record: it creates tasks, with responses scripted by tests."""

import json
import urllib.parse
from typing import Any, Final

import attrs

from tests.shell.stub import Answer, Seen, answer, refusal, task_answer

PATH: Final = "/v1/general/ai-multi-shot"


@attrs.define
class RawService:
    """Creates a task for each create that takes effect; each has ended when it is queried.

    Attributes:
        creates: what answers creates in place of the truth, in turn.
        effect: whether creates with such an answer take effect.
        finds: whether tasks are found by their external id.
        lists: whether there is a list.
        task: members of each task, in addition.
        results: the `task_result` of each task; `BASE` in it becomes the service's address.
        files: what is at `/files/<name>`.
    """

    creates: list[Answer] = attrs.field(factory=list)
    effect: bool = True
    finds: bool = False
    lists: bool = True
    task: dict[str, Any] = attrs.field(factory=dict)
    results: Any = attrs.field(factory=dict)
    files: dict[str, bytes] = attrs.field(factory=dict)
    base_url: str = ""
    bodies: list[dict[str, Any]] = attrs.field(factory=list)
    """Of the creates."""
    looks: list[str] = attrs.field(factory=list)
    """The requested paths, as in the address."""
    tasks: list[Any] = attrs.field(factory=list)
    """The external id of each, as it was sent."""

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        path, _, query = seen.path.partition("?")
        if path.startswith("/files/"):
            return answer(200, self.files[path.removeprefix("/files/")], Content_Type="", ETag='"1"')
        assert path.startswith(PATH)
        if seen.method == "POST":
            return self._create(json.loads(seen.body))
        if query:
            page = [self._members(index) for index in range(len(self.tasks))]
            return answer(200, {"code": 0, "data": page}) if self.lists else refusal(400, 1202, "no such method")
        return self._query(path.removeprefix(f"{PATH}/"))

    def _create(self, body: dict[str, Any]) -> Answer:
        self.bodies.append(body)
        if not self.creates or self.effect:
            self.tasks.append(body.get("external_task_id"))
        return self.creates.pop(0) if self.creates else task_answer(task_id=str(999 + len(self.tasks)))

    def _query(self, asked: str) -> Answer:
        self.looks.append(asked)
        name = urllib.parse.unquote(asked)
        for index, external in enumerate(self.tasks):
            if name == str(1000 + index) or (self.finds and name == external):
                return answer(200, {"code": 0, "data": self._members(index)})
        return refusal(400, 1201, f"Task not found by id/external id: {name}")

    def _members(self, index: int) -> dict[str, Any]:
        results = json.loads(json.dumps(self.results).replace("BASE", self.base_url))
        info = {"external_task_id": self.tasks[index]} if isinstance(self.tasks[index], str) else {}
        done = {"task_status": "succeed", "task_result": results, **self.task}
        return {"task_id": str(1000 + index), "task_info": info, **done}
