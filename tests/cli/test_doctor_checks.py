"""Findings of the doctor and the checks that they result in."""

import socket
import ssl
from base64 import b64encode
from typing import Any

import pytest

from kling_async.cli.commands.doctor import call, checks, host, machine, way
from kling_async.cli.commands.doctor.call import CallResult
from kling_async.cli.commands.doctor.checks import Check, State
from kling_async.cli.commands.doctor.host import Address, Host
from kling_async.cli.commands.doctor.machine import Target
from kling_async.cli.commands.doctor.way import Dialled, Proxy, Step, Trust
from kling_async.io.config import credentials_from
from kling_async.protocol.auth import ApiKey, KeyPair
from kling_async.protocol.errors import ConfigurationError, ConnectionFailed, KlingError
from kling_async.protocol.proxies import Proxies
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.responses import listed

OK, WARNING, PROBLEM, SKIPPED = State.OK, State.WARNING, State.PROBLEM, State.SKIPPED

API_KEY = "api-key-kling-0123456789abcdef"
KEY = ApiKey(API_KEY)
ACCESS, SECRET = "A" * 32, "S" * 32
OFFICIAL = Address("https://api-singapore.klingai.com", "the default")
LOCAL = Address("http://127.0.0.1:8000", "KLING_BASE_URL")
OTHER = Address("https://gateway.example", "KLING_BASE_URL")
OTHER_CLEAR = Address("http://gateway.example", "KLING_BASE_URL")


def credentials(environment: dict[str, str]) -> Check:
    """The check of an environment's keys, as the client reads them."""
    found: ApiKey | KeyPair | ConfigurationError
    try:
        found = credentials_from(None, None, None, environment)
    except ConfigurationError as error:
        found = error
    return machine.credentials(environment, found)


@pytest.mark.parametrize(
    ("environment", "state", "text", "advice"),
    [
        ({}, PROBLEM, "no key is set", "KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY"),
        ({"KLING_API_KEY": ""}, PROBLEM, "KLING_API_KEY set, but blank", "developer console"),
        ({"KLING_API_KEY": "  "}, PROBLEM, "KLING_API_KEY set, but blank", "developer console"),
        ({"KLINGAI_API_KEY": "x", "KLING_AK": "y"}, PROBLEM, "none", "KLINGAI_API_KEY and KLING_AK is not read"),
        ({"kling_api_key": "x"}, PROBLEM, "none", "kling_api_key is not read"),
        ({"KLING_API_KEY": API_KEY}, OK, f"an API key of {len(API_KEY)} letters", ""),
        ({"KLING_ACCESS_KEY": ACCESS, "KLING_SECRET_KEY": SECRET}, OK, "an access key and a secret key", ""),
        (
            {"KLING_API_KEY": API_KEY, "KLING_ACCESS_KEY": ACCESS, "KLING_SECRET_KEY": SECRET},
            OK,
            "before KLING_ACCESS_KEY and KLING_SECRET_KEY, set as well",
            "",
        ),
        ({"KLING_ACCESS_KEY": ACCESS}, PROBLEM, "half a pair: KLING_SECRET_KEY is not set", "set it too"),
        ({"KLING_SECRET_KEY": SECRET}, PROBLEM, "half a pair: KLING_ACCESS_KEY is not set", "set it too"),
        ({"KLING_API_KEY": " ", "KLING_SECRET_KEY": SECRET}, PROBLEM, "KLING_API_KEY is set, but blank", "unset it"),
        ({"KLING_API_KEY": "ключ"}, PROBLEM, "letters that no key has", "copy it anew"),
        ({"KLING_API_KEY": f'"{API_KEY}"'}, WARNING, "quotes around", "remove them"),
        ({"KLING_API_KEY": f"'{API_KEY}'"}, WARNING, "quotes around", "remove them"),
        ({"KLING_API_KEY": f"{API_KEY}\r\n"}, WARNING, "blanks or a line's end", "remove them"),
        ({"KLING_API_KEY": f"Bearer {API_KEY}"}, WARNING, "begins with Bearer", "alone"),
        ({"KLING_API_KEY": f"KLING_API_KEY={API_KEY}"}, WARNING, "whole line", "alone"),
        ({"KLING_API_KEY": "<your-api-key-here>"}, WARNING, "placeholder", "your own"),
        ({"KLING_API_KEY": "${KLING_API_KEY_OF_CI}"}, WARNING, "placeholder", "your own"),
        ({"KLING_API_KEY": "api-key-kli"}, WARNING, "11 letters only", "copied whole"),
        ({"KLING_API_KEY": f"eyJ{'a' * 30}.{'b' * 30}.c"}, WARNING, "a token", "secret key"),
        ({"KLING_ACCESS_KEY": API_KEY, "KLING_SECRET_KEY": SECRET}, WARNING, "holds an API key", "KLING_API_KEY"),
        ({"KLING_ACCESS_KEY": ACCESS, "KLING_SECRET_KEY": ACCESS}, WARNING, "the same", "copy the secret key"),
    ],
)
def test_credentials(environment: dict[str, str], state: State, text: str, advice: str) -> None:
    """Oddities of keys are reported, and no key is shown."""
    check = credentials(environment)
    assert (check.name, check.state) == ("credentials", state)
    assert text in check.text
    assert advice in check.advice
    assert bool(check.advice) is bool(advice)
    for value in environment.values():
        shown = value.strip(" \r\n\"'").removeprefix("Bearer ").removeprefix("KLING_API_KEY=")
        assert len(shown) < 3 or shown not in str(check)


