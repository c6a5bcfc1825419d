"""Probes the network, the free call and the disk. Probes return results; errors are part of them."""

import asyncio
import concurrent.futures
import contextlib
import os
import random
import re
import shutil
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from kling_async.cli import endpoints
from kling_async.cli.commands.doctor.call import CallResult
from kling_async.cli.commands.doctor.host import Address
from kling_async.cli.commands.doctor.machine import Target
from kling_async.cli.commands.doctor.way import STEP_SECONDS, Dialled, Proxy, Step, Trust
from kling_async.io.api import Api
from kling_async.io.transport import Transport
from kling_async.protocol.auth import ApiKey, KeyPair
from kling_async.protocol.proxies import Proxies
from kling_async.protocol.retry import Retry
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.protocol.wire.responses import service_time

_T = TypeVar("_T")

NO_KEY: Final = ApiKey("none")
"""Sent where there is no key to try: the service's refusal shows that it is the service."""
NO_TASK: Final = "0"
"""An id that no task has; the answer omits ids that are not found."""
ADDRESSES: Final = 4
"""Addresses of one name that are tried at most."""
PIECE: Final = b"\0" * 2**16
OTHER_TRUST: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


# ------------------------------------------------------------------------------------------------ the network


async def dial(target: Address, proxy: Proxy | None) -> Dialled:
    """Connects as the client does, step by step, without sending credentials of the account.

    Args:
        target: the address.
        proxy: to connect through; None for none.
    """
    host, port = (proxy.host, proxy.port) if proxy else (target.host, target.port)
    step = Step.NAME
    addresses: tuple[str, ...] = ()
    try:
        found = await _in_time(_apart(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)))
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        step = Step.CONNECT
        reader, writer = await _connected(addresses[:ADDRESSES], port)
    except (OSError, ValueError) as error:
        return Dialled(reached=step, error=error, addresses=addresses)
    try:
        return await _secured(target, proxy, reader, writer, addresses)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # the transport is closed on the loop's next turn


