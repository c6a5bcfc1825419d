"""Rules 13 to 19: proxies, keys, pictures, a second run, the command, the emulator's guard, the doctor."""

import base64
import contextlib
import errno
import functools
import io
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from unittest import mock

import aiohttp
import attrs

from kling_async import Image, ImageToVideo, KlingError, Polling
from kling_async.cli import main
from kling_async.cli import service as command_service
from kling_async.emulator import Emulator
from kling_async.emulator.service import video_models
from tests.cli.conftest import CAT, serving
from tests.cli.test_proxy import proxy_process
from tests.emulator.conftest import PATH, Caller, base64_png
from tests.faults.ends import Case, End, alone, other
from tests.faults.other_service import page
from tests.faults.stage import IMAGE
from tests.protocol.picture_files import chunk, exif, jpeg, png, segment
from tests.shell.conftest import wall
from tests.shell.proxy import proxy

# ------------------------------------------------------------------------------------------------- rule 13

API: Final = "http://api.kling.test"
TLS: Final = "https://api.kling.test"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def through_a_proxy(directory: Path) -> End:
    """A name that only the proxy can resolve, with a user and a password for the proxy."""
    async with other(directory) as play, proxy(_port(play.stub.base_url)) as via:
        os.environ["HTTP_PROXY"] = via.url.replace("//", "//me:s%40cret@")
        play.service.base_url = "http://files.kling.test"
        end = await play.one(play.client(base_url=API))
        direct = len(play.stub.seen) - len(via.seen)
        return attrs.evolve(end, came=f"{end.came}, {direct} requests beside the proxy")


async def loopback(directory: Path) -> End:
    """All requests go to an unreachable proxy; the service is on this machine."""
    async with other(directory) as play:
        os.environ |= {"HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
        return await play.one()


async def no_proxy(directory: Path, status: int, base_url: str) -> End:
    """The proxy refuses to forward a create; 0: it closes the connection."""
    async with other(directory) as play, proxy(answer=page(status) if status else b"") as via:
        os.environ |= {"HTTP_PROXY": via.url, "HTTPS_PROXY": via.url}
        try:
            await play.client(base_url=base_url).image_to_video(IMAGE)
        except KlingError as error:
            return play.ending(f"`{type(error).__name__}`", str(error))
        return play.ending("no error")


async def netrc(directory: Path) -> End:
    """A `.netrc` has passwords for all hosts, and a lent session that reads it is used."""
    path = directory / "netrc"
    path.write_text("machine 127.0.0.1 login me password pw\ndefault login me password pw\n")
    path.chmod(0o600)
    os.environ["NETRC"] = str(path)
    async with other(directory) as play, aiohttp.ClientSession(trust_env=True) as lent:
        end = await play.one(play.client(session=lent))
        foreign = {seen.headers.get("authorization") for seen in play.stub.seen} - {None, "Bearer the-key"}
        files = [seen for seen in play.stub.seen if seen.path.startswith("/files/") and "authorization" in seen.headers]
        return attrs.evolve(end, came=f"{end.came}, {len(foreign) + len(files)} requests with them")


async def mended_key(directory: Path, key: str) -> End:
    """A key in the environment has quotes or blanks around it."""
    async with other(directory) as play:
        os.environ["KLING_API_KEY"] = key
        end = await play.one(play.client(api_key=None))
        wrong = {seen.headers.get("authorization") for seen in play.stub.seen} - {None, "Bearer the-key"}
        return attrs.evolve(end, came=f"{end.came}, {len(wrong)} requests with another key")


async def short_of_files(directory: Path, call: str, number: int) -> End:
    """The process has no file descriptor left, three times, when a picture is checked or sent."""
    left = iter([True] * 3)

    def lacking(real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(*words: Any, **more: Any) -> Any:
            if next(left, False):
                raise OSError(number, os.strerror(number))
            return real(*words, **more)

        return opened

    module, name = call.rsplit(".", 1)
    __import__(module)
    with mock.patch(call, lacking(getattr(sys.modules[module], name))):
        async with other(directory) as play:
            return await play.one()


# ------------------------------------------------------------------------------------------------- rule 14

SEGMENTS: Final = segment(0xE1, bytes(65_000)) * 33
PICTURES: Final[dict[str, bytes]] = {
    "33 APP1 segments before the size": jpeg(640, 427, before=SEGMENTS),
    "the same and a turned one": jpeg(640, 427, before=SEGMENTS + exif(6)),
    "100 KB behind EOI": jpeg(640, 427, end=b"\xff\xd9" + bytes(100_000)),
    "a video behind EOI": jpeg(640, 427, end=b"\xff\xd9" + b"\0\0\0\x18ftypmp42" + bytes(3_000_000)),
    "a ZIP behind IEND": png(640, 427, after=b"PK\3\4" + bytes(200_000)),
    "2 MB of a profile before the data of a PNG": png(640, 427, before=chunk(b"iCCP", bytes(2_000_000))),
}
CODINGS: Final[dict[str, Callable[[bytes], str | bytes]]] = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "unpadded": lambda data: base64.b64encode(data).decode().rstrip("="),
    "bytes": base64.b64encode,
    "in lines": lambda data: base64.encodebytes(data).decode(),
    "a data: address": lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
}
BAD: Final[dict[str, bytes]] = {
    "cut off": jpeg(640, 427, end=b""),
    "too flat": jpeg(25_003, 10_000),
    "too small": png(299, 400),
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30),
}


