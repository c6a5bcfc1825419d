"""The emulator: an account, served on a loopback port."""

import asyncio
import contextlib
import functools
import hashlib
import importlib.util
import logging
import random
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

import attrs
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .account.account_model import AccountModel
from .account.conditions import Account
from .account.ledger import Callback, Ledger
from .faults.injection import Injector
from .faults.rules import Faults
from .page.page import Page
from .results.file_server import FileServer
from .results.image_store import ImageStore
from .results.links import RETENTION, Links
from .results.result_store import PlaceholderResults, RenderedResults, ResultStore
from .service.app import Api
from .service.auth import Credentials
from .service.callback_sender import CallbackSender
from .service.calls import Calls
from .service.endpoint import Pack
from .service.guard import Guard
from .service.own_files import OwnFiles
from .service.webhooks import Webhooks

HOW_TO_RENDER: Final = (
    "The emulator's videos are flat pictures, and its MP3 files silent. To see your images moving, and to hear sound: "
    'pip install "kling-async[emulator-video]" (PyAV; its wheels hold libx264 and libx265, which are GPL).'
)
"""Logged once when the rendering extra is missing."""

_log = logging.getLogger("kling_async.emulator")


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether an error is the emulator's own; malformed HTTP is the sender's error, and logged without a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (HttpProcessingError, web.RequestPayloadError)):
        _log.debug("a request was no HTTP: %s", type(error).__name__)
        return False
    return True


_http_log = logging.getLogger("kling_async.emulator.http")
_http_log.addFilter(_is_ours)

# A client that does not read must not delay close().
_SHUTDOWN_SECONDS = 0.1


@attrs.frozen
class _Running:
    """The resources that exist between start and close."""

    runner: web.AppRunner
    listener: socket.socket
    callbacks: CallbackSender
    results: ResultStore
    worker: Executor
    directory: TemporaryDirectory[str] | None
    base_url: str


