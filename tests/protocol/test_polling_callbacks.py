"""Callbacks in the polling plan: the updates they cause, and the polls they replace."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kling_async.protocol.lifecycle import is_change
from kling_async.protocol.polling.age_bins import BINS
from kling_async.protocol.polling.callback_trust import PROOF
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.look_schedule import LookSchedule
from kling_async.protocol.results import Video
from kling_async.protocol.tasks import Task, TaskStatus

from .test_polling_plan import EPOCH, Story, polled, task, updates_of

VIDEO = Video(id="1", url="https://h/a.mp4")


def at(second: float) -> datetime:
    """A time of the service."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def called_back(story: Story, task_id: str, status: str, *, signed: bool = True, **fields: Any) -> bool:
    """Passes a callback without an endpoint to the plan."""
    if status == "succeed":
        fields.setdefault("videos", (VIDEO,))
    reported = Task(task_id=task_id, status=TaskStatus(status), endpoint="", **fields)
    return story.plan.called_back(reported, story.now, EPOCH + story.now, signed=signed)


def followed_by(story: Story) -> FollowedTask:
    """A new task whose acceptance has been reported."""
    each = story.follow("1")
    story.at(0)
    return each


@pytest.mark.parametrize(
    ("known", "reported", "expected"),
    [
        (None, ("submitted", 0), True),
        (("submitted", 0), ("submitted", 0), False),
        (("submitted", 5), ("processing", 5), True),
        (("submitted", 5), ("processing", 4), False),
        (("submitted", 5), ("succeed", 6), True),
        (("submitted", None), ("processing", 4), True),
        (("submitted", 5), ("processing", None), True),
        (("processing", 5), ("submitted", 6), False),
        (("processing", 5), ("processing", 6), False),
        (("processing", 5), ("failed", 4), False),
        (("succeed", 5), ("failed", 6), False),
        (("failed", 5), ("succeed", 6), False),
    ],
)
def test_what_is_a_change(
    known: tuple[str, float | None] | None, reported: tuple[str, float | None], *, expected: bool
) -> None:
    """A status is a change if it may follow the known one and its report is not older."""

    def of(value: tuple[str, float | None]) -> Task:
        status, second = value
        return task("1", status, updated_at=None if second is None else at(second))

    assert is_change(None if known is None else of(known), of(reported)) is expected


def test_a_callback_is_reported_at_once() -> None:
    """The update of a signed callback is in the next step, under the task's reference."""
    story = Story()
    each = followed_by(story)
    assert called_back(story, "1", "processing")
    assert updates_of(story.at(3)) == [("1", "processing", None)]
    assert called_back(story, "1", "succeed")
    assert updates_of(story.at(4)) == [("1", "succeed", "Task")]
    assert isinstance(each.end, Task)
    assert (each.end.endpoint, each.end.external_task_id) == ("image2video", "e1")


def test_the_next_poll_is_unchanged() -> None:
    """A callback about a change does not move the due poll; one about the end removes it."""
    story = Story()
    followed_by(story)
    story.now = 9
    called_back(story, "1", "processing")
    step = story.at(10)
    assert polled(step) == ["1"]
    story.answer(step, task("1", "processing"))
    called_back(story, "1", "succeed")
    assert polled(story.at(1000)) == []
    assert story.plan.step(1000).wake_at is None


def test_the_answer_to_a_query_in_progress() -> None:
    """After a callback has ended the task, neither an answer nor a missing one changes anything."""
    for failing in (False, True):
        story = Story()
        followed_by(story)
        step = story.at(10)
        assert polled(step) == ["1"]
        called_back(story, "1", "succeed")
        if failing:
            story.plan.cancelled(step.queries[0], 10)
        else:
            story.answer(step, task("1", "processing"))
        step = story.at(11)
        assert (updates_of(step), polled(step)) == ([("1", "succeed", "Task")], [])
        assert polled(story.at(1000)) == []
        assert story.plan.unfinished() == []


