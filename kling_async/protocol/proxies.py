"""Proxies of the environment: which addresses go through which proxy, by the rules of curl and most tools."""

import ipaddress
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import attrs

from kling_async.protocol.auth import SecretStr

_PORTS: Final = {"http": 80, "https": 443}


@attrs.frozen
class Proxies:
    """The proxies of one environment.

    Attributes:
        by_scheme: the address of the proxy for `http` and `https`; never shown, since it may contain a password.
        without: hosts, domains and networks that need no proxy, as in `NO_PROXY`.
        unusable: variables whose proxy is not an HTTP proxy but, for example, SOCKS.
        variables: by scheme, the variable that the proxy was read from.
    """

    by_scheme: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    without: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    variables: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; lower-case names take precedence.

        Raises:
            ValueError: the address of a proxy cannot be parsed; the message names the variable, not the address.
        """
        by_scheme: dict[str, str] = {}
        variables: dict[str, str] = {}
        unusable: list[str] = []
        for scheme in _PORTS:
            name, text = _variable(environment, f"{scheme}_proxy")
            if not text:
                name, text = _variable(environment, "all_proxy")
            if not text:
                continue
            address = _address(name, text)
            if address is None:
                unusable.append(name)
            else:
                by_scheme[scheme], variables[scheme] = address, name
        _, without = _variable(environment, "no_proxy")
        words = tuple(word.lower() for word in without.replace(",", " ").split())
        return cls(by_scheme, words, tuple(dict.fromkeys(unusable)), variables)

    def for_address(self, url: str) -> str | None:
        """The proxy for requests to an address; None if there is none, as for loopback addresses."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        proxy = self.by_scheme.get(parts.scheme)
        if proxy is None or is_loopback(host):
            return None
        port = parts.port or _PORTS[parts.scheme]
        return None if any(_matches(word, host, port) for word in self.without) else proxy

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords in the proxies' addresses."""
        found = (urlsplit(address).password for address in self.by_scheme.values())
        return tuple(dict.fromkeys(SecretStr(unquote(password)) for password in found if password))


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine; `127.evil.com` does not."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _ip(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and (address.is_loopback or address.is_unspecified)


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """The spelling in which a variable is set, and its value without surrounding blanks and quotes."""
    if name in environment:  # also if it is empty: that disables a proxy
        return name, environment[name].strip().strip("\"'")
    # A CGI server puts the `Proxy:` header of its client into HTTP_PROXY.
    if name == "http_proxy" and "REQUEST_METHOD" in environment:
        return name.upper(), ""
    return name.upper(), environment.get(name.upper(), "").strip().strip("\"'")


def _address(name: str, text: str) -> str | None:
    """The address of an HTTP proxy; None for another kind. Without a scheme it is `http://`, as for curl."""
    address = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(address)
        readable = bool(parts.hostname) and parts.port != 0 and address.isprintable() and " " not in address
        for credential in (parts.username, parts.password):
            unquote(credential or "").encode("latin-1")  # basic authentication allows no other characters
    except ValueError:
        parts, readable = urlsplit(""), False
    if not readable:
        raise ValueError(f"{name} cannot be read as the address of a proxy; an example is http://proxy.example:3128")
    return address if parts.scheme in _PORTS else None


def _matches(word: str, host: str, port: int) -> bool:
    """Whether an entry of `NO_PROXY` covers a host.

    An entry is `*`, a domain with its subdomains, an address or a network; a `:port` may follow.
    """
    if word == "*":
        return True
    try:
        network = ipaddress.ip_network(word.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        address = _ip(host)
        return address is not None and address in network
    name, colon, digits = word.rpartition(":")
    if colon and digits.isdecimal():
        if int(digits) != port:
            return False
        return _matches(name, host, port)
    name = word.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
