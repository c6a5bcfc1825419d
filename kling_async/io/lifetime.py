"""The lifetime of a client: one event loop, from the first use until it is closed."""

import asyncio
import os

from kling_async.io import threads
from kling_async.protocol.errors import ClientClosed, WrongEventLoop


class Lifetime:
    """Tracks whether a client is open, and on which event loop and in which process it runs."""

    def __init__(self) -> None:
        self.closed = False
        """Whether `close()` was called."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    @property
    def began(self) -> bool:
        """Whether the client was used on a loop."""
        return self._loop is not None

    @property
    def is_at_home(self) -> bool:
        """Whether the client began on the running loop, or has not begun."""
        return self._loop is None or self._loop is asyncio.get_running_loop()

    @property
    def is_stranded(self) -> bool:
        """Whether the loop of the client was closed before the client was."""
        return self._loop is not None and self._loop.is_closed() and not self.closed

    def enter(self) -> None:
        """Binds the client to the running loop on first use; called by everything that needs the loop.

        Raises:
            ClientClosed: the client is closed.
            WrongEventLoop: it was first used on another loop.
        """
        self.check_open()
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._process = os.getpid()
            threads.enter(loop)
            # Here, before any request, so that it does not delay the first answers.
            from kling_async.protocol.wire import codec  # noqa: PLC0415  (not at import: cattrs is slow)

            codec.prepare()
        elif self._process != os.getpid():
            raise WrongEventLoop("this process was forked from the one that uses this client; make a new client here")
        elif self._loop is not loop:
            raise WrongEventLoop(
                "this client belongs to another event loop; make one client per loop (per asyncio.run)"
            )

    def check_open(self) -> None:
        """Refuses a client that is closed.

        Raises:
            ClientClosed: the client is closed.
        """
        if self.closed:
            raise ClientClosed("the client is closed; make a new one, and attach(reference) to go on")

    def leave(self) -> None:
        """Releases the threads; called after all work that uses them has ended."""
        if self._loop is not None:
            threads.leave(self._loop)
