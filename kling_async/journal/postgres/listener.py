"""Receives notifications from clients in other processes that have written to the journal."""

import contextlib
import logging
import os
import secrets
import select
import threading
from collections.abc import Callable
from typing import Final

import psycopg

from kling_async.journal.postgres.address import Address
from kling_async.journal.postgres.database import connect
from kling_async.protocol.errors import JournalError

logger = logging.getLogger("kling_async")

_END_SECONDS: Final = 1.0
"""How long to wait for the end of the thread, which may be connecting to a server that does not answer."""
_AGAIN_SECONDS: Final = 1.0
"""The pause before a lost connection is opened again."""


class Listener:
    """One connection that listens in a thread, for as long as there are subscribers.

    Args:
        address: the journal's address.
        lease: seconds.
    """

    def __init__(self, address: Address, lease: float) -> None:
        self._address = address
        self._lease = lease
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[], None]] = []
        self._end: Callable[[], None] = lambda: None

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:
        """As `Backend.subscribe`."""
        with self._lock:
            self._subscribers.append(notify)
            if len(self._subscribers) == 1:
                self._begin()

        def end() -> None:
            with self._lock:
                if notify in self._subscribers:
                    self._subscribers.remove(notify)
                    if not self._subscribers:
                        self._end()

        return end

    def _begin(self) -> None:
        ended, wake = os.pipe()
        thread = threading.Thread(target=self._run, args=(ended,), name="kling_async-listener", daemon=True)
        thread.start()

        def end() -> None:
            os.close(wake)
            thread.join(_END_SECONDS)

        self._end = end

    def _run(self, ended: int) -> None:
        try:
            while True:
                try:
                    return self._listen(ended)
                except (psycopg.Error, JournalError, OSError) as error:  # looks go on without it
                    text = self._address.hidden(str(error))
                    logger.debug("not listening: %s", text, extra={"kling_event": "journal_failed"})
                if select.select([ended], [], [], _AGAIN_SECONDS)[0]:
                    return None
        finally:
            os.close(ended)

    def _listen(self, ended: int) -> None:
        """Listens until the pipe is closed."""
        connection = connect(self._address, self._lease, f"kling_async {secrets.token_hex(8)}")
        with contextlib.closing(connection):
            connection.execute(f"LISTEN {self._address.schema}".encode())
            self._notify()  # notifications sent before LISTEN were missed
            while True:
                readable, _, _ = select.select([connection.fileno(), ended], [], [])
                if ended in readable:
                    return
                connection.pgconn.consume_input()
                received = False
                while connection.pgconn.notifies() is not None:
                    received = True
                if received:
                    self._notify()

    def _notify(self) -> None:
        for notify in list(self._subscribers):
            notify()
