"""What the server remembers: tasks, when each was created and when it is done, and how often it was asked."""

import collections
import math
import random
import time
from typing import Any, Final

import attrs

FIRST_ID: Final = 867283741759110000
"""Ids have 18 digits, as the real ones have."""


@attrs.define
class Task:
    """One task.

    Attributes:
        id: Made by the server.
        external_id: Made by the client.
        created: When it was, by the clock that all processes share.
        done: When it is.
        created_ms: The same as `created`, since 1970 in milliseconds.
        bodies: What was said about it before, for it is said again.
    """

    id: str
    external_id: str | None
    created: float
    done: float
    created_ms: int
    bodies: dict[Any, bytes] = attrs.Factory(dict)

    @property
    def done_ms(self) -> int:
        """As `created_ms`."""
        return self.created_ms + round((self.done - self.created) * 1000)

    def finished(self) -> bool:
        """Whether it is done by now."""
        return time.monotonic() >= self.done


class AccountModel:
    """All tasks of one server.

    Args:
        shortest: Seconds that the shortest task takes.
        longest: Seconds that the longest takes.
        held: Whether tasks begin only when they are released.
    """

    def __init__(self, shortest: float, longest: float, *, held: bool = False) -> None:
        self._range = (shortest, longest)
        self._held = held
        self.tasks: list[Task] = []
        self.by_id: dict[str, Task] = {}
        self.begin(50)

    def begin(self, count: int) -> None:
        """Begins a round: its tasks take times spread evenly, in an order that is the same in each run."""
        shortest, longest = self._range
        self._durations = [shortest + (longest - shortest) * (index + 0.5) / count for index in range(count)]
        random.Random(count).shuffle(self._durations)  # noqa: S311  (no secret)
        self._first = len(self.tasks)
        self.requests: collections.Counter[str] = collections.Counter()
        self._cpu = time.process_time()
        self._began = time.monotonic()

    def create(self, external_id: str | None) -> Task:
        """A new task, which takes the next of the round's times."""
        duration = self._durations[(len(self.tasks) - self._first) % len(self._durations)]
        now = time.monotonic()
        done = math.inf if self._held else now + duration
        task = Task(str(FIRST_ID + len(self.tasks)), external_id, now, done, round(time.time() * 1000))
        self.tasks.append(task)
        self.by_id[task.id] = task
        return task

    def release(self, scale: float) -> None:
        """The round's tasks begin now, each to take its time; all are there, as many as were said.

        Args:
            scale: Of these times: below 1 for those of which nothing is to be known.
        """
        now = time.monotonic()
        for task, duration in zip(self.tasks[self._first :], self._durations, strict=True):
            task.done = now + scale * duration

    def figures(self) -> dict[str, Any]:
        """What is to be known about the round."""
        return {
            "created": {task.id: task.created for task in self.tasks[self._first :]},
            "done": {task.id: task.done for task in self.tasks[self._first :]},
            "longest": max(self._durations),
            "requests": dict(self.requests),
            "cpu": time.process_time() - self._cpu,
            "seconds": time.monotonic() - self._began,
        }
