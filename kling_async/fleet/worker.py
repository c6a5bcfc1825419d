"""A worker: takes jobs of all queues that it has credentials for, and hands over what it has when it ends."""

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from kling_async.fleet.database import Connection, Database
from kling_async.fleet.worker_client import WorkerClient
from kling_async.fleet.worker_database import Line
from kling_async.fleet.worker_session import Session, Settings
from kling_async.journal.postgres.journal import PostgresJournal
from kling_async.protocol.budget import Budget
from kling_async.protocol.errors import KlingError
from kling_async.protocol.fleet.names import api_key_variable
from kling_async.protocol.polling.durations import Durations

logger = logging.getLogger("kling_async")

_PATIENCE: Final = 10.0
"""Seconds that a step in the database may take before its connection is taken for dead."""
_LOOK_SECONDS: Final = 30.0
"""Seconds between two looks for queues that are new."""
_AGAIN_SECONDS: Final = 5.0
"""Seconds after which a session is begun anew that could not work."""


class Worker:
    """A worker.

    Args:
        dsn: of the fleet's database.
        out: the directory for results; `save_to` of the jobs is below it.
        keys: API keys by the names of credentials; None for those of the environment: `KLING_API_KEY` is called
            `default`, others are `KLING_API_KEY_<NAME>`.
        grace: seconds that it may take for what it has when it ends, from 0; what is left then is handed over.
        heartbeat: seconds after which others go on with its work if it is silent, from 0.5; the same for all workers.
        downloads: saves at once, in each queue.
        base_url: of the service, as that of `KlingClient`.
        name: that it is shown under; None for its machine and process.

    Raises:
        ConfigurationError: a value cannot be used.
    """

    def __init__(
        self,
        dsn: str,
        *,
        out: str | os.PathLike[str],
        keys: Mapping[str, str] | None = None,
        grace: float = 30.0,
        heartbeat: float = 30.0,
        downloads: int = 4,
        base_url: str | None = None,
        name: str | None = None,
    ) -> None:
        self._dsn = dsn
        self._database = Database(dsn)
        self._keys = keys
        self._base_url = base_url
        name = name if name is not None else f"{socket.gethostname()}:{os.getpid()}"
        self._settings = Settings(
            name=name, out=Path(out).absolute(), heartbeat=heartbeat, grace=grace, downloads=downloads
        )
        self._stopping = asyncio.Event()
        self._queues: dict[str, asyncio.Task[None]] = {}
        self._sessions: dict[str, Session] = {}
        self._durations: dict[str, Durations] = {}
        self._lacking: set[str] = set()

    async def run(self) -> None:
        """Works until `stop`, SIGTERM or SIGINT, and hands over what it has then.

        Raises:
            FleetError: there is no fleet in the database, or it cannot be reached.
            TargetError: the directory cannot be written to.
        """
        self._settings.out.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        async with self._database:
            hearing = asyncio.create_task(Line(self._database.connect, _PATIENCE).listen(self._heard))
            try:
                await self._work()
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Begins nothing any more; `run` returns once what it has is done or handed over."""
        self._stopping.set()

    def _heard(self, told: str) -> None:
        _, _, queue = told.partition(" ")
        for name, session in self._sessions.items():
            if queue in {"", name}:
                session.wake()

    async def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    for queue in await self._database.step(_queues):
                        self._begin(queue)
                except KlingError as error:
                    logger.warning("%s", error, extra={"kling_event": "database_away"})
                await _stopped(self._stopping, _LOOK_SECONDS)
        finally:
            self._stopping.set()
            await asyncio.gather(*self._queues.values())

    def _begin(self, queue: dict[str, Any]) -> None:
        name, credentials = queue["name"], queue["credentials"]
        if name in self._queues:
            return
        key = self._key(credentials)
        if key is None:
            if name not in self._lacking:
                variable = api_key_variable(credentials)
                logger.warning("queue %s is left to others: there is no %s", name, variable, extra=_LEFT)
                self._lacking.add(name)
            return
        budget = None if queue["budget"] is None else _budget(name, json.loads(queue["budget"]))
        self._queues[name] = asyncio.create_task(self._in_queue(name, key, budget))

    def _key(self, credentials: str) -> str | None:
        if self._keys is not None:
            return self._keys.get(credentials)
        return os.environ.get(api_key_variable(credentials)) or None

    async def _in_queue(self, queue: str, key: str, budget: Budget | None) -> None:
        """Session after session, until the worker is to stop."""
        durations = Durations()
        while not self._stopping.is_set():
            try:
                await self._session(queue, key, budget, durations)
            except KlingError as error:
                logger.warning("queue %s: %s", queue, error, extra={"kling_event": "session_failed"})
                await _stopped(self._stopping, _AGAIN_SECONDS)

    async def _session(self, queue: str, key: str, budget: Budget | None, durations: Durations) -> None:
        client = WorkerClient(
            api_key=key,
            base_url=self._base_url,
            downloads=self._settings.downloads,
            durations=durations,
            journal=PostgresJournal(self._dsn, name=queue, lease=self._settings.heartbeat),
            budget=budget,
        )
        line = Line(self._database.connect, _PATIENCE)
        self._sessions[queue] = session = Session(queue, client, line, self._settings)
        try:
            await session.run(self._stopping)
        finally:
            del self._sessions[queue]
            await line.close()


_LEFT: Final = {"kling_event": "queue_left"}


async def _queues(connection: Connection) -> list[dict[str, Any]]:
    cursor = await connection.execute("SELECT name, credentials, budget FROM kling_fleet.queues")
    return await cursor.fetchall()


def _budget(queue: str, terms: Mapping[str, Any]) -> Budget:
    per = None if terms.get("per") is None else timedelta(seconds=terms["per"])
    return Budget(**{terms["unit"]: terms["limit"]}, per=per, name=queue, assume=terms.get("assume"), change=True)


async def _stopped(stopping: asyncio.Event, seconds: float) -> None:
    """Waits for some seconds, or until it is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass
