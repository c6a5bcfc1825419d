"""The followed tasks of one endpoint: the names they are registered under, and how answers change them."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from kling_async.protocol.endpoint import IDS_AT_ONCE, SHOWN_WITHIN, Endpoint, Generation
from kling_async.protocol.errors import KlingError, TaskNotFound
from kling_async.protocol.lifecycle import is_change, may_follow
from kling_async.protocol.polling.callback_results import has_results
from kling_async.protocol.polling.callback_trust import CallbackTrust
from kling_async.protocol.polling.durations import DurationEstimate, Durations
from kling_async.protocol.polling.followed import SLOW_ANSWER, FollowedTask, age_of
from kling_async.protocol.polling.outcome_or_deadline import Outcome, OutcomeRules, checked, filled, learn
from kling_async.protocol.polling.queue import PollQueue
from kling_async.protocol.polling.schedule import SHORTEST_DELAY
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task, TaskStatus

_F = TypeVar("_F", bound=FollowedTask)


class Update(NamedTuple, Generic[_F]):
    """A change of a followed task: a new status, the end, or both."""

    followed: _F
    snapshot: Task | None
    end: Task | KlingError | None


class Following(Generic[_F]):
    """The followed tasks of one endpoint.

    Args:
        endpoint: endpoint of the tasks.
        rules: what answers mean.
        durations: how long tasks take; updated by each task that ends.
        trust: how reliable callbacks are; updated by each change.
        emit: called with each update of a task.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        rules: OutcomeRules,
        durations: Durations,
        trust: CallbackTrust[_F],
        emit: Callable[[Update[_F]], None],
    ) -> None:
        self.endpoint = endpoint
        self._rules = rules
        self._durations = durations
        self._trust = trust
        self._emit = emit
        self._are_current = endpoint.generation is Generation.CURRENT
        self.names: dict[str, _F] = {}
        """The tasks that have not ended, by id; a task with two ids is in it twice."""
        self.queue = PollQueue[_F]()

    @property
    def estimate(self) -> DurationEstimate:
        """How long tasks of this endpoint take, regardless of their kind."""
        return self._durations.of(self.endpoint.name, self.endpoint.typical_seconds(None))

    def stretch(self) -> float:
        """Returns the factor on the targeted lag, above 1 if queries for other tasks also report this one."""
        return 1.0

    # --------------------------------------------------------------------------------------------- answers

    def follow(self, followed: _F, created: Task | None, now: float, service_time: float) -> None:
        """Begins to follow a task; an attached one (`created` is None) is polled at once."""
        if created is not None and (age := age_of(created, service_time)) > SLOW_ANSWER:
            followed.begun_at = now - age  # an adopted older task, or one that was looked up later
        self._add_name(followed, followed.reference.id)
        if created is None:
            self.queue.put(followed, now, now)
        else:
            self.apply_answer(followed, created, now, service_time)

    def apply_answer(self, followed: _F, answer: Task | KlingError, now: float, service_time: float) -> None:
        """Applies an answer about a task, or the error that came instead."""
        if followed.end is not None:
            return
        followed.stretch = self.stretch()
        answer = checked(followed, answer)
        if isinstance(answer, Task):
            followed.max_batch = IDS_AT_ONCE
            if self._are_current and not followed.snapshots:
                followed = self._merged(followed, answer.task_id)
            self._add_names(followed, answer)
        outcome = self._rules.of(followed, answer, now, service_time)
        if outcome.snapshot is not None:
            self._trust.observed(followed, now, by_callback=followed.has_unsigned_callback)
        self._apply_outcome(followed, outcome, now)

    def apply_unchanged(self, followed: _F, now: float) -> None:
        """Applies an answer that contains the status already known."""
        followed.stretch = self.stretch()
        self._apply_outcome(followed, self._rules.unchanged(followed, now), now)

    def apply_missing(self, followed: _F, now: float, service_time: float) -> None:
        """Applies an answer that omits the task. A new task may not be visible yet, and one answer proves nothing."""
        if followed.end is not None:
            return
        if followed.missing_since is None:
            followed.missing_since, may_show = now, True
        else:
            may_show = bool(followed.snapshots) and now < followed.missing_since + SHOWN_WITHIN
        if may_show:
            self._apply_outcome(followed, self._rules.failed(followed, now), now)
        else:
            self.apply_answer(followed, TaskNotFound("its answers do not have it", http_status=200), now, service_time)

    def called_back(self, followed: _F, answer: Task, now: float, service_time: float, *, signed: bool) -> None:
        """Applies a callback: if it is signed it counts as an answer, otherwise the task is polled soon."""
        if not is_change(followed.snapshots[-1] if followed.snapshots else None, answer):
            return
        if signed and has_results(answer, self.endpoint.result):
            answer = filled(followed, answer)
            self._add_names(followed, answer)
            outcome = self._rules.of_callback(followed, answer, now, service_time)
            self._trust.observed(followed, now, by_callback=True)
            self._apply_outcome(followed, outcome, now)
        elif not followed.held:  # otherwise the client that follows it polls it
            self._poll_soon(followed, answer.status, now)

    def _poll_soon(self, followed: _F, status: TaskStatus, now: float) -> None:
        """Polls a task soon after an unsigned callback reported a change; more callbacks do not cause more polls."""
        followed.has_unsigned_callback = True
        if followed.rate == 0:
            followed.unsigned_status = status
        elif (due := max(now, followed.last_seen_at + SHORTEST_DELAY)) < followed.due:
            self.queue.put(followed, now, due)

    def _apply_outcome(self, followed: _F, outcome: Outcome, now: float) -> None:
        if outcome.end is not None:
            learn(followed, (followed.estimate, self.estimate), now, ended=isinstance(outcome.end, Task))
            self.finish(followed, outcome.end, outcome.snapshot)
            return
        if outcome.snapshot is not None:
            self._emit_update(followed, outcome.snapshot, None)
        if outcome.due is not None:
            again = followed.unsigned_status is not None and may_follow(followed.status, followed.unsigned_status)
            followed.has_unsigned_callback, followed.unsigned_status = again, None
            self._trust.answered(followed)
            self.queue.put(followed, now, min(outcome.due, now + SHORTEST_DELAY) if again else outcome.due)

    def finish(self, followed: _F, end: Task | KlingError, snapshot: Task | None = None) -> None:
        """Stops following a task and emits its end."""
        self.queue.remove(followed)
        self._trust.answered(followed)
        for name in followed.names:
            del self.names[name]
        followed.names = ()
        self._emit_update(followed, snapshot, end)

    def _emit_update(self, followed: _F, snapshot: Task | None, end: Task | KlingError | None) -> None:
        """Emits an update of a task, and of all entries merged into it."""
        followed.end = end
        self._emit(Update(followed, snapshot, end))
        for alias in followed.aliases:
            alias.end = end
            self._emit(Update(alias, snapshot, end))

    # --------------------------------------------------------------------------------------------- names

    def names_of(self, task: Task) -> tuple[str, ...]:
        """Returns the names that a task may be followed by: its id, and its external id if it has one."""
        if task.external_task_id is None:
            return (task.task_id,)
        return task.task_id, Reference.by_external_task_id(self.endpoint.name, task.external_task_id).id

    def is_known(self, followed: _F) -> bool:
        """Whether the service has answered about a task, and its id belongs to this entry and no other."""
        return bool(followed.snapshots) and self.names.get(followed.reference.id) is followed

    def _merged(self, followed: _F, task_id: str) -> _F:
        """Merges an entry whose task id has just become known into the one that already has that id, if any.

        Returns:
            The entry that remains; `followed` itself if there is no other.
        """
        other = self.names.get(task_id)
        if other is None or other is followed:
            return followed
        self.queue.remove(followed)
        self._trust.answered(followed)
        for name in followed.names:
            self.names[name] = other
        other.names, followed.names = (*other.names, *followed.names), ()
        other.aliases = (*other.aliases, followed)
        followed.reference, followed.snapshots = other.reference, other.snapshots
        if other.snapshots:
            self._emit(Update(followed, other.snapshots[-1], None))
        return other

    def _add_names(self, followed: _F, task: Task) -> None:
        for name in self.names_of(task):
            self._add_name(followed, name)

    def _add_name(self, followed: _F, name: str) -> None:
        if name not in self.names:
            self.names[name] = followed
            followed.names = (*followed.names, name)
