"""A worker: runs jobs of all queues that it has credentials for, and hands over unfinished ones when it ends."""

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
from kling_async.fleet.worker_database import WorkerDatabase
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
"""Seconds that a step in the database may take before its connection is considered dead."""
_LOOK_SECONDS: Final = 30.0
"""Seconds between two checks for new queues."""
_AGAIN_SECONDS: Final = 5.0
"""Seconds before a failed session is restarted."""
_REFUSED_SECONDS: Final = 60.0
"""Seconds before a session is restarted whose requests the account refuses."""


class Worker:
    """A worker.

    Args:
        dsn: the fleet's database.
        out: the directory for results; `save_to` of the jobs is relative to it.
        keys: API keys by the names of credentials; None to take them from the environment: `KLING_API_KEY` is
            `default`, others are `KLING_API_KEY_<NAME>`.
        grace: seconds to finish running jobs when it ends, from 0; then the rest is handed over.
        heartbeat: seconds without a sign of life after which other workers take over its jobs, from 0.5; must be the
            same for all workers.
        downloads: concurrent saves per queue.
        base_url: base URL of the service, as for `KlingClient`.
        name: its display name; None for its host name and process id.

    Raises:
        ConfigurationError: a value is invalid.
        TargetError: `out` is not a path.
    """

    _options: ClassVar[Mapping[str, Any]] = {}
    """Further arguments of its clients, which tests set to shorten waits."""

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
        """Runs jobs until `stop` or cancellation, then hands over unfinished ones.

        Raises:
            ConfigurationError: it has no API key for any queue, or a malformed one.
            FleetError: there is no fleet in the database, or it cannot be reached.
            TargetError: the directory cannot be written to.
        """
        await in_thread(self._make_directory)
        await self._database.open(patience=PATIENCE)  # the server may be starting at the same time
        notifications = WorkerDatabase(self._database.connect, _PATIENCE)
        listening = asyncio.create_task(notifications.listen(self._on_notification))
        try:
            await self._work()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await notifications.close()
            await self._database.close()

    def _make_directory(self) -> None:
        out = self._settings.out
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetError(f"{out} cannot be made: {error.strerror}") from None

    def stop(self) -> None:
        """Stops taking jobs; `run` returns when the running ones are finished or handed over."""
        self._stopping.set()

    def _on_notification(self, payload: str) -> None:
        _, _, queue = payload.partition(" ")
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
                self._client(queue, key, Durations())  # fails early on a malformed key
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
        """Runs one session after the other until the worker stops; the queue's credentials may change in between."""
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
                # A problem with the key or the address, which does not go away by itself.
                refused = isinstance(error, ApiError | ConfigurationError)
                if isinstance(error, AuthenticationError) and key is not None:
                    with contextlib.suppress(FleetError):
                        await worker_key.refused(self._database, queue, key)
                await _stopped(self._stopping, _REFUSED_SECONDS if refused else _AGAIN_SECONDS)

    async def _session(self, queue: Queue, account: Account, key: str, durations: Durations) -> bool:
        """Runs one session; returns whether it ended because the queue has another key."""
        database, pulse = (WorkerDatabase(self._database.connect, _PATIENCE) for _ in range(2))
        session = Session(account, self._client(queue, key, durations), database, pulse, self._settings)
        self._sessions[queue.name] = session
        try:
            await session.run(self._stopping)
            return session.has_former_key
        finally:
            del self._sessions[queue.name]
            await database.close()
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
    """Waits until the worker is to stop, at most for some seconds."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass
