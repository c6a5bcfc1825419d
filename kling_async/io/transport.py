"""The only place that uses the aiohttp client: bytes out, bytes in."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Final, NamedTuple, Self, TypedDict
from urllib.parse import unquote

import aiohttp
from yarl import URL

from kling_async.io.http_errors import refused_by_proxy, translated
from kling_async.io.upload import UploadBody
from kling_async.protocol import addresses
from kling_async.protocol.errors import (
    BadResponse,
    ClientClosed,
    ConnectionFailed,
    DownloadError,
)
from kling_async.protocol.proxies import Proxies
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.protocol.wire.responses import HttpResponse

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
UPLOAD_SECONDS: Final = 60.0
"""Seconds for a create, besides what its body takes at `UPLOAD_BYTES_PER_SECOND`."""
UPLOAD_BYTES_PER_SECOND: Final = 50_000.0
STALL_SECONDS: Final = 30.0
"""Seconds without a byte after which a download is taken to have stalled."""
UPLOADS: Final = 8
"""Bodies sent at once: more would share the same line and hold more memory."""
ANSWER_BYTES: Final = 32 * 2**20
"""The largest answer read: a page of 500 tasks takes about one megabyte."""

_USER_AGENT: Final = "kling-async"
_FILE_HEADERS: Final = {"User-Agent": _USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}

logger = logging.getLogger("kling_async")


class _Surroundings(TypedDict, total=False):
    """Arguments of a request that depend on whose session it is."""

    headers: Mapping[str, str]
    proxy: str | None
    middlewares: list[aiohttp.ClientMiddlewareType]


class Fetched(NamedTuple):
    """An answer of a file host whose body is still to be read.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        chunks: the body as it comes.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Transport:
    """Sends requests on a session that it makes when first needed, or that the user lends.

    Args:
        base_url: of the service, without a trailing slash.
        session: a borrowed session; it stays open, and its own proxies count.
        proxies: for the session that is made.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession | None = None, proxies: Proxies | None = None
    ) -> None:
        self._base_url = base_url
        self._proxies = proxies or Proxies()
        self.secrets = frozenset(self._proxies.secrets)
        """What no text may show, besides the credentials of the service."""
        self._session = session
        self._owned = session is None
        self._alone: aiohttp.ClientSession | None = None
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._responses: set[aiohttp.ClientResponse] = set()
        self._closing = asyncio.Event()
        self.closed = False

    async def send(
        self, request: HttpRequest, authorization: str, began: Callable[[], None] = lambda: None
    ) -> HttpResponse:
        """One call to the service; redirects are not followed, since the credentials would go along.

        Args:
            request: what to send.
            authorization: the header's value.
            began: called right before the first byte goes out; until then nothing can have happened.

        Raises:
            ConnectionFailed: no answer; `sent` says whether the request may have arrived.
            BadResponse: an answer that is no HTTP, or too large.
            InvalidRequest: a picture became unreadable while it was sent.
        """
        headers = {"Authorization": authorization, "User-Agent": _USER_AGENT}
        if not request.body:
            began()
            return await self._exchange(request, headers, None, ANSWER_SECONDS)
        body = UploadBody(request.body)
        async with _Gate(self._uploads) as gate:
            try:
                length = await body.open()
                headers |= {"Content-Type": "application/json", "Content-Length": str(length)}
                seconds = UPLOAD_SECONDS + length / UPLOAD_BYTES_PER_SECOND
                began()
                return await self._exchange(request, headers, gate.opened_after(body.chunks()), seconds)
            except (ConnectionFailed, BadResponse) as error:
                if body.failure is not None:  # the body never was complete, so nothing was created
                    raise body.failure from None
                if body.begun:
                    raise
                failed = error if isinstance(error, ConnectionFailed) else _unsent(error)
                failed.sent = False
                raise failed from None
            finally:
                body.close()

    @property
    def scheme(self) -> str:
        """`https`, or `http` for an emulator: of the service's address."""
        return self._base_url.partition(":")[0].lower()

    @contextlib.asynccontextmanager
    async def fetch(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Fetched]:
        """Opens a file of another host, as `addresses.usable` gives its address; redirects are followed.

        Nothing goes there but what a file needs: no credentials, and of a lent session no headers and no cookies. The
        body comes as it was sent, packed or not.

        Raises:
            ConnectionFailed: no answer, or the body broke off.
            BadResponse: an answer that is no HTTP.
            DownloadError: redirects that lead nowhere.
        """
        response = await self._followed(url, headers)
        self._responses.add(response)
        try:
            self._opened()  # a borrowed session answers also when the client was closed meanwhile
            async with contextlib.aclosing(self._chunks(response)) as chunks:
                yield Fetched(response.status, _lower(response.headers), chunks)
        finally:
            self._responses.discard(response)
            response.close()

    async def pause(self, seconds: float) -> None:
        """Waits before the next try; closing ends it.

        Raises:
            ClientClosed: the client was closed meanwhile.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        self._opened()

    async def close(self) -> None:
        """Closes the session unless it was borrowed."""
        self.closed = True
        self._closing.set()
        # A closed session wakes nobody who reads a body; a closed response does.
        for response in tuple(self._responses):
            response.close()
        for session in (self._session if self._owned else None, self._alone):
            if session is not None:
                await session.close()
        self._session = self._alone = None

    async def _exchange(
        self,
        request: HttpRequest,
        headers: dict[str, str],
        data: AsyncIterator[bytes] | None,
        seconds: float,
    ) -> HttpResponse:
        # Already quoted; the host is the service's alone.
        address = URL(self._base_url + request.path, encoded=True).with_query(request.params or None)
        timeout = aiohttp.ClientTimeout(total=None, connect=2 * CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)

        status: int | None = None

        async def exchange() -> HttpResponse:
            nonlocal status
            session = self._opened() if data is None else self._opened_alone()
            surroundings = self._surroundings(session, address, headers)
            async with (
                # aiohttp's own time limit does not reach an answer that came, in part, before it was asked for.
                asyncio.timeout(seconds),
                session.request(
                    request.method,
                    address,
                    **surroundings,
                    data=data,
                    timeout=timeout,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=True,
                ) as response,
            ):
                if response.status == 407 and address.scheme == "http" and surroundings.get("proxy"):
                    # The proxy's own, which passed nothing on; what came through a tunnel is not.
                    raise refused_by_proxy(response.status)
                status = response.status
                self._responses.add(response)
                try:
                    return HttpResponse(response.status, _lower(response.headers), await _read(response))
                finally:
                    self._responses.discard(response)

        try:
            return await translated(exchange())
        except (ConnectionFailed, BadResponse) as error:
            error.http_status = status  # a create whose 2xx broke off most probably took effect
            raise

    async def _followed(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        # By hand: aiohttp spells addresses anew, and a signature holds for one spelling only.
        seen: set[str] = set()
        while True:
            seen.add(url)
            response = await translated(self._get(url, headers))
            location = response.headers.get("Location")
            if response.status not in addresses.REDIRECTING or not location:
                return response
            response.close()
            there = addresses.redirected(url, location)
            if there in seen or len(seen) > addresses.REDIRECTS:
                raise DownloadError("the file host redirects in a circle, or too often")
            if url.startswith("https:") and not there.startswith("https:"):
                logger.warning(
                    "the file host redirects to http://: the file comes unencrypted",
                    extra={"kling_event": "cleartext_file"},
                )
            url = there

    async def _get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        limits = aiohttp.ClientTimeout(
            total=None, connect=2 * CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS
        )
        target = addresses.split(url)
        host = URL(f"{target.scheme}://{target.host}")  # names that are not ASCII are spelt for the network
        address = URL(f"{target.scheme}://{host.raw_authority}{target.path}", encoded=True)  # signed: no re-quoting
        return await self._opened().get(
            address,
            proxy=self._proxies.for_address(str(address)) if self._owned else None,
            timeout=limits,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,  # without any bound
            middlewares=[_Only({**_FILE_HEADERS, **_basic(target.user), **headers})],
        )

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        # As they came: what reads more than one of them joins them, on the loop.
        while True:
            chunk, ends = await translated(self._chunk(response))
            if chunk:
                yield chunk
            elif not ends:
                return

    async def _chunk(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        async with asyncio.timeout(STALL_SECONDS + 1):  # where aiohttp's own is deaf: see `_exchange`
            return await response.content.readchunk()

    def _opened(self) -> aiohttp.ClientSession:
        if self.closed:
            raise ClientClosed("the client is closed; a file that was being saved keeps what came, save again to go on")
        if self._session is not None and self._session.closed:
            raise ClientClosed("the session that was lent to the client is closed")
        if self._session is None:
            self._session = _session()
        return self._session

    def _opened_alone(self) -> aiohttp.ClientSession:
        """A session whose connections serve one request each, for creates.

        One that lay idle may be closed at the other end in the very moment, or hold an answer too many: both leave a
        create in doubt.
        """
        session = self._opened()
        if not self._owned:
            return session
        if self._alone is None:
            self._alone = _session(force_close=True)
        return self._alone

    def _surroundings(self, session: aiohttp.ClientSession, address: URL, headers: Mapping[str, str]) -> _Surroundings:
        """The headers, so that nobody else's credentials go along, and the way they take.

        A session that was made here knows nothing of the environment: its `trust_env` would read `~/.netrc` too, whose
        passwords are for others. A borrowed one that reads them is corrected before it sends.
        """
        if self._owned:
            return {"headers": headers, "proxy": self._proxies.for_address(str(address))}
        if not session.trust_env:
            return {"headers": headers}
        ours = dict(headers)
        authorization = ours.pop("Authorization", None)
        return {"headers": ours, "middlewares": [_authorized(authorization)]}


def _session(*, force_close: bool = False) -> aiohttp.ClientSession:
    # Without a limit of connections: slots, uploads, polls and downloads each have their own.
    connector = aiohttp.TCPConnector(limit=0, force_close=force_close)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _unsent(error: BadResponse) -> ConnectionFailed:
    return ConnectionFailed(error.message, permanent=not error.foreign)  # what failed by itself will again


def _authorized(authorization: str | None) -> aiohttp.ClientMiddlewareType:
    """Makes this header, or none, the only one of its name."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers.pop("Authorization", None)
        if authorization is not None:
            request.headers["Authorization"] = authorization
        return await handler(request)

    return send


class _Only:
    """Lets no header go out but these, whatever a lent session, its cookies, its `auth` or a `.netrc` would add."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers.clear()
        request.headers.update({"Host": request.url.host_port_subcomponent or "", **self._headers})
        return await handler(request)


class _Gate:
    """A place among the uploads, given back once the body is out: the answer may take long."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = False

    async def __aenter__(self) -> Self:
        await self._places.acquire()
        self._held = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release()

    async def opened_after(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk
        self._release()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._places.release()


def _basic(user: str | None) -> dict[str, str]:
    """What an address gives before its `@`, as it is sent."""
    if user is None:
        return {}
    name, _, password = user.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES:
            response.close()
            raise BadResponse(f"the answer is larger than {ANSWER_BYTES} bytes", foreign=True)
    return bytes(body)
