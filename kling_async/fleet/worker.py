"""A worker: takes jobs of all queues that it has credentials for, and hands over what it has when it ends."""

import asyncio
import contextlib
import functools
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from kling_async.fleet import queues, worker_key
from kling_async.fleet.database import PATIENCE, Database
from kling_async.fleet.queues import Queue
from kling_async.fleet.worker_client import WorkerClient
from kling_async.fleet.worker_database import Line
from kling_async.fleet.worker_session import Session, Settings
from kling_async.fleet.worker_values import Account
from kling_async.io.config import checked, is_seconds
from kling_async.io.target import text_of
from kling_async.io.threads import in_thread
from kling_async.journal.postgres.journal import PostgresJournal
from kling_async.protocol.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    FleetError,
    KlingError,
    TargetError,
)
from kling_async.protocol.fleet.names import api_key_variable
from kling_async.protocol.polling.durations import Durations

logger = logging.getLogger("kling_async")

_PATIENCE: Final = 10.0
"""Seconds that a step in the database may take before its connection is taken for dead."""
_LOOK_SECONDS: Final = 30.0
"""Seconds between two looks for queues that are new."""
_AGAIN_SECONDS: Final = 5.0
"""Seconds after which a session is begun anew that could not work."""
_REFUSED_SECONDS: Final = 60.0
"""The same where the account takes nothing of it."""


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
        TargetError: `out` is no path.
    """

    _options: ClassVar[Mapping[str, Any]] = {}
    """Further arguments of its clients; of tests, whose time is short."""

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
        self._database = Database(dsn, answer=_PATIENCE)
        self._keys = keys
        self._base_url = base_url
        checked(
            "heartbeat", heartbeat, "seconds, from 0.5 to 3600", fits=is_seconds(heartbeat) and 0.5 <= heartbeat <= 3600
        )
        checked("grace", grace, "seconds", fits=is_seconds(grace))
        name = name if name is not None else f"{socket.gethostname()}:{os.getpid()}"
        self._settings = Settings(
            name=name, out=Path(text_of(out)).absolute(), heartbeat=heartbeat, grace=grace, downloads=downloads
        )
        self._stopping = asyncio.Event()
        self._queues: dict[str, asyncio.Task[None]] = {}
        self._sessions: dict[str, Session] = {}
        self._lacking: set[str] = set()

    async def run(self) -> None:
        """Works until `stop`, or until it is cancelled, and hands over what it has then.

        Raises:
            ConfigurationError: it has a key of none of the queues, or one that is none.
            FleetError: there is no fleet in the database, or it cannot be reached.
            TargetError: the directory cannot be written to.
        """
        await in_thread(self._make_directory)
        await self._database.open(patience=PATIENCE)  # it may be starting, as this worker is
        line = Line(self._database.connect, _PATIENCE)
        hearing = asyncio.create_task(line.listen(self._heard))
        try:
            await self._work()
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            await line.close()
            await self._database.close()

    def _make_directory(self) -> None:
        out = self._settings.out
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetError(f"{out} cannot be made: {error.strerror}") from None

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
                found: list[Queue] = []
                try:
                    found = await self._database.step(queues.all_of)
                except FleetError as error:
                    logger.warning("%s", error, extra={"kling_event": "database_away"})
                for queue in found:
                    self._begin(queue)
                if found and not self._queues:
                    raise _no_key(found)
                await _stopped(self._stopping, _LOOK_SECONDS)
        finally:
            self._stopping.set()
            await asyncio.gather(*self._queues.values())

    def _begin(self, queue: Queue) -> None:
        if queue.name in self._queues:
            return
        key = self._key(queue.credentials)
        if key is not None:
            if not self._queues:
                self._client(queue, key, Durations())  # a key that is none ends what does nothing yet
            self._queues[queue.name] = asyncio.create_task(self._in_queue(queue))
            logger.info(
                "works for the queue %s, %d at once per model",
                queue.name,
                queue.limit,
                extra={"kling_event": "queue_served"},
            )
        elif queue.name not in self._lacking:
            self._lacking.add(queue.name)
            logger.warning(
                "queue %s is left to others: there is no %s",
                queue.name,
                api_key_variable(queue.credentials),
                extra={"kling_event": "queue_left"},
            )

    def _key(self, credentials: str) -> str | None:
        if self._keys is not None:
            return self._keys.get(credentials)
        return os.environ.get(api_key_variable(credentials)) or None

    async def _in_queue(self, queue: Queue) -> None:
        """Session after session, until the worker is to stop; the queue may have other credentials in each."""
        durations, former = Durations(), set[str]()
        while not self._stopping.is_set():
            key = None
            try:
                now = await self._database.step(functools.partial(queues.all_of, name=queue.name))
                if not now:
                    raise FleetError("it is gone")
                key = self._key(now[0].credentials)
                if key is None:
                    raise ConfigurationError(f"there is no {api_key_variable(now[0].credentials)}")
                account = await worker_key.prove(self._database, now[0], key, former=key in former)
                if await self._session(now[0], account, key, durations):
                    former.add(key)
            except Exception as error:
                unexpected = not isinstance(error, KlingError)
                logger.warning(
                    "queue %s: %s", queue.name, error, exc_info=unexpected, extra={"kling_event": "session_failed"}
                )
                # Of its key, or its address: somebody has to see to that.
                refused = isinstance(error, ApiError | ConfigurationError)
                if isinstance(error, AuthenticationError) and key is not None:
                    with contextlib.suppress(FleetError):
                        await worker_key.refused(self._database, queue, key)
                await _stopped(self._stopping, _REFUSED_SECONDS if refused else _AGAIN_SECONDS)

    async def _session(self, queue: Queue, account: Account, key: str, durations: Durations) -> bool:
        """One session; whether it has ended since the queue has another key."""
        line, pulse = (Line(self._database.connect, _PATIENCE) for _ in range(2))
        session = Session(account, self._client(queue, key, durations), line, pulse, self._settings)
        self._sessions[queue.name] = session
        try:
            await session.run(self._stopping)
            return session.has_former_key
        finally:
            del self._sessions[queue.name]
            await line.close()
            await pulse.close()

    def _client(self, queue: Queue, key: str, durations: Durations) -> WorkerClient:
        return WorkerClient(
            api_key=key,
            base_url=self._base_url,
            downloads=self._settings.downloads,
            durations=durations,
            journal=PostgresJournal(self._dsn, name=queue.name, lease=self._settings.heartbeat),
            budget=queue.budget,
            **self._options,
        )


def _no_key(found: list[Queue]) -> ConfigurationError:
    wanted = ", ".join(f"{api_key_variable(queue.credentials)} of the queue {queue.name}" for queue in found)
    return ConfigurationError(f"there is no API key for any queue: set {wanted}")


async def _stopped(stopping: asyncio.Event, seconds: float) -> None:
    """Waits for some seconds, or until it is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass
