"""The emulator as a whole: an account, served on a loopback port."""

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
"""What is said, once, where the rendering extra is missing."""

_log = logging.getLogger("kling_async.emulator")


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell whether an error is one of the emulator; what is no HTTP is its sender's, and worth a word, no traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (HttpProcessingError, web.RequestPayloadError)):
        _log.debug("a request was no HTTP: %s", type(error).__name__)
        return False
    return True


_http_log = logging.getLogger("kling_async.emulator.http")
_http_log.addFilter(_is_ours)

# A client that reads nothing must not hold up close().
_SHUTDOWN_SECONDS = 0.1


@attrs.frozen
class _Running:
    """What exists between start and close."""

    runner: web.AppRunner
    listener: socket.socket
    callbacks: CallbackSender
    results: ResultStore
    worker: Executor
    directory: TemporaryDirectory[str] | None
    base_url: str


class Emulator:
    """The Kling API on this machine: `async with Emulator() as emulator`.

    On legacy paths it is as strict as the documentation, on current ones as lenient as the service was seen to be. Two
    words in a `prompt` make it refuse: "refused" at create (1301), "forbidden" later, so that the task fails. A failed
    task costs nothing, which the service does not promise.

    The account outlives `close()`: after another `start()`, on the same port, its tasks and its ledger are still there.

    Args:
        host: Address to listen on.
        port: Port to listen on, 0 for a free one.
        speed: How many times faster than the service tasks advance; 60 makes a clip in seconds. Times on the wire
            are not scaled.
        concurrency: Slots of each model, at least 1; a video takes one while it is in flight.
        balance: Units on the account, of each kind of pack; or by kind, {"video": 100}, so that others are lacking.
            0 or less refuses with 1102 all that is paid from the pack.
        access_key: `iss` of accepted tokens.
        secret_key: Signs accepted tokens. HS256 wants 32 bytes or more.
        api_key: Accepted in place of a token.
        seed: Makes ids and generation times repeat.
        clock: Gives the time in seconds since the epoch, for all that the emulator does.
        allow_hosts: Names and addresses, without ports, by which the emulator's page and its switches may be reached
            besides `host` and those of loopback; for example that of a compose service. Others are refused, so that
            no web page can reach them (DNS rebinding).
        strict: Whether a request is refused that has a member which its path does not know, and on paths of the current
            generation anything that the documentation forbids. The service ignores most of it, and bills: so does the
            emulator, if this is not set.
        strict_types: Whether a create needs the documented JSON types. If not, numbers in strings and strings for
            numbers are accepted (`"duration": 5`), as the service probably does.
        link_lifetime: Seconds for which a link to a result is good at most; more than 0.
        render: Whether results are the submitted images, moving as asked for. None: if the rendering extra is
            installed, `pip install "kling-async[emulator-video]"`; without it videos are flat pictures, and MP3 are
            silent, real files all the same. False: never, and images are not even kept, which is quicker. The extra is
            PyAV; its wheels hold libx264 and libx265, so that a process which renders runs GPL code.
        webhook_secrets: `whsec_...`, each of which signs callbacks; none for unsigned ones.

    Attributes:
        access_key: As given.
        secret_key: As given.
        api_key: As given.
        ledger: The account's books, live.
        faults: What goes wrong with which calls: `emulator.faults.add(Fault.reset(), on="create", at=1)`.
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
        secret_key: str = "emulator-secret-key-0123456789abcdef",  # noqa: S107 - opens nothing but an emulator
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
        """How the account differs from what it was told: `emulator.account.limit = 5`."""
        return self._account.conditions

    async def post_test_callback(self, url: str) -> Callback:
        """Post the console's test callback: a task that is nobody's, just submitted; at most once in 6 s.

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
        """Begin to listen.

        Raises:
            OSError: If the address cannot be listened on, for example because the port is taken.
            RuntimeError: If it is running already.
        """
        if self._running is not None:
            raise RuntimeError("the emulator is running already")
        listener = self._listen()  # first, because links hold the port
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
        """Stop listening and drop connections and callbacks; closing twice is harmless."""
        running, self._running = self._running, None
        if running is not None:
            await _stop_serving(running.runner, running.listener)
            await running.callbacks.close()
            await running.results.close()
            if running.directory is not None:
                running.directory.cleanup()
            running.worker.shutdown(cancel_futures=True)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            message = f"the emulator cannot listen on {self._host}:{self._port}: {error.strerror}"
            raise OSError(error.errno, message) from error

    def _worker(self) -> Executor:
        """Give where work is done that takes long."""
        # One worker: Python code in several threads at once would make the event loop wait longer for its turn.
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulator")

    def _results(self, worker: Executor) -> tuple[TemporaryDirectory[str] | None, ImageStore | None, ResultStore]:
        """Give where files are kept, what keeps the images, and what makes the results."""
        placeholders = PlaceholderResults(worker)
        if self._render is False:
            return None, None, placeholders
        directory = TemporaryDirectory(prefix="kling-emulator-", ignore_cleanup_errors=True)
        if self.renders:
            images = ImageStore(Path(directory.name), _decode)
            return directory, images, RenderedResults(Path(directory.name), images, placeholders)
        _tell_once()
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
    """Stop, and leave no connection behind: neither one that was accepted last, nor one whose client reads nothing."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # on Windows
        # Python 3.11 forgets to close a connection that is accepted before, and attached after its server closes.
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
def _tell_once() -> None:
    _log.warning("%s", HOW_TO_RENDER)
