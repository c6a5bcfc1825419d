"""Restricts the emulator's page and its control API to requests of its own site."""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?P<port>:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_NO_ANSWER: Final = {"X-Content-Type-Options": "nosniff"}


class Guard:
    """Refuses requests that a web page of another site makes a browser send to this machine.

    It guards the page at `/` and all of `/_emulator`, which need no credentials. DNS rebinding shows in `Host`, a
    request of another page in `Origin` and `Sec-Fetch-Site`. The API is open to any name, because it does nothing
    without credentials.

    Args:
        host: The address that the emulator listens on.
        others: Further names and addresses of the emulator, for example the name of a compose service.
    """

    def __init__(self, host: str, others: Iterable[str]) -> None:
        self._names = {_plain(name) for name in (host, "localhost", *others)}

    def accepts_host(self, host: str) -> bool:
        """Whether a `Host` header names the emulator; any port is accepted, as it may be mapped."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = _plain(match["name"])
        try:
            return name in self._names or ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    def address(self, request: web.Request) -> str:
        """Returns scheme, host and port by which a request reached the emulator, "" when its `Host` is not known."""
        host = request.headers.get("Host", "")
        return f"http://{host}" if self.accepts_host(host) else ""

    def problem(self, request: web.Request) -> str:
        """Returns why a request is refused, "" if it is not."""
        if request.path != "/" and not request.path.startswith("/_emulator"):
            return ""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not self.accepts_host(hosts[0]):
            return (
                f"this emulator does not answer to the Host {', '.join(hosts)!r}: start it with --allow-host NAME, or "
                "make it with Emulator(allow_hosts=[NAME])"
            )
        origins = request.headers.getall("Origin", [])
        own = {f"{scheme}://{hosts[0]}".lower() for scheme in ("http", "https")}
        if any(origin.lower() not in own for origin in origins):
            return f"this emulator does not answer pages of {', '.join(origins)}"
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site in {"none", "same-origin"} or (request.path, request.method) == ("/", "GET"):
            return ""
        return "this emulator does not answer pages of other sites"

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers a request, or refuses it with 403."""
        if problem := self.problem(request):
            return web.json_response({"error": problem}, status=403, headers=_NO_ANSWER)
        return await handler(request)


def _plain(name: str) -> str:
    """Normalizes a name or an address."""
    name = name.strip("[]").removesuffix(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