@pytest.mark.parametrize(
    ("url", "kind", "state", "text"),
    [
        ("https://api-singapore.klingai.com", Host.OFFICIAL, OK, "outside China"),
        ("https://API-Beijing.klingai.com.", Host.OFFICIAL, OK, "in China"),
        ("HTTPS://api-beijing.klingai.com", Host.OFFICIAL, OK, "in China"),
        ("https://api-singapore.klingai.com/v1/videos", Host.OFFICIAL, PROBLEM, "no path"),
        ("http://api-singapore.klingai.com", Host.OFFICIAL, PROBLEM, "would travel unencrypted"),
        ("https://api.klingai.com", Host.OLD, WARNING, "old host"),
        ("https://klingai.com", Host.SITE, PROBLEM, "not one of the API"),
        ("https://kling.ai/app", Host.SITE, PROBLEM, "not one of the API"),
        ("https://api-singapor.klingai.com", Host.NEAR, PROBLEM, "no host of the service"),
        ("https://api-singapore.klingal.com", Host.NEAR, PROBLEM, "no host of the service"),
        ("https://api-beijing.klingai.cn", Host.NEAR, PROBLEM, "no host of the service"),
        ("http://127.0.0.1:8000", Host.LOCAL, OK, "this machine"),
        ("http://localhost:8000", Host.LOCAL, OK, "this machine"),
        ("http://[::1]:8000", Host.LOCAL, OK, "this machine"),
        ("http://[::ffff:127.0.0.1]:8000", Host.LOCAL, OK, "this machine"),
        ("http://127.evil.com", Host.OTHER, WARNING, "travels unencrypted"),
        ("https://gateway.example/kling/secret-of-mine", Host.OTHER, WARNING, "https://gateway.example/…"),
        ("http://emulator:8000", Host.OTHER, WARNING, "travels unencrypted"),
        ("https://notklingai.com", Host.OTHER, WARNING, "known"),
    ],
)
def test_address(url: str, kind: Host, state: State, text: str) -> None:
    """An address is checked for its host, and for encryption."""
    target = Address(url, "KLING_BASE_URL")
    check = host.address(target, "KLING_BASE_URL")
    assert (target.kind, check.state) == (kind, state)
    assert text in check.text
    assert "secret-of-mine" not in check.text
    assert bool(check.advice) is (state is not OK)


def test_a_mistyped_address_is_corrected() -> None:
    """A host that resembles the official one gets the official one as a suggestion."""
    check = host.address(Address("https://api-bejing.klingai.com", "--base-url"), "--base-url")
    assert "did you mean https://api-beijing.klingai.com?" in check.advice


def test_no_address() -> None:
    """An address that the client refuses is a problem that names its source."""
    check = host.address(ConfigurationError("base_url must begin with https://"), "KLING_BASE_URL")
    assert (check.state, check.text) == (PROBLEM, "KLING_BASE_URL: base_url must begin with https://")
    assert "https://api-singapore.klingai.com" in check.advice


