"""The lifetime of a client: one event loop, from the first use until it is closed."""

import asyncio
import os

from kling_async.io import threads
from kling_async.protocol.errors import ClientClosed, WrongEventLoop


class Lifetime:
    """Whether a client may be used, and where."""

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
        """Whether the running loop is the one that it began on, or could begin on."""
        return self._loop is None or self._loop is asyncio.get_running_loop()

    @property
    def is_stranded(self) -> bool:
        """Whether it was not closed before the loop that it began on was."""
        return self._loop is not None and self._loop.is_closed() and not self.closed

    def enter(self) -> None:
        """Begins with the first use; called by all that needs the loop.

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
            # Here, where nobody waits yet, and not in the middle of the first answers.
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
            ClientClosed: it is.
        """
        if self.closed:
            raise ClientClosed("the client is closed; make a new one, and attach(reference) to go on")

    def leave(self) -> None:
        """Gives back the threads; all that used them has ended."""
        if self._loop is not None:
            threads.leave(self._loop)