async def odd_picture(directory: Path, data: bytes, coding: Callable[[bytes], str | bytes] | None = None) -> End:
    """A valid picture in an unusual file, or in another coding, arrives byte by byte."""
    async with other(directory) as play:
        end = await play.one(image=Image.from_base64(coding(data)) if coding else data)
        sent = base64.b64encode(data) in play.stub.seen[0].body
        return attrs.evolve(end, came=f"{end.came}, {'every byte sent' if sent else 'ANOTHER PICTURE SENT'}")


async def bad_picture(directory: Path, data: bytes) -> End:
    """A picture that the service would refuse."""
    async with other(directory) as play:
        try:
            await play.client().image_to_video(data)
        except KlingError as error:
            return play.ending(f"`{type(error).__name__}`; {len(play.stub.seen)} requests", str(error))
        return play.ending("no error")


# ------------------------------------------------------------------------------------------ rules 15 and 16


async def second_run(directory: Path) -> End:
    """`generate` is called twice with the same request and file."""
    async with other(directory) as play:
        client, request, path = play.client(), ImageToVideo(image=IMAGE), directory / "x.mp4"
        await client.generate(request, path)
        end, sent = play.ending("saved", saved=int(path.exists())), len(play.stub.seen)
        try:
            await client.generate(request, path)
        except KlingError as error:
            came = f"saved; again: `{type(error).__name__}`, {len(play.stub.seen) - sent} requests"
            return attrs.evolve(end, paid=play.service.paid, came=came, error_text=str(error))
        return attrs.evolve(end, paid=play.service.paid, came="saved twice")


async def adopted(directory: Path, *, running: bool) -> End:
    """A task with the create's external id exists, running or not, and all slots are taken."""
    async with other(directory, takes=600 if running else 0) as play:
        play.service.tasks.append((play.service.now(), "job-1"))
        client = play.client(concurrency=1)
        play.service.takes = 600
        await client.image_to_video(IMAGE)
        posts, paid = play.service.posts, play.service.paid
        if not running:
            play.service.tasks[0] = (-1000.0, "job-1")
        end = await play.one(client, external_task_id="job-1", submit={"if_exists": "adopt"})
        return attrs.evolve(end, paid=end.paid - paid, came=f"{end.came}, {play.service.posts - posts} creates sent")


# ------------------------------------------------------------------------------------------------- rule 17


@contextlib.contextmanager
def shell() -> Iterator[tuple[Emulator, Path]]:
    """A directory and an environment in which commands reach an emulator; its videos finish at once."""

    def often(**values: Any) -> Polling:
        return Polling(first=0.01, factor=1.2, maximum=0.1, deadline=values["deadline"])

    before = Path.cwd()
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(mock.patch.object(command_service, "Polling", often))
        stack.enter_context(mock.patch.object(command_service, "AimedPolling", often))
        small = dict.fromkeys(video_models.SHORT_SIDE, 90)
        stack.enter_context(mock.patch.object(video_models, "SHORT_SIDE", small))
        emulator = stack.enter_context(serving(speed=10_000.0))
        os.environ |= {
            "KLING_BASE_URL": emulator.base_url,
            "KLING_ACCESS_KEY": emulator.access_key,
            "KLING_SECRET_KEY": emulator.secret_key,
        }
        os.chdir(directory)
        try:
            yield emulator, directory
        finally:
            os.chdir(before)


