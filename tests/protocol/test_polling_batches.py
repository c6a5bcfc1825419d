"""Batched queries: each task is in one query, and its part of the answer is applied to it."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.errors import BadResponse, KlingError, RequestRefused, ServerError, TaskNotFound
from kling_async.protocol.polling.batches import BatchKey, batch_key, early_tasks, grouped, stretch, worth
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.id_queries import Query
from kling_async.protocol.polling.mixed_queries import MixedQuerySupport
from kling_async.protocol.polling.plan import PollPlan
from kling_async.protocol.polling.queue import PollQueue
from kling_async.protocol.polling.schedule import Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus
from tests.protocol.polled_account import CURRENT, LEGACY, PolledAccount

EPOCH: Final = 1_800_000_000.0
REFUSED: Final = RequestRefused("no", code=1201, http_status=400)


def followed(name: str, endpoint: str = CURRENT, at_most: int = 20) -> FollowedTask:
    """An attached task."""
    estimate = Durations().of(endpoint, 85.0)
    task = FollowedTask(Reference(endpoint, name), 0, 7200, estimate, created_here=False)
    task.max_batch = at_most
    return task


def task(name: str, status: str = "processing", endpoint: str = CURRENT) -> Task:
    """A task as the service reports it."""
    return Task(endpoint=endpoint, task_id=name, status=TaskStatus(status))


class Story:
    """A plan that polls attached tasks every ten seconds."""

    def __init__(self) -> None:
        polling = Polling(first=10, factor=1, maximum=10)
        self.plan = PollPlan[FollowedTask](polling, Retry(first=4), lambda: 0.5, Durations())
        self.now = 0.0

    def attach(self, *names: str, endpoint: str = CURRENT) -> list[FollowedTask]:
        """Follows tasks whose status is unknown."""
        tasks = [followed(name, endpoint) for name in names]
        for each in tasks:
            each.begun_at = each.accepted_at = each.last_seen_at = self.now
            self.plan.follow(each, None, self.now, EPOCH + self.now)
        return tasks

    def queries(self) -> list[Query[FollowedTask]]:
        """Returns the queries that are due."""
        return self.plan.step(self.now).queries

    def answer(self, query: Query[FollowedTask], answer: Mapping[str, Any] | KlingError) -> None:
        """Answers one of the queries."""
        self.plan.answered(query, answer, self.now, EPOCH + self.now)


def names(count: int) -> list[str]:
    """Returns this many ids."""
    return [str(number) for number in range(count)]


# ------------------------------------------------------------------------------------------------- groups


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([1, 2, 5, 10, 20])), max_size=70))
def test_every_task_is_in_one_group_with_its_kind(tasks: list[tuple[bool, int]]) -> None:
    """No task is omitted or duplicated, no group exceeds the limit of its tasks, and the order is kept."""
    due = [
        followed(f"external:{number}" if external else str(number), at_most=at_most)
        for number, (external, at_most) in enumerate(tasks)
    ]
    groups = list(grouped(due, batch_key))
    assert sorted(map(id, due)) == sorted(id(each) for group in groups for each in group)
    for group in groups:
        assert len({batch_key(each) for each in group}) == 1
        assert 1 <= len(group) <= group[0].max_batch
        assert list(group) == sorted(group, key=due.index)
    full = {kind: sum(batch_key(each) == kind for each in due) for kind in {batch_key(each) for each in due} if kind}
    assert len(groups) == sum(-(-count // kind.max_size) for kind, count in full.items()) + sum(
        each.max_batch == 1 for each in due
    )


def test_a_query_is_filled_with_the_next_tasks() -> None:
    """A query is filled from all queues with the next tasks of the same key."""
    first, second = PollQueue[FollowedTask](), PollQueue[FollowedTask]()
    for number in range(30):
        (first if number % 2 else second).put(followed(str(number)), 0, 100 - number)
    first.put(followed("external:soon"), 0, 1)
    first.put(followed("refused", at_most=10), 0, 1)
    group = (followed("a"), followed("b"))
    along = early_tasks(group, [first, second], batch_key)
    assert [each.reference.id for each in along] == [str(number) for number in range(29, 11, -1)]
    assert early_tasks(tuple(map(followed, names(20))), [first], batch_key) == ()
    assert early_tasks((followed("alone", at_most=1),), [first], batch_key) == ()
    (other,) = early_tasks((followed("bad", at_most=10),), [first], batch_key)
    assert other.reference.id == "refused"
    assert batch_key(followed("external:x")) == BatchKey(by_external=True, max_size=20)


@pytest.mark.parametrize(
    ("waiting", "most", "at_once", "by_pages", "expected"),
    [
        (1, 1, 1, True, 1.0),
        (50, 1, 50, True, 1.0),
        (1, 20, 1, True, 1.0),
        (2, 20, 2, True, 1.75),
        (20, 20, 20, True, 2.425),
        (21, 20, 21, True, 2.5),
        (100, 20, 100, True, 2.5),
        (100, 20, 200, True, 1.375),
        (100, 20, 100, False, 1.285),
    ],
)
def test_tasks_that_share_a_query_are_polled_less_often(
    waiting: int, most: int, at_once: int, *, by_pages: bool, expected: float
) -> None:
    """The more tasks share a query, the longer each waits; very many are polled sooner."""
    assert stretch(waiting, most, at_once, by_pages=by_pages) == pytest.approx(expected)


def test_the_worth_of_a_query() -> None:
    """Due tasks count in full, others by the passed share of their wait, up to the size of the query."""
    queue = PollQueue[FollowedTask]()
    for name in names(3):
        queue.put(followed(name), 0, 10)
    assert worth(2, queue, 4, 5) == pytest.approx(3)
    assert worth(9, queue, 4, 5) == 4


# ------------------------------------------------------------------------------------------------- answers


def test_ids_are_polled_with_as_few_queries_as_possible() -> None:
    """Ids and external ids are queried separately, twenty at a time."""
    story = Story()
    story.attach(*names(45), *(f"external:{name}" for name in names(5)))
    assert sorted(len(query.names) for query in story.queries()) == [5, 5, 20, 20]


def test_a_partial_answer() -> None:
    """Missing tasks are polled again, unrequested ones are ignored, and the order does not matter."""
    story = Story()
    tasks = story.attach(*names(4))
    (query,) = story.queries()
    story.answer(query, {"9": task("9"), "2": task("2", "succeed"), "0": task("0")})
    assert [each.status and each.status.value for each in tasks] == ["processing", None, "succeed", None]
    assert [each.end is not None for each in tasks] == [False, False, True, False]
    story.now = 4.0
    (query,) = story.queries()
    assert set(query.due) == {"1", "3"}
    story.answer(query, {"1": BadResponse("odd"), "3": task("3")})
    assert tasks[3].status is TaskStatus.PROCESSING
    assert tasks[1].end is None


@pytest.mark.parametrize("count", [2, 3, 7, 20])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_bad_id_does_not_affect_the_others(count: int, place: int) -> None:
    """A refused query is halved at once until the bad id is alone; all others are answered by then."""
    story = Story()
    tasks = story.attach(*names(count))
    bad = names(count)[place]
    query_count = 0
    for _ in range(6):
        for query in story.queries():
            query_count += 1
            answers = {name: task(name) for name in query.names}
            story.answer(query, REFUSED if bad in query.names else answers)
    assert {each.reference.id for each in tasks if each.status is None} == {bad}
    assert isinstance(tasks[int(bad)].end, TaskNotFound)
    assert query_count <= 11
    assert {each.max_batch for each in tasks if each.status} == {20}


def test_a_transient_failure_does_not_split_a_query() -> None:
    """After a server error all tasks are polled together again."""
    story = Story()
    tasks = story.attach(*names(20))
    (query,) = story.queries()
    story.answer(query, ServerError("down", code=5000))
    story.now = 4.0
    (query,) = story.queries()
    assert len(query.names) == 20
    assert {each.max_batch for each in tasks} == {20}


# ------------------------------------------------------------------------------------------ both generations


@pytest.mark.parametrize("legacy_ids", ["shown", "left out", "refused"])
def test_both_generations_in_one_query(legacy_ids: Any) -> None:
    """All ends are seen whatever the account's answers to mixed queries, which are used if supported."""
    account = PolledAccount(3, legacy_ids)
    account.in_flight(6, (LEGACY, CURRENT), ends=40)
    mixed = [query for query in account.queries if len({each.reference.endpoint for each in _tasks(query)}) > 1]
    assert [len(account.lags[endpoint]) for endpoint in (LEGACY, CURRENT)] == [20, 20]
    assert len(mixed) > 20 if legacy_ids == "shown" else len(mixed) == 1
    assert mixed[0].due == {}


