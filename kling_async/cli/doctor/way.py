"""The way to the service: proxy, name, connection and certificate. Values in, values out."""

import enum
import ipaddress
import socket
import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import attrs

from kling_async.cli.doctor.checks import Check, Note, State, noted
from kling_async.cli.doctor.host import Address, Host, is_literal
from kling_async.protocol.text import said

STEP_SECONDS: Final = 10.0
"""The longest that one step may take: a look-up, a connection, a handshake, a call."""
SOON_DAYS: Final = 7


class Step(enum.IntEnum):
    """How far a connection came."""

    NAME = 0
    CONNECT = 1
    TUNNEL = 2
    TLS = 3
    DONE = 4


# ----------------------------------------------------------------------------------------------------- proxy


@attrs.frozen
class Proxy:
    """The proxy that the environment names for an address.

    Attributes:
        variable: the name of the environment variable.
        scheme: of its address; only `http` is spoken.
        host: empty where the address cannot be read.
        port: of it.
        user: `user:password`, or empty; never shown.
    """

    variable: str
    scheme: str
    host: str
    port: int
    user: str = attrs.field(default="", repr=False)

    @property
    def usable(self) -> bool:
        """Whether it can be spoken to."""
        return self.scheme == "http" and bool(self.host)

    @property
    def shown(self) -> str:
        """Without user and password."""
        return f"{self.host}:{self.port}"


def proxy_for(target: Address, proxies: Mapping[str, str], *, bypassed: bool, names: Collection[str]) -> Proxy | None:
    """Which proxy applies; loopback never goes to one.

    Args:
        target: the address.
        proxies: by scheme, as `urllib` reads the environment.
        bypassed: whether NO_PROXY names the host.
        names: of the environment's variables.
    """
    scheme = "https" if target.encrypted else "http"
    text = proxies.get(scheme, "").strip()
    if not text or bypassed or target.kind is Host.LOCAL:
        return None
    spellings = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    variable = next((name for name in spellings if name in names), spellings[1])
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return Proxy(variable, "", "", 0)
    user = ":".join(unquote(part) for part in (parts.username, parts.password) if part is not None)
    return Proxy(variable, parts.scheme, host, port, user)


@attrs.frozen(kw_only=True)
class Dialled:
    """A connection to the service as it was tried.

    Attributes:
        reached: the step at which it ended.
        error: why it ended before `DONE`.
        addresses: what the name (of the proxy, where there is one) stands for.
        proxy_status: HTTP status by which the proxy answered; None where it was not asked.
        certificate: as `ssl` shows it, once it was verified.
    """

    reached: Step
    error: Exception | None = None
    addresses: tuple[str, ...] = ()
    proxy_status: int | None = None
    certificate: Mapping[str, Any] | None = None


def proxy(target: Address, chosen: Proxy | None, dialled: Dialled, proxies: Mapping[str, str]) -> Check:
    """Whether there is one in between, and whether it lets through."""
    if chosen is None:
        return _no_proxy(target, proxies)
    if not chosen.usable:
        place = chosen.shown if chosen.host else "host:port"
        return Check(
            "proxy",
            State.PROBLEM,
            f"{chosen.variable} names no http:// proxy, which is the only kind that is spoken",
            f"{chosen.variable}=http://{place}",
        )
    text = f"{chosen.shown} ({chosen.variable})"
    if dialled.reached > Step.TUNNEL:
        return Check("proxy", State.OK, f"{text}, which lets through")
    refusal = f"it answered HTTP {dialled.proxy_status}" if dialled.proxy_status else why(dialled.error)
    advice = f"correct {chosen.variable}, or put {target.host} into NO_PROXY if it can be reached directly"
    if dialled.proxy_status == 407:
        advice = f"it asks for a user: {chosen.variable}=http://USER:PASSWORD@{chosen.shown}"
    return Check("proxy", State.PROBLEM, f"{text}: {refusal}", advice)


def _no_proxy(target: Address, proxies: Mapping[str, str]) -> Check:
    scheme = "https" if target.encrypted else "http"
    if target.kind is Host.LOCAL:
        return Check("proxy", State.OK, "none: this machine is reached directly")
    if proxies.get(scheme):
        return Check("proxy", State.OK, f"none for this address: NO_PROXY names {target.host}")
    if proxies.get("all"):
        return noted(
            "proxy", "none", [Note("ALL_PROXY is not read", f"set {scheme.upper()}_PROXY if there is no direct way")]
        )
    return Check("proxy", State.OK, "none")


# ------------------------------------------------------------------------------------------------- connection


def dns(target: Address, chosen: Proxy | None, dialled: Dialled) -> Check:
    """Whether the name is known, and what it stands for."""
    if chosen:
        return Check("dns", State.OK, f"left to the proxy: it looks up {target.host}")
    if is_literal(target.host):
        return Check("dns", State.OK, "not needed: the address names no host")
    if dialled.reached is Step.NAME:
        at = "network, VPN and name server" if target.kind is Host.OFFICIAL else "spelling of the address"
        advice = f"look at the {at}"
        return Check("dns", State.PROBLEM, f"{target.host}: {why(dialled.error)}", advice)
    shown = ", ".join(dialled.addresses[:3])
    text = f"{target.host} is {shown}" + (" and more" if len(dialled.addresses) > 3 else "")
    if target.kind is Host.OFFICIAL and any(ipaddress.ip_address(each).is_private for each in dialled.addresses):
        advice = "if the call fails, look at the hosts file, the VPN, and filters of names"
        return noted("dns", text, [Note("no public address", advice)])
    return Check("dns", State.OK, text)