@pytest.mark.parametrize(
    ("url", "takes"),
    [
        ("https://api-singapore.klingai.com", True),
        ("https://gateway.example", True),
        ("http://gateway.example", True),
        ("http://127.0.0.1:1", True),
        ("http://api-singapore.klingai.com", False),
        ("https://api-singapor.klingai.com", False),
    ],
)
def test_where_the_key_goes(url: str, *, takes: bool) -> None:
    """A key is not sent to a mistyped host, nor to the service unencrypted."""
    assert Address(url, "x").takes_key is takes


def test_an_address_in_quotes() -> None:
    """Quotes around the address, which the client's message does not show, are named."""
    check = host.address(ConfigurationError("base_url must begin with https://"), "KLING_BASE_URL", '"https://x"')
    assert "take the quotes away" in check.advice


# ----------------------------------------------------------------------------------------------------- proxy


P, TLS = "http://p:1", "https://u@[::1]"


@pytest.mark.parametrize(
    ("target", "environment", "expected"),
    [
        (OFFICIAL, {}, None),
        (OFFICIAL, {"HTTP_PROXY": P}, None),
        (OFFICIAL, {"HTTPS_PROXY": P}, Proxy("HTTPS_PROXY", P)),
        (OFFICIAL, {"HTTPS_PROXY": "p:1"}, Proxy("HTTPS_PROXY", P)),
        (OFFICIAL, {"HTTPS_PROXY": TLS}, Proxy("HTTPS_PROXY", TLS)),
        (OFFICIAL, {"ALL_PROXY": P}, Proxy("ALL_PROXY", P)),
        (OFFICIAL, {"all_proxy": P, "HTTP_PROXY": TLS}, Proxy("all_proxy", P)),
        (OFFICIAL, {"https_proxy": P, "HTTPS_PROXY": TLS}, Proxy("https_proxy", P)),
        (OFFICIAL, {"https_proxy": "", "HTTPS_PROXY": P}, None),
        (OFFICIAL, {"HTTPS_PROXY": P, "NO_PROXY": "klingai.com"}, None),
        (OFFICIAL, {"HTTPS_PROXY": P, "NO_PROXY": "klingai.com:8443"}, Proxy("HTTPS_PROXY", P)),
        (Address("HTTPS://klingai.com:8443", "x"), {"HTTPS_PROXY": P, "NO_PROXY": "klingai.com:8443"}, None),
        (Address("http://10.1.2.3", "x"), {"HTTP_PROXY": P, "NO_PROXY": "10.0.0.0/8"}, None),
        (OFFICIAL, {"HTTPS_PROXY": "socks5://p:1"}, None),
        (LOCAL, {"HTTP_PROXY": P}, None),
        (Address("http://[::ffff:127.0.0.1]:80", "x"), {"HTTP_PROXY": P}, None),
    ],
)
def test_which_proxy_applies(target: Address, environment: dict[str, str], expected: Proxy | None) -> None:
    """The client's proxy is used, with the variable that sets it."""
    assert way.proxy_for(target, Proxies.of(environment)) == expected


@pytest.mark.parametrize(
    ("address", "host", "port", "shown", "pair"),
    [
        ("http://p", "p", 80, "p:80", None),
        ("http://p:3128", "p", 3128, "p:3128", None),
        ("https://p", "p", 443, "https://p:443", None),
        ("http://[::1]:3128", "::1", 3128, "[::1]:3128", None),
        ("http://u:p%40ss@p:1", "p", 1, "p:1", b"u:p@ss"),
        ("http://u@p:1", "p", 1, "p:1", b"u:"),
        ("http://u:p%C3%A9@p:1", "p", 1, "p:1", b"u:p\xe9"),
    ],
)
def test_a_proxy_s_address(address: str, host: str, port: int, shown: str, pair: bytes | None) -> None:
    """A proxy's address is parsed as in the client, and shown without its user."""
    found = Proxy("HTTPS_PROXY", address)
    assert (found.host, found.port, found.shown) == (host, port, shown)
    assert found.authorization == (f"Basic {b64encode(pair).decode()}" if pair else "")
    assert address not in repr(found)


PROXY = Proxy("HTTPS_PROXY", "http://user:hidden@p:3128")
REFUSED = ConnectionRefusedError(111, "Connection refused")
JANUARY = 1767225600.0  # 2026-01-01


def untrusted(code: int, message: str = "x") -> ssl.SSLCertVerificationError:
    """A certificate that OpenSSL refuses."""
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_code = code
    error.verify_message = message
    return error


