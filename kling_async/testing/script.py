"""Scripted answers for a real client, without a socket: for unit tests of code that handles them."""

import contextlib
import functools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
import attrs

from kling_async.client import KlingClient
from kling_async.emulator.results.placeholder.video import VideoSpec
from kling_async.emulator.service.errors import HTTP_STATUS
from kling_async.io.transport import Fetched, Transport
from kling_async.io.upload import UploadBody
from kling_async.protocol.errors import ClientClosed, ConnectionFailed, TaskTimeout
from kling_async.protocol.tasks import TaskStatus
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.testing.emulator import taking_the_arguments_of
from kling_async.testing.settings import POLLING, QUEUE_DEADLINE, RETRY, QuickClient

_HOST: Final = "http://kling.invalid"
_JSON: Final = {"content-type": "application/json"}
_VIDEO: Final = "video/mp4"
_POLLING: Final = attrs.evolve(POLLING, deadline=5.0)
"""A script has no delays: a task that has not ended within seconds will not end."""
_UNFINISHED: Final = {"submitted", "processing"}
_FINISHED: Final = {"succeed", "failed"}
_KEY: Final = "api-key-of-a-script"
"""API key of its clients. They mask it in all texts, so it must not occur in an answer."""
_NEW, _FILE, _ANY = "<new>", "<file>", "<any>"


