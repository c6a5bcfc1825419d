"""The state of the server: tasks with their times of creation and end, and counts of requests."""

import collections
import math
import random
import time
from typing import Any, Final

import attrs

FIRST_ID: Final = 867283741759110000
"""Ids have 18 digits, like real ones."""


@attrs.define
class Task:
    """One task.

    Attributes:
        id: Made by the server.
        external_id: Made by the client.
        created: Time of its creation, by the monotonic clock, which all processes share.
        done: Time of its end, by the same clock.
        created_ms: Time of its creation in milliseconds since 1970.
        bodies: Cached answers.
    """

    id: str
    external_id: str | None
    created: float
    done: float
    created_ms: int
    bodies: dict[Any, bytes] = attrs.Factory(dict)

    @property
    def done_ms(self) -> int:
        """Time of its end in milliseconds since 1970."""
        return self.created_ms + round((self.done - self.created) * 1000)

    def finished(self) -> bool:
        """Whether it is done."""
        return time.monotonic() >= self.done


class AccountModel:
    """All tasks of one server.

    Args:
        shortest: Seconds of the shortest task.
        longest: Seconds of the longest task.
        held: Whether tasks begin only when they are released.
    """

    def __init__(self, shortest: float, longest: float, *, held: bool = False) -> None:
        self._range = (shortest, longest)
        self._held = held
        self.tasks: list[Task] = []
        self.by_id: dict[str, Task] = {}
        self.begin(50)

    def begin(self, count: int) -> None:
        """Begins a round: the durations of its tasks are spread evenly, in the same order in each run."""
        shortest, longest = self._range
        self._durations = [shortest + (longest - shortest) * (index + 0.5) / count for index in range(count)]
        random.Random(count).shuffle(self._durations)  # noqa: S311  (no secret)
        self._first = len(self.tasks)
        self.requests: collections.Counter[str] = collections.Counter()
        self._cpu = time.process_time()
        self._began = time.monotonic()

    def create(self, external_id: str | None) -> Task:
        """Creates a task with the next duration of the round."""
        duration = self._durations[(len(self.tasks) - self._first) % len(self._durations)]
        now = time.monotonic()
        done = math.inf if self._held else now + duration
        task = Task(str(FIRST_ID + len(self.tasks)), external_id, now, done, round(time.time() * 1000))
        self.tasks.append(task)
        self.by_id[task.id] = task
        return task

    def release(self, scale: float) -> None:
        """Starts the round's tasks now; all of them must have been created.

        Args:
            scale: Factor for their durations: below 1 for tasks that are not measured.
        """
        now = time.monotonic()
        for task, duration in zip(self.tasks[self._first :], self._durations, strict=True):
            task.done = now + scale * duration

    def figures(self) -> dict[str, Any]:
        """Returns the figures of the round."""
        return {
            "created": {task.id: task.created for task in self.tasks[self._first :]},
            "done": {task.id: task.done for task in self.tasks[self._first :]},
            "longest": max(self._durations),
            "requests": dict(self.requests),
            "cpu": time.process_time() - self._cpu,
            "seconds": time.monotonic() - self._began,
        }
