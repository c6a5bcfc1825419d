"""The polling plan: a state machine that receives answers and the time, and returns queries."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from kling_async.protocol.errors import (
    ClientClosed,
    KlingError,
    NotTheService,
    PermissionRefused,
    ServerError,
    TaskFailed,
    TaskTimeout,
)
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.page_query import PageQuery
from kling_async.protocol.polling.plan import PollPlan, Step
from kling_async.protocol.polling.schedule import Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.responses import Listed

EPOCH: Final = 1_800_000_000.0
KIND: Final = "image2video/kling-v2-6/std/5"
DOWN: Final = ServerError("down", code=5000)


def task(task_id: str, status: str = "submitted", **fields: Any) -> Task:
    """A task as the service reports it."""
    return Task(
        endpoint="image2video", task_id=task_id, status=TaskStatus(status), external_task_id=f"e{task_id}", **fields
    )


class Story:
    """A plan with a clock that polls every ten seconds and retries after three, then six seconds."""

    def __init__(self, deadline: float = 7200.0, endpoint: str = "image2video") -> None:
        self.durations = Durations()
        polling = Polling(first=10, factor=1, maximum=10, deadline=deadline)
        self.plan = PollPlan[FollowedTask](polling, Retry(first=4), lambda: 0.5, self.durations)
        self.deadline = deadline
        self.endpoint = endpoint
        self.now = 0.0

    def follow(self, name: str, *, attached: bool = False, **fields: Any) -> FollowedTask:
        """Follows a new task, or attaches one by one of its ids."""
        estimate = self.durations.of(KIND, 85.0)
        reference = Reference(self.endpoint, name)
        followed = FollowedTask(reference, self.now, self.deadline, estimate, created_here=not attached)
        self.plan.follow(followed, None if attached else task(name, **fields), self.now, EPOCH + self.now)
        return followed

    def follow_all(self, count: int) -> list[FollowedTask]:
        """Follows this many new tasks."""
        return [self.follow(str(number)) for number in range(count)]

    def at(self, now: float) -> Step[FollowedTask]:
        """Returns the step at a time."""
        self.now = now
        return self.plan.step(now)

    def answer(self, step: Step[FollowedTask], answer: Task | KlingError | None = None) -> None:
        """Answers all single queries of a step, by default with a task in progress."""
        for query in step.queries:
            given = answer or task(query.followed.reference.id)
            self.plan.answered(query, given, self.now, EPOCH + self.now)

    def answer_page(self, page: PageQuery[FollowedTask], tasks: Sequence[Task], length: int | None = None) -> None:
        """Answers a page that begins with these tasks; it changes only those that the page is expected to contain."""
        changes: dict[int, tuple[str, Task | None]] = {}
        for place, each in enumerate(tasks):
            status = page.known(each.task_id)
            if status is not None:
                changes[place] = (each.task_id, None if each.status is status else each)
        listed = Listed(len(tasks) if length is None else length, changes)
        self.plan.page_answered(page, listed, self.now, EPOCH + self.now)


def polled(step: Step[FollowedTask]) -> list[str]:
    """Returns the ids of the single queries of a step."""
    return [query.followed.reference.id for query in step.queries]


def updates_of(step: Step[FollowedTask]) -> list[tuple[str, str | None, str | None]]:
    """Returns the updates of a step: the id of the task, its status, and the type of its end."""
    return [
        (each.reference.id, snapshot.status.value if snapshot else None, type(end).__name__ if end else None)
        for each, snapshot, end in step.updates
    ]


# ---------------------------------------------------------------------------------------------- single queries


def test_a_task_is_polled_by_the_beat_until_it_ends() -> None:
    """The plan polls a task once at each due time, and reports each new status."""
    story = Story()
    followed = story.follow("1")
    step = story.at(0)
    assert (updates_of(step), polled(step), step.wake_at) == ([("1", "submitted", None)], [], 10)
    assert polled(story.at(9.9)) == []
    step = story.at(10)
    assert (polled(step), step.pages, step.wake_at) == (["1"], [], None)
    assert step.queries[0].ends_at == 7200
    assert step.queries[0].endpoint.name == "image2video"
    assert polled(story.at(15)) == []
    story.answer(step, task("1", "processing"))
    step = story.at(16)
    assert (updates_of(step), step.wake_at) == ([("1", "processing", None)], 25)
    story.answer(story.at(25), task("1", "succeed"))
    step = story.at(26)
    assert (updates_of(step), step.wake_at) == ([("1", "succeed", "Task")], None)
    assert isinstance(followed.end, Task)
    assert story.at(27) == ([], [], [], None)


def test_an_attached_task_is_polled_at_once() -> None:
    """An attached task, whose status is unknown, is polled at once."""
    story = Story()
    followed = story.follow("e1", attached=True)
    step = story.at(0)
    assert polled(step) == ["e1"]
    story.answer(step, task("1"))
    assert str(followed.reference) == "image2video:1"
    assert [story.plan.find(Reference("image2video", name)) for name in ("1", "e1", "2")] == [followed, followed, None]


def test_a_task_is_found_by_both_of_its_ids_until_it_ends() -> None:
    """Each id finds the first task that had it, and no task after its end."""
    story = Story()
    first, second = story.follow("1"), story.follow("1", attached=True)
    references = [Reference("image2video", name) for name in ("1", "e1")]
    assert [story.plan.find(reference) for reference in references] == [first, first]
    assert story.plan.unfinished() == [first]
    story.answer(story.at(0), task("1", "failed"))
    assert isinstance(second.end, TaskFailed)
    assert [story.plan.find(reference) for reference in references] == [first, first]
    story.answer(story.at(10), task("1", "failed"))
    assert [story.plan.find(reference) for reference in references] == [None, None]
    assert story.plan.unfinished() == []


def test_an_unknown_endpoint() -> None:
    """An unknown endpoint is a bug, as references are checked earlier."""
    with pytest.raises(LookupError, match="no endpoint 'fax'"):
        Story().plan.find(Reference("fax", "1"))


def test_what_ended_before_it_was_followed_is_told_at_once() -> None:
    """An adopted task that has already ended is reported, without a known duration."""
    story = Story()
    followed = story.follow("1", status="succeed")
    assert followed.end is followed.snapshots[0]
    assert updates_of(story.at(0)) == [("1", "succeed", "Task")]
    assert story.durations.of(KIND, 85.0).seen == 0


@pytest.mark.parametrize(("age", "begun_at"), [(4.9, 100), (5.0, 100), (5.1, 94.9), (60, 40)])
def test_a_create_that_was_answered_late_counts_from_its_beginning(age: float, begun_at: float) -> None:
    """A create that took over five seconds was adopted or looked up; its task has the service's age."""
    story = Story()
    story.now = 100.0
    created_at = datetime.fromtimestamp(EPOCH + 100 - age, UTC)
    assert story.follow("1", created_at=created_at).begun_at == pytest.approx(begun_at)