def test_a_task_that_waits_for_a_free_query() -> None:
    """A task that a callback ends while it waits for a free query is not polled."""
    story = Story(endpoint="raw:/v1/x")  # which no page lists
    names = [str(number) for number in range(40)]
    for name in names:
        story.follow(name)
    step = story.at(10)
    assert len(polled(step)) == 32
    for name in names[32:]:
        called_back(story, name, "failed")
    story.answer(step)
    assert polled(story.at(11)) == []


def test_a_page_in_progress() -> None:
    """A task that a callback ends during a page is not polled again, whatever the page contains."""
    for ending in ("told", "missing", "full", "failed", "cancelled"):
        story = Story()
        story.follow_all(20)
        [page] = story.at(10).pages
        for name in range(20):
            called_back(story, str(name), "failed")
        if ending == "failed":
            story.plan.page_answered(page, None, 10, EPOCH)
        elif ending == "cancelled":
            story.plan.page_cancelled(page, 10)
        elif ending == "full":  # another page would follow if a task were still missing
            story.answer_page(page, [], length=page.size)
        else:
            story.answer_page(page, [task(str(name)) for name in range(20)] if ending == "told" else [])
        step = story.at(500)
        assert (polled(step), step.pages) == ([], [])


def test_an_attached_task_is_found_by_either_id() -> None:
    """A callback finds an attached task by its id or external id, and no other task."""
    for name, reported_id in (("1", "1"), ("mine", "1")):
        story = Story()
        each = story.follow(name, attached=True)
        story.at(0)
        assert not called_back(story, "2", "succeed", external_task_id="another")
        assert called_back(story, reported_id, "processing", external_task_id="mine")
        assert each.reference.id == "1"
        assert called_back(story, reported_id, "succeed", external_task_id="mine")
        assert each.end is not None


def test_an_external_id_of_another_task() -> None:
    """Once the task's id is known, a callback with its external id and another id is ignored."""
    story = Story()
    followed_by(story)
    assert not called_back(story, "2", "failed", external_task_id="e1")


def test_an_unsigned_callback_causes_a_poll() -> None:
    """An unsigned callback that may be true causes a poll at once, but no update."""
    story = Story()
    followed_by(story)
    story.now = 3
    called_back(story, "1", "processing", signed=False)
    called_back(story, "1", "processing", signed=False)
    step = story.at(3)
    assert (polled(step), updates_of(step)) == (["1"], [])
    story.answer(step, task("1", "processing"))
    called_back(story, "1", "processing", signed=False)
    assert polled(story.at(5)) == []


def test_an_unsigned_callback_while_a_query_is_in_progress() -> None:
    """If the answer does not confirm the callback, it may be older, and the task is polled again."""
    for answered, again in (("processing", True), ("succeed", False)):
        story = Story()
        followed_by(story)
        step = story.at(10)
        called_back(story, "1", "succeed", signed=False)
        story.answer(step, task("1", answered, videos=(VIDEO,)))
        assert polled(story.at(10.6)) == ["1"] * again
        story.at(10.6)


def test_repeated_unsigned_callbacks() -> None:
    """A task that was just polled is polled again half a second later."""
    story = Story()
    followed_by(story)
    step = story.at(10)
    story.answer(step)
    called_back(story, "1", "succeed", signed=False)
    assert polled(story.at(10.4)) == []
    assert polled(story.at(10.5)) == ["1"]


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("image2video", {"videos": ()}),
        ("images/generations", {"videos": (VIDEO,)}),
        ("audio/text-to-audio", {"videos": (VIDEO,)}),
        ("raw:/v1/x", {}),
    ],
)
def test_a_success_without_results(endpoint: str, fields: dict[str, Any]) -> None:
    """A callback without results does not end the task but causes a poll."""
    story = Story(
        endpoint=endpoint if endpoint == "raw:/v1/x" else f"{'images/' * (endpoint == 'generations')}{endpoint}"
    )
    each = story.follow("1")
    story.at(0)
    story.now = 5
    called_back(story, "1", "succeed", **fields)
    assert polled(story.at(5)) == ["1"]
    assert each.end is None


# --------------------------------------------------------------------------------------- postponed polls


def new(story: Story, name: str) -> FollowedTask:
    """A new task whose callbacks this client receives."""
    followed = story.follow(name)
    followed.calls_back = True
    story.plan.step(story.now)
    return followed