def tls_error(reason: str) -> ssl.SSLError:
    """A handshake that went wrong."""
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("dialled", "state", "text", "advice"),
    [
        (Dialled(reached=Step.DONE, proxy_status=200), OK, "p:3128 (HTTPS_PROXY), which accepts the connection", ""),
        (Dialled(reached=Step.CONNECT, error=REFUSED), PROBLEM, "nothing listens", "NO_PROXY"),
        (Dialled(reached=Step.NAME, error=socket.gaierror(-2, "x")), PROBLEM, "no such name", "NO_PROXY"),
        (Dialled(reached=Step.TUNNEL, error=TimeoutError()), PROBLEM, "no answer", "NO_PROXY"),
        (Dialled(reached=Step.TUNNEL, error=ValueError()), PROBLEM, "speaks no HTTP", "NO_PROXY"),
        (Dialled(reached=Step.TUNNEL, proxy_status=407), PROBLEM, "HTTP 407", "=http://USER:PASSWORD@p:3128"),
        (Dialled(reached=Step.TUNNEL, proxy_status=403), PROBLEM, "HTTP 403", "NO_PROXY"),
        (Dialled(reached=Step.TUNNEL, error=untrusted(20, "no issuer")), PROBLEM, "its certificate", "SSL_CERT_FILE"),
        (Dialled(reached=Step.TUNNEL, error=tls_error("WRONG_VERSION_NUMBER")), PROBLEM, "speak TLS", "=http://"),
    ],
)
def test_proxy(dialled: Dialled, state: State, text: str, advice: str) -> None:
    """A proxy is shown without its user, with its problem."""
    check = way.proxy(OFFICIAL, Proxies.of({"HTTPS_PROXY": PROXY.address}), dialled, Trust(), JANUARY)
    assert check.state is state
    assert text in check.text
    assert advice in check.advice
    assert "hidden" not in str(check)


@pytest.mark.parametrize(
    ("target", "environment", "state", "text"),
    [
        (OFFICIAL, {}, OK, "none"),
        (OFFICIAL, {"HTTP_PROXY": P}, OK, "none"),
        (OFFICIAL, {"ALL_PROXY": "socks5://u:hidden@p:1"}, WARNING, "none; ALL_PROXY is not used"),
        (
            OFFICIAL,
            {"HTTPS_PROXY": P, "HTTP_PROXY": "socks5://p:1"},
            WARNING,
            "accepts the connection; HTTP_PROXY is not used",
        ),
        (OFFICIAL, {"HTTPS_PROXY": P, "NO_PROXY": "*"}, OK, "NO_PROXY names"),
        (OTHER_CLEAR, {"HTTP_PROXY": P}, OK, "p:1 (HTTP_PROXY), which listens"),
        (LOCAL, {"HTTP_PROXY": P}, OK, "this machine"),
    ],
)
def test_no_proxy(target: Address, environment: dict[str, str], state: State, text: str) -> None:
    """The reason for no proxy is shown; an unusable one is a warning."""
    check = way.proxy(target, Proxies.of(environment), Dialled(reached=Step.DONE), Trust(), JANUARY)
    assert check.state is state
    assert text in check.text
    assert "hidden" not in str(check)


def test_a_proxy_that_the_client_refuses() -> None:
    """A proxy that the client refuses is a problem with the client's message, which names the variable."""
    check = way.unreadable(ConfigurationError("HTTPS_PROXY cannot be read"))
    assert (check.name, check.state, check.text) == ("proxy", PROBLEM, "HTTPS_PROXY cannot be read")
    assert check.advice


# ------------------------------------------------------------------------------------ name and connection


