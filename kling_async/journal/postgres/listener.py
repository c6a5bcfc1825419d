"""Hears what clients of other processes say: that there is something new in the journal."""

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
"""How long its end is waited for: it may be on its way to a server that is gone."""
_AGAIN_SECONDS: Final = 1.0
"""After that a connection that was lost is made anew."""


class Listener:
    """One connection that listens, in a thread of its own, as long as anybody wants to hear.

    Args:
        address: of the journal.
        lease: seconds.
    """

    def __init__(self, address: Address, lease: float) -> None:
        self._address = address
        self._lease = lease
        self._lock = threading.Lock()
        self._hearers: list[Callable[[], None]] = []
        self._end: Callable[[], None] = lambda: None

    def subscribe(self, hear: Callable[[], None]) -> Callable[[], None]:
        """As `Backend.subscribe`."""
        with self._lock:
            self._hearers.append(hear)
            if len(self._hearers) == 1:
                self._begin()

        def end() -> None:
            with self._lock:
                if hear in self._hearers:
                    self._hearers.remove(hear)
                    if not self._hearers:
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
        """Listens until it is over."""
        connection = connect(self._address, self._lease, f"kling_async {secrets.token_hex(8)}")
        with contextlib.closing(connection):
            connection.execute(f"LISTEN {self._address.schema}".encode())
            self._tell()  # what was said meanwhile was not heard
            while True:
                readable, _, _ = select.select([connection.fileno(), ended], [], [])
                if ended in readable:
                    return
                connection.pgconn.consume_input()
                said = False
                while connection.pgconn.notifies() is not None:
                    said = True
                if said:
                    self._tell()

    def _tell(self) -> None:
        for hear in list(self._hearers):
            hear()
