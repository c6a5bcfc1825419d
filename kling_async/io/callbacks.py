"""Callbacks that reach a client: about tasks that it follows, or that are in its journal."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from kling_async.io.api import Api
from kling_async.io.poller import Poller
from kling_async.protocol.errors import BadResponse, JournalError, UnknownStatus
from kling_async.protocol.tasks import Task

logger = logging.getLogger("kling_async")

KEEP_SECONDS: Final = 2.0
"""Seconds that a callback waits for the journal before it counts as not taken."""


class Keep(Protocol):
    """Stores a callback about a task that this client does not follow."""

    async def __call__(self, task: Task, body: bytes, *, signed: bool) -> None:
        """Stores the callback in the journal, if the journal has the work of this task.

        Raises:
            JournalError: it could not be written.
        """
        ...


class Callbacks:
    """The callbacks of one client.

    Args:
        token: replaces `{token}` in the callback address; None if the address has none.
        api: reads the callbacks.
        poller: follows the tasks.
        enter: starts the client on first use; raises if it is closed.
    """

    def __init__(self, token: str | None, api: Api, poller: Poller, enter: Callable[[], None]) -> None:
        self.token = token
        self._api = api
        self._poller = poller
        self._enter = enter
        self.keep: Keep | None = None
        """Stores a callback about a task that this client does not follow, which may be in the journal."""
        if token is not None:
            self.hide(token)

    def hide(self, token: str) -> None:
        """Redacts a token in all texts: the service may repeat the callback address in its answers."""
        self._api.own_secrets |= {token}

    def read(self, body: bytes) -> Task | None:
        """Reads a callback; returns None if this version does not know its status.

        Raises:
            BadResponse: the body is not a callback.
            ClientClosed: the client is closed.
            WrongEventLoop: the client belongs to another loop.
        """
        self._enter()
        try:
            return self._api.called_back(body)
        except UnknownStatus as error:
            logger.debug("a callback has an unknown status: %s", error, extra={"kling_event": "callback_unknown"})
            return None

    async def take(self, task: Task, body: bytes, *, signed: bool) -> bool:
        """Applies a callback; all waiters of the task are notified before this returns.

        An unsigned callback proves nothing: its task is queried in the background. A callback about a task that is not
        followed here goes to the journal, which forwards it to the client that follows the task, or else stores it.

        Args:
            task: as returned by `read`.
            body: that it was read from.
            signed: whether the callback has a valid signature of the service.

        Returns:
            Whether the callback is done with; False if the journal could not be written, so that it has to be repeated.
        """
        if self._poller.called_back(task, signed=signed) or self.keep is None:
            return True
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                await self.keep(task, body, signed=signed)
        except (JournalError, TimeoutError) as error:
            reason = str(error) or "it could not be written in time"
            logger.warning("a callback was not kept: %s", reason, extra={"kling_event": "journal_failed"})
            return False
        return True

    def forwarded(self, body: bytes, *, signed: bool) -> None:
        """Applies a callback about one of this client's tasks that another client of the journal received."""
        try:
            task = self.read(body)
        except BadResponse:  # only another version of this package could read it
            return
        if task is not None:
            self._poller.called_back(task, signed=signed)