@pytest.mark.parametrize(
    ("target", "chosen", "dialled", "state", "text"),
    [
        (OFFICIAL, PROXY, Dialled(reached=Step.NAME, error=socket.gaierror(-2, "x")), OK, "left to the proxy"),
        (LOCAL, None, Dialled(reached=Step.DONE, addresses=("127.0.0.1",)), OK, "not needed"),
        (OTHER, None, Dialled(reached=Step.NAME, error=socket.gaierror(-2, "x")), PROBLEM, "no such name"),
        (OFFICIAL, None, Dialled(reached=Step.NAME, error=socket.gaierror(socket.EAI_AGAIN, "x")), PROBLEM, "server"),
        (OFFICIAL, None, Dialled(reached=Step.NAME, error=TimeoutError()), PROBLEM, "no answer"),
        (OTHER, None, Dialled(reached=Step.NAME, error=UnicodeError("label too long")), PROBLEM, "not a name"),
        (OFFICIAL, None, Dialled(reached=Step.CONNECT, addresses=("8.8.8.8", "2600::")), OK, "8.8.8.8, 2600::"),
        (OFFICIAL, None, Dialled(reached=Step.DONE, addresses=("198.18.0.5",)), WARNING, "no public address"),
        (OFFICIAL, None, Dialled(reached=Step.DONE, addresses=("0.0.0.0",)), WARNING, "no public address"),  # noqa: S104  (an answer of a resolver; nothing listens there)
        (OTHER, None, Dialled(reached=Step.DONE, addresses=("10.0.0.1",)), OK, "10.0.0.1"),
    ],
)
def test_dns(target: Address, chosen: Proxy | None, dialled: Dialled, state: State, text: str) -> None:
    """A name resolves or not, and the service's must resolve to public addresses."""
    check = way.dns(target, chosen, dialled)
    assert check.state is state
    assert text in check.text
    assert bool(check.advice) is (state is not OK)


@pytest.mark.parametrize(
    ("target", "chosen", "dialled", "state", "text"),
    [
        (OFFICIAL, None, Dialled(reached=Step.DONE), OK, "port 443"),
        (OFFICIAL, None, Dialled(reached=Step.TLS), OK, "port 443"),
        (OFFICIAL, PROXY, Dialled(reached=Step.DONE), OK, "through p:3128"),
        (OFFICIAL, PROXY, Dialled(reached=Step.CONNECT, error=REFUSED), SKIPPED, "see proxy"),
        (OFFICIAL, None, Dialled(reached=Step.NAME), SKIPPED, "see dns"),
        (OFFICIAL, None, Dialled(reached=Step.CONNECT, error=TimeoutError()), PROBLEM, "no answer"),
        (OFFICIAL, None, Dialled(reached=Step.CONNECT, error=OSError(101, "Network is unreachable")), PROBLEM, "Netw"),
        (LOCAL, None, Dialled(reached=Step.CONNECT, error=REFUSED), PROBLEM, "port 8000: refused: nothing listens"),
    ],
)
def test_connection(target: Address, chosen: Proxy | None, dialled: Dialled, state: State, text: str) -> None:
    """A connection succeeds, or the reason is given once, in the right check."""
    check = way.connection(target, chosen, dialled)
    assert check.state is state
    assert text in check.text


CERTIFIED = Dialled(reached=Step.DONE, certificate={"notAfter": "Jan 31 00:00:00 2026 GMT"})
UNUSABLE = Trust("/none.pem", usable=False)


@pytest.mark.parametrize(
    ("dialled", "trust", "state", "text", "advice"),
    [
        (CERTIFIED, Trust(), OK, "valid until 2026-01-31 (30 days)", ""),
        (CERTIFIED, Trust("/ca.pem"), OK, "(SSL_CERT_FILE=/ca.pem)", ""),
        (CERTIFIED, UNUSABLE, WARNING, "SSL_CERT_FILE=/none.pem", "unset it"),
        (Dialled(reached=Step.TLS, error=untrusted(20)), UNUSABLE, PROBLEM, "SSL_CERT_FILE=/none.pem", "unset it"),
        (Dialled(reached=Step.CONNECT), Trust(), SKIPPED, "no connection", ""),
        (Dialled(reached=Step.TLS, error=untrusted(10)), Trust(), PROBLEM, "clock shows 2026-01-01 00:00", "clock"),
        (Dialled(reached=Step.TLS, error=untrusted(9)), Trust(), PROBLEM, "not valid yet", "clock"),
        (Dialled(reached=Step.TLS, error=untrusted(62)), Trust(), PROBLEM, "another host", "login page"),
        (Dialled(reached=Step.TLS, error=untrusted(20, "no issuer")), Trust(), PROBLEM, "no issuer", "SSL_CERT_FILE"),
        (Dialled(reached=Step.TLS, error=untrusted(19)), Trust("/ca.pem"), PROBLEM, "=/ca.pem", "SSL_CERT_FILE"),
        (Dialled(reached=Step.TLS, error=untrusted(20)), Trust(authorities=0), PROBLEM, "no authority", "ca-cert"),
        (
            Dialled(reached=Step.TLS, error=untrusted(20)),
            Trust(others=("REQUESTS_CA_BUNDLE",)),
            PROBLEM,
            "not trusted",
            "REQUESTS_CA_BUNDLE is set, but not read",
        ),
        (Dialled(reached=Step.TLS, error=tls_error("WRONG_VERSION_NUMBER")), Trust(), PROBLEM, "speak TLS", "http://"),
        (Dialled(reached=Step.TLS, error=ConnectionResetError()), Trust(), PROBLEM, "broken off", "firewall"),
    ],
)
def test_certificate(dialled: Dialled, trust: Trust, state: State, text: str, advice: str) -> None:
    """A certificate is verified, or the problem is named: clock, name, trust, or no TLS."""
    check = way.certificate(OFFICIAL, dialled, trust, JANUARY)
    assert check.state is state
    assert text in check.text
    assert advice in check.advice


