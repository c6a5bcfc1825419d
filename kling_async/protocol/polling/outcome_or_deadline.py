"""What an answer about one task, or a failed poll, results in: a new status, the end, or the time of the next poll."""

from typing import NamedTuple

import attrs

from kling_async.protocol.errors import AuthenticationError, BadResponse, KlingError
from kling_async.protocol.lifecycle import NOT_FOUND_PATIENCE, Verdict, classify
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.followed import FollowedTask, age_of
from kling_async.protocol.polling.queue import share_passed
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task


class Outcome(NamedTuple):
    """The result of an answer about a task.

    Attributes:
        snapshot: the task with its new status, if that changed.
        end: the finished task or the error that its waiters get, if following ends.
        due: when to poll next; None if it ended, or if the scheduled poll stays.
    """

    snapshot: Task | None = None
    end: Task | KlingError | None = None
    due: float | None = None


def checked(followed: FollowedTask, answer: Task | KlingError) -> Task | KlingError:
    """Returns the answer with missing fields filled in, or an error if it is about another task."""
    if not isinstance(answer, Task):
        return answer
    if followed.snapshots and answer.task_id != followed.reference.id:
        return BadResponse(f"asked for task {followed.reference.id}, the service answered about another one")
    return filled(followed, answer)


def filled(followed: FollowedTask, answer: Task) -> Task:
    """Returns the task with its external id, which the service does not always repeat."""
    if answer.external_task_id is None:
        return attrs.evolve(answer, external_task_id=followed.external_task_id)
    return answer


class OutcomeRules:
    """Decides what answers result in, by the settings of one client.

    Args:
        polling: when a task is polled, and its deadline.
        retry: when to poll again after a failure.
        uniform: random numbers for the delays.
    """

    def __init__(self, polling: Polling | AimedPolling, retry: Retry, uniform: Uniform) -> None:
        self._polling = polling
        self._retry = retry
        self._uniform = uniform

    def of(self, followed: FollowedTask, answer: Task | KlingError, now: float, service_time: float) -> Outcome:
        """Returns the outcome of an answer to a poll, after `checked`, and updates the task with it.

        Args:
            followed: the task, which has not ended.
            answer: the answer, or the error that came instead.
            now: seconds of the monotonic clock.
            service_time: the service's time of day, in seconds since 1970.
        """
        if not isinstance(answer, Task):
            followed.note(answer)
        verdict = _verdict(followed, answer, now, service_time)
        if verdict.end is not None:
            return Outcome(verdict.snapshot, verdict.end)
        again = self.failed(followed, now) if verdict.failing else self.unchanged(followed, now)
        return again if verdict.snapshot is None else again._replace(snapshot=verdict.snapshot)

    def of_callback(self, followed: FollowedTask, answer: Task, now: float, service_time: float) -> Outcome:
        """Returns the outcome of a callback, as in `of`; a poll that is scheduled or in progress stays."""
        verdict = _verdict(followed, answer, now, service_time)
        return Outcome(verdict.snapshot, verdict.end)

    def unchanged(self, followed: FollowedTask, now: float) -> Outcome:
        """Returns the outcome if the service answered and the task has not ended."""
        followed.last_error = None
        followed.attempts = None
        followed.missing_since = None
        followed.refusals = 0
        followed.last_seen_at = now
        if followed.gives_up_at is not None:
            return Outcome(end=followed.timeout())
        due = self._next_poll(followed, now)
        return Outcome(due=None if due is None else min(due, followed.deadline_at))

    def failed(self, followed: FollowedTask, now: float) -> Outcome:
        """Schedules a retry after a failed poll; at the deadline there is one last poll, with its own timeout."""
        last_look = followed.gives_up_at is not None
        ends_at = followed.deadline_at if followed.gives_up_at is None else followed.gives_up_at
        if followed.attempts is None:
            followed.attempts = self._retry.attempts(self._uniform)
        followed.attempts.ends_at = ends_at
        delay = followed.attempts.failed(now)
        if delay is not None and not followed.attempts.is_over(now):
            return Outcome(due=now + delay)
        return Outcome(end=followed.timeout()) if last_look else Outcome(due=ends_at)

    def _next_poll(self, followed: FollowedTask, now: float) -> float | None:
        """Returns when to poll next; None if the scheduled poll stays."""
        match self._polling:
            case AimedPolling() as aimed:
                age = now - followed.begun_at
                return now + aimed.delay(followed.estimate, age, self._uniform, followed.stretch)
            case Polling() as fixed:
                waited = share_passed(followed, now) if followed.rate else 1.0
                poll_number = fixed.asked_after(followed.poll_number, waited)
                if poll_number is None:
                    return None
                followed.poll_number = poll_number
                return now + fixed.delay(poll_number - 1, self._uniform)


def _verdict(followed: FollowedTask, answer: Task | KlingError, now: float, service_time: float) -> Verdict:
    """Returns what an answer means for the waiters, and updates the task with it."""
    if isinstance(answer, Task):
        _identify(followed, answer, now, service_time)
    if isinstance(answer, AuthenticationError):
        followed.refusals += 1
    # The median is not computed for answers that contain the task.
    patience = (
        0.0 if isinstance(answer, Task) else max(NOT_FOUND_PATIENCE, 2 * followed.estimate.look_schedule().median)
    )
    verdict = classify(
        followed.status,
        answer,
        age=now - followed.last_seen_at if followed.is_new else float("inf"),
        reference=str(followed.reference),
        patience=patience,
        refusals=followed.refusals,
    )
    if verdict.snapshot is not None:
        followed.snapshots.append(verdict.snapshot)
    return verdict


def _identify(followed: FollowedTask, task: Task, now: float, service_time: float) -> None:
    """Sets the id of a task that was attached by its external id, and its age at the first answer."""
    if not followed.snapshots and not followed.created_here:
        followed.begun_at = now - age_of(task, service_time)
    if task.task_id != followed.reference.id:
        followed.reference = Reference(task.endpoint, task.task_id)


def learn(followed: FollowedTask, estimates: tuple[DurationEstimate, ...], now: float, *, ended: bool) -> None:
    """Updates estimates with the duration of a task: as the service reports it, within the bounds seen by this client.

    Args:
        followed: the task.
        estimates: estimates of its kind, and of all tasks of its endpoint.
        now: when following ends.
        ended: whether the task itself has ended.
    """
    if not followed.created_here or len(followed.snapshots) == 1:  # it had ended when it was first seen
        return
    age = now - followed.begun_at
    task = followed.snapshots[-1]
    if ended and task.created_at is not None and task.updated_at is not None:
        reported_age = (task.updated_at - task.created_at).total_seconds()
        age = min(age, max(reported_age, followed.last_seen_at - followed.begun_at))
    for estimate in estimates:
        estimate.observe(age, ended=ended)
