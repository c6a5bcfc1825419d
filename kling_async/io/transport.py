"""HTTP by aiohttp, whose sessions only this module uses: requests to the service, and files of other hosts."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Final, NamedTuple, TypedDict
from urllib.parse import unquote

import aiohttp
from yarl import URL

from kling_async.io import rounds
from kling_async.io.http_errors import refused_by_proxy, translated, unsent
from kling_async.io.request_middlewares import ReplaceHeaders, replace_authorization, send_once
from kling_async.io.upload import UploadBody, UploadPlace
from kling_async.protocol import file_addresses
from kling_async.protocol.errors import (
    BadResponse,
    ClientClosed,
    ConnectionFailed,
    DownloadError,
)
from kling_async.protocol.proxies import Proxies
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.version import __version__

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
UPLOAD_SECONDS: Final = 60.0
"""Seconds for a request with a body, in addition to the time its body takes at `UPLOAD_BYTES_PER_SECOND`."""
UPLOAD_BYTES_PER_SECOND: Final = 50_000.0
STALL_SECONDS: Final = 30.0
"""Seconds without a byte after which a download counts as stalled."""
UPLOADS: Final = 8
"""Bodies sent at once: more would share the same bandwidth and hold more memory."""
ANSWER_BYTES: Final = 32 * 2**20
"""The largest answer read: a page of 500 tasks takes about one megabyte."""

_USER_AGENT: Final = f"kling-async/{__version__}"
_FILE_HEADERS: Final = {"User-Agent": _USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}

logger = logging.getLogger("kling_async")


class _SessionArguments(TypedDict, total=False):
    """Arguments of a request that differ between an own and a borrowed session."""

    headers: Mapping[str, str]
    proxy: str | None
    middlewares: list[aiohttp.ClientMiddlewareType]


class Fetched(NamedTuple):
    """An answer of a file host, with a body that is not read yet.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
        chunks: the body as it arrives.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Transport:
    """Sends requests on its own session, created on first use, or on a borrowed one.

    Args:
        base_url: the address of the service, without a trailing slash.
        session: a borrowed session; it is never closed, and its own proxies apply.
        proxies: for an own session.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession | None = None, proxies: Proxies | None = None
    ) -> None:
        self._base_url = base_url
        self._proxies = proxies or Proxies()
        self.secrets = frozenset(self._proxies.secrets)
        """Secrets that no text may show, in addition to the credentials of the service."""
        self._session = session
        self._owned = session is None
        self._session_for_creates: aiohttp.ClientSession | None = None
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._responses: set[aiohttp.ClientResponse] = set()
        self._closing = asyncio.Event()
        self.closed = False

    async def send(
        self, request: HttpRequest, authorization: str, began: Callable[[], None] = lambda: None
    ) -> HttpResponse:
        """Sends one request to the service. Redirects are not followed, as they would forward the credentials.

        Args:
            request: what to send.
            authorization: the value of the header.
            began: called right before the first byte is sent; until then the request has no effect.

        Raises:
            ConnectionFailed: no answer; its `sent` is whether the request may have arrived.
            BadResponse: the answer is not HTTP, or too large.
            InvalidRequest: a picture became unreadable while it was sent.
        """
        headers = {"Authorization": authorization, "User-Agent": _USER_AGENT}
        if not request.body:
            began()
            return await self._exchange(request, headers, None, ANSWER_SECONDS)
        body = UploadBody(request.body)
        async with UploadPlace(self._uploads) as place:
            try:
                length = await body.open()
                headers |= {"Content-Type": "application/json", "Content-Length": str(length)}
                seconds = UPLOAD_SECONDS + length / UPLOAD_BYTES_PER_SECOND
                began()
                return await self._exchange(request, headers, place.released_after(body.chunks()), seconds)
            except (ConnectionFailed, BadResponse) as error:
                if body.failure is not None:  # the body was never complete, so nothing was created
                    raise body.failure from None
                if body.begun:
                    raise
                raise unsent(error) from None
            finally:
                body.close()

    @property
    def scheme(self) -> str:
        """The scheme of the service's address: `https`, or `http` for an emulator."""
        return self._base_url.partition(":")[0].lower()

    @contextlib.asynccontextmanager
    async def fetch(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Fetched]:
        """Opens a file of another host; redirects are followed.

        No credentials are sent, and no headers or cookies of a borrowed session. The body is not decompressed.

        Args:
            url: as `file_addresses.usable` returns it.
            headers: in addition to those of every file request.

        Raises:
            ConnectionFailed: no answer, or the body broke off.
            BadResponse: the answer is not HTTP.
            DownloadError: redirects form a loop, are too many, or lead to no usable address.
        """
        response = await self._follow_redirects(url, headers)
        self._responses.add(response)
        try:
            self._open_session()  # a borrowed session still answers after the client was closed
            async with contextlib.aclosing(self._chunks(response)) as chunks:
                yield Fetched(response.status, _lower_names(response.headers), chunks)
        finally:
            self._responses.discard(response)
            response.close()

    async def pause(self, seconds: float) -> None:
        """Waits before the next attempt; closing the client ends it.

        Raises:
            ClientClosed: the client was closed meanwhile.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        self._open_session()

    async def close(self) -> None:
        """Closes the session unless it was borrowed."""
        self.closed = True
        self._closing.set()
        # Closing a session does not end a read of a body that is under way; closing the response does.
        for response in tuple(self._responses):
            response.close()
        for session in (self._session if self._owned else None, self._session_for_creates):
            if session is not None:
                await session.close()
        self._session = self._session_for_creates = None

    async def _exchange(
        self,
        request: HttpRequest,
        headers: dict[str, str],
        data: AsyncIterator[bytes] | None,
        seconds: float,
    ) -> HttpResponse:
        # The path is quoted already.
        address = URL(self._base_url + request.path, encoded=True).with_query(request.params or None)
        timeout = aiohttp.ClientTimeout(total=None, connect=2 * CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)

        status: int | None = None

        async def exchange() -> HttpResponse:
            nonlocal status
            single = request.once or data is not None
            session = self._open_create_session() if single else self._open_session()
            session_arguments = self._session_arguments(session, address, headers)
            if request.once:
                session_arguments["middlewares"] = [*session_arguments.get("middlewares", ()), send_once]
            async with (
                # aiohttp's own timeout does not apply to an answer of which a part arrived before the request was sent.
                asyncio.timeout(seconds),
                session.request(
                    request.method,
                    address,
                    **session_arguments,
                    data=data,
                    timeout=timeout,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=True,
                ) as response,
            ):
                if response.status == 407 and address.scheme == "http" and session_arguments.get("proxy"):
                    # The proxy itself answered, and forwarded nothing. Through a tunnel, the answer is the server's.
                    raise refused_by_proxy(response.status)
                status = response.status
                self._responses.add(response)
                try:
                    return HttpResponse(response.status, _lower_names(response.headers), await _read_bounded(response))
                finally:
                    self._responses.discard(response)

        try:
            return await translated(exchange())
        except (ConnectionFailed, BadResponse) as error:
            error.http_status = status  # a create whose 2xx answer broke off most probably took effect
            raise

    async def _follow_redirects(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        # Not by aiohttp: it quotes addresses again, and a signature is valid for one spelling only.
        seen: set[str] = set()
        while True:
            seen.add(url)
            response = await translated(self._get(url, headers))
            location = response.headers.get("Location")
            if response.status not in file_addresses.REDIRECTING or not location:
                return response
            response.close()
            next_url = file_addresses.redirected(url, location)
            if next_url in seen or len(seen) > file_addresses.REDIRECTS:
                raise DownloadError("the file host redirects in a circle, or too often")
            if url.startswith("https:") and not next_url.startswith("https:"):
                logger.warning(
                    "the file host redirects to http://: the file comes unencrypted",
                    extra={"kling_event": "cleartext_file"},
                )
            url = next_url

    async def _get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        limits = aiohttp.ClientTimeout(
            total=None, connect=2 * CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS
        )
        target = file_addresses.split(url)
        await rounds.spend(rounds.REQUEST)
        host = URL(f"{target.scheme}://{target.host}")  # encodes names that are not ASCII (IDNA)
        address = URL(f"{target.scheme}://{host.raw_authority}{target.path}", encoded=True)  # signed: no re-quoting
        return await self._open_session().get(
            address,
            proxy=self._proxies.for_address(str(address)) if self._owned else None,
            timeout=limits,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,  # aiohttp would decompress without a limit of size
            middlewares=[ReplaceHeaders({**_FILE_HEADERS, **_basic_authorization(target.user), **headers})],
        )

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        # One by one as they arrive: reading several at once would join them, which copies on the loop.
        count = rounds.REQUEST
        while True:
            await rounds.spend(count)
            chunk, ends = await translated(self._chunk(response))
            if chunk:
                count = len(chunk)
                yield chunk
            elif not ends:
                return

    async def _chunk(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        async with asyncio.timeout(STALL_SECONDS + 1):  # where aiohttp's own timeout does not apply: see `_exchange`
            return await response.content.readchunk()

    def _open_session(self) -> aiohttp.ClientSession:
        if self.closed:
            raise ClientClosed("the client is closed; a file that was being saved keeps what came, save again to go on")
        if self._session is not None and self._session.closed:
            raise ClientClosed("the session that was lent to the client is closed")
        if self._session is None:
            self._session = _session()
        return self._session

    def _open_create_session(self) -> aiohttp.ClientSession:
        """Returns the session for requests that must not be repeated, whose connections serve one request each.

        The server may close an idle connection just when it is used again, or have sent a surplus answer on it: both
        would leave a create in doubt.
        """
        session = self._open_session()
        if not self._owned:
            return session
        if self._session_for_creates is None:
            self._session_for_creates = _session(force_close=True)
        return self._session_for_creates

    def _session_arguments(
        self, session: aiohttp.ClientSession, address: URL, headers: Mapping[str, str]
    ) -> _SessionArguments:
        """Headers and proxy, so that no credentials but the client's own are sent.

        An own session does not read the environment: `trust_env` would also read `~/.netrc`, whose passwords belong to
        other accounts. A borrowed session that reads it gets its `Authorization` header replaced before it sends.
        """
        if self._owned:
            return {"headers": headers, "proxy": self._proxies.for_address(str(address))}
        if not session.trust_env:
            return {"headers": headers}
        ours = dict(headers)
        authorization = ours.pop("Authorization", None)
        return {"headers": ours, "middlewares": [replace_authorization(authorization)]}


def _session(*, force_close: bool = False) -> aiohttp.ClientSession:
    # Connections are not limited here: slots, uploads, polls and downloads each have a limit of their own.
    connector = aiohttp.TCPConnector(limit=0, force_close=force_close)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _basic_authorization(user: str | None) -> dict[str, str]:
    """Returns the header for user and password before the `@` of an address."""
    if user is None:
        return {}
    name, _, password = user.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES:
            response.close()
            raise BadResponse(f"the answer is larger than {ANSWER_BYTES} bytes", foreign=True)
    return bytes(body)
