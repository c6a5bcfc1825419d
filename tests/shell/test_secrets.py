"""Secrets and pictures are in no repr, log record, error text, traceback or pickle."""

import asyncio
import base64
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from kling_async import ImageToVideo, KlingClient, KlingError, Retry
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker
from tests.shell.stub import Answer, Seen, answer, refusal, serve, task_answer

SECRET = "secret-key-that-nobody-may-see-0123456789"
ACCESS = "access-key-that-nobody-may-see-0123456789"
API_KEY = "api-key-kling-that-nobody-may-see-0123456789-0123456789ab"


class Haystack:
    """All text that was produced."""

    def __init__(self, image: Path) -> None:
        encoded = base64.b64encode(image.read_bytes()).decode()
        self.needles = {SECRET, ACCESS, API_KEY, "eyJ", encoded[3000:3040], encoded[:40], "sig=abc"}
        self.found: dict[str, str] = {}

    def search(self, where: str, text: str | bytes) -> None:
        """Searches one text."""
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        for needle in self.needles:
            if needle in plain:
                self.found[where] = plain[max(0, plain.index(needle) - 60) :][:160]

    def search_error(self, error: BaseException) -> None:
        """Searches everything that an error could show, locals of its frames included."""
        kind = type(error).__name__
        self.search(f"str {kind}", str(error))
        self.search(f"repr {kind}", repr(error))
        self.search(f"traceback {kind}", "".join(traceback.format_exception(error)))
        self.search(f"pickle {kind}", pickle.dumps(error))
        one: BaseException | None = error
        while one is not None:
            frames = traceback.StackSummary.extract(traceback.walk_tb(one.__traceback__), capture_locals=True)
            # This file's own frames hold what it looks for.
            self.search(f"locals {kind}", "".join(str(frame.locals) for frame in frames if frame.filename != __file__))
            one = one.__cause__ or one.__context__


def echo(seen: Seen) -> Answer:
    """A service that repeats what it was sent, as careless gateways do."""
    sent = f"you sent {seen.headers.get('authorization')} and {seen.body[:200_000].decode('latin-1')}"
    return refusal(400, 1201, sent)


def always(one: Answer) -> Callable[[Seen], Answer]:
    """A service with the same answer to all requests."""
    return lambda _: one


ANSWERS: list[Answer] = [
    None,
    b"HTTP/1.1 garbage\r\n\r\n",
    answer(200, b"<html>"),
    refusal(401, 1002),
    refusal(401, 1004),
    refusal(429, 1102),
    refusal(500, 5000),
    answer(302, b"", Location="http://127.0.0.1:1/?sig=abc"),
    answer(200, b"\xff\xfe"),
]


@pytest.mark.parametrize("keys", [{"access_key": ACCESS, "secret_key": SECRET}, {"api_key": API_KEY}])
async def test_errors_and_logs_keep_secrets(
    make_client: ClientMaker, image: Path, caplog: pytest.LogCaptureFixture, keys: dict[str, str]
) -> None:
    """With DEBUG on, no error or log record shows keys, tokens or pictures."""
    caplog.set_level(logging.DEBUG)
    hay = Haystack(image)
    calls = 0
    for respond in [*map(always, ANSWERS), echo]:
        async with serve(respond) as stub:
            client = make_client(base_url=stub.base_url, retry=Retry(budget=3, settle=1), **keys)
            for call in (client.image_to_video(image, prompt="x"), client.get_task("image2video:1")):
                with pytest.raises(KlingError) as caught:
                    await call
                hay.search_error(caught.value)
                calls += 1
            hay.search("repr client", repr(client) + repr(vars(client)))
    hay.search("log", caplog.text)
    assert hay.found == {}
    assert calls == 2 * (len(ANSWERS) + 1)
    assert "HTTP 401" in caplog.text


