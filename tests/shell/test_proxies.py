"""Proxies, certificates and everything else between a client and the service."""

import asyncio
import base64
import contextlib
import logging
import os
import socket
import ssl
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme

from kling_async import ConnectionFailed, KlingClient, KlingError, Retry, TaskNotFound
from kling_async.io.transport import Transport
from kling_async.protocol.auth import ApiKey, mint
from kling_async.protocol.proxies import Proxies
from kling_async.protocol.wire.requests import HttpRequest
from tests.shell.conftest import ClientMaker
from tests.shell.proxy import proxy
from tests.shell.stub import Seen, Stub, answer, refusal, serve, task_answer

API = "http://api.kling.test"
TLS = "https://api.kling.test"
PASSWORD = "pass" + "word-of-the-proxy"  # in two, since tracebacks show source lines


def port_of(stub: Stub) -> int:
    """The port of a stub."""
    return int(stub.base_url.rpartition(":")[2])


async def sent(base_url: str, proxies: dict[str, str], session: aiohttp.ClientSession | None = None) -> int:
    """Sends one create with a new transport; returns the HTTP status."""
    transport = Transport(base_url, session, Proxies.of(proxies))
    request = HttpRequest("POST", "/v1/videos/image2video", body=(b'{"prompt":"x"}',))
    try:
        return (await transport.send(request, mint(ApiKey("the-key"), 0).header)).status
    finally:
        await transport.close()


# ------------------------------------------------------------------------------------------------ plain