def test_at_most_32_single_queries_are_in_progress() -> None:
    """At most 32 single queries are in progress; the others wait for their turn, in order."""
    story = Story()
    for number in range(40):
        story.follow(str(number), attached=True)
    step = story.at(0)
    assert polled(step) == [str(number) for number in range(32)]
    assert polled(story.at(1)) == []
    story.plan.answered(step.queries[0], task("0"), 1, EPOCH)
    story.plan.cancelled(step.queries[1], 1)
    assert polled(story.at(1)) == ["32", "33"]


def test_a_cancelled_question_is_asked_again_at_once() -> None:
    """A query that is cancelled from outside is repeated at once."""
    story = Story()
    story.follow("1")
    (query,) = story.at(10).queries
    story.plan.cancelled(query, 10)
    assert polled(story.at(10)) == ["1"]


def test_an_answer_about_another_task_is_a_failure() -> None:
    """The task is polled again after the retry's delay, and the other task's id is not registered."""
    story = Story()
    story.follow("1")
    story.answer(story.at(10), task("2"))
    assert story.at(10).wake_at == 13
    assert story.plan.find(Reference("image2video", "2")) is None


def test_an_error_that_does_not_pass_ends_the_following() -> None:
    """A permanent error is raised to the waiter, with the reference."""
    story = Story()
    followed = story.follow("1")
    story.answer(story.at(10), NotTheService("a page"))
    assert updates_of(story.at(10)) == [("1", None, "NotTheService")]
    assert isinstance(followed.end, KlingError)
    assert followed.end.reference == "image2video:1"