@pytest.mark.parametrize("key", ["k9", "sk-short", "sk-12345678-90ab", 'odd"/key+='])
async def test_short_keys_are_not_repeated(
    make_client: ClientMaker, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A key too short to look like one is removed from refusals and from failure reasons of tasks."""
    caplog.set_level(logging.DEBUG)
    failed = task_answer("failed", task_status_msg=f"no right for {key} at all")
    for one in (refusal(401, 1002, f"unknown key {key}"), refusal(400, 1201, "x" * 395 + f" {key} y"), failed):
        async with serve(always(one)) as stub:
            client = make_client(base_url=stub.base_url, api_key=key, retry=Retry(budget=1))
            with pytest.raises(KlingError) as caught:
                await client.attach("image2video:1")
            assert key not in str(caught.value) + repr(caught.value) + "".join(traceback.format_exception(caught.value))
            assert key not in repr(vars(caught.value))
    assert key not in caplog.text


async def test_records_keep_secrets(image: Path, client: KlingClient, emulator: Emulator) -> None:
    """Requests, handles and tasks show neither pictures nor signatures; pickled tasks show no keys."""
    hay = Haystack(image)
    hay.needles |= {emulator.secret_key, "signature="}
    request = ImageToVideo(image=image.read_bytes(), callback_url="https://me.example/hook?sig=abc")
    hay.search("request", repr(request) + str(request))
    handle = await client.submit(request)
    task = await handle
    hay.search("handle", repr(handle))
    hay.search("task", repr(task))
    hay.search("pickle", pickle.dumps(task).replace(task.videos[0].url.encode(), b""))
    assert hay.found == {}


async def test_failed_downloads_keep_signatures(
    make_client: ClientMaker, tmp_path: Path, image: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The signed URL of a result is in no error and no log."""
    caplog.set_level(logging.DEBUG)
    hay = Haystack(image)
    for one in (None, answer(500, b""), answer(200, b"<html>", Content_Type="text/html"), b"junk\r\n\r\n"):
        base = ""

        def respond(seen: Seen, one: Answer = one) -> Answer:
            if seen.path.startswith("/v1/"):
                videos = [{"id": "v", "url": f"{base}/f.mp4?sig=abc"}]  # noqa: B023  (the address of this round)
                return task_answer("succeed", task_result={"videos": videos})
            return one

        async with serve(respond) as stub:
            base = stub.base_url
            client = make_client(base_url=base, retry=Retry(budget=3))
            with pytest.raises(KlingError) as caught:
                await client.attach("image2video:1").save(tmp_path / "x.mp4")
            hay.search_error(caught.value)
    hay.search("log", caplog.text)
    assert hay.found == {}


async def test_credentials_do_not_cross_a_redirect_of_the_file(make_client: ClientMaker, tmp_path: Path) -> None:
    """Neither the file's host nor where it redirects to gets an Authorization header."""
    seen_headers: list[dict[str, str]] = []

    def elsewhere(seen: Seen) -> Answer:
        seen_headers.append(seen.headers)
        return answer(404, b"")

    async with serve(elsewhere) as other:

        def respond(seen: Seen) -> Answer:
            if seen.path.startswith("/v1/"):
                return task_answer("succeed", task_result={"videos": [{"id": "v", "url": f"{stub.base_url}/f"}]})
            seen_headers.append(seen.headers)
            return answer(302, b"", Location=f"{other.base_url}/g")

        async with serve(respond) as stub:
            with pytest.raises(KlingError):
                await make_client(base_url=stub.base_url).attach("image2video:1").save(tmp_path / "x.mp4")
    assert len(seen_headers) >= 2
    assert not any("authorization" in headers for headers in seen_headers)


async def test_asyncio_debug_shows_no_secrets(
    make_client: ClientMaker, image: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio's debug log, which prints coroutines and their state, shows no secrets."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    caplog.set_level(logging.DEBUG)
    hay = Haystack(image)
    try:
        async with serve(lambda _: refusal(401, 1002)) as stub:
            client = make_client(base_url=stub.base_url, access_key=ACCESS, secret_key=SECRET)
            with pytest.raises(KlingError):
                await client.image_to_video(image)
    finally:
        loop.set_debug(False)
    hay.search("log", caplog.text)
    assert hay.found == {}
