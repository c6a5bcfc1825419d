"""A small model of the service's create and query, and a driver of the create machine in simulated time.

Faults are named by what happens: `made-` before a fault means that the task was created all the same.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs

from kling_async.protocol.create_recovery import Action, Create, Pause
from kling_async.protocol.create_rules import CreateRules
from kling_async.protocol.create_states import SENDING, TRANSITIONS, CreateState
from kling_async.protocol.create_times import CLOCK_TOLERANCE
from kling_async.protocol.errors import (
    BadResponse,
    ConnectionFailed,
    InvalidRequest,
    KlingError,
    Problem,
    RequestTimeout,
)
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.envelope import HttpResponse

from .recorded_bodies import answer, enveloped, refused

WALL = 1_774_805_000.0
"""The machine's own clock when the counted time is 0."""

FAULTS: dict[str, Callable[[], HttpResponse | KlingError]] = {
    "reset": lambda: ConnectionFailed("reset"),
    "timeout": lambda: RequestTimeout("timeout"),
    "unreached": lambda: ConnectionFailed("refused", sent=False),
    "unreadable": lambda: InvalidRequest.of([Problem("image", "gone")]),
    "html-200": lambda: HttpResponse(200, {"content-type": "text/html"}, b"<html>"),
    "html-502": lambda: HttpResponse(502, {"content-type": "text/html"}, b"<html>"),
    "html-504": lambda: HttpResponse(504, {"content-type": "text/html"}, b"<html>"),
    "html-300": lambda: HttpResponse(300, {"content-type": "text/html"}, b"<html>"),
    "html-301": lambda: HttpResponse(301, {"location": "https://login.example/"}),
    "html-400": lambda: HttpResponse(400, {"content-type": "text/html"}, b"<html>"),
    "html-404": lambda: HttpResponse(404, {"content-type": "text/html"}, b"<html>"),
    "html-405": lambda: HttpResponse(405, {"content-type": "text/html"}, b"<html>"),
    "html-410": lambda: HttpResponse(410, {"content-type": "text/html"}, b"<html>"),
    "html-409": lambda: HttpResponse(409, {"content-type": "text/html"}, b"<html>"),
    "html-429": lambda: HttpResponse(429, {"content-type": "text/html"}, b"<html>"),
    "html-499": lambda: HttpResponse(499),
    "408": lambda: HttpResponse(408),
    "redirect": lambda: HttpResponse(302),
    "gateway": lambda: answer({"id": "task_1", "task_id": "task_1", "object": "video", "status": "queued"}),
    "gateway-404": lambda: answer({"detail": "Not Found"}, 404),
    "gateway-400": lambda: answer({"code": "task_not_exist", "message": "no", "data": None}, 400),
    "anothers": lambda: enveloped({"task_id": "7", "task_status": "submitted", "task_info": {}}),
    "stranger": lambda: enveloped({"task_id": "7", "task_info": {"external_task_id": "theirs"}}),
    "cut-200": lambda: ConnectionFailed("broke off", http_status=200),
    "garbage": lambda: BadResponse("no HTTP", foreign=True),
    "no-code": lambda: answer({"data": {}}),
    "no-data": lambda: enveloped(None),
    "no-task": lambda: enveloped({"task_id": 5.5}),
    "new-word": lambda: answer({"code": 0, "data": {"task_id": "8", "task_status": "queued"}}),
    "9999": lambda: refused(9999, 200),
    "5000": lambda: refused(5000, 500),
    "5001": lambda: refused(5001, 503),
    "5002": lambda: refused(5002, 504),
    "5002-200": lambda: refused(5002, 200),
    "1302": lambda: refused(1302, 429),
    "1303": lambda: refused(1303, 429, "parallel task over resource pack limit"),
    "1102": lambda: refused(1102, 429, "Account balance not enough"),
    "1200": lambda: refused(1200, 400, "bad parameters"),
    "1201": lambda: refused(1201, 400, "sound on is not supported with video input"),
    "1202": lambda: refused(1202, 404, "no such method"),
    "1203": lambda: refused(1203, 404, "The model is discontinued"),
    "1305": lambda: refused(1305, 400, "something new"),
    "1102-409": lambda: refused(1102, 409, "conflict"),
    "1301": lambda: refused(1301, 400),
    "1003": lambda: refused(1003, 401),
    "not-found": lambda: refused(1201, 400, "Task not found by id/external id: mine"),
}
READABLE = ["reset", "timeout", "html-502", "html-504", "408", "5000", "5001", "5002", "5002-200", "redirect"]
READABLE += ["html-300", "html-301", "html-400", "html-404", "html-409", "html-429", "html-499", "gateway-400"]
NO_PATH = ["html-404"]
"""A server in between answers that there is no such path."""
UNREADABLE = ["html-200", "no-code", "no-data", "no-task", "9999", "gateway", "stranger", "cut-200", "garbage"]
"""A success that cannot be read: the task probably exists."""
DOUBTFUL = [*READABLE, *UNREADABLE]
CLEAR = ["1102", "1200", "1203", "1301", "1003"]
CLAIMS = ["1201", "1202", "1305", "1102-409"]
"""Refusals that a duplicate could cause."""
REFUSALS = [*CLEAR, *CLAIMS]