def test_the_last_poll_has_its_full_timeout() -> None:
    """A query that reaches the deadline ends; one more follows, with its full timeout."""
    story = Story(deadline=35)
    story.follow("1")
    assert story.at(10).queries[0].ends_at == 35
    story = Story(deadline=35)
    followed = story.follow("1")
    (query,) = story.at(1000).queries
    assert (query.ends_at, followed.gives_up_at) == (1010, 1010)
    story.answer(Step([], [query], [], None), DOWN)
    (query,) = story.at(1003).queries
    assert query.ends_at == 1010
    story.answer(Step([], [query], [], None))
    assert isinstance(followed.end, TaskTimeout)


def test_a_task_is_polled_at_the_deadline() -> None:
    """The last poll is due at the deadline, not after it."""
    story = Story(deadline=35)
    story.follow("1")
    for now in (10, 20, 30):
        story.answer(story.at(now))
    assert story.at(30).wake_at == 35
    assert story.at(35).queries[0].ends_at == 45


def test_ends_teach_the_kind_and_the_endpoint() -> None:
    """A duration is learned for the kind and the endpoint; that of a failed task is a minimum."""
    story = Story()
    story.follow("1")
    story.answer(story.at(10), task("1", "succeed"))
    story.follow("2")
    story.answer(story.at(20), task("2", "failed"))
    for kind in (KIND, "image2video"):
        estimate = story.durations.of(kind, 1.0)
        assert sum(estimate.ended) == pytest.approx(1, rel=0.01)
        assert estimate.passed[0] == pytest.approx(2, rel=0.01)
    assert story.plan.estimate(Reference("image2video", "3")) is story.durations.of("image2video", 1.0)
    assert story.durations.of("image2video", 1.0).published == pytest.approx(116.1, rel=0.01)


# ----------------------------------------------------------------------------------------------------- closing


def test_a_closed_plan_asks_nothing_and_ends_all() -> None:
    """A closed plan accepts answers to queries in progress; then all waiters get `ClientClosed`."""
    story = Story()
    first, second = story.follow("1"), story.follow("2", attached=True)
    (query,) = story.at(0).queries
    third = story.follow("3", attached=True)
    story.plan.close()
    story.plan.cancelled(query, 0)
    assert story.at(100)[1:] == ([], [], None)
    story.plan.abandon()
    assert [(name, end) for name, _, end in updates_of(story.at(100))] == [(n, "ClientClosed") for n in ("1", "2", "3")]
    assert isinstance(first.end, ClientClosed)
    assert (first.end.reference, first.end.message) == ("image2video:1", "the client was closed; the task goes on")
    assert story.plan.unfinished() == []
    story.plan.answered(query, task("2", "succeed"), 101, EPOCH)
    assert story.at(101).updates == []
    assert {type(each.end) for each in (first, second, third)} == {ClientClosed}


def test_a_task_given_to_another_client_is_not_polled() -> None:
    """A task given to another client is not polled any more, and a late answer is ignored."""
    story = Story()
    given, kept = story.follow("1", attached=True), story.follow("2")
    (query,) = story.at(0).queries
    story.plan.forget(given, ClientClosed("another one follows it"))
    assert [(name, end) for name, _, end in updates_of(story.at(0))] == [("1", "ClientClosed")]
    story.plan.answered(query, task("1", "succeed"), 1, EPOCH)
    story.plan.forget(given, ClientClosed("said before"))
    assert story.at(1).updates == []
    assert str(given.end) == "another one follows it"
    assert story.plan.unfinished() == [kept]


# ------------------------------------------------------------------------------------------------ pages of the list


def test_one_page_polls_many_tasks() -> None:
    """One page polls twenty due tasks; those on it are due again ten seconds later."""
    story = Story()
    story.follow_all(20)
    step = story.at(10)
    assert polled(step) == []
    (page,) = step.pages
    assert (page.endpoint.name, page.number, page.size, page.ends_at) == ("image2video", 1, 30, 20)
    assert story.at(10).pages == []
    story.now = 11.0
    story.answer_page(page, [task(str(number), "processing" if number else "succeed") for number in range(20)])
    step = story.at(11)
    assert updates_of(step)[:2] == [("0", "succeed", "Task"), ("1", "processing", None)]
    assert (polled(step), step.pages, step.wake_at) == ([], [], 21)
    assert len(story.at(21).pages) == 1


def test_of_a_path_without_a_record_no_page_is_asked_for() -> None:
    """All tasks of a raw path are polled by id, as it may have no list."""
    story = Story(endpoint="raw:/v1/general/unheard-of")
    story.follow_all(100)
    story.at(0)
    step = story.at(10)
    assert (len(step.pages), len(step.queries)) == (0, 32)