async def _connected(addresses: Sequence[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Tries one address after the other within `STEP_SECONDS`; by number, so that no name is looked up again."""
    last: OSError = TimeoutError()
    for each in addresses:
        try:
            async with asyncio.timeout(STEP_SECONDS / len(addresses)):
                return await asyncio.open_connection(each, port)
        except OSError as error:
            last = error
    raise last


async def _secured(
    target: Address,
    proxy: Proxy | None,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    addresses: tuple[str, ...],
) -> Dialled:
    status = None
    step = Step.TUNNEL
    try:
        if proxy and proxy.encrypted:
            await _in_time(writer.start_tls(ssl.create_default_context(), server_hostname=proxy.host))
        if proxy and target.encrypted:
            status = await _in_time(_tunnel(target, proxy, reader, writer))
            if status != 200:  # the client accepts only this status
                return Dialled(reached=step, addresses=addresses, proxy_status=status)
        step = Step.TLS
        certificate = None
        if target.encrypted:
            await _in_time(writer.start_tls(ssl.create_default_context(), server_hostname=target.host))
            certificate = writer.get_extra_info("ssl_object").getpeercert()
    except (OSError, ValueError, EOFError, asyncio.LimitOverrunError) as error:
        return Dialled(reached=step, error=error, addresses=addresses, proxy_status=status)
    return Dialled(reached=Step.DONE, addresses=addresses, proxy_status=status, certificate=certificate)


async def _tunnel(target: Address, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Requests a tunnel to the service from a proxy; returns the status of its answer."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"Host: {host}:{target.port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    found = re.match(rb"HTTP/1\.[01] (\d{3})\b", await reader.readuntil(b"\r\n\r\n"))
    if found is None:
        raise ValueError
    return int(found[1])


def trust(environment: Mapping[str, str]) -> Trust:
    """Returns which certificate authorities this Python trusts."""
    file = environment.get("SSL_CERT_FILE", "")
    usable = True
    if file:
        try:  # loaded on its own: the default context ignores an unusable file silently
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        except OSError:
            usable = False
    loaded = ssl.create_default_context().cert_store_stats()["x509_ca"]
    directory = ssl.get_default_verify_paths().capath
    if directory:
        with contextlib.suppress(OSError):  # certificates in the directory are loaded on demand, and not counted yet
            loaded += len(list(Path(directory).iterdir()))
    others = tuple(name for name in OTHER_TRUST if environment.get(name))
    return Trust(file, usable, loaded, others)


# -------------------------------------------------------------------------------------------------- the call


class _Kept(Transport):
    """A transport that keeps the last answer and all credentials that were sent."""

    answer: HttpResponse | None = None
    offset: float | None = None

    def __init__(self, base_url: str, proxies: Proxies) -> None:
        super().__init__(base_url, proxies=proxies)
        self.sent: set[str] = set()

    async def send(
        self, request: HttpRequest, authorization: str, began: Callable[[], None] = lambda: None
    ) -> HttpResponse:
        """As `Transport.send`."""
        self.sent.add(authorization.removeprefix("Bearer "))
        self.answer = await super().send(request, authorization, began)
        date = service_time(self.answer)
        self.offset = None if date is None else date - time.time()
        return self.answer


async def call_legacy(
    target: Address, proxies: Proxies, credentials: ApiKey | KeyPair | None, secrets: frozenset[str]
) -> CallResult:
    """Requests one page with one task, once, which costs nothing.

    Args:
        target: the address.
        proxies: of the environment.
        credentials: None to call without a key.
        secrets: that must not be shown, in addition to the credentials that are sent.
    """
    transport = _Kept(target.url, proxies)
    api = Api(transport, credentials or NO_KEY, time.time, Retry(), random.random)
    error: Exception | None = None
    try:
        listed = endpoints.default()
        await _in_time(api.listed(listed, requests.page(listed, 1, 1), lambda _: None))
    except Exception as caught:  # noqa: BLE001  (some malformed keys raise when a token is made from them)
        error = caught
    finally:
        await transport.close()
    return CallResult(
        credentials=credentials,
        answer=transport.answer,
        error=error,
        offset=transport.offset,
        secrets=secrets | transport.secrets | (transport.sent if credentials else frozenset()),
    )


async def call_current(target: Address, proxies: Proxies, credentials: ApiKey) -> Exception | None:
    """Queries the current generation for a task that does not exist, once, which costs nothing; returns the error.

    Args:
        target: the address.
        proxies: of the environment.
        credentials: to send.
    """
    transport = Transport(target.url, proxies=proxies)
    api = Api(transport, credentials, time.time, Retry(), random.random)
    try:
        await _in_time(api.query_all(endpoints.current(), [NO_TASK]))
    except Exception as caught:  # noqa: BLE001  (as above)
        return caught
    finally:
        await transport.close()
    return None


# ----------------------------------------------------------------------------------------------- this machine


async def try_place(directory: str) -> Target:
    """Makes a file in a directory and removes it."""
    try:
        return await _in_time(_apart(partial(_tried, directory)))
    except OSError as error:
        return Target(directory, error=error)


def _tried(directory: str) -> Target:
    if not Path(directory).is_dir():
        return Target(directory, is_there=False)
    descriptor, name = tempfile.mkstemp(prefix=".kling-async-doctor-", dir=directory)
    try:
        os.write(descriptor, PIECE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        Path(name).unlink()
    return Target(directory, free=shutil.disk_usage(directory).free)


# ------------------------------------------------------------------------------------------------------ waiting


async def _in_time(work: Coroutine[Any, Any, _T]) -> _T:
    async with asyncio.timeout(STEP_SECONDS):
        return await work


async def _apart(work: Callable[[], _T]) -> _T:
    """Runs blocking work in a daemon thread: unlike the loop's threads, it does not delay the end of the process."""
    outcome: concurrent.futures.Future[_T] = concurrent.futures.Future()
    outcome.set_running_or_notify_cancel()  # no longer cancellable: the thread will set it

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:  # noqa: BLE001  (raised where it is awaited)
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(outcome)