class Emulator:
    """The Kling API on this machine: `async with Emulator() as emulator`.

    On legacy paths it is as strict as the documentation, on current ones as lenient as the service was observed to be.
    Two words in a `prompt` have an effect: "refused" makes the create fail (1301), "forbidden" makes the task fail. A
    failed task costs nothing, which the service does not promise.

    The account survives `close()`: another `start()`, on the same port, continues with the same tasks and ledger.

    Args:
        host: Address to listen on.
        port: Port to listen on, 0 for a free one.
        speed: How many times faster tasks advance than at the service; at 60 a clip takes seconds. Times on the wire
            are not scaled.
        concurrency: Slots of each model, at least 1; a video task takes one while it is in flight.
        balance: Units in each kind of pack; or a mapping by kind, {"video": 100}, where missing kinds get 0.
            Calls that a pack with 0 or less would pay for are refused with 1102.
        access_key: `iss` of accepted tokens.
        secret_key: Signs accepted tokens; at least 32 bytes, for HS256.
        api_key: Accepted in place of a token.
        seed: Makes ids and generation times reproducible.
        clock: Returns the time in seconds since the epoch; the emulator uses no other clock.
        allow_hosts: Names and addresses, without ports, under which the emulator's page and its control API may be
            reached besides `host` and loopback; for example the name of a compose service. Others are refused, so
            that no web page can reach them (DNS rebinding).
        strict: Whether requests are refused for members that their path does not document and, on paths of the current
            generation, for anything that the documentation forbids. The service ignores most of it, and bills; so does
            the emulator, if this is not set.
        strict_types: Whether a create must have the documented JSON types. If not, numbers in strings and strings for
            numbers are accepted (`"duration": 5`), as the service probably does.
        link_lifetime: Seconds for which a link to a result is valid at most; more than 0.
        render: Whether results show the submitted images, moving as requested. None: if the rendering extra is
            installed, `pip install "kling-async[emulator-video]"`; without it videos are flat pictures and MP3 files
            silent, but real files. False: never, and images are not kept, which is faster. The extra is PyAV; its
            wheels contain libx264 and libx265, so a process that renders runs GPL code.
        webhook_secrets: `whsec_...`, each of which signs callbacks; none: callbacks are unsigned.

    Attributes:
        access_key: As given.
        secret_key: As given.
        api_key: As given.
        ledger: The account's ledger, live.
        faults: Faults injected into calls: `emulator.faults.add(Fault.reset(), on="create", at=1)`.
        webhooks: The secrets that sign callbacks: `emulator.webhooks.secrets = [old, new]`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 60.0,
        concurrency: int = 5,
        balance: float | Mapping[Pack, float] = 10_000.0,
        access_key: str = "emulator-access-key",
        secret_key: str = "emulator-secret-key-0123456789abcdef",  # noqa: S107 - valid for an emulator only
        api_key: str = "api-key-kling-emulator",
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        allow_hosts: Iterable[str] = (),
        strict: bool = False,
        strict_types: bool = False,
        link_lifetime: float = RETENTION,
        render: bool | None = None,
        webhook_secrets: Iterable[str] = (),
    ) -> None:
        if not link_lifetime > 0:
            raise ValueError(f"link_lifetime must be more than 0, not {link_lifetime}")
        if render and not _can_render():
            raise RuntimeError(HOW_TO_RENDER)
        self.access_key = access_key
        self.secret_key = secret_key
        self.api_key = api_key
        self._host = host
        self._port = port
        self._clock = clock
        self._guard = Guard(host, allow_hosts)
        self._strict = strict
        self._strict_types = strict_types
        self._link_lifetime = link_lifetime
        self._render = render
        self._request_ids = random.Random(f"requests {seed}")  # noqa: S311 - repeatable, nothing is secured by it
        rng = random.Random(seed)  # noqa: S311 - the same
        self._account = AccountModel(rng=rng, speed=speed, concurrency=concurrency, balance=balance)
        self.ledger = Ledger(self._account, clock)
        self.faults = Faults()
        self.webhooks = Webhooks(webhook_secrets)
        self._running: _Running | None = None

    @property
    def renders(self) -> bool:
        """Whether results show the submitted images."""
        return self._render is not False and _can_render()

    @property
    def account(self) -> Account:
        """How the account deviates from its configuration: `emulator.account.limit = 5`."""
        return self._account.conditions

    async def post_test_callback(self, url: str) -> Callback:
        """Posts the console's test callback: a task that does not exist, just submitted; at most once in 6 s.

        Raises:
            RuntimeError: If the emulator is not running.
            ValueError: If the last one was posted less than 6 s ago.
        """
        if self._running is None:
            raise RuntimeError("the emulator is not running")
        return await self._running.callbacks.test(url)

    @property
    def base_url(self) -> str:
        """Scheme, host and port of the API, for example "http://127.0.0.1:41234".

        Raises:
            RuntimeError: If the emulator is not running.
        """
        if self._running is None:
            raise RuntimeError("the emulator is not running")
        return self._running.base_url

    async def start(self) -> None:
        """Starts listening.

        Raises:
            OSError: If it cannot listen on the address, for example because the port is taken.
            RuntimeError: If it is running already.
        """
        if self._running is not None:
            raise RuntimeError("the emulator is running already")
        listener = self._listen()  # first, because links contain the port
        self._port = listener.getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        base_url = f"http://{host}:{self._port}"
        worker = self._worker()
        links = Links(base_url, hashlib.sha256(b"links " + self.secret_key.encode()).digest(), self._link_lifetime)
        callbacks = CallbackSender(
            account=self._account,
            ledger=self.ledger,
            links=links,
            clock=self._clock,
            faults=self.faults,
            webhooks=self.webhooks,
        )
        directory, images, results = self._results(worker)
        app = self._application(links, callbacks, worker, images, results)
        runner = web.AppRunner(app, access_log=None, logger=_http_log, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._running = _Running(runner, listener, callbacks, results, worker, directory, base_url)
        try:
            await runner.setup()
            await web.SockSite(runner, listener).start()
        except BaseException:
            await self.close()
            listener.close()
            raise

    async def close(self) -> None:
        """Stops listening, and drops connections and pending callbacks; idempotent."""
        running, self._running = self._running, None
        if running is not None:
            await _stop_serving(running.runner, running.listener)
            await running.callbacks.close()
            await running.results.close()
            if running.directory is not None:
                running.directory.cleanup()
            running.worker.shutdown(cancel_futures=True)

    async def __aenter__(self) -> Self:
        """Starts."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes."""
        await self.close()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            message = f"the emulator cannot listen on {self._host}:{self._port}: {error.strerror}"
            raise OSError(error.errno, message) from error

    def _worker(self) -> Executor:
        """Returns the executor of long computations."""
        # One worker: Python code in several threads at once would block the event loop for longer.
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulator")

    def _results(self, worker: Executor) -> tuple[TemporaryDirectory[str] | None, ImageStore | None, ResultStore]:
        """Returns the directory of files, the store of submitted images, and the store of results."""
        placeholders = PlaceholderResults(worker)
        if self._render is False:
            return None, None, placeholders
        directory = TemporaryDirectory(prefix="kling-emulator-", ignore_cleanup_errors=True)
        if self.renders:
            images = ImageStore(Path(directory.name), _decode)
            return directory, images, RenderedResults(Path(directory.name), images, placeholders)
        _log_how_to_render()
        return directory, ImageStore(Path(directory.name), None), placeholders

    def _application(
        self,
        links: Links,
        callbacks: CallbackSender,
        worker: Executor,
        images: ImageStore | None,
        results: ResultStore,
    ) -> web.Application:
        files = FileServer(
            account=self._account,
            ledger=self.ledger,
            links=links,
            results=results,
            guard=self._guard,
            worker=worker,
            clock=self._clock,
        )
        notice = HOW_TO_RENDER if self._render is None and not self.renders else ""
        page = Page(account=self._account, ledger=self.ledger, images=images, clock=self._clock, notice=notice)
        injector = Injector(self.faults)
        calls = Calls(
            account=self._account,
            ledger=self.ledger,
            links=links,
            callbacks=callbacks,
            worker=worker,
            images=images,
            own_files=OwnFiles(self._account, links, results, worker),
            clock=self._clock,
            guard=self._guard,
            strict=self._strict,
            strict_types=self._strict_types,
            injector=injector,
        )
        api = Api(
            calls=calls,
            account=self._account,
            ledger=self.ledger,
            credentials=Credentials(access_key=self.access_key, secret_key=self.secret_key, api_key=self.api_key),
            callbacks=callbacks,
            clock=self._clock,
            guard=self._guard,
            rng=self._request_ids,
            faults=self.faults,
            injector=injector,
            webhooks=self.webhooks,
        )
        return api.application(files, page)


async def _stop_serving(runner: web.AppRunner, listener: socket.socket) -> None:
    """Stops serving and closes all connections, also one just accepted, and one whose client does not read."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # on Windows
        # Python 3.11 does not close a connection accepted before its server closes and attached after.
        loop.remove_reader(listener.fileno())
    for _ in range(5):
        await asyncio.sleep(0)
    transports = [each.transport for each in (runner.server.connections if runner.server else ())]
    await runner.cleanup()
    for transport in transports:
        if transport is not None:
            transport.abort()
    await asyncio.sleep(0)  # they are closed in the loop's next round


def _can_render() -> bool:
    return importlib.util.find_spec("av") is not None


def _decode(data: bytes) -> None:
    from .results.rendering.frames import decode  # noqa: PLC0415 - imports PyAV, which is an extra

    decode(data)


@functools.cache
def _log_how_to_render() -> None:
    _log.warning("%s", HOW_TO_RENDER)