def prove(story: Story, count: int = PROOF) -> None:
    """Delivers callbacks that report this many ends first."""
    for number in range(count):
        new(story, f"p{number}")
        called_back(story, f"p{number}", "failed")
    story.plan.step(story.now)


def running(story: Story, name: str = "1") -> FollowedTask:
    """A task that a callback reported as processing."""
    followed = new(story, name)
    called_back(story, name, "processing")
    return followed


@pytest.mark.parametrize(("proof", "expected"), [(0, ["1"]), (PROOF - 2, ["1"]), (PROOF - 1, []), (PROOF, [])])
def test_polls_are_postponed_once_callbacks_arrive_reliably(proof: int, expected: list[str]) -> None:
    """Polls of a task are postponed after several callbacks in a row, and one about the task itself."""
    story = Story()
    prove(story, proof)
    followed = running(story)
    assert polled(story.at(10)) == expected
    later = followed.due
    assert (later > 60) is not bool(expected)
    if not expected:
        assert polled(story.at(later - 0.1)) == []
        assert polled(story.at(later)) == ["1"]


def test_each_poll_is_postponed() -> None:
    """The poll after an answer is postponed, too."""
    story = Story()
    prove(story)
    followed = running(story)
    story.at(10)
    story.answer(story.at(followed.due), task("1", "processing"))
    assert polled(story.at(followed.due)) == []
    assert polled(story.at(followed.due)) == ["1"]


def test_the_last_poll_is_not_postponed() -> None:
    """The last poll is not postponed."""
    story = Story(deadline=30)
    prove(story)
    running(story)
    assert polled(story.at(10)) == []
    assert polled(story.at(30)) == ["1"]


@pytest.mark.parametrize("status", ["submitted", "processing"])
def test_tasks_without_callbacks_are_not_postponed(status: str) -> None:
    """A task without callbacks so far, or whose callbacks go elsewhere, is polled as usual."""
    story = Story()
    prove(story)
    story.follow("1") if status == "processing" else new(story, "1")
    if status == "processing":
        called_back(story, "1", "processing")
    assert polled(story.at(10)) == ["1"]


def test_a_lost_callback_ends_the_postponement() -> None:
    """After a lost callback postponed tasks are polled at once, and new ones as without callbacks."""
    story = Story(endpoint="raw:/v1/x")  # which no page lists
    prove(story)
    first = running(story)
    assert polled(story.at(10)) == []
    story.now = 50
    second = running(story, "2")
    assert polled(story.at(60)) == []
    assert second.due > first.due
    story.answer(story.at(first.due), task("1", "failed"))
    assert polled(story.plan.step(story.now)) == ["2"]
    running(story, "3")
    assert polled(story.at(story.now + 10)) == ["3"]


def test_a_status_without_callbacks_is_no_loss() -> None:
    """If callbacks report ends only, a poll that shows a task as processing is no lost callback."""
    story = Story()
    prove(story, PROOF)
    new(story, "1")
    step = story.at(10)
    assert polled(step) == ["1"]
    story.answer(step, task("1", "processing"))
    assert polled(story.at(20)) == []


def test_confirmed_unsigned_callbacks_count() -> None:
    """A confirmed unsigned callback counts as first; the poll that it causes is never postponed."""
    story = Story()
    for number in range(PROOF):
        new(story, str(number))
        story.now += 1
        called_back(story, str(number), "failed", signed=False)
        story.answer(story.at(story.now), task(str(number), "failed"))
    followed = running(story, "x")
    story.now += 10
    assert polled(story.plan.step(story.now)) == []
    called_back(story, "x", "succeed", signed=False)
    assert polled(story.plan.step(story.now)) == ["x"]
    assert followed.end is None


@pytest.mark.parametrize(("age", "share"), [(0, 0.5), (0, 0.1), (60, 0.1), (3000, 0.1), (50_000, 0.5)])
def test_the_age_when_few_are_left(age: float, share: float) -> None:
    """The age follows from the hazards of the look schedule."""
    hazard = 0.01
    looks = LookSchedule([hazard] * BINS)
    assert looks.age_when_left(age, share) == pytest.approx(age - math.log(share) / hazard)
