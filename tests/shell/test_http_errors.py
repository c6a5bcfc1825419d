"""Errors of the HTTP library: whether the request may have arrived, and whether a retry can help."""

import errno
import ssl
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from kling_async import BadResponse, ConnectionFailed, InvalidRequest, KlingError
from kling_async.io.http_errors import refused_by_proxy, translated, unsent
from kling_async.protocol.errors import Problem, RequestTimeout

URL_ = URL("https://api.example/v1")
KEY = ConnectionKey("api.example", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)
INFO = aiohttp.RequestInfo(URL_, "POST", Mock(), URL_)


def tls(reason: str) -> ssl.SSLError:
    """An error of the TLS library."""
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


def certificate() -> Exception:
    """A certificate that is refused."""
    error = ssl.SSLCertVerificationError(1, "self-signed certificate")
    error.verify_message = "self-signed certificate"
    return aiohttp.ClientConnectorCertificateError(KEY, error)


CONNECTING: list[tuple[Exception, type[ConnectionFailed], bool]] = [
    (aiohttp.ConnectionTimeoutError(), RequestTimeout, False),
    (aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, "refused")), ConnectionFailed, False),
    (aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "too many open files")), ConnectionFailed, False),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(errno.EIO, "no such name")), ConnectionFailed, False),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(errno.ECONNREFUSED, "refused")), ConnectionFailed, False),
    (aiohttp.ClientConnectorSSLError(KEY, tls("DECRYPTION_FAILED")), ConnectionFailed, False),
    (aiohttp.ClientConnectorSSLError(KEY, tls("WRONG_VERSION_NUMBER")), ConnectionFailed, True),
    (certificate(), ConnectionFailed, True),
    (aiohttp.ClientHttpProxyError(INFO, (), status=502), ConnectionFailed, False),
    (aiohttp.ClientHttpProxyError(INFO, (), status=429), ConnectionFailed, False),
    (aiohttp.ClientHttpProxyError(INFO, (), status=403), ConnectionFailed, True),
    (aiohttp.InvalidURL("nowhere"), ConnectionFailed, True),
    (UnicodeError("a label is too long"), ConnectionFailed, True),
]
"""Before a connection exists: the error, what it becomes, and whether trying again cannot help."""

CONNECTED: list[tuple[Exception, type[KlingError]]] = [
    (TimeoutError(), RequestTimeout),
    (aiohttp.ServerTimeoutError(), RequestTimeout),
    (aiohttp.SocketTimeoutError(), RequestTimeout),
    (aiohttp.ServerDisconnectedError(), ConnectionFailed),
    (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), ConnectionFailed),
    (aiohttp.ClientOSError(errno.ENOBUFS, "no buffer space"), ConnectionFailed),
    (aiohttp.ClientOSError(errno.ENOMEM, "no memory"), ConnectionFailed),
    (OSError(errno.EMFILE, "too many open files"), ConnectionFailed),
    (aiohttp.ClientPayloadError("incomplete"), ConnectionFailed),
    (RuntimeError("session is closed"), ConnectionFailed),
    (aiohttp.ClientResponseError(INFO, (), status=400), BadResponse),
    (UnicodeDecodeError("utf-8", b"", 0, 1, "no"), BadResponse),
    (ValueError("no number"), BadResponse),
    (KeyError("a hook"), BadResponse),
]
"""When the request may be on its way already."""


async def raised(error: Exception) -> KlingError:
    """The error that an HTTP error becomes."""

    async def fails() -> None:
        raise error

    with pytest.raises(KlingError) as caught:
        await translated(fails())
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)  # their frames hold credentials
    return caught.value


def named(value: Any) -> str | None:
    """The name of a case."""
    return type(value).__name__ if isinstance(value, Exception) else None


@pytest.mark.parametrize(("error", "kind", "permanent"), CONNECTING, ids=named)
async def test_before_there_is_a_connection_nothing_is_sent(
    error: Exception, kind: type[ConnectionFailed], *, permanent: bool
) -> None:
    """Without a connection nothing arrived; a retry does not help with a wrong certificate, URL or proxy."""
    came = await raised(error)
    assert type(came) is kind
    assert isinstance(came, ConnectionFailed)
    assert (came.sent, came.permanent) == (False, permanent)


@pytest.mark.parametrize(("error", "kind"), CONNECTED, ids=named)
async def test_once_connected_a_request_may_have_arrived(error: Exception, kind: type[KlingError]) -> None:
    """Any other error leaves open whether the request arrived, also a MemoryError while reading."""
    came = await raised(error)
    assert type(came) is kind
    if isinstance(came, ConnectionFailed):
        assert (came.sent, came.permanent) == (True, False)


async def test_own_errors_stay_as_they_are() -> None:
    """An error of this package is not translated again."""
    own = InvalidRequest.of([Problem("image", "gone")])
    assert await raised(own) is own


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (ConnectionFailed("reset"), False),
        (ConnectionFailed("the address cannot be used", permanent=True), True),
        (BadResponse("no HTTP", foreign=True), False),
        (BadResponse("a hook raised"), True),
    ],
)
def test_a_request_whose_body_was_not_begun_was_not_sent(
    error: ConnectionFailed | BadResponse, *, permanent: bool
) -> None:
    """A create without its body has no effect, so it is retried unless the cause is local."""
    failed = unsent(error)
    assert (failed.message, failed.sent, failed.permanent) == (error.message, False, permanent)


@pytest.mark.parametrize(("status", "permanent"), [(407, True), (403, True), (408, False), (425, False), (502, False)])
def test_a_proxy_that_refuses_forwards_nothing(status: int, *, permanent: bool) -> None:
    """A refusal of the proxy is permanent, unless it is busy or late."""
    failed = refused_by_proxy(status)
    assert (failed.sent, failed.permanent) == (False, permanent)
    assert ("user and a password" in failed.message) is (status == 407)
