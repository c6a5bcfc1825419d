"""What comes to a client by callbacks: news of the tasks that it follows, or that its journal has."""

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
"""Seconds that a callback waits for the journal until it is answered that it was not taken."""


class Keep(Protocol):
    """Takes what is told of a task that nobody follows here."""

    async def __call__(self, task: Task, body: bytes, *, signed: bool) -> None:
        """Keeps it in the journal, if it is about work that is there.

        Raises:
            JournalError: it could not be written.
        """
        ...


class Callbacks:
    """The callbacks of one client.

    Args:
        token: that the address of its tasks holds in place of `{token}`; None where it has none.
        api: reads them.
        poller: follows the tasks.
        enter: begins with the first use; raises where the client is closed.
    """

    def __init__(self, token: str | None, api: Api, poller: Poller, enter: Callable[[], None]) -> None:
        self.token = token
        self._api = api
        self._poller = poller
        self._enter = enter
        self.keep: Keep | None = None
        """Takes what is told of a task that nobody follows here: it may be in the journal."""
        if token is not None:
            self.hide(token)

    def hide(self, token: str) -> None:
        """Keeps a token out of all texts: the service may repeat the address that it was given."""
        self._api.own_secrets |= {token}

    def read(self, body: bytes) -> Task | None:
        """Reads a callback; None where its status is one that this version does not know.

        Raises:
            BadResponse: it is none.
            ClientClosed: the client is closed.
            WrongEventLoop: the client belongs to another loop.
        """
        self._enter()
        try:
            return self._api.called_back(body)
        except UnknownStatus as error:
            logger.debug("a callback tells nothing: %s", error, extra={"kling_event": "callback_unknown"})
            return None

    async def take(self, task: Task, body: bytes, *, signed: bool) -> bool:
        """Takes what a callback says: all who wait for the task have heard it when this returns.

        An unsigned one proves nothing: its task is asked for, in the background. One about a task that is not followed
        here goes to the journal: to the client there that follows it, or if there is none the end is kept.

        Args:
            task: as `read` gave it.
            body: that it was read from.
            signed: whether it is the service's own word.

        Returns:
            Whether there is nothing left to do about it; else the journal could not be written, and it may come again.
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
        """Takes what another client of the journal was told of a task of this one."""
        try:
            task = self.read(body)
        except BadResponse:  # it was a task to a version that read more
            return
        if task is not None:
            self._poller.called_back(task, signed=signed)
