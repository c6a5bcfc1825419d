"""Fork hooks for objects that must not be open while their process forks."""

import threading
import weakref
from typing import Protocol

from kling_async.io import system


class Forked(Protocol):
    """An object that is notified of forks of its process."""

    def before_fork(self) -> None:
        """Called before the process forks."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Called after the fork, in the parent and in the child."""
        ...


_watched: "weakref.WeakSet[Forked]" = weakref.WeakSet()
_notified: list[Forked] = []
_one_at_a_time = threading.Lock()


def watch(each: Forked) -> None:
    """Notifies an object of every fork, without keeping it alive."""
    _watched.add(each)


def _before() -> None:
    _one_at_a_time.acquire()
    _notified[:] = list(_watched)
    for each in _notified:
        each.before_fork()


def _after(*, in_child: bool) -> None:
    for each in _notified:
        each.after_fork(in_child=in_child)
    _notified.clear()
    _one_at_a_time.release()


system.at_fork(
    before=_before,
    after_in_parent=lambda: _after(in_child=False),
    after_in_child=lambda: _after(in_child=True),
)
