"""Addresses of files: which can be fetched, and how they go into a request line without being changed.

They are signed: RFC 3986 allows many spellings of one address, and a signature holds for one of them.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from kling_async.protocol.errors import DownloadError
from kling_async.protocol.redaction import printable

REDIRECTS: Final = 10
"""Redirects followed for one file at most."""
REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
"""HTTP statuses that lead elsewhere, where a `Location` says where to."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_AROUND: Final = "".join(map(chr, range(0x21)))
"""Controls and the space: what may stand around an address by mistake."""


class Target(NamedTuple):
    """An address, taken apart as far as a request needs it.

    Attributes:
        scheme: `http` or `https`.
        user: what stands before the `@`, with the colon; None where there is none.
        host: with the port, as it came.
        path: with the query, as a request line can hold it.
    """

    scheme: str
    user: str | None
    host: str
    path: str


def usable(address: str, scheme: str) -> str:
    """The address as it goes out: what a request line cannot hold is percent-encoded, nothing else is changed.

    Args:
        address: as the service or a file host gave it; blanks and line ends around it do not count.
        scheme: that `//host/path` takes.

    Raises:
        DownloadError: it has another scheme than http and https, or no host.
    """
    target = split(address, scheme)
    user = "" if target.user is None else f"{target.user}@"
    return f"{target.scheme}://{user}{target.host}{target.path}"


def split(address: str, scheme: str = "https") -> Target:
    """Takes an address apart; otherwise as `usable`."""
    text = address.strip(_AROUND)
    if text.startswith("//"):
        text = f"{scheme}:{text}"
    given, colon, rest = text.partition(":")
    if given.lower() not in {"http", "https"} or not colon:
        named = f"begins with {printable(given, 20)}:" if _SCHEME.match(text) else "names no scheme"
        raise DownloadError(f"the file's address {named}, and only http:// and https:// can be fetched")
    authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0] if rest.startswith("//") else ""
    user, at, host = authority.rpartition("@")
    path = rest[2 + len(authority) :].partition("#")[0]
    try:
        parts = urlsplit(f"//{host}")
        if not parts.hostname or parts.port == 0 or re.search(r"[\s\\\0-\x1f\x7f]", host):
            raise ValueError
    except ValueError:
        raise DownloadError("the file's address names no host that could be asked") from None
    return Target(given.lower(), user if at else None, host, _quoted(path if path.startswith("/") else f"/{path}"))


def redirected(address: str, location: str) -> str:
    """Where a redirect from an address leads to, as it goes out.

    Raises:
        DownloadError: it leads to what cannot be fetched.
    """
    there = location.strip(_AROUND)
    here = split(address)
    if _SCHEME.match(there) or there.startswith("//"):
        return usable(there, here.scheme)
    origin = f"{here.scheme}://{here.host}"  # without the user: it was given for that one address
    path = here.path.partition("?")[0]
    if there.startswith("/"):
        path = there
    elif there.startswith("?"):
        path += there
    elif there.startswith("#") or not there:
        path = here.path
    else:
        path = urljoin(path, there)
    return usable(origin + path, here.scheme)


def _quoted(path: str) -> str:
    """Percent-encodes blanks, controls and what is not ASCII; a byte that was no UTF-8 in a header stays that byte."""
    if path.isascii() and path.isprintable() and " " not in path:  # as nearly all are
        return path
    return "".join(letter if "!" <= letter <= "~" else _percent(letter) for letter in path)


def _percent(letter: str) -> str:
    code = ord(letter)
    escaped = bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else letter.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in escaped)