async def test_the_client_uses_the_proxy(make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that only the proxy can resolve is reached by HTTP_PROXY."""
    async with serve(lambda _: task_answer()) as stub, proxy(port_of(stub)) as via:
        monkeypatch.setenv("HTTP_PROXY", via.url)
        task = await make_client(base_url=API).get_task("image2video:1")
    assert task.task_id == "1"
    assert via.seen == [(f"GET {API}/v1/videos/image2video/1 HTTP/1.1", "")]
    assert stub.seen[0].headers["host"] == "api.kling.test"


async def test_this_machine_is_reached_directly(make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to this machine use no proxy, whatever the variables contain."""
    async with serve(lambda _: task_answer()) as stub, proxy(port_of(stub)) as via:
        monkeypatch.setenv("HTTP_PROXY", via.url)
        await make_client(base_url=stub.base_url).get_task("image2video:1")
    assert via.seen == []


async def test_files_come_through_the_proxy(
    make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file host is reached through the proxy as well, and gets no credentials."""

    def respond(seen: Seen) -> bytes:
        if seen.path.startswith("/v1/"):
            return task_answer("succeed", task_result={"videos": [{"id": "v", "url": "http://files.kling.test/f.mp4"}]})
        return answer(404, b"gone")

    async with serve(respond) as stub, proxy(port_of(stub)) as via:
        monkeypatch.setenv("HTTP_PROXY", via.url)
        with pytest.raises(KlingError):
            await make_client(base_url=API, retry=Retry(budget=1)).attach("image2video:1").save(tmp_path / "a.mp4")
    files = [seen for seen in stub.seen if seen.headers["host"] == "files.kling.test"]
    assert files
    assert not any("authorization" in seen.headers for seen in files)
    assert "GET http://files.kling.test/f.mp4 HTTP/1.1" in [line for line, _ in via.seen]


async def test_a_proxy_gets_its_password(caplog: pytest.LogCaptureFixture) -> None:
    """User and password of the proxy's URL are sent to the proxy, and are not shown."""
    caplog.set_level(logging.DEBUG)
    async with serve(lambda _: task_answer()) as stub, proxy(port_of(stub)) as via:
        assert await sent(API, {"HTTP_PROXY": f"http://me:s%40cret@127.0.0.1:{via.port}"}) == 200
    assert via.seen[0][1] == f"Basic {base64.b64encode(b'me:s@cret').decode()}"
    assert "proxy-authorization" not in stub.seen[0].headers
    assert "cret" not in caplog.text


async def test_an_answer_that_repeats_the_proxys_password(
    make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a proxy repeats its password or the key, no error contains them."""
    words = refusal(400, 1200, "bad header: me:s3cret-password, key the-key-of-the-account")
    async with serve(lambda _: words) as stub, proxy(port_of(stub)) as via:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:s3cret-password@127.0.0.1:{via.port}")
        with pytest.raises(KlingError, match="bad header") as caught:
            await make_client(base_url=API, api_key="the-key-of-the-account").get_task("image2video:1")
    assert "s3cret-password" not in str(caught.value)
    assert "the-key-of-the-account" not in str(caught.value)


# -------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The CA of this file's servers."""
    return trustme.CA()


@contextlib.asynccontextmanager
async def tls(authority: trustme.CA, name: str = "api.kling.test", says: bytes = task_answer()) -> AsyncIterator[int]:
    """A server with a certificate for this name, which finds one task or sends other bytes; yields its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(says)
            await writer.drain()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def sending(text: bytes) -> AsyncIterator[int]:
    """A server that sends the same bytes at once on each connection; yields its port."""

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            writer.write(text)
            await ends.wait()

    ends = asyncio.Event()
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ends.set()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)  # the handlers end


def trusting(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trusts the authority, as if SSL_CERT_FILE had named it before Python started."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)


async def test_a_tunnel_leads_to_the_service(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """An https:// URL is reached by CONNECT; the proxy sees the host and no key."""
    trusting(authority, monkeypatch)
    async with tls(authority) as port, proxy(port) as via:
        assert await sent(TLS, {"HTTPS_PROXY": f"http://me:secret@127.0.0.1:{via.port}"}) == 200
    assert via.seen == [("CONNECT api.kling.test:443 HTTP/1.1", f"Basic {base64.b64encode(b'me:secret').decode()}")]


@pytest.mark.parametrize("through", [True, False], ids=["through a proxy", "directly"])
async def test_a_certificate_that_cannot_be_verified(authority: trustme.CA, *, through: bool) -> None:
    """An unverified certificate is a permanent error that names SSL_CERT_FILE; nothing was sent."""
    name = "api.kling.test" if through else "127.0.0.1"
    async with tls(authority, name) as port, proxy(port) as via:
        base_url = TLS if through else f"https://127.0.0.1:{port}"
        with pytest.raises(ConnectionFailed, match=f"{name} cannot be verified.*SSL_CERT_FILE") as caught:
            await sent(base_url, {"HTTPS_PROXY": via.url})
    assert (caught.value.sent, caught.value.permanent) == (False, True)


async def test_a_certificate_for_another_name(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the mismatch of the certificate."""
    trusting(authority, monkeypatch)
    async with tls(authority, "other.kling.test") as port, proxy(port) as via:
        with pytest.raises(ConnectionFailed, match=r"Hostname mismatch.*'api\.kling\.test'") as caught:
            await sent(TLS, {"HTTPS_PROXY": via.url})
    assert caught.value.permanent


ASK = """
import asyncio, sys, kling_async
async def ask():
    async with kling_async.KlingClient(api_key="k", base_url=sys.argv[1]) as kling:
        print((await kling.get_task("image2video:1")).task_id)
asyncio.run(ask())
"""


async def test_ssl_cert_file_is_what_helps(authority: trustme.CA, tmp_path: Path) -> None:
    """SSL_CERT_FILE works as the message advises, in a separate process, since it is read at its start."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    async with tls(authority) as port, proxy(port) as via:
        environment = os.environ | {"SSL_CERT_FILE": str(tmp_path / "authority.pem"), "HTTPS_PROXY": via.url}
        command = (sys.executable, "-c", ASK, TLS)
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
        assert (await process.communicate())[0] == b"1\n"


async def test_https_for_a_server_without_tls() -> None:
    """https:// for a server of http:// is an error that advises to change the URL."""
    async with sending(b"HTTP/1.1 400 No\r\n\r\n") as port:
        with pytest.raises(ConnectionFailed, match=r"wrong version|record layer|http request") as caught:
            await sent(f"https://127.0.0.1:{port}", {})
    assert (caught.value.sent, caught.value.permanent) == (False, True)


# ------------------------------------------------------------------------------------- proxies that fail


def refused(status: int) -> bytes:
    """A response of the proxy itself."""
    return answer(status, b"<html>no", Content_Type="text/html", Proxy_Authenticate='Basic realm="x"')


@pytest.mark.parametrize("base_url", [API, TLS])
async def test_a_proxy_that_requires_a_password(base_url: str) -> None:
    """407 raises a permanent error that names where the password goes; nothing was sent."""
    async with proxy(answer=refused(407)) as via:
        with pytest.raises(ConnectionFailed, match=r"407.*user:password.*HTTPS_PROXY") as caught:
            await sent(base_url, {"ALL_PROXY": via.url.replace("//", f"//me:{PASSWORD}@")})
    assert (caught.value.sent, caught.value.permanent) == (False, True)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


async def test_a_407_through_the_tunnel_is_not_the_proxys(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 407 through the tunnel is a response to the request, which was sent."""
    trusting(authority, monkeypatch)
    async with tls(authority, says=refused(407)) as port, proxy(port) as via:
        assert await sent(TLS, {"HTTPS_PROXY": via.url}) == 407


@pytest.mark.parametrize(("status", "permanent"), [(502, False), (503, False), (504, False), (429, False), (403, True)])
async def test_a_tunnel_that_is_refused(status: int, *, permanent: bool) -> None:
    """Any refusal of CONNECT means that nothing was sent."""
    async with proxy(answer=refused(status)) as via:
        with pytest.raises(ConnectionFailed, match=f"the proxy refused .HTTP {status}") as caught:
            await sent(TLS, {"HTTPS_PROXY": via.url})
    assert (caught.value.sent, caught.value.permanent) == (False, permanent)


@pytest.mark.parametrize("junk", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\nnot TLS at all, but some text"])
async def test_a_tunnel_that_leads_nowhere(junk: bytes) -> None:
    """If a proxy breaks off or sends other bytes, no byte of the request was sent."""
    async with proxy(answer=junk) as via:
        with pytest.raises(ConnectionFailed) as caught:
            await sent(TLS, {"HTTPS_PROXY": via.url})
    assert not caught.value.sent


async def test_a_proxy_that_never_answers() -> None:
    """A silent proxy is a connection timeout, not a response timeout: nothing was sent."""
    async with sending(b"") as port:
        with pytest.raises(ConnectionFailed, match="no connection in time") as caught:
            await sent(TLS, {"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    assert not caught.value.sent


@pytest.mark.parametrize("base_url", [API, TLS])
async def test_a_proxy_that_is_not_there(base_url: str) -> None:
    """The message names the variables and not the password."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionFailed, match=r"no connection to the proxy 127\.0\.0\.1.*HTTPS_PROXY") as caught:
        await sent(base_url, {"ALL_PROXY": f"http://me:{PASSWORD}@127.0.0.1:{port}"})
    assert (caught.value.sent, caught.value.permanent) == (False, False)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


# ------------------------------------------------------------------------------------------- ~/.netrc


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.netrc` with passwords for this machine and a default."""
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login me password pw\ndefault login me password pw\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


async def saved(client: KlingClient, target: Path) -> None:
    """Tries to save a task's file."""
    with pytest.raises(KlingError):
        await client.attach("image2video:1").save(target)


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("lent", [False, True])
async def test_passwords_of_netrc_go_nowhere(
    make_client: ClientMaker,
    tmp_path: Path,
    *,
    lent: bool,
) -> None:
    """The API gets the client's token and a file host nothing, also on a borrowed session that reads `.netrc`."""

    def respond(seen: Seen) -> bytes:
        if seen.path.startswith("/v1/"):
            return task_answer("succeed", task_result={"videos": [{"id": "v", "url": f"{stub.base_url}/f.mp4"}]})
        return answer(404, b"gone")

    async with serve(respond) as stub, contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=True)) if lent else None
        client = make_client(base_url=stub.base_url, session=session, api_key="the-key", retry=Retry(budget=1))
        await saved(client, tmp_path / "a.mp4")
    given = [(seen.path.startswith("/v1/"), seen.headers.get("authorization")) for seen in stub.seen]
    assert {*given} == {(True, "Bearer the-key"), (False, None)}


async def test_a_lent_session_keeps_its_own_proxy(make_client: ClientMaker) -> None:
    """A borrowed session uses its own proxies; the variables apply to own sessions only."""
    async with (
        serve(lambda _: task_answer()) as stub,
        proxy(port_of(stub)) as via,
        aiohttp.ClientSession(proxy=via.url) as lent,
    ):
        assert (await make_client(base_url=API, session=lent).get_task("image2video:1")).task_id == "1"
    assert len(via.seen) == 1


async def test_a_refusal_behind_a_proxy_is_the_services(
    make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's response through a proxy is read as the service's."""
    async with serve(lambda _: refusal(404, 1203)) as stub, proxy(port_of(stub)) as via:
        monkeypatch.setenv("HTTP_PROXY", via.url)
        with pytest.raises(TaskNotFound):
            await make_client(base_url=API).get_task("image2video:1")


async def test_an_invalid_host_name() -> None:
    """An invalid host name is a permanent error, raised at once."""
    with pytest.raises(ConnectionFailed, match="cannot be used") as caught:
        await sent(f"http://{'a' * 64}.example", {})
    assert (caught.value.sent, caught.value.permanent) == (False, True)
