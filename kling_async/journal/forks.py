"""What must not be open while a process forks."""

import threading
import weakref
from typing import Protocol

from kling_async.io import system


class Forked(Protocol):
    """Something that is told of forks of its process."""

    def before_fork(self) -> None:
        """The process is about to fork."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """It has."""
        ...


_watched: "weakref.WeakSet[Forked]" = weakref.WeakSet()
_told: list[Forked] = []
_one_at_a_time = threading.Lock()


def watch(each: Forked) -> None:
    """Tells it of every fork, for as long as it lives."""
    _watched.add(each)


def _before() -> None:
    _one_at_a_time.acquire()
    _told[:] = list(_watched)
    for each in _told:
        each.before_fork()


def _after(*, in_child: bool) -> None:
    for each in _told:
        each.after_fork(in_child=in_child)
    _told.clear()
    _one_at_a_time.release()


system.at_fork(
    before=_before,
    after_in_parent=lambda: _after(in_child=False),
    after_in_child=lambda: _after(in_child=True),
)
