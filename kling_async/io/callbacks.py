"""What comes to a client by callbacks: news of the tasks that it follows, or that its journal has."""

import logging
from collections.abc import Awaitable, Callable

from kling_async.io.api import Api
from kling_async.io.poller import Poller
from kling_async.protocol.errors import JournalError, UnknownStatus
from kling_async.protocol.tasks import Task

logger = logging.getLogger("kling_async")


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
        self.keep: Callable[[Task], Awaitable[None]] | None = None
        """Takes the end of a task that nobody follows here: it may be in the journal."""
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

    async def take(self, task: Task, *, signed: bool) -> None:
        """Takes what a callback says: all who wait for the task have heard it when this returns.

        An unsigned one proves nothing: its task is asked for, in the background. One about a task that is not followed
        here is kept in the journal, if it tells the end of work that is there, or dropped.
        """
        if self._poller.called_back(task, signed=signed):
            return
        if signed and task.status.is_final and self.keep is not None:
            try:
                await self.keep(task)
            except JournalError as error:
                logger.warning("a callback was not kept: %s", error, extra={"kling_event": "journal_failed"})
        else:
            logger.debug("a callback about a task that is not followed", extra={"kling_event": "callback_dropped"})
