"""Translates errors of aiohttp and the system: whether the request was sent, and whether a retry can help."""

import ssl
from collections.abc import Awaitable
from typing import Final, TypeVar

import aiohttp

from kling_async.io.upload import shortage
from kling_async.protocol.errors import BadResponse, ConnectionFailed, KlingError, RequestTimeout

_T = TypeVar("_T")


async def translated(work: Awaitable[_T]) -> _T:
    """Awaits; converts other libraries' errors to this package's, without their frames, which hold credentials."""
    try:
        return await work
    except KlingError:
        raise
    except Exception as error:  # noqa: BLE001  (hooks of a borrowed session may raise anything, even after a create arrived)
        translation = _translate(error)
    raise translation


def _translate(error: Exception) -> ConnectionFailed | BadResponse:
    kind = type(error).__name__
    match error:
        case OSError() if (short := shortage(error)) is not None:
            short.sent = not isinstance(error, aiohttp.ClientConnectorError)  # may also happen in mid-answer
            return short
        case aiohttp.ConnectionTimeoutError():
            return RequestTimeout("no connection in time; check the network and base_url", sent=False)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return RequestTimeout("no answer in time")
        case aiohttp.ClientConnectorError():
            return _connect_error(error)
        case aiohttp.ClientHttpProxyError():
            return refused_by_proxy(error.status)
        case aiohttp.ClientResponseError() | UnicodeDecodeError():  # the latter: by a hook of a borrowed session
            return BadResponse(f"the answer cannot be read ({kind})", foreign=True)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | UnicodeError():
            return ConnectionFailed(f"this address cannot be used ({kind}); check base_url", sent=False, permanent=True)
        case aiohttp.ClientError() | OSError() | RuntimeError():  # the last: the session was closed meanwhile
            return ConnectionFailed(f"the connection broke off ({kind})")
        case ValueError():
            return BadResponse(f"the answer or its address cannot be read ({kind})", foreign=True)
        case _:
            return BadResponse(f"the call failed unexpectedly ({kind})")


_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


def _connect_error(error: aiohttp.ClientConnectorError) -> ConnectionFailed:
    """No connection was made, so nothing was sent."""
    host, permanent = error.host, False
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as why):
            permanent = True
            text = (
                f"the certificate of {host} cannot be verified ({why.verify_message}); where a proxy or a gateway of "
                "one's own stands in between, set SSL_CERT_FILE to a file with the certificate of its issuer"
            )
        case aiohttp.ClientConnectorSSLError():
            reason = (isinstance(error.os_error, ssl.SSLError) and error.os_error.reason) or ""
            permanent = reason in _NO_TLS
            text = f"no encrypted connection to {host} ({reason.replace('_', ' ').lower() or 'TLS failed'})"
            text += "; it does not answer as https:// does: check base_url" if permanent else ""
        case aiohttp.ClientProxyConnectionError():
            text = f"no connection to the proxy {host}; check HTTPS_PROXY and HTTP_PROXY, or NO_PROXY"
        case aiohttp.ClientConnectorDNSError():
            text = f"the name {host} is not known; check the network, base_url and the proxy"
        case _:
            text = f"no connection to {host} ({type(error).__name__}); check the network and base_url"
    return ConnectionFailed(text, sent=False, permanent=permanent)


def refused_by_proxy(status: int) -> ConnectionFailed:
    """The proxy did not forward the request."""
    permanent = 400 <= status < 500 and status not in {408, 425, 429}
    if status == 407:
        advice = "it wants a user and a password: http://user:password@host:port in HTTPS_PROXY or HTTP_PROXY"
    else:
        advice = "check HTTPS_PROXY and base_url, or name the host in NO_PROXY"
    return ConnectionFailed(f"the proxy refused (HTTP {status}); {advice}", sent=False, permanent=permanent)


def unsent(error: ConnectionFailed | BadResponse) -> ConnectionFailed:
    """Marks the failure of a request whose body was not begun: it certainly had no effect."""
    if isinstance(error, BadResponse):  # only the answer of another host may be transient
        error = ConnectionFailed(error.message, permanent=not error.foreign)
    error.sent = False
    return error
