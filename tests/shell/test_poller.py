"""The poller sends the queries of the plan when they are due, and passes every response back."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from kling_async.io.api import Api
from kling_async.io.poller import Poller
from kling_async.io.task_watch import TaskWatch
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import ClientClosed, KlingError, ServerError, TaskTimeout
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.schedule import Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.protocol.wire.responses import Listed
from tests.shell.conftest import wall


def task(task_id: str, status: str = "submitted") -> Task:
    """The service's state of a task."""
    return Task(endpoint="image2video", task_id=task_id, status=TaskStatus(status), external_task_id=f"e{task_id}")


class Service:
    """A service whose tasks run for ever, or until `ends` names an end; queries in `hangs` are never answered."""

    def __init__(self) -> None:
        self.requested: list[tuple[float, str]] = []
        self.ends: dict[str, Task | Exception] = {}
        self.page_fails: Exception | None = None
        self.hangs: set[str] = set()

    async def query(self, _: Endpoint, task_id: str) -> Task:
        """A single query."""
        await self._heard(task_id)
        end = self.ends.get(task_id, task(task_id))
        if isinstance(end, Exception):
            raise end
        return end

    async def listed(self, endpoint: Endpoint, request: HttpRequest, known: Callable[[str], Any]) -> Listed:
        """A page that holds tasks 0 to `size`."""
        number, size = (int(value) for _, value in request.params)
        await self._heard(f"{endpoint.name} {number} {size}")
        if self.page_fails is not None:
            raise self.page_fails
        names = [str(place) for place in range(size)]
        return Listed(size, {place: (name, None) for place, name in enumerate(names) if known(name) is not None})

    async def _heard(self, what: str) -> None:
        self.requested.append((round(asyncio.get_running_loop().time(), 3), what))
        await asyncio.sleep(1000 if what in self.hangs else 0.25)

    def service_time(self) -> float:
        """The service's time of day."""
        return wall()()


class Listener:
    """Records its notifications."""

    def __init__(self) -> None:
        self.notified: list[str] = []

    def changed(self, task: Task) -> None:
        """Records a new status."""
        self.notified.append(task.status.value)

    def ended(self, end: Task | KlingError) -> None:
        """Records the end."""
        self.notified.append(f"end: {type(end).__name__}")


class Story:
    """A poller with a beat of ten seconds before a service."""

    def __init__(self, *, first: float = 10, deadline: float = 7200.0) -> None:
        self.service = Service()
        self.ended: list[str] = []
        polling = Polling(first=first, factor=1, maximum=first, deadline=deadline)
        self.durations = Durations()
        api = cast("Api", self.service)
        self.poller = Poller(api, polling, Retry(first=4), lambda: 0.5, self.durations)

    def follow(self, name: str, *, attached: bool = False) -> tuple[TaskWatch, list[str]]:
        """Follows a new task, or attaches one; returns the watch and the notifications of a listener."""
        listener = Listener()
        watch = self.poller.follow(
            Reference("image2video", name),
            created=None if attached else task(name),
            on_end=lambda: self.ended.append(name),
        )
        watch.listeners.append(listener)
        return watch, listener.notified


async def test_queries_are_sent_when_due_and_ends_are_notified_once() -> None:
    """A task is queried every ten seconds; listeners get each new status, and the end after the slot is free."""
    story = Story()
    watch, notified = story.follow("1")
    await asyncio.sleep(15)
    story.service.ends["1"] = task("1", "processing")
    await asyncio.sleep(10)
    story.service.ends["1"] = task("1", "succeed")
    await asyncio.sleep(50)
    assert story.service.requested == [(10, "1"), (20.25, "1"), (30.5, "1")]
    assert notified == ["processing", "succeed", "end: Task"]
    assert (story.ended, watch.listeners) == (["1"], [])
    assert watch.end is watch.snapshots[-1]
    assert len(story.poller._under_way) == 0, "questions that were answered are kept"


async def test_an_end_that_is_known_at_once_is_told_before_follow_returns() -> None:
    """The slot of an adopted task that has ended is free at once."""
    story = Story()
    reference, ended = Reference("image2video", "1"), list[str]()
    watch = story.poller.follow(reference, created=task("1", "succeed"), on_end=lambda: ended.append("1"))
    assert ended == ["1"]
    assert isinstance(watch.end, Task)
    assert story.poller.unfinished() == []


async def test_a_followed_task_can_be_found() -> None:
    """A task is found by either id until it ends; the estimate is the given one, or the endpoint's."""
    story = Story()
    estimate = story.durations.of("kind", 85.0)
    reference = Reference("image2video", "1")
    watch = story.poller.follow(reference, created=task("1"), estimate=estimate, on_end=lambda: None)
    assert [story.poller.find(Reference("image2video", name)) for name in ("1", "e1", "2")] == [watch, watch, None]
    assert watch.estimate is estimate
    other, _ = story.follow("2", attached=True)
    assert other.estimate is story.durations.of("image2video", 1.0)
    assert (watch.created_here, other.created_here) == (True, False)
    assert story.poller.unfinished() == [watch, other]
    await story.poller.close()


async def test_the_timer_moves_to_what_is_due_first() -> None:
    """A later task that is due at once does not wait for the one before it."""
    story = Story(first=100)
    story.follow("1")
    await asyncio.sleep(50)
    story.service.ends["2"] = task("2", "succeed")
    story.follow("2", attached=True)
    await asyncio.sleep(51)
    assert story.service.requested == [(50, "2"), (100, "1")]
    await story.poller.close()


