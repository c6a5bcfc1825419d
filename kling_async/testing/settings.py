"""Clients that wait for next to nothing: the same rules as always, on a shorter scale of time."""

from typing import Final

from kling_async.client import KlingClient
from kling_async.protocol.polling.schedule import Polling
from kling_async.protocol.retry import Retry

POLLING: Final = Polling(first=0.001, factor=1.5, maximum=0.05, deadline=30.0)
"""The first question after a millisecond; a task that does not end within half a minute is `TaskTimeout`, so that no
test hangs."""

RETRY: Final = Retry(first=0.01, factor=2.0, maximum=0.05, settle=0.1, budget=2.0)
"""What fails in passing is repeated at once, and for two seconds at most."""

QUEUE_DEADLINE: Final = 5.0
"""Seconds that a task may stand in line: an account that stays full is `QueueTimeout`, so that no test hangs."""

SPEED: Final = 1e6
"""How many times faster than the service an emulator's tasks advance: they have ended before the first question."""


class QuickClient(KlingClient):
    """A client whose waits for a slot are as short as those between two questions, and whose files are not synced."""

    _beat = 0.01
    _is_durable = False

    @property
    def is_at_home(self) -> bool:
        """Whether it can be used on the running event loop: it began there, or has not begun."""
        return self._lifetime.is_at_home

    @property
    def is_stranded(self) -> bool:
        """Whether nothing can close it any more: its event loop was closed before it was."""
        return self._lifetime.is_stranded