def run(*words: str) -> tuple[int, str, str]:
    """A command's exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def command(*words: str, prepare: Callable[[Path], object] = lambda _: None) -> Case:
    """A case that runs `kling-async generate` with these arguments, which are valid or not."""

    def case() -> End:
        with shell() as (emulator, directory):
            prepare(directory)
            began = time.perf_counter()
            code, _, err = run("generate", *words)
            took = time.perf_counter() - began
            found = [word for word in ("submitting", "image2video:") if word in err]
            order = err.find("image2video:kling-async-") < err.find("submitted")
            came = f"exit {code}, " + ("its reference before it is submitted" if found and order else "neither word")
            return End(emulator.ledger.created, int((directory / "new.mp4").exists()), took, came, err)

    return case


def through_a_proxy_process() -> End:
    """The command uses a proxy that runs in a separate process."""
    with shell() as (emulator, directory), proxy_process(emulator.base_url) as (_, url):
        os.environ |= {"HTTP_PROXY": url, "KLING_BASE_URL": API}
        began = time.perf_counter()
        code, _, err = run("generate", CAT, "-o", "new.mp4")
        saved = int((directory / "new.mp4").exists())
        came = "saved, a proxy process in between" if code == 0 else f"exit {code}"
        return End(emulator.ledger.created, saved, time.perf_counter() - began, came, err)


# ------------------------------------------------------------------------------------------------- rule 18

SITES: Final[dict[str, Mapping[str, str]]] = {
    "another host": {"Host": "evil.example"},
    "a host that begins like this machine": {"Host": "127.0.0.1.evil.example"},
    "another site": {"Origin": "https://evil.example"},
    "no site": {"Origin": "null"},
    "another port": {"Origin": "http://localhost:1"},
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "a form": {"Content-Type": "text/plain"},
}


async def from_elsewhere(_: Path, headers: Mapping[str, str]) -> End:
    """A page of another site, or a form, sends a request to the emulator's control API."""
    async with Emulator(clock=wall(), render=False) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        data = io.BytesIO(b'{"limit": 1}')
        given = {"Content-Type": "application/json", **headers}
        status = (await caller.request("POST", "/_emulator/account", data=data, headers=given)).status
        changed = "changed" if emulator.account.limit is not None else "nothing changed"
        return End(emulator.ledger.created, 0, 0.0, f"refused, {changed}" if status >= 400 else f"HTTP {status}")


async def deep(_: Path, depth: int) -> End:
    """A create has a deeply nested unknown member; the ledger is read afterwards."""
    async with Emulator(clock=wall(), render=False) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        nested = '{"a":[' * depth + "1" + "]}" * depth
        text = f'{{"image": "{base64_png()}", "prompt": "x", "unknown": {nested}}}'
        headers = caller.headers | {"Content-Type": "application/json"}
        await caller.request("POST", PATH, data=io.BytesIO(text.encode()), headers=headers)
        books = (await caller.request("GET", "/_emulator/ledger")).status
        return End(emulator.ledger.created, 0, 0.0, f"books readable (HTTP {books})")


# ------------------------------------------------------------------------------------------------- rule 19


def doctor(names: str, *words: str, **environment: str | None) -> Case:
    """A case that runs `kling-async doctor` with a problem; `names` are the checks that it must name."""

    def case() -> End:
        with shell() as (emulator, _):
            for name, value in environment.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            began = time.perf_counter()
            code, out, err = run("doctor", *words)
            took = time.perf_counter() - began
            wanted = f"problems: {names}" if names else "no problems found"
            named = "what is wrong is named" if names else "nothing to mend"
            came = f"exit {code}, {named if wanted in out else 'something else is said'}"
            return End(emulator.ledger.created, 0, took, came, out + err)

    return case


@functools.cache
def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