def timers() -> list[float]:
    """The deadlines of the loop's timers."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]  # no public way
    return [timer.when() for timer in scheduled if not timer.cancelled()]


async def test_one_timer_serves_all_tasks() -> None:
    """A thousand tasks share one timer; it is replaced when one of them is due earlier."""
    story = Story()
    for number in range(1000):
        story.follow(str(number))
    assert len(asyncio.get_running_loop()._scheduled) == 1  # type: ignore[attr-defined]  # no public way
    assert timers() == [10]
    reference = Reference("image2video", "soon")
    story.poller.follow(reference, created=task("soon"), deadline=5, on_end=lambda: None)
    assert timers() == [5]
    await story.poller.close()
    assert timers() == []


async def test_one_page_answers_for_many() -> None:
    """Twenty tasks that are due cost one request a beat."""
    story = Story()
    for number in range(20):
        story.follow(str(number))
    await asyncio.sleep(21)
    assert story.service.requested == [(10, "image2video 1 30"), (20.25, "image2video 1 30")]
    await story.poller.close()


@pytest.mark.parametrize(
    ("failure", "at"),
    [(ServerError("down", code=5000), 13.25), (ValueError("odd"), 10.25), (None, 20.0)],
    ids=["in passing", "unexpected", "hangs"],
)
async def test_a_page_that_fails(failure: Exception | None, at: float, caplog: pytest.LogCaptureFixture) -> None:
    """After a transient failure all are queried with the retry's delay; after any other or ten seconds, at once."""
    caplog.set_level(logging.DEBUG, "kling_async")
    story = Story()
    story.service.page_fails = failure
    story.service.hangs = set() if failure else {"image2video 1 30"}
    for number in range(20):
        story.follow(str(number))
    await asyncio.sleep(at + 0.2)
    assert [when for when, what in story.service.requested if "image2video" not in what] == [at] * 20
    events = [getattr(record, "kling_event", None) for record in caplog.records]
    assert ("page_failed" in events) == (failure is not None)
    if isinstance(failure, ServerError):
        assert "page 1 of image2video: down" in caplog.text
    await story.poller.close()


async def test_a_failing_query_is_retried_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Listeners are not notified of transient failures; the log names the task."""
    caplog.set_level(logging.DEBUG, "kling_async")
    story = Story()
    story.service.ends["1"] = ServerError("down", code=5000)
    _, notified = story.follow("1")
    await asyncio.sleep(13.3)
    assert story.service.requested == [(10, "1"), (13.25, "1")]
    assert notified == []
    (record,) = caplog.records
    assert record.getMessage() == "poll of image2video:1: down (code 5000)"
    assert (record.__dict__["kling_event"], record.__dict__["kling_reference"]) == ("poll_failed", "image2video:1")
    await story.poller.close()


async def test_an_unexpected_error_ends_the_wait() -> None:
    """Waiters get an unexpected error with the reference, instead of waiting for ever."""
    story = Story()
    story.service.ends["1"] = ValueError("odd")
    watch, notified = story.follow("1")
    await asyncio.sleep(11)
    assert notified == ["end: KlingError"]
    assert isinstance(watch.end, KlingError)
    assert "following failed unexpectedly (ValueError)" in watch.end.message
    assert watch.end.reference == "image2video:1"


async def test_a_question_that_hangs_is_cut_off_at_its_time() -> None:
    """A query that hangs is cancelled at the deadline, and the last query ten seconds later."""
    story = Story(deadline=35)
    story.service.hangs = {"1"}
    watch, notified = story.follow("1")
    await asyncio.sleep(44.9)
    assert (story.service.requested, notified) == ([(10, "1"), (35, "1")], [])
    await asyncio.sleep(0.2)
    assert notified == ["end: TaskTimeout"]
    assert isinstance(watch.end, TaskTimeout)
    assert "no answer in time" in watch.end.message


async def test_a_deadline_of_one_task() -> None:
    """A task may have another deadline than its client's."""
    story = Story(deadline=35)
    reference = Reference("image2video", "1")
    watch = story.poller.follow(reference, created=task("1"), deadline=15, on_end=lambda: None)
    await asyncio.sleep(15.3)
    assert isinstance(watch.end, TaskTimeout)
    assert "within 15 s" in watch.end.message


@pytest.mark.parametrize("count", [1, 20])
async def test_a_query_cancelled_from_outside_is_repeated(count: int) -> None:
    """A query or page that other code cancels is sent again at once."""
    story = Story()
    for number in range(count):
        story.follow(str(number))
    await asyncio.sleep(10.1)
    (victim,) = asyncio.all_tasks() - {asyncio.current_task()}
    victim.cancel()
    await asyncio.sleep(0.1)
    assert victim.cancelled()
    assert [what for _, what in story.service.requested] == ["0" if count == 1 else "image2video 1 30"] * 2
    await story.poller.close()


async def test_closing_ends_all_waits_and_leaves_nothing() -> None:
    """Running queries are cancelled, waiters get the reference, and no timer polls again."""
    story = Story()
    watches = [story.follow("1"), story.follow("2", attached=True)]
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) == 2
    await story.poller.close()
    assert len(asyncio.all_tasks()) == 1
    assert [notified for _, notified in watches] == [["end: ClientClosed"]] * 2
    assert all(isinstance(watch.end, ClientClosed) for watch, _ in watches)
    assert story.ended == ["1", "2"]
    await asyncio.sleep(100)
    assert story.service.requested == [(0, "2")]
    assert timers() == []
