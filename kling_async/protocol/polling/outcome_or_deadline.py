"""What an answer about one task means, or the lack of one: a new status, the end, or when to ask again."""

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
    """What comes of news about a task.

    Attributes:
        snapshot: its new status, if that changed.
        end: what its waiters get, if that is the end.
        due: when to ask next; None where it ended, and where the question that is due already stays as it is.
    """

    snapshot: Task | None = None
    end: Task | KlingError | None = None
    due: float | None = None


def checked(followed: FollowedTask, answer: Task | KlingError) -> Task | KlingError:
    """An answer about another task is an error; what the service does not always repeat is filled in."""
    if not isinstance(answer, Task):
        return answer
    if followed.snapshots and answer.task_id != followed.reference.id:
        return BadResponse(f"asked for task {followed.reference.id}, the service answered about another one")
    return filled(followed, answer)


def filled(followed: FollowedTask, answer: Task) -> Task:
    """A task with what the service does not always repeat."""
    if answer.external_task_id is None:
        return attrs.evolve(answer, external_task_id=followed.external_task_id)
    return answer


class OutcomeRules:
    """Decides what news mean, by the settings of one client.

    Args:
        polling: when a task is asked for, and its deadline.
        retry: when again after a question that failed.
        uniform: random numbers for the delays.
    """

    def __init__(self, polling: Polling | AimedPolling, retry: Retry, uniform: Uniform) -> None:
        self._polling = polling
        self._retry = retry
        self._uniform = uniform

    def of(self, followed: FollowedTask, answer: Task | KlingError, now: float, service_time: float) -> Outcome:
        """What an answer to a question about the task means, after `checked`; keeps what it tells.

        Args:
            followed: the task; one that has not ended.
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
        """What it means that a callback tells this, as in `of`: whatever question is due, or under way, stays so."""
        verdict = _verdict(followed, answer, now, service_time)
        return Outcome(verdict.snapshot, verdict.end)

    def unchanged(self, followed: FollowedTask, now: float) -> Outcome:
        """What it means that the service answered, and the task has not ended."""
        followed.last_error = None
        followed.attempts = None
        followed.missing_at = None
        followed.refusals = 0
        followed.last_seen_at = now
        if followed.gives_up_at is not None:
            return Outcome(end=followed.timeout())
        due = self._next_question(followed, now)
        return Outcome(due=None if due is None else min(due, followed.deadline_at))

    def failed(self, followed: FollowedTask, now: float) -> Outcome:
        """Asks again by the retry schedule; at the deadline there is one last look, which has a time of its own."""
        last_look = followed.gives_up_at is not None
        ends_at = followed.deadline_at if followed.gives_up_at is None else followed.gives_up_at
        if followed.attempts is None:
            followed.attempts = self._retry.attempts(self._uniform)
        followed.attempts.ends_at = ends_at
        delay = followed.attempts.failed(now)
        if delay is not None and not followed.attempts.is_over(now):
            return Outcome(due=now + delay)
        return Outcome(end=followed.timeout()) if last_look else Outcome(due=ends_at)

    def _next_question(self, followed: FollowedTask, now: float) -> float | None:
        """When to ask next; None where it stays as it is."""
        match self._polling:
            case AimedPolling() as aimed:
                age = now - followed.begun_at
                return now + aimed.delay(followed.estimate, age, self._uniform, followed.stretch)
            case Polling() as beat:
                waited = share_passed(followed, now) if followed.rate else 1.0
                asked = beat.asked_after(followed.asked, waited)
                if asked is None:
                    return None
                followed.asked = asked
                return now + beat.delay(asked - 1, self._uniform)


def _verdict(followed: FollowedTask, answer: Task | KlingError, now: float, service_time: float) -> Verdict:
    """What news mean for those who wait; keeps what they tell."""
    if isinstance(answer, Task):
        _identify(followed, answer, now, service_time)
    if isinstance(answer, AuthenticationError):
        followed.refusals += 1
    # What tasks usually take is not worked out for each answer that has the task.
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
    """Takes the id of a task that was attached by another one, and its age when it is first heard of."""
    if not followed.snapshots and not followed.created_here:
        followed.begun_at = now - age_of(task, service_time)
    if task.task_id != followed.reference.id:
        followed.reference = Reference(task.endpoint, task.task_id)


def learn(followed: FollowedTask, estimates: tuple[DurationEstimate, ...], now: float, *, ended: bool) -> None:
    """Learns how long a task took: as the service tells, within what was seen of it from here.

    Args:
        followed: the task.
        estimates: of its kind, and of all tasks of its endpoint.
        now: when the following ends.
        ended: whether the task itself did.
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