@attrs.define
class Service:
    """An account with tasks by external id; a new task stays hidden from look-ups for a while.

    Attributes:
        sends: fault of each send, in turn; later sends succeed.
        looks: fault of each look-up, in turn; later ones are answered correctly.
        lists: fault of each search of all tasks, in turn; later ones are answered correctly.
        hidden: seconds before a look-up sees a new task.
        takes: seconds that each request takes.
        offset: seconds by which the service's clock is ahead of the machine's.
        refuses_twins: whether a second task with the same external id is refused.
        drops_ids: whether tasks lose their external id.
        hidden_from_list: seconds before a search of all tasks finds a new one.
        unnamed: tasks of others without an external id, each with its creation time.
    """

    sends: list[str] = attrs.field(factory=list)
    looks: list[str] = attrs.field(factory=list)
    lists: list[str] = attrs.field(factory=list)
    hidden: float = 0.0
    takes: float = 0.0
    slot_takes: float = 0.0
    offset: float = 0.0
    refuses_twins: bool = True
    drops_ids: bool = False
    hidden_from_list: float = 0.0
    now: float = 0.0
    tasks: dict[str, list[tuple[float, dict[str, Any]]]] = attrs.field(factory=dict)
    unnamed: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list)
    paid: int = 0
    sent: list[str] = attrs.field(factory=list)

    def has(self, external_id: str, created_at: float | None) -> None:
        """Adds a task of another program, created this many seconds after the machine's time 0."""
        moment = None if created_at is None else round((WALL + self.offset + created_at) * 1000)
        self.tasks[external_id] = [(-1e9, self._task(external_id, moment))]

    def create(self, external_id: str) -> HttpResponse | KlingError:
        """The service's response to a create."""
        fault = self.sends.pop(0) if self.sends else "made"
        self.sent.append(fault)
        self.now += self.takes
        if fault.startswith("made"):
            made = self._create(external_id)
            fault = fault.removeprefix("made").removeprefix("-")
            return FAULTS[fault]() if fault else made
        return FAULTS[fault]()

    def query(self, external_id: str) -> HttpResponse | KlingError:
        """The service's response to a look-up."""
        fault = self.looks.pop(0) if self.looks else ""
        self.now += self.takes
        if fault:
            return FAULTS[fault]()
        made = [] if self.drops_ids else self.tasks.get(external_id, [])
        seen = [task for visible_at, task in made if visible_at <= self.now]
        return enveloped(seen[0]) if seen else FAULTS["not-found"]()

    def listed(self) -> list[Task] | KlingError:
        """The service's response to a search of all tasks."""
        fault = self.lists.pop(0) if self.lists else ""
        self.now += self.takes
        if fault:
            return failure(fault, look_up=True)
        made = [(at - self.hidden + self.hidden_from_list, task) for each in self.tasks.values() for at, task in each]
        shown = [task for visible_at, task in [*made, *self.unnamed] if visible_at <= self.now]
        kept = [{**task, "task_info": {}} if self.drops_ids else task for task in shown]
        return [task for each in kept if isinstance(task := _read(enveloped(each), responses.task), Task)]

    def _create(self, external_id: str) -> HttpResponse:
        if self.refuses_twins and not self.drops_ids and external_id in self.tasks:
            return refused(1201, 400, f"External_task_id {external_id} already exists")
        self.paid += 1
        task = self._task(external_id, round((WALL + self.offset + self.now) * 1000))
        self.tasks.setdefault(external_id, []).append((self.now + self.hidden, task))
        return enveloped(task)

    def _task(self, external_id: str, created_at: int | None) -> dict[str, Any]:
        members = {"task_id": f"{800 + self.paid}", "task_status": "submitted", "created_at": created_at}
        return {**members, "task_info": {"external_task_id": external_id}}


