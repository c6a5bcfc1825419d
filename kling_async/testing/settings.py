"""Clients with very short waits: the usual rules on a shorter time scale."""

from typing import Final

from kling_async.client import KlingClient
from kling_async.protocol.polling.schedule import Polling
from kling_async.protocol.retry import Retry

POLLING: Final = Polling(first=0.001, factor=1.5, maximum=0.05, deadline=30.0)
"""The first poll after a millisecond; a task that does not end within 30 seconds raises `TaskTimeout`, so that no test
hangs."""

RETRY: Final = Retry(first=0.01, factor=2.0, maximum=0.05, settle=0.1, budget=2.0)
"""Temporary failures are retried after 10 milliseconds, and for two seconds at most."""

QUEUE_DEADLINE: Final = 5.0
"""Seconds that a task may wait for a slot: an account that stays full raises `QueueTimeout`, so that no test hangs."""

SPEED: Final = 1e6
"""How many times faster than the service an emulator's tasks progress: they finish before the first poll."""


class QuickClient(KlingClient):
    """A client whose waits for a slot are as short as those between polls, and that does not fsync its files."""

    _beat = 0.01
    _is_durable = False

    @property
    def is_at_home(self) -> bool:
        """Whether the client can be used on the running event loop: it was first used there, or not used yet."""
        return self._lifetime.is_at_home

    @property
    def is_stranded(self) -> bool:
        """Whether the client can no longer be closed, since its event loop was closed first."""
        return self._lifetime.is_stranded