def connection(target: Address, chosen: Proxy | None, dialled: Dialled) -> Check:
    """Whether something listens."""
    if dialled.reached > Step.TUNNEL:
        way = f" through {chosen.shown}" if chosen else ""
        return Check("connection", State.OK, f"{target.host} port {target.port}{way}")
    if dialled.reached is Step.NAME or chosen:
        return Check("connection", State.SKIPPED, f"see {'proxy' if chosen else 'dns'}")
    advice = "look at the network, VPN and firewall; a company's network may need HTTPS_PROXY"
    if target.kind is Host.LOCAL:
        advice = "start what should listen there (`kling-async emulator` prints its address), or correct the address"
    elif target.port not in {80, 443}:
        advice = f"look at the port in the address; {advice}"
    return Check("connection", State.PROBLEM, f"{target.host} port {target.port}: {why(dialled.error)}", advice)


@attrs.frozen
class Trust:
    """Which certificates of authorities are trusted.

    Attributes:
        file: what SSL_CERT_FILE says; empty where it is not set.
        usable: whether that file can be read, and holds certificates.
        authorities: how many there are, at least.
        others: variables of other programs for the same, which are set and not read here.
    """

    file: str = ""
    usable: bool = True
    authorities: int = 1
    others: tuple[str, ...] = ()


def certificate(target: Address, dialled: Dialled, trust: Trust, now: float) -> Check:
    """Whether the host proves to be the one that is meant.

    Args:
        target: the address.
        dialled: the connection.
        trust: what proves it.
        now: seconds since 1970 by this machine's clock.
    """
    if not target.encrypted:
        return Check("certificate", State.SKIPPED, "http:// has none")
    if not trust.usable:
        state = State.WARNING if dialled.reached is Step.DONE else State.PROBLEM
        text = f"SSL_CERT_FILE={trust.file} is no file of certificates (PEM) that can be read"
        return Check("certificate", state, text, "correct it, or unset it to trust what the system trusts")
    if dialled.reached < Step.TLS:
        return Check("certificate", State.SKIPPED, "no connection")
    by = f" (SSL_CERT_FILE={trust.file})" if trust.file else ""
    if dialled.reached is Step.TLS:
        text, advice = _untrusted(dialled.error, trust, now)
        return Check("certificate", State.PROBLEM, f"{text}{by}", advice)
    ends = _ends(dialled.certificate)
    if ends is None:
        return Check("certificate", State.OK, f"verified{by}")
    days = int((ends - now) // 86_400)
    text = f"verified{by}, valid until {datetime.fromtimestamp(ends, UTC):%Y-%m-%d} ({days} days)"
    if days >= SOON_DAYS:
        return Check("certificate", State.OK, text)
    return Check("certificate", State.WARNING, text, "it must be renewed by those that run the host")


def _ends(verified: Mapping[str, Any] | None) -> float | None:
    text = (verified or {}).get("notAfter")
    return float(ssl.cert_time_to_seconds(text)) if text else None


# Numbers of OpenSSL's X509_V_ERR_*.
_TIMES: Final = {9: "is not valid yet", 10: "has ended"}
_NAMES: Final = {62, 64}


def _untrusted(error: Exception | None, trust: Trust, now: float) -> tuple[str, str]:
    """What is wrong with a handshake, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        if isinstance(error, ssl.SSLError) and error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
            return "what answers does not speak TLS", "look at the port; an emulator's address begins with http://"
        return f"the handshake failed: {why(error)}", "a firewall, filter or VPN may stand in between"
    if error.verify_code in _TIMES:
        today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"
        return (
            f"it {_TIMES[error.verify_code]}; this machine's clock says {today}",
            "set the clock right if it is wrong",
        )
    if error.verify_code in _NAMES:
        return "it belongs to another host", "look at the address; a login page of the network may answer in its place"
    if not trust.authorities:
        advice = "install ca-certificates (in a container), run `Install Certificates.command` (macOS), "
        return "this Python trusts no authority at all", f"{advice}or set SSL_CERT_FILE to a file of certificates (PEM)"
    advice = "if the network inspects TLS (a company's proxy, a virus scanner), set SSL_CERT_FILE to a file (PEM) with "
    advice += "its certificate and the public ones"
    if trust.others:
        advice += f"; {' and '.join(trust.others)} is set, but not read here"
    return f"its issuer is not trusted: {error.verify_message}", advice


def why(error: Exception | None) -> str:
    """What stopped a connection, in words."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return "no name server answers"
        case socket.gaierror():
            return "there is no such name"
        case UnicodeError():
            return "not a name that a host can have"
        case ConnectionRefusedError():
            return "refused: nothing listens there"
        case ConnectionError() | EOFError():
            return "the connection was broken off"
        case OSError():
            return said(error.strerror) or said(str(error)) or type(error).__name__
        case _:
            return "what answers speaks no HTTP"