def unnamed(task_id: str, created_at: float) -> tuple[float, dict[str, Any]]:
    """A task of another program without an external id, created this many seconds after the machine's time 0."""
    moment = round((WALL + created_at) * 1000)
    return created_at, {"task_id": task_id, "task_status": "submitted", "created_at": moment, "task_info": {}}


@attrs.define
class Story:
    """The steps of the create machine, and its end.

    Attributes:
        steps: `send`, `look`, `list`, `slot`, each with its time.
        end: the task, or the error.
    """

    steps: list[tuple[str, float]]
    end: Task | KlingError

    def times(self, step: str) -> list[float]:
        """The times of this step."""
        return [time for name, time in self.steps if name == step]


def create(
    retry: Retry | None = None,
    *,
    can_look_up: bool = True,
    own_id: bool = True,
    from_key: bool = False,
    adopt: bool = False,
    resend: bool = True,
    belongs_to_another: Callable[[Task], bool] = lambda _: False,
    is_known: Callable[[Task], bool] = lambda _: False,
    searches: bool = False,
    keeps_id: bool | None = None,
    others_undecided: bool = False,
    clock_error: Callable[[], float] = lambda: CLOCK_TOLERANCE,
) -> Create:
    """A create that draws the largest delays."""
    return Create(
        "image2video",
        "mine",
        CreateRules(
            can_look_up=can_look_up, own_id=own_id, from_key=from_key, adopt=adopt, resend=resend, searches=searches
        ),
        retry or Retry(),
        lambda: 1.0,
        belongs_to_another=belongs_to_another,
        is_known=is_known,
        keeps_id=lambda: keeps_id,
        others_undecided=lambda _: others_undecided,
        clock_error=clock_error,
    )


def reached(state: CreateState) -> set[CreateState]:
    """The transitions within one step of a story: sending, and the answer to it, are two events."""
    then = {*TRANSITIONS[state]}
    return then.union(*(TRANSITIONS[each] for each in then & SENDING))


def drive(machine: Create, service: Service) -> Story:
    """Carries out the machine's actions until it ends, as the client does."""
    steps: list[tuple[str, float]] = []
    before = machine.state
    for _ in range(2000):
        assert machine.state is before or machine.state in reached(before), f"{before} -> {machine.state}"
        before = machine.state
        match machine.next(service.now):
            case Pause(seconds):
                assert seconds > 0
                service.now += seconds
            case Action.TAKE_SLOT:
                steps.append(("slot", service.now))
                service.now += service.slot_takes
                machine.slot_taken()
            case Action.SEND:
                steps.append(("send", service.now))
                machine.sending(WALL + service.now)
                assert machine.undecided
                outcome = _read(service.create(machine.external_task_id), responses.created)
                machine.answered(service.now, outcome)
            case Action.LOOK_UP:
                steps.append(("look", service.now))
                outcome = _read(service.query(machine.external_task_id), responses.task)
                machine.looked_up(service.now, outcome, service.offset)
            case Action.SEARCH:
                steps.append(("list", service.now))
                machine.searched(service.now, service.listed())
            case end:
                assert not machine.undecided
                assert machine.next(service.now + 1e6) is end
                return Story(steps, end)
    raise AssertionError(f"no end: {json.dumps(steps[-20:])}")


def _read(came: HttpResponse | KlingError, read: Callable[[HttpResponse, str, str], Task]) -> Task | KlingError:
    if isinstance(came, KlingError):
        return came
    try:
        return read(came, "image2video", "mine")
    except KlingError as error:
        return error


def failure(fault: str, *, look_up: bool = False) -> KlingError:
    """The error that a fault causes in a send or a look-up."""
    error = _read(FAULTS[fault](), responses.task if look_up else responses.created)
    assert isinstance(error, KlingError)
    return error


def moment(seconds: float) -> datetime:
    """A time of the machine's own clock, in seconds after 0."""
    return datetime.fromtimestamp(WALL + seconds, UTC)
