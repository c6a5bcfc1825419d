"""Answers that a real client gets without a socket: for unit tests of what is done with them."""

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
"""What a script has not told within seconds it does not tell."""
_UNFINISHED: Final = {"submitted", "processing"}
_FINISHED: Final = {"succeed", "failed"}
_KEY: Final = "api-key-of-a-script"
"""Of its clients, which keep it out of all texts: no word of an answer."""
_NEW, _FILE, _ANYBODY = "<new>", "<file>", "<anybody>"


@attrs.frozen
class Answer:
    """One answer of the service or of its file host; made by a class method.

    Attributes:
        status: of HTTP; 0 where there is no answer, because the connection broke off.
        body: as it comes.
        headers: names in lower case.
        task_id: whose task's questions it answers, where it does not tell that itself: see `about`.
    """

    status: int
    body: bytes = attrs.field(default=b"", repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    task_id: str = ""

    @classmethod
    def data(cls, data: object) -> Self:
        """The service's yes, with this as its `data`."""
        return cls(200, _json({"code": 0, "message": "SUCCEED", "request_id": "scripted", "data": data}), _JSON)

    @classmethod
    def task(
        cls, status: str = "succeed", *, task_id: str = "1", reason: str = "", result: Mapping[str, Any] | None = None
    ) -> Self:
        """What the service says of a task, when it is created as when it is asked for.

        Args:
            status: `submitted`, `processing`, `succeed` or `failed`.
            task_id: the service's id of it.
            reason: why it failed.
            result: what it made, as the documentation shows it; one video where it has succeeded and this is None.

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
        """The service's no.

        Args:
            code: of the documentation's table, such as 1303.
            message: in its words.

        Raises:
            ValueError: the table has no such code.
        """
        if code not in HTTP_STATUS:
            raise ValueError(f"there is no error code {code!r}; one is 1303, for an account whose slots are taken")
        return cls(HTTP_STATUS[code], _json({"code": code, "message": message, "request_id": "scripted"}), _JSON)

    @classmethod
    def lost(cls) -> Self:
        """No answer: the connection breaks off when the request is sent, so that nobody knows what it did."""
        return cls(0)

    @classmethod
    def page(cls, status: int = 502, text: str = "<html>Bad Gateway</html>") -> Self:
        """A page of somebody between, such as a gateway."""
        return cls(status, text.encode(), {"content-type": "text/html"})

    def about(self, task_id: str) -> Self:
        """The same, for a question about a task: an error that is the last thing told of it."""
        return attrs.evolve(self, task_id=task_id)

    @classmethod
    def file(cls, content: bytes | None = None) -> Self:
        """A file of a result.

        Args:
            content: a real file, since what is no video is refused; None for an MP4 of a second.
        """
        body = _video() if content is None else content
        return cls(200, body, {"content-length": str(len(body)), "content-type": _VIDEO})


@attrs.frozen
class Sent:
    """A request that was answered.

    Attributes:
        method: of HTTP.
        path: of the service with its query, or the address of a file.
        json: the body, read; None where there was none.
    """

    method: str
    path: str
    json: Any = attrs.field(default=None, repr=False)


class Script:
    """What the service is going to say: `async with Script([...]) as script`.

    The whole client is at work but for its sockets. A request takes the first answer that is left for it: a question
    about a task takes those with its id, a file those of `Answer.file`, a new task those with an id that was not told
    before. What is for nobody in particular, such as an error, is for the request that the next answer is for; at the
    end it is for a new task or a file, and `Answer.about` says which task it is about. A task of which no more is told
    stays as it is; who waits for its end gets `TaskTimeout` after five seconds. At the end of the block its clients
    are closed, and all answers must have been used.

    Args:
        answers: one for each request.

    Attributes:
        sent: the requests that took an answer.

    Raises:
        TypeError: one is none of `Answer`.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = [_answer(each) for each in answers]
        self._told: dict[str, Answer] = {}
        """What was last said of each task."""
        self._unanswered: list[str] = []
        self._repeated: dict[str, None] = {}
        self._clients: list[KlingClient] = []
        self.sent: list[Sent] = []

    @taking_the_arguments_of(KlingClient)
    def client(self, **options: Any) -> KlingClient:
        """A client that gets these answers, and waits for next to nothing.

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
        """Checks that there were as many requests as answers.

        Raises:
            AssertionError: an answer was not used, or a request found none.
        """
        __tracebackhide__ = True
        sent = "".join(f"\n  {each.method} {each.path}" for each in self.sent) or " nothing"
        if self._unanswered:
            raise AssertionError(f"no answer was left for {', '.join(self._unanswered)}; answered were:{sent}")
        if self._answers:
            left = ", ".join(str(each.status or "lost") for each in self._answers)
            asked = f" (Answer.about says that it is for {', '.join(self._repeated)})" if self._repeated else ""
            raise AssertionError(
                f"{len(self._answers)} answers were not used (HTTP {left}){asked}; answered were:{sent}"
            )

    async def __aenter__(self) -> Self:
        """The script itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the clients, and checks that all answers were used, unless something failed that explains it."""
        __tracebackhide__ = True
        for client in self._clients:
            await client.close()
        if error is None or self._unanswered:
            self.assert_used()
        if isinstance(error, TaskTimeout) and self._repeated:
            error.add_note(f"the script had no further answer for {', '.join(self._repeated)}")

    def take(self, sent: Sent) -> Answer:
        """The answer for a request.

        Raises:
            AssertionError: there is none.
        """
        name, last = f"{sent.method} {sent.path}", sent.path.rpartition("/")[2]
        waiting = any(_task_of(each)[1] in _UNFINISHED for each in self._told.values())
        if "?pageNum=" in last and waiting:  # the client tries whether one question about all is cheaper: it is not
            return Answer.data([])
        known = {*self._told, *(_task_of(each)[0] for each in self._answers)}
        polled = last if sent.method == "GET" and sent.path.startswith("/") and last in known else ""
        place = self._place_of_poll(polled) if polled else self._place_of(sent)
        if place is not None:
            self.sent.append(sent)
            answer = self._answers.pop(place)
            task_id, status = _task_of(answer)
            if status:
                self._told[task_id] = answer
            return answer
        if polled in self._told:
            if _task_of(self._told[polled])[1] not in _FINISHED:
                self._repeated[name] = None
            return self._told[polled]
        self._unanswered.append(name)
        raise AssertionError(f"the script has no answer left for {name}")

    def _place_of_poll(self, task_id: str) -> int | None:
        """Of what is for this task: questions are asked at any time, and must not take what is for others."""
        each_of = zip(self._owners(), self._answers, strict=True)
        return _first(task_id in {owner, _task_of(each)[0]} for owner, each in each_of)

    def _place_of(self, sent: Sent) -> int | None:
        """Of what is for a request other than a question about a task; else of what nothing else fits."""
        owners = self._owners()
        if not sent.path.startswith("/"):
            place = _first(owner == _FILE or _is_error(each) for owner, each in zip(owners, self._answers, strict=True))
        else:
            place = _first(owner in {_NEW, _ANYBODY} for owner in owners)
            if place is None:
                place = _first(map(_is_error, self._answers))
        return _first(not each.task_id for each in self._answers) if place is None else place

    def _owners(self) -> list[str]:
        """For whom each answer is: a task's id, or one of the words below."""
        told, owners = {*self._told}, list[str]()
        for answer in self._answers:
            task_id, _ = _task_of(answer)
            if answer.task_id:
                owners.append(task_id)
            elif task_id:
                owners.append(task_id if task_id in told else _NEW)
                told.add(task_id)
            elif _is_error(answer):
                owners.append(_ANYBODY)
            else:
                owners.append(_FILE if answer.headers.get("content-type") == _VIDEO else _NEW)
        for place in reversed(range(len(owners) - 1)):
            if owners[place] == _ANYBODY:
                owners[place] = owners[place + 1]
        return owners


class _ScriptedClient(QuickClient):
    def __init__(self, script: Script, **options: Any) -> None:
        self._script = script
        super().__init__(**options)

    def _transport_of(self, session: aiohttp.ClientSession | None) -> Transport:
        return _ScriptedTransport(self._script, self._base_url, session)


class _ScriptedTransport(Transport):
    """Sends nothing: a request is read as it would be sent, and gets the script's next answer."""

    def __init__(self, script: Script, base_url: str, session: aiohttp.ClientSession | None) -> None:
        super().__init__(base_url, session)
        self._script = script

    async def send(
        self,
        request: HttpRequest,
        authorization: str,  # noqa: ARG002  (nobody is there to check it)
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
        headers: Mapping[str, str],  # noqa: ARG002  (an answer is what it is)
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
    """Whether it can be meant for any request."""
    if answer.task_id:
        return False
    if answer.headers != _JSON:
        return answer.headers.get("content-type") != _VIDEO
    return answer.status >= HTTPStatus.BAD_REQUEST


def _task_of(answer: Answer) -> tuple[str, str]:
    """The id and the status of the task that it is about; empty where it is about none, or does not tell."""
    if answer.task_id:
        return answer.task_id, ""
    data = json.loads(answer.body).get("data") if answer.headers == _JSON else None
    if not isinstance(data, Mapping):
        return "", ""
    return str(data.get("task_id", "")), str(data.get("task_status", ""))


@functools.cache
def _video() -> bytes:
    return VideoSpec(width=64, height=64, fps=10, seconds=1, label="1").make()
