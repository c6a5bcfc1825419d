"""Checks of the service's address: what kind of host it has, and what is wrong with it. Pure functions."""

import difflib
import enum
import ipaddress
from typing import Final
from urllib.parse import urlsplit

import attrs

from kling_async.cli.commands.doctor.checks import QUOTES, Check, Note, State, noted
from kling_async.io.config import BASE_URL
from kling_async.protocol.errors import ConfigurationError
from kling_async.protocol.proxies import is_loopback

BEIJING: Final = "https://api-beijing.klingai.com"
OFFICIAL: Final = {"api-singapore.klingai.com": "outside China", "api-beijing.klingai.com": "in China"}
"""The official hosts, with the region of the accounts whose keys they accept."""
OLD_HOST: Final = "api.klingai.com"
SITES: Final = ("klingai.com", "kling.ai")
"""The vendor's domains: most of their hosts are web sites."""


class Host(enum.Enum):
    """The kind of an address's host."""

    OFFICIAL = "official"
    OLD = "old"
    SITE = "a page of the vendor"
    NEAR = "a mistyped official one"
    LOCAL = "this machine"
    OTHER = "not known"


@attrs.frozen
class Address:
    """The address of the service.

    Attributes:
        url: valid, without a trailing slash.
        source: option or variable that it was read from.
    """

    url: str
    source: str

    @property
    def scheme(self) -> str:
        """`https` or `http`, in lower case."""
        return urlsplit(self.url).scheme

    @property
    def encrypted(self) -> bool:
        """Whether it is https."""
        return self.scheme == "https"

    @property
    def host(self) -> str:
        """The host in lower case, without brackets."""
        return (urlsplit(self.url).hostname or "").rstrip(".")

    @property
    def port(self) -> int:
        """The port, or the scheme's default."""
        return urlsplit(self.url).port or (443 if self.encrypted else 80)

    @property
    def shown(self) -> str:
        """The address as it can be printed: without its path, since a gateway's path may contain a key."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}" + ("/…" if parts.path else "")

    @property
    def kind(self) -> Host:
        """The kind of its host."""
        if self.host in OFFICIAL:
            return Host.OFFICIAL
        if self.host == OLD_HOST:
            return Host.OLD
        if is_loopback(self.host):
            return Host.LOCAL
        if self.meant:
            return Host.NEAR
        return Host.SITE if any(f".{self.host}".endswith(f".{site}") for site in SITES) else Host.OTHER

    @property
    def meant(self) -> str:
        """The official host with nearly the same name; empty if there is none."""
        return next(iter(difflib.get_close_matches(self.host, OFFICIAL, n=1, cutoff=0.85)), "")

    @property
    def takes_key(self) -> bool:
        """Whether the key may be sent there: not to a mistyped host, and not unencrypted to the service."""
        return self.kind is not Host.NEAR and (self.encrypted or self.kind in {Host.LOCAL, Host.OTHER})


def is_literal(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def address(found: Address | ConfigurationError, source: str, raw: str = "") -> Check:
    """Checks the address that requests are sent to, and names the region of its accounts.

    Args:
        found: the address, or why there is none.
        source: option or variable that it was read from.
        raw: value that was read; never shown, since it may be a key in the wrong place.
    """
    if isinstance(found, ConfigurationError):
        quoted = "take the quotes away; " if raw.strip()[:1] in QUOTES and raw.strip() else ""
        return Check("address", State.PROBLEM, f"{source}: {found.message}", quoted + _right_address())
    text = f"{found.shown} ({source})"
    text += ", which is this machine" if found.kind is Host.LOCAL else ""
    notes = _about_host(found)
    if found.kind is Host.OFFICIAL:
        text += f", for accounts made {OFFICIAL[found.host]}"
        if urlsplit(found.url).path:
            notes.append(Note("the service's address has no path", f"use https://{found.host}", State.PROBLEM))
    if not found.encrypted and found.kind is Host.OTHER:
        notes.append(Note("the key travels unencrypted", "use https:// unless you trust the whole way"))
    elif not found.encrypted and found.kind is not Host.LOCAL:
        notes.append(Note("the key would travel unencrypted", "use https://", State.PROBLEM))
    return noted("address", text, notes)


def _about_host(found: Address) -> list[Note]:
    match found.kind:
        case Host.OLD:
            return [Note("the old host, officially replaced", _right_address())]
        case Host.SITE:
            return [Note("a host of the vendor, but not one of the API", _right_address(), State.PROBLEM)]
        case Host.NEAR:
            return [Note("no host of the service", f"did you mean https://{found.meant}?", State.PROBLEM)]
        case Host.OTHER:
            return [Note("no host of the service that is known", "right for a gateway of your own; else correct it")]
        case Host.LOCAL | Host.OFFICIAL:
            return []


def _right_address() -> str:
    return f"use {BASE_URL}, or {BEIJING} for accounts made in China"
