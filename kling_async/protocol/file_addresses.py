"""Addresses of files: which can be downloaded, and how to put them into a request line unchanged.

The addresses are signed: RFC 3986 allows many spellings of one address, but a signature is valid for only one.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from kling_async.protocol.errors import DownloadError
from kling_async.protocol.redaction import printable

REDIRECTS: Final = 10
"""Maximum number of redirects followed for one file."""
REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
"""HTTP statuses that redirect to their `Location`, if they have one."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_AROUND: Final = "".join(map(chr, range(0x21)))
"""Control characters and the space, which are stripped from the ends of an address."""


class Target(NamedTuple):
    """An address, parsed as far as a request needs it.

    Attributes:
        scheme: `http` or `https`.
        user: the part before the `@`, with the colon; None if there is none.
        host: with the port, unchanged.
        path: with the query, encoded for a request line.
    """

    scheme: str
    user: str | None
    host: str
    path: str


def usable(address: str, scheme: str) -> str:
    """Returns the address to request: characters not allowed in a request line are percent-encoded, all else is kept.

    Args:
        address: as the service or a file host gave it; whitespace around it is ignored.
        scheme: of an address without one, such as `//host/path`.

    Raises:
        DownloadError: its scheme is not http or https, or it has no host.
    """
    target = split(address, scheme)
    user = "" if target.user is None else f"{target.user}@"
    return f"{target.scheme}://{user}{target.host}{target.path}"


def split(address: str, scheme: str = "https") -> Target:
    """Parses an address; arguments and errors as for `usable`."""
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
    """Returns the address to request after a redirect.

    Raises:
        DownloadError: the redirect leads to an address that cannot be downloaded.
    """
    there = location.strip(_AROUND)
    here = split(address)
    if _SCHEME.match(there) or there.startswith("//"):
        return usable(there, here.scheme)
    origin = f"{here.scheme}://{here.host}"  # without the user, which was given for the original address only
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
    """Percent-encodes blanks, controls and non-ASCII characters; bytes of a header that are not UTF-8 are preserved."""
    if path.isascii() and path.isprintable() and " " not in path:  # the usual case
        return path
    return "".join(letter if "!" <= letter <= "~" else _percent(letter) for letter in path)


def _percent(letter: str) -> str:
    code = ord(letter)
    escaped = bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else letter.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in escaped)
