"""The followed tasks of one endpoint: the names they go by, what news about them change, and when each is due."""

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
    """What is new about a task: a new status, the end, or both."""

    followed: _F
    snapshot: Task | None
    end: Task | KlingError | None


class Following(Generic[_F]):
    """The followed tasks of one endpoint.

    Args:
        endpoint: of the tasks.
        rules: what news mean.
        durations: how long tasks take; it learns.
        trust: in callbacks; it learns.
        emit: takes what is new about a task.
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
        """The tasks that have not ended, by each of their ids."""
        self.queue = PollQueue[_F]()

    @property
    def estimate(self) -> DurationEstimate:
        """How long tasks of this endpoint take, whatever their kind."""
        return self._durations.of(self.endpoint.name, self.endpoint.typical_seconds(None))

    def stretch(self) -> float:
        """What the lag that is aimed at is multiplied by, since questions for other tasks tell of this one, too."""
        return 1.0

    # ---------------------------------------------------------------------------------------------- news

    def follow(self, followed: _F, created: Task | None, now: float, service_time: float) -> None:
        """Begins with a task; one that was attached is asked for at once."""
        if created is not None and (age := age_of(created, service_time)) > SLOW_ANSWER:
            followed.begun_at = now - age  # an older task that was adopted, or one that was looked up later
        self._take_name(followed, followed.reference.id)
        if created is None:
            self.queue.put(followed, now, now)
        else:
            self.take(followed, created, now, service_time)

    def take(self, followed: _F, answer: Task | KlingError, now: float, service_time: float) -> None:
        """Takes an answer about a task, or what came instead."""
        if followed.end is not None:
            return
        followed.stretch = self.stretch()
        answer = checked(followed, answer)
        if isinstance(answer, Task):
            followed.together_at_most = IDS_AT_ONCE
            if self._are_current and not followed.snapshots:
                followed = self._joined(followed, answer.task_id)
            self._name(followed, answer)
        outcome = self._rules.of(followed, answer, now, service_time)
        if outcome.snapshot is not None:
            self._trust.observed(followed, now, by_callback=followed.prompted)
        self._apply(followed, outcome, now)

    def take_unchanged(self, followed: _F, now: float) -> None:
        """Takes an answer that tells what is known already."""
        followed.stretch = self.stretch()
        self._apply(followed, self._rules.unchanged(followed, now), now)

    def take_left_out(self, followed: _F, now: float, service_time: float) -> None:
        """An answer does not have the task: what was made lately may not show yet, nor is one answer a proof."""
        if followed.end is not None:
            return
        if followed.missing_at is None:
            followed.missing_at, may_show = now, True
        else:
            may_show = bool(followed.snapshots) and now < followed.missing_at + SHOWN_WITHIN
        if may_show:
            self._apply(followed, self._rules.failed(followed, now), now)
        else:
            self.take(followed, TaskNotFound("its answers do not have it", http_status=200), now, service_time)

    def called_back(self, followed: _F, answer: Task, now: float, service_time: float, *, signed: bool) -> None:
        """Takes what a callback says: if the service has signed it, that is the news; else the task is asked for."""
        if not is_change(followed.snapshots[-1] if followed.snapshots else None, answer):
            return
        if signed and has_results(answer, self.endpoint.result):
            answer = filled(followed, answer)
            self._name(followed, answer)
            outcome = self._rules.of_callback(followed, answer, now, service_time)
            self._trust.observed(followed, now, by_callback=True)
            self._apply(followed, outcome, now)
        elif not followed.held:  # else it is asked for by who follows it
            self._ask_soon(followed, answer.status, now)

    def _ask_soon(self, followed: _F, status: TaskStatus, now: float) -> None:
        """Asks for a task of which a callback says that there is news, however many of them come."""
        followed.prompted = True
        if followed.rate == 0:
            followed.hinted = status
        elif (due := max(now, followed.last_seen_at + SHORTEST_DELAY)) < followed.due:
            self.queue.put(followed, now, due)

    def _apply(self, followed: _F, outcome: Outcome, now: float) -> None:
        if outcome.end is not None:
            learn(followed, (followed.estimate, self.estimate), now, ended=isinstance(outcome.end, Task))
            self.finish(followed, outcome.end, outcome.snapshot)
            return
        if outcome.snapshot is not None:
            self._say(followed, outcome.snapshot, None)
        if outcome.due is not None:
            again = followed.hinted is not None and may_follow(followed.status, followed.hinted)
            followed.prompted, followed.hinted = again, None
            self._trust.answered(followed)
            self.queue.put(followed, now, min(outcome.due, now + SHORTEST_DELAY) if again else outcome.due)

    def finish(self, followed: _F, end: Task | KlingError, snapshot: Task | None = None) -> None:
        """Ends the following of a task."""
        self.queue.remove(followed)
        self._trust.answered(followed)
        for name in followed.names:
            del self.names[name]
        followed.names = ()
        self._say(followed, snapshot, end)

    def _say(self, followed: _F, snapshot: Task | None, end: Task | KlingError | None) -> None:
        """Tells what is new about a task, by whatever name it is followed."""
        followed.end = end
        self._emit(Update(followed, snapshot, end))
        for twin in followed.twins:
            twin.end = end
            self._emit(Update(twin, snapshot, end))

    # --------------------------------------------------------------------------------------------- names

    def names_of(self, task: Task) -> tuple[str, ...]:
        """What a task may be followed by: its id, and the caller's own."""
        if task.external_task_id is None:
            return (task.task_id,)
        return task.task_id, Reference.by_external_task_id(self.endpoint.name, task.external_task_id).id

    def is_known(self, followed: _F) -> bool:
        """Whether the service has told of a task, and its id stands for this following alone."""
        return bool(followed.snapshots) and self.names.get(followed.reference.id) is followed

    def _joined(self, followed: _F, task_id: str) -> _F:
        """The following of a task whose id is heard of now: if it is followed by that already, the two are one."""
        other = self.names.get(task_id)
        if other is None or other is followed:
            return followed
        self.queue.remove(followed)
        self._trust.answered(followed)
        for name in followed.names:
            self.names[name] = other
        other.names, followed.names = (*other.names, *followed.names), ()
        other.twins = (*other.twins, followed)
        followed.reference, followed.snapshots = other.reference, other.snapshots
        if other.snapshots:
            self._emit(Update(followed, other.snapshots[-1], None))
        return other

    def _name(self, followed: _F, task: Task) -> None:
        for name in self.names_of(task):
            self._take_name(followed, name)

    def _take_name(self, followed: _F, name: str) -> None:
        if name not in self.names:
            self.names[name] = followed
            followed.names = (*followed.names, name)
