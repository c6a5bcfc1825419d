"""A real Postgres for tests: servers in separate folders, empty databases, and connections that can be cut."""

import asyncio
import contextlib
import itertools
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import pytest

T = TypeVar("T")

DEBIANS: Final = Path("/usr/lib/postgresql")
HERE: Final = "127.0.0.1"
PORTS: Final = range(15_000, 30_000)
"""Below what systems give to outgoing connections: a server that was killed finds its port free again."""
PATIENCE: Final = 120.0
"""Seconds for a server to begin or to end; a loaded machine needs many."""
QUICK: Final = ("fsync=off",)
"""What is only for power cuts costs most of a test's time; what a killed process has written, the system still has."""
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: a connection that is closed is reset."""


def programs() -> Path | None:
    """Returns the folder of the Postgres programs: the one on the search path, or Debian's newest."""
    named = shutil.which("initdb")
    debians = sorted(DEBIANS.glob("[0-9]*/bin/initdb"), key=lambda each: float(each.parts[-3]))
    found = [Path(named).resolve()] if named else debians[-1:]
    return next((each.parent for each in found if each.with_name("postgres").exists()), None)


def missing() -> str:
    """Returns why Postgres cannot be used here; empty if it can."""
    if sys.platform == "win32":
        return "Postgres is started on POSIX systems only"
    return "" if programs() else "Postgres is not installed (apt-get install postgresql)"