@pytest.mark.parametrize("legacy_ids", ["alone", "stale"])
def test_wrong_answers_to_mixed_queries_delay_no_task(legacy_ids: Any) -> None:
    """All ends are seen in time, whatever the answers to mixed queries contain or omit later."""
    account = PolledAccount(3, legacy_ids)
    account.in_flight(6, (LEGACY, CURRENT), ends=40)
    mixed = [query for query in account.queries if len({each.reference.endpoint for each in _tasks(query)}) > 1]
    assert len(mixed) == 2 or legacy_ids == "stale"
    assert [len(account.lags[endpoint]) for endpoint in (LEGACY, CURRENT)] == [20, 20]
    assert max(account.lags[LEGACY] + account.lags[CURRENT]) < 1


def _tasks(query: Query[FollowedTask]) -> list[FollowedTask]:
    return [*query.due.values(), *query.early.values()]


def test_trials_of_mixed_queries() -> None:
    """A trial that returns both enables mixed queries; a refusal disables them; a transient failure repeats it."""
    mixed = MixedQuerySupport()
    assert (mixed.is_on, mixed.may_try(0)) == (False, True)
    mixed.begin()
    assert not mixed.may_try(0)
    mixed.tried(1, legacy=True, current=False)
    assert (mixed.is_on, mixed.may_try(600), mixed.may_try(601)) == (False, False, True)
    mixed.tried(601, legacy=True, current=True)
    assert (mixed.is_on, mixed.may_try(9999)) == (True, False)
    mixed.failed(700, in_passing=True)
    assert (mixed.is_on, mixed.may_try(1299), mixed.may_try(1300)) == (False, False, True)
    mixed.failed(1300, in_passing=False)
    mixed.failed(1400, in_passing=True)
    assert (mixed.is_on, mixed.may_try(9999)) == (False, False)
    never = MixedQuerySupport()
    never.tried(0, legacy=False, current=True)
    assert (never.is_on, never.may_try(9999)) == (False, False)


@pytest.mark.parametrize(("count", "most_queries", "lag"), [(100, 0.3, 0.05), (250, 0.25, 0.025)])
def test_many_of_the_current_generation_cost_little(count: int, most_queries: float, lag: float) -> None:
    """A hundred tasks take at most 0.3 queries each; with more, all are seen sooner, as legacy ones are."""
    account = PolledAccount(1)
    account.in_flight(count, (CURRENT,), ends=3 * count)
    assert account.query_count <= most_queries * 3 * count
    assert account.lag(CURRENT) < lag