def test_a_certificate_that_ends_soon() -> None:
    """A certificate that expires within a week is a warning."""
    check = way.certificate(OFFICIAL, CERTIFIED, Trust(), JANUARY + 25 * 86_400)
    assert (check.state, "(5 days)" in check.text) == (WARNING, True)


def test_no_certificate_without_https() -> None:
    """Without https there is no certificate to check."""
    assert way.certificate(LOCAL, Dialled(reached=Step.DONE), Trust(), JANUARY).state is SKIPPED


# -------------------------------------------------------------------------------------------------- the call


def result_of(status: int, body: bytes | str, credentials: ApiKey | KeyPair | None = KEY, **headers: str) -> CallResult:
    """The result of a call with this response."""
    content = body.encode() if isinstance(body, str) else body
    answer = HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
    error: KlingError | None = None
    try:
        listed(answer, "image2video", lambda _: None)
    except KlingError as caught:
        error = caught
    secrets = frozenset({API_KEY, "short"})
    return CallResult(credentials=credentials, answer=answer, error=error, offset=0.0, secrets=secrets)


def refusal(code: int, message: str = "no") -> str:
    """An error envelope of the service."""
    return f'{{"code": {code}, "message": "{message}", "request_id": "r-1"}}'


PAIR = KeyPair(ACCESS, SECRET)