@attrs.frozen
class Answer:
    """One response of the service or of its file host; created by the class methods.

    Attributes:
        status: the HTTP status; 0 if there is no response, because the connection broke.
        body: the raw body.
        headers: names in lower case.
        task_id: the task whose polls it answers, if the body has no task id: see `about`.
    """

    status: int
    body: bytes = attrs.field(default=b"", repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    task_id: str = ""

    @classmethod
    def data(cls, data: object) -> Self:
        """Returns a success response with this `data`."""
        return cls(200, _json({"code": 0, "message": "SUCCEED", "request_id": "scripted", "data": data}), _JSON)

    @classmethod
    def task(
        cls, status: str = "succeed", *, task_id: str = "1", reason: str = "", result: Mapping[str, Any] | None = None
    ) -> Self:
        """Returns a response with a task, for a create or a poll.

        Args:
            status: `submitted`, `processing`, `succeed` or `failed`.
            task_id: the service's id of the task.
            reason: why it failed.
            result: its `task_result`, as in the documentation; if None, a succeeded task has one video.

        Raises:
            ValueError: there is no such status.
        """
        if status not in _UNFINISHED | _FINISHED:
            raise ValueError(f"{status!r} is no status of a task: it is submitted, processing, succeed or failed")
        task = {"task_id": task_id, "task_status": status, "task_status_msg": reason, "task_info": {}}
        if result is None and status == "succeed":
            video = {"id": f"{task_id}-1", "url": f"{_HOST}/files/{task_id}.mp4", "duration": "5"}
            result = {"videos": [video]}
        if result is not None:
            task["task_result"] = result
        return cls.data(task)

    @classmethod
    def error(cls, code: int, message: str = "scripted") -> Self:
        """Returns an error response.

        Args:
            code: an error code of the documentation, such as 1303.
            message: the error's message.

        Raises:
            ValueError: the documentation has no such code.
        """
        if code not in HTTP_STATUS:
            raise ValueError(f"there is no error code {code!r}; one is 1303, for an account whose slots are taken")
        return cls(HTTP_STATUS[code], _json({"code": code, "message": message, "request_id": "scripted"}), _JSON)

    @classmethod
    def lost(cls) -> Self:
        """Returns no response: the connection breaks once the request is sent, so that its effect is unknown."""
        return cls(0)

    @classmethod
    def page(cls, status: int = 502, text: str = "<html>Bad Gateway</html>") -> Self:
        """Returns a page of an intermediary, such as a gateway."""
        return cls(status, text.encode(), {"content-type": "text/html"})

    def about(self, task_id: str) -> Self:
        """Returns the same answer for polls of a task: an error that is the last answer about it."""
        return attrs.evolve(self, task_id=task_id)

    @classmethod
    def file(cls, content: bytes | None = None) -> Self:
        """Returns a response with a file of a result.

        Args:
            content: a real media file, since the client refuses others; None for a one-second MP4.
        """
        body = _video() if content is None else content
        return cls(200, body, {"content-length": str(len(body)), "content-type": _VIDEO})


@attrs.frozen
class Sent:
    """A request that was answered.

    Attributes:
        method: the HTTP method.
        path: path and query of the service, or the URL of a file.
        json: the parsed body; None if there was none.
    """

    method: str
    path: str
    json: Any = attrs.field(default=None, repr=False)


class Script:
    """The answers of the service, in order: `async with Script([...]) as script`.

    Everything in the client is real except its sockets. A request takes the first remaining answer that fits: a poll of
    a task takes those with its id, a download those of `Answer.file`, a create those with a task id that has not
    occurred before. An answer that fits any request, such as an error, is for the same request as the answer after it;
    at the end of the script it is for a create or a download, unless `Answer.about` names a task. A task without
    further answers keeps its status, and waiting for its end raises `TaskTimeout` after five seconds. At the end of
    the block the script closes its clients and checks that all answers were used.

    Args:
        answers: one for each request.

    Attributes:
        sent: the requests that took an answer.

    Raises:
        TypeError: an element is not an `Answer`.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = [_answer(each) for each in answers]
        self._last_answers: dict[str, Answer] = {}
        """The last answer about each task."""
        self._unanswered: list[str] = []
        self._repeated: dict[str, None] = {}
        self._clients: list[KlingClient] = []
        self.sent: list[Sent] = []

    @taking_the_arguments_of(KlingClient)
    def client(self, **options: Any) -> KlingClient:
        """Returns a client that gets these answers, with very short waits.

        Args:
            **options: those of `KlingClient`, in place of the settings for tests.
        """
        ours: dict[str, Any] = {
            "base_url": _HOST.replace("http:", "https:"),
            "polling": _POLLING,
            "queue_deadline": QUEUE_DEADLINE,
            "retry": RETRY,
        }
        if options.get("access_key") is None and options.get("secret_key") is None:
            ours["api_key"] = _KEY
        client = _ScriptedClient(self, **(ours | options))
        self._clients.append(client)
        return client

    def assert_used(self) -> None:
        """Checks that each request had an answer, and that all answers were used.

        Raises:
            AssertionError: an answer was not used, or a request found none.
        """
        __tracebackhide__ = True
        sent = "".join(f"\n  {each.method} {each.path}" for each in self.sent) or " nothing"
        if self._unanswered:
            raise AssertionError(f"no answer was left for {', '.join(self._unanswered)}; answered were:{sent}")
        if self._answers:
            left = ", ".join(str(each.status or "lost") for each in self._answers)
            hint = f" (Answer.about says that it is for {', '.join(self._repeated)})" if self._repeated else ""
            raise AssertionError(
                f"{len(self._answers)} answers were not used (HTTP {left}){hint}; answered were:{sent}"
            )

    async def __aenter__(self) -> Self:
        """Returns the script."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the clients, and checks that all answers were used, unless an exception may explain why not."""
        __tracebackhide__ = True
        for client in self._clients:
            await client.close()
        if error is None or self._unanswered:
            self.assert_used()
        if isinstance(error, TaskTimeout) and self._repeated:
            error.add_note(f"the script had no further answer for {', '.join(self._repeated)}")

    def take(self, sent: Sent) -> Answer:
        """Takes the answer for a request.

        Raises:
            AssertionError: there is none.
        """
        name, last = f"{sent.method} {sent.path}", sent.path.rpartition("/")[2]
        waiting = any(_task_of(each)[1] in _UNFINISHED for each in self._last_answers.values())
        if "?pageNum=" in last and waiting:  # the client tries a listing in place of polls; an empty one ends that
            return Answer.data([])
        known = {*self._last_answers, *(_task_of(each)[0] for each in self._answers)}
        polled = last if sent.method == "GET" and sent.path.startswith("/") and last in known else ""
        place = self._place_of_poll(polled) if polled else self._place_of(sent)
        if place is not None:
            self.sent.append(sent)
            answer = self._answers.pop(place)
            task_id, status = _task_of(answer)
            if status:
                self._last_answers[task_id] = answer
            return answer
        if polled in self._last_answers:
            if _task_of(self._last_answers[polled])[1] not in _FINISHED:
                self._repeated[name] = None
            return self._last_answers[polled]
        self._unanswered.append(name)
        raise AssertionError(f"the script has no answer left for {name}")

    def _place_of_poll(self, task_id: str) -> int | None:
        """Returns the index of the answer to a poll: polls come at any time, and must not take answers for others."""
        each_of = zip(self._owners(), self._answers, strict=True)
        return _first(task_id in {owner, _task_of(each)[0]} for owner, each in each_of)

    def _place_of(self, sent: Sent) -> int | None:
        """Returns the index of the answer to a request that is not a poll; else of the next one without `about`."""
        owners = self._owners()
        if not sent.path.startswith("/"):
            place = _first(owner == _FILE or _is_error(each) for owner, each in zip(owners, self._answers, strict=True))
        else:
            place = _first(owner in {_NEW, _ANY} for owner in owners)
            if place is None:
                place = _first(map(_is_error, self._answers))
        return _first(not each.task_id for each in self._answers) if place is None else place

    def _owners(self) -> list[str]:
        """Returns the request that each answer is for: a task id, `_NEW`, `_FILE` or `_ANY`."""
        seen, owners = {*self._last_answers}, list[str]()
        for answer in self._answers:
            task_id, _ = _task_of(answer)
            if answer.task_id:
                owners.append(task_id)
            elif task_id:
                owners.append(task_id if task_id in seen else _NEW)
                seen.add(task_id)
            elif _is_error(answer):
                owners.append(_ANY)
            else:
                owners.append(_FILE if answer.headers.get("content-type") == _VIDEO else _NEW)
        for place in reversed(range(len(owners) - 1)):
            if owners[place] == _ANY:
                owners[place] = owners[place + 1]
        return owners


class _ScriptedClient(QuickClient):
    def __init__(self, script: Script, **options: Any) -> None:
        self._script = script
        super().__init__(**options)

    def _transport_of(self, session: aiohttp.ClientSession | None) -> Transport:
        return _ScriptedTransport(self._script, self._base_url, session)


class _ScriptedTransport(Transport):
    """Sends nothing: reads the request as it would be sent, and returns the script's answer."""

    def __init__(self, script: Script, base_url: str, session: aiohttp.ClientSession | None) -> None:
        super().__init__(base_url, session)
        self._script = script

    async def send(
        self,
        request: HttpRequest,
        authorization: str,  # noqa: ARG002  (not checked)
        began: Callable[[], None] = lambda: None,
    ) -> HttpResponse:
        self._check_open()
        body = UploadBody(request.body)
        try:
            await body.open()
            began()
            whole = b"".join([chunk async for chunk in body.chunks()])
        finally:
            body.close()
        path = f"{request.path}?{urlencode(request.params)}" if request.params else request.path
        answer = self._taken(request.method, path, json.loads(whole) if whole else None)
        return HttpResponse(answer.status, answer.headers, answer.body)

    @contextlib.asynccontextmanager
    async def fetch(
        self,
        url: str,
        headers: Mapping[str, str],  # noqa: ARG002  (an answer does not depend on them)
    ) -> AsyncIterator[Fetched]:
        self._check_open()
        answer = self._taken("GET", url, None)
        yield Fetched(answer.status, answer.headers, _chunks(answer.body))

    def _taken(self, method: str, path: str, body: Any) -> Answer:
        answer = self._script.take(Sent(method, path, body))
        if not answer.status:
            raise ConnectionFailed("the connection broke off, as the script says")
        return answer

    def _check_open(self) -> None:
        if self.closed:
            raise ClientClosed("the client is closed")


def _answer(value: Any) -> Answer:
    if isinstance(value, Answer):
        return value
    is_status = isinstance(value, str) and value in {status.value for status in TaskStatus}
    like = f"Answer.task({value!r})" if is_status else "Answer.task('submitted') or Answer.error(1303)"
    raise TypeError(f"{value!r} is no answer: write {like}")


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _first(fits: Iterable[bool]) -> int | None:
    return next((place for place, each in enumerate(fits) if each), None)


def _is_error(answer: Answer) -> bool:
    """Whether the answer fits any request."""
    if answer.task_id:
        return False
    if answer.headers != _JSON:
        return answer.headers.get("content-type") != _VIDEO
    return answer.status >= HTTPStatus.BAD_REQUEST


def _task_of(answer: Answer) -> tuple[str, str]:
    """Returns the id and the status of the answer's task; empty where the answer does not contain them."""
    if answer.task_id:
        return answer.task_id, ""
    data = json.loads(answer.body).get("data") if answer.headers == _JSON else None
    if not isinstance(data, Mapping):
        return "", ""
    return str(data.get("task_id", "")), str(data.get("task_status", ""))


@functools.cache
def _video() -> bytes:
    return VideoSpec(width=64, height=64, fps=10, seconds=1, label="1").make()