def test_tasks_missing_from_a_page_are_polled_by_id() -> None:
    """Tasks missing from the whole list are polled by id at once, until they are seen on a page."""
    story = Story()
    story.follow_all(20)
    (page,) = story.at(10).pages
    story.answer_page(page, [task(str(number)) for number in range(17)])
    step = story.at(10)
    assert polled(step) == ["17", "18", "19"]
    story.answer(step)
    step = story.at(20)
    assert polled(step) == ["17", "18", "19"]
    (page,) = step.pages
    assert [page.known(name) for name in ("16", "17")] == [TaskStatus.SUBMITTED, None], "an answer of its own is newer"


def test_a_page_that_pays_is_followed_by_the_next() -> None:
    """Tasks missing from one page may be on the next; after the last one they are polled by id."""
    story = Story()
    story.follow_all(20)
    (page,) = story.at(10).pages
    others = [task(f"other {number}") for number in range(18)]
    story.answer_page(page, [task(str(number)) for number in range(12)] + others)
    step = story.at(10)
    assert polled(step) == []
    (page,) = step.pages
    assert (page.number, page.size) == (2, 30)
    story.answer_page(page, [task(str(number)) for number in range(12, 18)])
    assert polled(story.at(10)) == ["18", "19"]


@pytest.mark.parametrize(
    ("error", "wake_at", "singly"),
    [(DOWN, 14, 0), (None, None, 20), (PermissionRefused("no", code=1103), None, 20)],
)
def test_a_page_that_fails(error: KlingError | None, wake_at: float | None, singly: int) -> None:
    """A transient failure of a page delays all tasks; after another failure each is polled by id at once."""
    story = Story()
    story.follow_all(20)
    (page,) = story.at(10).pages
    story.plan.page_answered(page, error, 11, EPOCH)
    step = story.at(11)
    assert (len(step.queries), step.wake_at, step.pages) == (singly, wake_at, [])
    story.answer(step)
    later = story.at(30)
    assert (len(later.queries), later.pages) == (20, [])


def test_a_cancelled_page_is_asked_for_again() -> None:
    """The tasks of a cancelled page are due at once, and the page is requested again."""
    story = Story()
    story.follow_all(20)
    (page,) = story.at(10).pages
    story.plan.page_cancelled(page, 11)
    (again,) = story.at(11).pages
    assert again.number == 1
    story.plan.close()
    story.plan.page_cancelled(again, 12)
    assert story.at(12)[1:] == ([], [], None)


def test_tasks_that_become_due_meanwhile_wait_for_the_page() -> None:
    """A task that becomes due during a scan, and is on no page, is polled by the next one, or by id."""
    story = Story()
    story.follow_all(20)
    story.now = 1.0
    late = story.follow("late")
    (page,) = story.at(10).pages
    assert polled(story.at(11)) == []
    assert page.known("late") is TaskStatus.SUBMITTED
    story.answer_page(page, [task(str(number)) for number in range(20)])
    assert polled(story.at(11)) == ["late"]
    assert not late.missing_on_page


@pytest.mark.parametrize(("now", "singly"), [(19.9, 0), (20, 8)])
def test_nobody_waits_for_pages_longer_than_ten_seconds(now: float, singly: int) -> None:
    """Slow pages delay the poll of a task by at most ten seconds; then it is polled by id."""
    story = Story()
    story.follow_all(20)
    (page,) = story.at(10).pages
    story.now = now
    others = [task(f"other {number}") for number in range(18)]
    story.answer_page(page, [task(str(number)) for number in range(12)] + others)
    step = story.at(now)
    assert (len(step.queries), len(step.pages)) == (singly, 0 if singly else 1)


@pytest.mark.parametrize(("deadline", "singly"), [(20, 0), (19.9, 20)])
def test_no_page_is_requested_near_the_deadline(deadline: float, singly: int) -> None:
    """A page may take ten seconds; tasks with less time left are polled by id."""
    story = Story(deadline=deadline)
    story.follow_all(20)
    step = story.at(10)
    assert (len(step.queries), len(step.pages)) == (singly, 0 if singly else 1)


def test_a_deadline_that_comes_near_while_pages_go_on() -> None:
    """A task with less than a page's timeout left does not wait for the next page."""
    story = Story(deadline=25)
    story.follow_all(20)
    (page,) = story.at(10).pages
    story.now = 15.5
    others = [task(f"other {number}") for number in range(18)]
    story.answer_page(page, [task(str(number)) for number in range(12)] + others)
    assert len(story.at(15.5).queries) == 8