@pytest.mark.parametrize(
    ("target", "found", "state", "text", "advice"),
    [
        (OFFICIAL, None, SKIPPED, "no connection", ""),
        (OFFICIAL, result_of(200, '{"code": 0, "data": []}'), OK, "the key is right", ""),
        (OFFICIAL, result_of(200, '{"code": 0, "data": [{"task_id": "1"}]}'), OK, "the key is right", ""),
        (
            OFFICIAL,
            result_of(401, refusal(1002, "api key not found")),
            PROBLEM,
            "api key not found (code 1002",
            "beijing",
        ),
        (
            Address("https://api-beijing.klingai.com", "x"),
            result_of(401, refusal(1002, "api key not found")),
            PROBLEM,
            "api key not found",
            "outside China set KLING_BASE_URL=https://api-singapore.klingai.com",
        ),
        (OTHER, result_of(401, refusal(1002)), PROBLEM, "code 1002", "regional"),
        (LOCAL, result_of(401, refusal(1002)), PROBLEM, "code 1002", "`kling-async emulator` printed"),
        (OFFICIAL, result_of(401, refusal(1002), ApiKey(ACCESS)), PROBLEM, "1002", "belongs into KLING_ACCESS_KEY"),
        (OFFICIAL, result_of(401, refusal(1000), PAIR), PROBLEM, "code 1000", "KLING_ACCESS_KEY and KLING_SECRET_KEY"),
        (OFFICIAL, result_of(401, refusal(1003), PAIR), PROBLEM, "code 1003", "clock"),
        (OFFICIAL, result_of(401, refusal(1004)), PROBLEM, "code 1004", "a token that has ended"),
        (OFFICIAL, result_of(429, refusal(1100)), PROBLEM, "code 1100", "the account in the console"),
        (OFFICIAL, result_of(429, refusal(1101)), PROBLEM, "code 1101", "arrears"),
        (OFFICIAL, result_of(429, refusal(1102)), PROBLEM, "code 1102", "resource pack"),
        (OFFICIAL, result_of(403, refusal(1103)), PROBLEM, "code 1103", "no right"),
        (OFFICIAL, result_of(429, refusal(1304)), PROBLEM, "code 1304", "whitelist"),
        (OFFICIAL, result_of(429, refusal(1302)), WARNING, "code 1302", "the key is right"),
        (OFFICIAL, result_of(404, refusal(1202)), PROBLEM, "request_id r-1", "--base-url"),
        (OFFICIAL, result_of(400, refusal(1390)), PROBLEM, "code 1390", "address"),
        (OFFICIAL, result_of(503, refusal(5001)), PROBLEM, "code 5001", "again"),
        (OFFICIAL, result_of(401, refusal(1001), None), SKIPPED, "the service answers; there is no key", ""),
        (
            Address("https://api-singapor.klingai.com", "x"),
            result_of(401, refusal(1001), None),
            SKIPPED,
            "no key was sent to this address",
            "",
        ),
        (
            OFFICIAL,
            result_of(200, "<h1>Log in</h1>", content_type="text/html"),
            PROBLEM,
            "text/html: <h1>Log in",
            "login",
        ),
        (
            OFFICIAL,
            result_of(302, "", location="https://login.example/?back=short"),
            PROBLEM,
            "leads to https://login.example",
            "browser",
        ),
        (OFFICIAL, result_of(407, ""), PROBLEM, "HTTP 407", "USER:PASSWORD"),
        (OFFICIAL, result_of(502, "bad gateway"), PROBLEM, "HTTP 502: bad gateway", "again"),
        (OFFICIAL, result_of(404, '{"code": "task_not_exist"}'), PROBLEM, "task_not_exist", "gateway"),
        (OFFICIAL, result_of(401, '{"error": {"message": "no"}}'), PROBLEM, "something other", "gateway"),
        (OFFICIAL, result_of(200, '{"code": 200, "data": []}'), PROBLEM, "something other", "gateway"),
        (OFFICIAL, result_of(200, b"\xff\x00"), PROBLEM, "HTTP 200", "gateway"),
        (OFFICIAL, CallResult(credentials=None, error=TimeoutError()), PROBLEM, "no answer", "once more"),
        (OFFICIAL, CallResult(credentials=None, error=KlingError("broken off")), PROBLEM, "broken off", "once more"),
    ],
)
def test_call(target: Address, found: CallResult | None, state: State, text: str, advice: str) -> None:
    """Responses of the service are distinguished from all others, and each problem has advice."""
    check = call.call(target, found)
    assert check.state is state
    assert text in check.text
    assert advice in check.advice
    assert bool(check.advice) is (state in {WARNING, PROBLEM})


@pytest.mark.parametrize("code", [1002, 1003, 1101, 1203, 5001])
def test_advice_is_not_repeated(code: int) -> None:
    """The text is the service's message; the advice is the library's general hint, or a better one."""
    check = call.call(OFFICIAL, result_of(401, refusal(code, "its own words")))
    assert check.text == f"its own words (code {code}, HTTP 401), request_id r-1"


def test_no_words_of_the_service() -> None:
    """A refusal without a message gets a text as well."""
    check = call.call(OFFICIAL, result_of(401, refusal(1002, "")))
    assert "gave no reason (HTTP 401) (code 1002" in check.text


def test_retry_is_advised_only_where_it_may_help() -> None:
    """A retry is advised only where the client itself would retry."""
    refused = ConnectionFailed("the proxy refused", permanent=True)
    assert "once more" not in call.call(OFFICIAL, CallResult(credentials=None, error=refused)).advice


@pytest.mark.parametrize(
    "body",
    [f"<p>you sent {API_KEY} and short</p>", refusal(1201, f"{API_KEY} short"), refusal(1002, f"{API_KEY} short")],
)
def test_what_is_repeated_is_redacted(body: str) -> None:
    """Keys that a response repeats are redacted, short ones too."""
    check = call.call(OFFICIAL, result_of(401, body))
    assert "…" in check.text
    assert "short" not in check.text
    assert API_KEY not in check.text


def test_a_foreign_answer_is_cut() -> None:
    """A response of another service is cut to 200 characters."""
    assert len(call.call(OFFICIAL, result_of(200, "ab " * 1000)).text) < 300


