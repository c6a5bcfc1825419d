"""`kling-async doctor` as a whole, against local servers."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme

from kling_async.cli.commands.doctor import probes
from kling_async.emulator import Emulator
from kling_async.io import system
from tests.cli.conftest import Ran, Run, started
from tests.shell.proxy import Proxy
from tests.shell.stub import answer, refusal

API_KEY = "api-key-kling-that-nobody-may-see-0123456789"
PAGE = b"<html><h1>Log in</h1>"
NO_HOST = "no-such-host.invalid"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes proxies and certificate files from the environment."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@contextlib.contextmanager
def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Runs a server on a separate loop; yields its port."""
    writers: list[asyncio.StreamWriter] = []
    handlers: set[asyncio.Task[None]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await handler(reader, writer)
        writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: if cancelled before its first step, it would never record its connection.
        writers.append(writer)
        handlers.add(asyncio.get_running_loop().create_task(handled(reader, writer)))

    async def close() -> None:
        server.close()
        # The loop accepts in separate tasks, and a handshake that ends meanwhile starts another handler.
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await asyncio.sleep(0)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await server.wait_closed()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        starting = asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            asyncio.run_coroutine_threadsafe(close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def answering(raw: bytes, heads: list[str] | None = None) -> Handler:
    """Answers each request with the same bytes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if heads is not None:
            heads.append(head)
        writer.write(raw)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handler


def keeping_open(raw: bytes, heads: list[str]) -> Handler:
    """Answers one request, and waits for the client to close the connection.

    Over TLS that has to be so: aiohttp leaves a connection that the server ends to the loop, which may end before it.
    """

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(raw)
        await reader.read()

    return handler


def refuse(*_: Any, **__: Any) -> str:
    """Raises as jwt does for invalid keys."""
    raise jwt.InvalidKeyError("hidden")


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await reader.read(2**16)
    await asyncio.Event().wait()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def states(ran: Ran) -> dict[str, str]:
    """The state of each check."""
    return {check["name"]: check["state"] for check in ran.data["checks"]}


def text_of(ran: Ran, name: str) -> str:
    """The text and the advice of a check."""
    [check] = [check for check in ran.data["checks"] if check["name"] == name]
    return f"{check['text']} -> {check['advice']}"


def examined(run: Run, raw: bytes, *words: str) -> Ran:
    """The doctor's findings for a server that always answers with `raw`."""
    with listening(answering(raw)) as port:
        return run("doctor", "--json", "--base-url", f"http://127.0.0.1:{port}", *words)


# ------------------------------------------------------------------------------------------------- as it is used


@pytest.mark.usefixtures("service")
def test_all_is_well(run: Run, here: Path) -> None:
    """Against an emulator all checks pass, in one line each; nothing stays in the directory."""
    ran = run("doctor")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split()[:2] for line in lines[:11]] == [
        ["ok", "credentials"],
        ["ok", "address"],
        ["ok", "dns"],
        ["ok", "proxy"],
        ["ok", "connection"],
        ["skipped", "certificate"],
        ["ok", "call"],
        ["skipped", "current"],
        ["ok", "clock"],
        ["ok", "files"],
        ["ok", "place"],
    ]
    assert lines[-1] == "no problems found"
    assert list(here.iterdir()) == []
    assert run("doctor", "-q").out == "ok\n"


def test_beside_the_emulator_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables that `kling-async emulator` prints, all checks pass, and no task is made."""
    with started("emulator", "--json") as process:
        assert process.stdout is not None
        for name, value in json.loads(process.stdout.readline()).items():
            if name.startswith("KLING_"):
                monkeypatch.setenv(name, value)
        ran = run("doctor", "--json")
    assert (ran.code, ran.data["ok"]) == (0, True)
    assert set(states(ran).values()) == {"ok", "skipped"}
    assert states(ran)["current"] == "ok"
    assert "set as well" in text_of(ran, "credentials")


@pytest.mark.usefixtures("key")
def test_the_current_generation(run: Run) -> None:
    """A key that is valid only for legacy paths is a warning, not a problem."""

    async def legacy_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_legacy = (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /v1/")
        writer.write(answer(200, {"code": 0, "data": []}) if is_legacy else refusal(401, 1002, "no such key"))
        await writer.drain()
        writer.close()

    with listening(legacy_alone) as port:
        ran = run("doctor", "--json", "--base-url", f"http://127.0.0.1:{port}")
    assert (states(ran)["call"], states(ran)["current"]) == ("ok", "warning")
    assert "no such key" in text_of(ran, "current")
    assert ran.code == 0


def test_no_key(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key all other checks run; the exit code reports the problem."""
    monkeypatch.delenv("KLING_ACCESS_KEY")
    monkeypatch.delenv("KLING_SECRET_KEY")
    ran = run("doctor", "--json", "--base-url", service.base_url)
    assert (ran.code, ran.data["exit_code"], ran.data["ok"]) == (7, 7, False)
    assert ran.data["message"] == "problems: credentials"
    assert (states(ran)["call"], states(ran)["clock"], states(ran)["place"]) == ("skipped", "ok", "ok")
    assert "no key to try" in text_of(ran, "call")


def test_a_wrong_key(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's message about a key is shown with advice, but not the key."""
    monkeypatch.setenv("KLING_API_KEY", API_KEY)
    ran = run("doctor")
    assert ran.code == 7
    assert "api key not found (code 1002, HTTP 401)" in ran.out
    assert "copy KLING_API_KEY anew" in ran.out
    assert API_KEY not in ran.out + ran.err
    assert service.ledger.created == 0


def test_a_wrong_secret(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret key of another access key is a problem, without warnings of libraries."""
    monkeypatch.setenv("KLING_SECRET_KEY", "short-secret")
    ran = run("doctor")
    assert "signature is invalid" in ran.out
    assert "12 letters only" in ran.out
    assert "HMAC" not in ran.err
    assert service.base_url in ran.out


def test_a_secret_that_cannot_sign(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret key that cannot sign a token fails the call check, and does not end the command."""
    monkeypatch.setenv("KLING_SECRET_KEY", "-----BEGINPUBLICKEY-----hidden-----ENDPUBLICKEY-----")
    monkeypatch.setattr(jwt, "encode", refuse)
    ran = run("doctor", "--json", "--base-url", service.base_url)
    assert (ran.code, states(ran)["place"]) == (7, "ok")
    assert "the call cannot be made with this key (InvalidKeyError)" in text_of(ran, "call")
    assert "hidden" not in ran.out + ran.err


def test_quiet_shows_warnings_and_problems(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-q` shows only warnings and problems."""
    monkeypatch.setenv("KLING_API_KEY", f" {service.api_key}")
    ran = run("doctor", "-q")
    assert ran.code == 0
    assert ran.out.startswith("warning  credentials")
    assert ran.out.count("\n") == 2


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("api-singapore.klingai.com", "must begin with https://"),
        ("https//api-singapore.klingai.com", "must begin with https://"),
        ("https://api-singapore.klingai.com/v1", "must not end in /v1"),
        ("https://user:hidden@api-singapore.klingai.com", "without user"),
        (API_KEY, "must begin with https://"),
        ("https://host:port", "cannot be read"),
    ],
)
def test_an_invalid_address(run: Run, url: str, text: str) -> None:
    """Checks that depend on an invalid address are skipped, the others run."""
    ran = run("doctor", "--json", "--base-url", url)
    assert ran.code == 7
    assert text in text_of(ran, "address")
    assert API_KEY not in ran.out
    assert "hidden" not in ran.out
    assert (states(ran)["dns"], states(ran)["call"], states(ran)["place"]) == ("skipped", "skipped", "ok")


@pytest.mark.parametrize("host", [NO_HOST, f"{'x' * 64}.invalid", "a..invalid"])
def test_an_unknown_name(run: Run, host: str) -> None:
    """A name that does not resolve is reported once; checks that need it are skipped."""
    ran = run("doctor", "--json", "--base-url", f"https://{host}")
    assert ran.code == 7
    assert states(ran)["dns"] == "problem"
    assert host in text_of(ran, "dns")
    assert {states(ran)[name] for name in ("connection", "certificate", "call", "clock")} == {"skipped"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_closed_port(run: Run, host: str) -> None:
    """A port on which nothing listens is reported as the only network problem."""
    ran = run("doctor", "--json", "--base-url", f"http://{host}:{free_port()}")
    assert ran.data["message"] == "problems: credentials, connection"
    assert "nothing listens" in text_of(ran, "connection")


def test_no_step_waits_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that never answers does not block the command, not even its end."""
    monkeypatch.setattr(probes, "STEP_SECONDS", 0.05)
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait())
    ran = run("doctor", "--json")
    forever.set()
    assert "no answer in time" in text_of(ran, "dns")


@pytest.mark.parametrize(
    ("scheme", "step", "name"), [("http", "listed", "call"), ("https", "start_tls", "certificate")]
)
def test_a_host_that_never_answers(
    run: Run, monkeypatch: pytest.MonkeyPatch, scheme: str, step: str, name: str
) -> None:
    """A connection without a response times out."""
    patient = probes._in_time

    async def in_time(work: Any) -> Any:
        if work.__name__ != step:
            return await patient(work)
        async with asyncio.timeout(0.05):
            return await work

    monkeypatch.setattr(probes, "_in_time", in_time)
    with listening(silent) as port:
        ran = run("doctor", "--json", "--base-url", f"{scheme}://127.0.0.1:{port}")
    assert "no answer in time" in text_of(ran, name)


# ------------------------------------------------------------------------------------------------ the call


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """An API key in the environment."""
    monkeypatch.setenv("KLING_API_KEY", API_KEY)
    return API_KEY


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key pair in the environment."""
    monkeypatch.setenv("KLING_ACCESS_KEY", "A" * 32)
    monkeypatch.setenv("KLING_SECRET_KEY", "S" * 32)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (answer(200, PAGE, Content_Type="text/html"), "HTTP 200, text/html: <html><h1>Log in</h1>"),
        (answer(302, b"", Location="https://login.example/in?token=x"), "leads to https://login.example ->"),
        (answer(503, b"busy", Content_Type="text/plain"), "HTTP 503, text/plain: busy"),
        (answer(200, {"code": 200, "data": []}), "something other than the service"),
        (answer(200, [1, 2]), "[1, 2]"),
        (answer(401, {"detail": f"bad {API_KEY}"}), "bad …"),
        (answer(200, b"x" * 100_000), "HTTP 200"),
        (answer(204, b""), "HTTP 204"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "cannot be read"),
        (b"", "broke off"),
    ],
)
def test_something_else_answers(run: Run, raw: bytes, text: str) -> None:
    """A response of another service is shown without secrets, and its clock is not compared."""
    ran = examined(run, raw)
    assert ran.code == 7
    assert text in text_of(ran, "call")
    assert states(ran)["clock"] == "skipped"
    assert API_KEY not in ran.out
    assert "token=x" not in ran.out


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("code", [1000, 1002, 1003, 1004])
def test_a_refused_token(run: Run, code: int) -> None:
    """A key pair whose token is refused, even after a renewal, is a problem."""
    ran = examined(run, refusal(401, code))
    assert ran.data["message"] == "problems: call"
    assert f"code {code}, HTTP 401" in text_of(ran, "call")


@pytest.mark.usefixtures("key")
def test_an_empty_account(run: Run) -> None:
    """The state of the account is shown from the service's message."""
    assert "resource pack" in text_of(examined(run, refusal(429, 1102)), "call")


@pytest.mark.usefixtures("pair")
def test_a_wrong_clock(run: Run) -> None:
    """The clock is compared with the service's response; tokens are corrected as in the client."""
    empty = {"code": 0, "data": []}
    ran = examined(run, answer(200, empty, Date="Tue, 01 Jan 2030 00:00:00 GMT"))
    assert ran.data["message"] == "problems: clock"
    assert "behind the service's" in text_of(ran, "clock")
    assert states(examined(run, answer(200, empty)))["clock"] == "skipped"


def test_no_key_is_sent_to_a_mistyped_host(run: Run, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that resembles an official name is called without the key."""
    real = socket.getaddrinfo

    def here(host: str, *words: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "api-singapor.klingai.com" else host, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    heads: list[str] = []
    with listening(answering(refusal(401, 1002), heads)) as port:
        ran = run("doctor", "--json", "--base-url", f"http://api-singapor.klingai.com:{port}")
    assert "did you mean https://api-singapore.klingai.com?" in text_of(ran, "address")
    assert "no key was sent" in text_of(ran, "call")
    assert len(heads) == 1
    assert key not in heads[0]


# ----------------------------------------------------------------------------------------- certificate and proxy


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that is not trusted by default."""
    return trustme.CA()


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """The server's TLS context, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_an_untrusted_certificate(run: Run, key: str, authority: trustme.CA) -> None:
    """An untrusted certificate is a problem whose advice is SSL_CERT_FILE, and no key is sent."""
    heads: list[str] = []
    with listening(answering(PAGE, heads), certified(authority, "127.0.0.1")) as port:
        ran = run("doctor", "--json", "--base-url", f"https://127.0.0.1:{port}")
    assert ran.data["message"] == "problems: certificate"
    assert "SSL_CERT_FILE" in text_of(ran, "certificate")
    assert states(ran)["call"] == "skipped"
    assert heads == []
    assert key not in ran.out


def test_a_trusted_certificate(run: Run, authority: trustme.CA, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE is used and named; a certificate for another host is a different problem."""
    authority.cert_pem.write_to_path(here / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(here / "ca.pem"))
    for name, state, text in (
        ("127.0.0.1", "ok", "ca.pem), valid until"),
        ("other.example", "problem", "another host"),
    ):
        with listening(answering(PAGE), certified(authority, name)) as port:
            ran = run("doctor", "--json", "--base-url", f"https://127.0.0.1:{port}")
        assert states(ran)["certificate"] == state
        assert text in text_of(ran, "certificate")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_holds_none(
    run: Run, authority: trustme.CA, here: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A certificate file without certificates, which Python ignores silently, is named."""
    if content is not None:
        (here / "ca.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(here / "ca.pem"))
    with listening(answering(PAGE), certified(authority, "127.0.0.1")) as port:
        ran = run("doctor", "--json", "--base-url", f"https://127.0.0.1:{port}")
    assert "ca.pem is no file of certificates" in text_of(ran, "certificate")


def test_no_tls_at_all(run: Run, service: Emulator) -> None:
    """https:// to a plain HTTP server is reported."""
    ran = run("doctor", "--json", "--base-url", service.base_url.replace("http:", "https:"))
    assert "does not speak TLS" in text_of(ran, "certificate")


USER = f"Basic {b64encode(b'user:hidden').decode()}"


@pytest.fixture
def trusted(authority: trustme.CA, here: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The authority, as if SSL_CERT_FILE had named it before Python started."""
    authority.cert_pem.write_to_path(here / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(here / "ca.pem"))
    context = ssl.create_default_context()
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)
    return authority


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_tunnel(
    run: Run, trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    """The certificate is checked and the call is made through the proxy, which resolves the name."""
    heads: list[str] = []
    kept = answer(200, {"code": 0, "data": []}, Connection="keep-alive")
    with listening(keeping_open(kept, heads), certified(trusted, NO_HOST)) as port:
        via = Proxy(to=port)
        with listening(via.serve, certified(trusted, "127.0.0.1") if scheme == "https" else None) as proxy_port:
            monkeypatch.setenv(name, f"{scheme}://user:hidden@127.0.0.1:{proxy_port}")
            ran = run("doctor", "--json", "--base-url", f"https://{NO_HOST}")
    assert {states(ran)[each] for each in ("dns", "proxy", "connection", "certificate", "call")} == {"ok"}
    assert f"127.0.0.1:{proxy_port} ({name})" in text_of(ran, "proxy")
    assert via.seen == [(f"CONNECT {NO_HOST}:443 HTTP/1.1", USER)] * 3  # the certificate check and two calls
    paths = ["/v1/videos/image2video?pageNum=1&pageSize=1", "/tasks?task_ids=0"]
    assert [head.split()[:2] for head in heads] == [["GET", path] for path in paths]
    assert "hidden" not in ran.out + ran.err


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "all_proxy"])
def test_through_a_proxy(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Without TLS the proxy forwards the call."""
    with listening(answering(answer(200, {"code": 0, "data": []}))) as port:
        via = Proxy(to=port)
        with listening(via.serve) as proxy_port:
            monkeypatch.setenv(name, f"user:hidden@127.0.0.1:{proxy_port}")
            ran = run("doctor", "--json", "--base-url", f"http://{NO_HOST}")
    assert {states(ran)[each] for each in ("dns", "proxy", "connection", "call")} == {"ok"}
    paths = ["/v1/videos/image2video?pageNum=1&pageSize=1", "/tasks?task_ids=0"]
    assert via.seen == [(f"GET http://{NO_HOST}{path} HTTP/1.1", USER) for path in paths]
    assert "hidden" not in ran.out + ran.err


def test_a_proxy_whose_certificate_is_not_trusted(
    run: Run, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untrusted certificate is reported as the proxy's, and the proxy gets no request."""
    via = Proxy()
    with listening(via.serve, certified(authority, "127.0.0.1")) as port:
        monkeypatch.setenv("ALL_PROXY", f"https://user:hidden@127.0.0.1:{port}")
        ran = run("doctor", "--json", "--base-url", f"https://{NO_HOST}")
    assert "its certificate: " in text_of(ran, "proxy")
    assert "SSL_CERT_FILE" in text_of(ran, "proxy")
    assert (states(ran)["proxy"], states(ran)["certificate"], via.seen) == ("problem", "skipped", [])


def test_a_proxy_without_tls(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """https:// in the address of a plain proxy is reported."""
    monkeypatch.setenv("HTTPS_PROXY", service.base_url.replace("http:", "https:"))
    ran = run("doctor", "--json", "--base-url", f"https://{NO_HOST}")
    assert "does not speak TLS -> HTTPS_PROXY=http://" in text_of(ran, "proxy")


@pytest.mark.usefixtures("key")
def test_a_proxy_that_requires_credentials(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that requires credentials fails the call, without advice to retry."""
    with listening(answering(answer(407, b"who are you"))) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        ran = run("doctor", "--json", "--base-url", f"http://{NO_HOST}")
    assert "the proxy refused (HTTP 407)" in text_of(ran, "call")
    assert "once more" not in text_of(ran, "call")


def test_a_proxy_that_cannot_be_read(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid proxy address skips all network checks; its password is not shown."""
    monkeypatch.setenv("ALL_PROXY", "http://user:hidden@proxy:port")
    ran = run("doctor", "--json", "--base-url", service.base_url)
    assert ran.data["message"] == "problems: proxy"
    assert "ALL_PROXY cannot be read" in text_of(ran, "proxy")
    assert {states(ran)[name] for name in ("dns", "connection", "certificate", "call", "clock")} == {"skipped"}
    assert "hidden" not in ran.out + ran.err


def test_a_proxy_of_another_kind(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy is ignored, which is reported once; the connection is direct."""
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:hidden@127.0.0.1:{free_port()}")
    ran = run("doctor", "--json", "--base-url", service.base_url)
    assert (ran.code, states(ran)["proxy"], states(ran)["call"]) == (0, "warning", "ok")
    assert text_of(ran, "proxy").count("ALL_PROXY") == 1
    assert (ran.err, "hidden" in ran.out) == ("", False)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (answer(407, b"who are you"), "HTTP 407"),
        (answer(403, PAGE), "HTTP 403"),
        (answer(204, b""), "HTTP 204"),
        (b"220 mail ready\r\n\r\n", "speaks no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", "speaks no HTTP"),
        (b"hello\r\n\r\n", "speaks no HTTP"),
        (b"", "broken off"),
    ],
)
def test_a_proxy_that_does_not_let_through(run: Run, monkeypatch: pytest.MonkeyPatch, raw: bytes, text: str) -> None:
    """A proxy's response that opens no tunnel is shown."""
    with listening(answering(raw)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        ran = run("doctor", "--json", "--base-url", f"https://{NO_HOST}")
    assert text in text_of(ran, "proxy")
    assert states(ran)["connection"] == "skipped"


def test_a_dead_proxy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable proxy is reported as the problem, not the service; NO_PROXY bypasses it."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    ran = run("doctor", "--json", "--base-url", f"https://{NO_HOST}")
    assert "nothing listens" in text_of(ran, "proxy")
    assert (states(ran)["dns"], states(ran)["connection"]) == ("ok", "skipped")
    monkeypatch.setenv("NO_PROXY", "invalid")
    ran = run("doctor", "--json", "--base-url", f"https://{NO_HOST}")
    assert (states(ran)["proxy"], states(ran)["dns"]) == ("ok", "problem")


def test_loopback_goes_to_no_proxy(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator on loopback is reached directly, even if a proxy is set."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    ran = run("doctor", "--json", "--base-url", service.base_url)
    assert (ran.code, states(ran)["proxy"]) == (0, "ok")


# ---------------------------------------------------------------------------------------------- this machine


@pytest.mark.usefixtures("service")
def test_places(run: Run, here: Path) -> None:
    """A directory is checked by creating a file there; a file, /proc and a missing path are problems."""
    (here / "file").touch()
    (here / "out").mkdir()
    for place, state in (
        ("out", "ok"),
        ("file", "problem"),
        ("missing", "problem"),
        ("/proc", "problem"),
        ("\0", "problem"),
    ):
        ran = run("doctor", "--json", "--out", place)
        assert (states(ran)["place"], ran.code) == (state, 0 if state == "ok" else 7)
    assert sorted(path.name for path in here.rglob("*")) == ["file", "out"]


@pytest.mark.usefixtures("service")
def test_few_files(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning does not change the exit code; a problem does."""
    for soft, code in ((128, 0), (32, 7)):
        monkeypatch.setattr(system.HERE, "most_files", lambda soft=soft: (soft, None))
        ran = run("doctor", "--json")
        assert (ran.code, "ulimit -n" in text_of(ran, "files")) == (code, True)