def test_a_page_tells_nothing_of_a_task_that_is_asked_for_singly() -> None:
    """Pages are ignored for tasks with a query in progress, which is newer, and for unknown tasks."""
    story = Story()
    story.follow_all(20)
    single = story.follow("single", attached=True)
    (query,) = story.at(0).queries
    (page,) = story.at(10).pages
    assert [page.known(name) for name in ("0", "e0", "single", "nobody")] == [TaskStatus.SUBMITTED, None, None, None]
    listed = Listed(2, {0: ("single", task("single", "succeed")), 1: ("nobody", task("nobody"))})
    story.plan.page_answered(page, listed, 10, EPOCH)
    assert single.end is None
    story.plan.answered(query, task("single", "processing"), 10, EPOCH)
    assert single.status is TaskStatus.PROCESSING


def test_a_task_that_stands_twice_on_a_page_is_taken_once() -> None:
    """The second entry of a task on a page is ignored."""
    story = Story()
    followed = story.follow_all(20)[0]
    (page,) = story.at(10).pages
    done = task("0", "succeed")
    story.plan.page_answered(page, Listed(3, {0: ("0", done), 1: ("0", done), 2: ("1", None)}), 10, EPOCH)
    assert followed.end is done
    assert [each for each in updates_of(story.at(10)) if each[2]] == [("0", "succeed", "Task")]


def waits(plan: PollPlan[FollowedTask], now: float) -> Mapping[str, float]:
    """The due time of each waiting task."""
    return {each.reference.id: each.due for each in plan.unfinished() if each.rate and each.due > now}


def test_a_page_also_answers_for_tasks_that_are_not_due() -> None:
    """Once delays are constant, each task on a page waits a full delay again, which saves queries."""
    story = Story()
    tasks = story.follow_all(20)
    for now in (10, 20):
        (page,) = story.at(now).pages
        story.answer_page(page, [task(each.reference.id) for each in tasks])
        story.at(now)
    story.now = 25.0
    for number in range(20, 40):
        story.follow(str(number))
    step = story.at(30)
    assert len(step.pages) == 1
    story.answer_page(step.pages[0], [task(str(number)) for number in range(40)])
    due = waits(story.plan, 30)
    assert {due[str(number)] for number in range(20)} == {40}
    assert {due[str(number)] for number in range(20, 40)} == {35}


@pytest.mark.parametrize(
    ("status", "count", "now", "pages"),
    [
        ("submitted", 10, 21, 0),
        ("submitted", 10, 26, 1),
        ("succeed", 10, 21, 1),
        ("succeed", 1, 21, 0),
    ],
)
def test_what_a_page_tells_early_counts_less(status: str, count: int, now: float, pages: int) -> None:
    """An early task saves the passed share of its wait, one that has ended a query; a page costs 1.3."""
    story = Story()
    early = [story.follow(f"early {number}") for number in range(10)]
    for beat in (10, 20):
        (page,) = story.at(beat).pages
        story.answer_page(page, [task(each.reference.id) for each in early])
        if beat == 10:
            story.now = 11.0
            for number in range(20):
                story.follow(f"late {number}", attached=True)
            story.answer(story.at(11))
    (page,) = story.at(21).pages
    story.now = now
    story.answer_page(page, [task(each.reference.id, status) for each in early[:count]])  # and none of those due
    story.answer(story.at(now))
    for number in range(10):
        story.follow(f"new {number}")
    assert len(story.at(now + 10).pages) == pages


def test_a_constant_delay_begins_with_every_answer() -> None:
    """A task due in two seconds that is on another's page is due ten seconds later."""
    story = Story()
    early = [story.follow(f"early {number}") for number in range(20)]
    for now in (10, 20):
        (page,) = story.at(now).pages
        story.answer_page(page, [task(each.reference.id) for each in early])
        story.at(now)
    story.now = 28.0
    late = [story.follow(f"late {number}", attached=True) for number in range(20)]
    story.answer(story.at(28))
    story.at(28)
    (page,) = story.at(30).pages
    story.now = 31.0
    story.answer_page(page, [task(each.reference.id) for each in [*early, *late]])
    due = waits(story.plan, 31)
    assert {due[each.reference.id] for each in early} == {41}