@pytest.mark.parametrize(
    ("credentials", "offset", "state", "text", "advice"),
    [
        (PAIR, 0.0, OK, "within 5 s", ""),
        (PAIR, -4.0, OK, "within 5 s", ""),
        (PAIR, 61.0, WARNING, "61 s behind", "corrects its tokens"),
        (PAIR, -61.0, WARNING, "61 s ahead of", "set this machine's clock right"),
        (ApiKey(API_KEY), 61.0, WARNING, "61 s behind", "set this machine's clock right"),
        (PAIR, 90_000.0, PROBLEM, "90000 s behind", "set this machine's clock right"),
        (ApiKey(API_KEY), 90_000.0, WARNING, "90000 s behind", "set this machine's clock right"),
        (PAIR, None, SKIPPED, "no Date", ""),
    ],
)
def test_clock(credentials: ApiKey | KeyPair, offset: float | None, state: State, text: str, advice: str) -> None:
    """A clock that is wrong is a problem only where tokens cannot be corrected for it."""
    answer = HttpResponse(200, {}, b"")
    check = call.clock(CallResult(credentials=credentials, answer=answer, offset=offset))
    assert check.state is state
    assert text in check.text
    assert advice in check.advice


def test_only_the_clock_of_the_service() -> None:
    """The Date of a response that is not the service's is ignored."""
    assert call.clock(result_of(200, "<html>")).state is SKIPPED
    assert call.clock(None).state is SKIPPED


# ----------------------------------------------------------------------------------------------- this machine


@pytest.mark.parametrize(
    ("soft", "hard", "state", "advice"),
    [
        (None, None, OK, ""),
        (1024, 4096, OK, ""),
        (256, 256, OK, ""),
        (128, None, WARNING, "ulimit -n 1024"),
        (128, 200, WARNING, "200"),
        (32, 4096, PROBLEM, "ulimit -n 1024"),
        (0, 0, PROBLEM, "0"),
    ],
)
def test_files(soft: int | None, hard: int | None, state: State, advice: str) -> None:
    """Too few descriptors are reported before a task runs out of them."""
    check = machine.files(soft, hard)
    assert check.state is state
    assert advice in check.advice


@pytest.mark.parametrize(
    ("found", "state", "text"),
    [
        (Target("out", free=2_500_000_000), OK, "2.5 GB"),
        (Target("out"), OK, "made and removed"),
        (Target("out", free=300_000_000), WARNING, "only 300.0 MB"),
        (Target("out", free=1_000), PROBLEM, "only 1 kB"),
        (Target("out", is_there=False), PROBLEM, "no directory"),
        (Target("out", error=PermissionError(13, "Permission denied")), PROBLEM, "Permission denied"),
        (Target("out", error=OSError(28, "No space left on device")), PROBLEM, "No space left"),
        (Target("out", error=TimeoutError()), PROBLEM, "no answer"),
    ],
)
def test_place(found: Target, state: State, text: str) -> None:
    """A directory that is not writable is a problem; little free space is first a warning."""
    check = machine.place(found)
    assert check.state is state
    assert text in check.text


# -------------------------------------------------------------------------------------------------- the lines


LINES = [
    Check("dns", OK, "known"),
    Check("call", PROBLEM, "api key not found " * 6, "https://api-beijing.klingai.com/" + "x" * 60),
    Check("files", WARNING, "few", "more"),
]


def test_lines_fit_a_terminal() -> None:
    """Lines are wrapped with a hanging indent; commands and addresses stay unbroken."""
    lines = checks.as_text(LINES, 80).splitlines()
    assert lines[0] == "ok       dns          known"
    assert lines[1].startswith("PROBLEM  call         api key")
    assert all(len(line) <= 80 for line in lines if "https" not in line)
    assert f"https://api-beijing.klingai.com/{'x' * 60}" in "\n".join(lines)


def test_lines_for_a_file() -> None:
    """Outside a terminal, each text is one line."""
    assert len(checks.as_text(LINES).splitlines()) == 5


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (LINES, "problems: call (worth a look: files)"),
        (LINES[::2], "no problems found (worth a look: files)"),
        (LINES[:1], "no problems found"),
    ],
)
def test_summary(found: list[Check], text: str) -> None:
    """One sentence names the problems, and the checks with warnings."""
    assert checks.summary(found) == text


def test_data() -> None:
    """The JSON has name, state, text and advice of each check."""
    data: list[dict[str, Any]] = checks.as_data(LINES)
    assert data[0] == {"name": "dns", "state": "ok", "text": "known", "advice": None}