class Cluster:
    """A Postgres server with a separate folder.

    Args:
        settings: of the server, as `name=value`.
        like: a cluster that runs no more, whose folder is copied: that is quicker than making a new one.

    Attributes:
        folder: all that belongs to it; under `/tmp`, since sockets have short names.
        port: on 127.0.0.1; the same after it was killed and started again.
    """

    def __init__(self, *settings: str, like: "Cluster | None" = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kling-pg-", dir="/tmp"))
        self.port = 0
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._user = _other_than_root(self.folder)
        command: tuple[str, ...] = ("cp", "-R", str(like._data), str(self._data)) if like else ()
        if like is None:
            options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            command = (_program("initdb"), "-D", str(self._data), *options)
        subprocess.run(command, user=self._user, cwd=self.folder, stdout=subprocess.DEVNULL, check=True)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Returns when it accepts connections; the first start chooses a port.

        Raises:
            RuntimeError: it does not start; with its output.
        """
        for _ in range(3):
            port = self.port or _free_port()
            where = ("-D", str(self._data), "-k", str(self.folder), "-p", str(port), "-c", f"listen_addresses={HERE}")
            settings = [word for each in self._settings for word in ("-c", each)]
            guarded = threading.current_thread() is threading.main_thread() and shutil.which("setpriv")
            # It does not outlive the process that started it; to the system that is the thread.
            guard = ("setpriv", "--pdeathsig", "QUIT") if guarded else ()
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    (*guard, _program("postgres"), *where, *settings),
                    user=self._user, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            if self._answers(self._process, port):
                self.port = port
                return
        raise RuntimeError(f"Postgres does not start:\n{(self.folder / 'log').read_text('utf-8', 'replace')[-2000:]}")

    def _answers(self, process: "subprocess.Popen[bytes]", port: int) -> bool:
        import psycopg  # noqa: PLC0415  (all tests import this module, few of them Postgres)

        until = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self._own(port)).close()
                return True
            time.sleep(0.02)
        self._end(signal.SIGKILL)
        return False

    def kill(self) -> None:
        """Kills it at once, like `pg_ctl stop -m immediate` or a crash; returns when all its processes have ended."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Shuts it down: connections are closed and their transactions rolled back."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def remove(self) -> None:
        """Shuts it down, and deletes its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def dsn(self, database: str = "postgres") -> str:
        """Returns the DSN of a database over TCP."""
        return f"postgresql://postgres@{HERE}:{self.port}/{database}"

    def create(self, like: str = "template0") -> str:
        """Creates a database, empty or from a template that is not in use; returns its name."""
        self._do(f"CREATE DATABASE {(name := next(self._names))} TEMPLATE {like}")
        return name

    def drop(self, name: str) -> None:
        """Deletes a database with all its connections."""
        self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        import psycopg  # noqa: PLC0415  (as above)

        with psycopg.connect(self._own(self.port), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _own(self, port: int) -> str:
        return f"host={self.folder} port={port} user=postgres dbname=postgres"  # its socket is in no other's folder


class Relay:
    """A connection to a server that can be cut like a network; a context manager, served by a thread.

    Args:
        dsn: of a database at the server's end.

    Attributes:
        dsn: of the same database by this line; known within the context.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = ""
        self._far = dsn
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._whole = asyncio.Event()
        self._whole.set()
        self._lines: set[asyncio.Task[None]] = set()
        self._losing: tuple[bytes, bool] | None = None

    def __enter__(self) -> Self:  # noqa: D105  (see the class)
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105  (see the class)
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Stops all traffic in both directions; neither new connections nor closed ones are noticed."""
        self._do(self._set(whole=False))

    def mend(self) -> None:
        """Passes what was held back since `cut`."""
        self._do(self._set(whole=True))

    def reset(self) -> None:
        """Resets all its connections, on both sides; new ones pass."""
        self._do(self._reset())

    def lose(self, word: bytes, *, arrives: bool) -> None:
        """Breaks the connection of the next request that contains a word.

        Args:
            word: as it is sent, such as `b"COMMIT"`.
            arrives: the server gets it and answers, and only the answer is lost; else the server never sees it.
        """
        self._losing = word, arrives

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _listen(self) -> None:
        self._listening = await asyncio.start_server(self._take, HERE, 0)
        far = urlsplit(self._far)
        near = f"{far.netloc.rpartition('@')[0]}@{HERE}:{self._listening.sockets[0].getsockname()[1]}"
        self.dsn = far._replace(netloc=near).geturl()

    async def _close(self) -> None:
        self._listening.close()
        await self._reset()

    async def _set(self, *, whole: bool) -> None:
        if whole:
            self._whole.set()
        else:
            self._whole.clear()

    async def _reset(self) -> None:
        lines = [*self._lines]
        for each in lines:
            each.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.ensure_future(self._serve(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        ends = [to_client]
        try:
            await self._whole.wait()
            from_server, to_server = await asyncio.open_connection(HERE, urlsplit(self._far).port)
            ends.append(to_server)
            lost = asyncio.Event()
            await _until_one_ends(
                self._requests(from_client, to_server, lost), self._answers(from_server, to_client, lost)
            )
        except (OSError, asyncio.CancelledError):
            for each in ends:
                with contextlib.suppress(OSError):
                    each.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                each.transport.abort()
        for each in ends:
            each.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await self._read(reader):
            if self._losing and self._losing[0] in data:
                (_, arrives), self._losing = self._losing, None
                if not arrives:
                    raise ConnectionResetError
                lost.set()
            writer.write(data)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await self._read(reader):
            if lost.is_set():
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        data = await reader.read(65_536)
        await self._whole.wait()  # held back as well
        return data


async def _until_one_ends(*ways: Coroutine[Any, Any, None]) -> None:
    both = [asyncio.ensure_future(each) for each in ways]
    try:
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)


def _program(name: str) -> str:
    folder = programs()
    assert folder, missing()
    return str(folder / name)


def _free_port() -> int:
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as trying, contextlib.suppress(OSError):
            trying.bind((HERE, port))
            return port


def _other_than_root(folder: Path) -> str | None:
    """Returns the user to run Postgres as and gives it the folder, since Postgres refuses root; None if not root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(LookupError):
            shutil.chown(folder, name)
            return name
    raise RuntimeError("as root, tests need a user `postgres` or `nobody` who runs Postgres")


@pytest.fixture(scope="session")
def empty_cluster() -> Iterator[Cluster]:
    """A cluster that never ran, to be copied."""
    if reason := missing():
        pytest.skip(reason)
    with _removed(Cluster(*QUICK)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_cluster(empty_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster shared by all tests in this process that do it no harm."""
    with _removed(Cluster(*QUICK, like=empty_cluster)) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def postgres(shared_cluster: Cluster) -> Iterator[str]:
    """The DSN of an empty database for the test; it is deleted afterwards, with all its connections."""
    name = shared_cluster.create()
    yield shared_cluster.dsn(name)
    shared_cluster.drop(name)


@pytest.fixture
def own_cluster(empty_cluster: Cluster) -> Iterator[Cluster]:
    """A running server for the test alone, to be killed and started again."""
    with _removed(Cluster(*QUICK, like=empty_cluster)) as cluster:
        cluster.start()
        yield cluster


@contextlib.contextmanager
def _removed(cluster: Cluster) -> Iterator[Cluster]:
    try:
        yield cluster
    finally:
        cluster.remove()
