"""Checks of the connection to the service: proxy, name, connection and certificate. Pure functions."""

import enum
import ipaddress
import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import attrs

from kling_async.cli.commands.doctor.checks import Check, Note, State, noted
from kling_async.cli.commands.doctor.host import Address, Host, is_literal
from kling_async.protocol.errors import ConfigurationError
from kling_async.protocol.proxies import Proxies, is_loopback
from kling_async.protocol.redaction import service_text

STEP_SECONDS: Final = 10.0
"""Time limit of each step: a look-up, a connection, a handshake, a call."""
SOON_DAYS: Final = 7


class Step(enum.IntEnum):
    """The steps of a connection."""

    NAME = 0
    CONNECT = 1
    TUNNEL = 2
    TLS = 3
    DONE = 4


# ----------------------------------------------------------------------------------------------------- proxy


@attrs.frozen
class Proxy:
    """The proxy for an address.

    Attributes:
        variable: the environment variable that names it.
        address: of the proxy; never shown, since it may contain a password.
    """

    variable: str
    address: str = attrs.field(repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether the connection to the proxy itself uses TLS."""
        return urlsplit(self.address).scheme == "https"

    @property
    def host(self) -> str:
        """The host, without brackets."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """The port, or the scheme's default."""
        return urlsplit(self.address).port or (443 if self.encrypted else 80)

    @property
    def authorization(self) -> str:
        """The value of `Proxy-Authorization`; empty for an address without a user."""
        parts = urlsplit(self.address)
        if parts.username is None:
            return ""
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return f"Basic {b64encode(pair.encode('latin-1')).decode()}"

    @property
    def shown(self) -> str:
        """The address without user and password."""
        return ("https://" if self.encrypted else "") + self._place

    @property
    def with_user(self) -> str:
        """An example of the address with a user."""
        return f"{'https' if self.encrypted else 'http'}://USER:PASSWORD@{self._place}"

    @property
    def _place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def proxy_for(target: Address, found: Proxies) -> Proxy | None:
    """Returns the proxy that the client uses for an address; None for none.

    Args:
        target: the address.
        found: proxies of the environment.
    """
    address = found.for_address(target.url)
    return None if address is None else Proxy(found.variables[target.scheme], address)


@attrs.frozen(kw_only=True)
class Dialled:
    """The result of connecting to the service.

    Attributes:
        reached: the step at which it ended.
        error: why it ended before `DONE`.
        addresses: that the name (of the proxy, where there is one) resolves to.
        proxy_status: HTTP status of the proxy's answer; None where no tunnel was requested.
        certificate: as `ssl` returns it, once it was verified.
    """

    reached: Step
    error: Exception | None = None
    addresses: tuple[str, ...] = ()
    proxy_status: int | None = None
    certificate: Mapping[str, Any] | None = None


def proxy(target: Address, found: Proxies, dialled: Dialled, trust: "Trust", now: float) -> Check:
    """Checks whether there is a proxy, and whether it lets connections through.

    Args:
        target: the address.
        found: proxies of the environment.
        dialled: the connection.
        trust: certificate authorities that verify an https:// proxy.
        now: seconds since 1970 by this machine's clock.
    """
    instead = f"set {target.scheme.upper()}_PROXY to an http:// proxy if there is no direct way"
    notes = [Note(f"{name} is not used: only http:// and https:// are possible", instead) for name in found.unusable]
    chosen = proxy_for(target, found)
    if chosen is None:
        return noted("proxy", _why_none(target, found), notes)
    text = f"{chosen.shown} ({chosen.variable})"
    if dialled.reached <= Step.TUNNEL:
        return noted("proxy", text, [_refusal(target, chosen, dialled, trust, now), *notes])
    # Without a tunnel nothing was requested from the proxy yet.
    return noted("proxy", f"{text}, which {'accepts the connection' if target.encrypted else 'listens'}", notes)


def _why_none(target: Address, found: Proxies) -> str:
    if is_loopback(target.host):
        return "none: this machine is reached directly"
    if target.scheme in found.by_scheme:
        return f"none for this address: NO_PROXY names {target.host}"
    return "none"


def _refusal(target: Address, chosen: Proxy, dialled: Dialled, trust: "Trust", now: float) -> Note:
    error, status = dialled.error, dialled.proxy_status
    text = f"it answered HTTP {status}" if status else why(error)
    advice = f"correct {chosen.variable}, or put {target.host} into NO_PROXY if it can be reached directly"
    if status == 407:
        advice = f"it needs a user: {chosen.variable}={chosen.with_user}"
    elif isinstance(error, ssl.SSLError):
        text, advice = _untrusted(error, trust, now)
        if isinstance(error, ssl.SSLCertVerificationError):
            text = f"its certificate: {text}"
        elif error.reason in _NO_TLS:
            advice = f"{chosen.variable}=http://..., which most proxies need, for https:// addresses too"
    return Note(text, advice, State.PROBLEM)


def unreadable(error: ConfigurationError) -> Check:
    """Returns the check for proxies of the environment that the client refuses."""
    return Check("proxy", State.PROBLEM, error.message, "correct it, or unset it")


# ------------------------------------------------------------------------------------------------- connection


def dns(target: Address, chosen: Proxy | None, dialled: Dialled) -> Check:
    """Checks whether the name resolves, and to which addresses."""
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
    """Checks whether something listens at the address."""
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
    """The certificate authorities that are trusted.

    Attributes:
        file: value of SSL_CERT_FILE; empty where it is not set.
        usable: whether that file can be read, and contains certificates.
        authorities: number of authorities, at least.
        others: variables of other programs for such a file, which are set but not read here.
    """

    file: str = ""
    usable: bool = True
    authorities: int = 1
    others: tuple[str, ...] = ()


def certificate(target: Address, dialled: Dialled, trust: Trust, now: float) -> Check:
    """Checks the certificate of the host.

    Args:
        target: the address.
        dialled: the connection.
        trust: certificate authorities that verify it.
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
    return Check("certificate", State.WARNING, text, "the operator of the host must renew it")


def _ends(verified: Mapping[str, Any] | None) -> float | None:
    text = (verified or {}).get("notAfter")
    return float(ssl.cert_time_to_seconds(text)) if text else None


# Numbers of OpenSSL's X509_V_ERR_*.
_TIMES: Final = {9: "is not valid yet", 10: "has ended"}
_NAMES: Final = {62, 64}
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}


def _untrusted(error: Exception | None, trust: Trust, now: float) -> tuple[str, str]:
    """Returns what is wrong with a handshake, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
            return "what answers does not speak TLS", "look at the port; an emulator's address begins with http://"
        return f"the handshake failed: {why(error)}", "a firewall, filter or VPN may stand in between"
    if error.verify_code in _TIMES:
        today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"
        return (
            f"it {_TIMES[error.verify_code]}; this machine's clock shows {today}",
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
    """Returns what stopped a connection, as text."""
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
            return service_text(error.strerror) or service_text(str(error)) or type(error).__name__
        case _:
            return "what answers speaks no HTTP"
