"""Temporary shortages of this machine, and very large responses: neither is a fault of a picture."""

import contextlib
import errno
import json
import logging
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_async import ConnectionFailed, KlingClient, RequestRefused, Retry
from kling_async.emulator import Emulator
from kling_async.io.upload import UploadBody, opened
from kling_async.protocol.media.image import Image
from kling_async.protocol.wire import envelope
from tests.shell.conftest import ClientMaker
from tests.shell.stub import answer, serve

SHORTAGES = [errno.EMFILE, errno.ENFILE, errno.ENOMEM]


def fail_at_first(real: Callable[..., Any], times: int, number: int) -> Callable[..., Any]:
    """A function whose first calls fail for lack of a resource."""
    left = iter([True] * times)

    def call(*arguments: Any, **options: Any) -> Any:
        if next(left, False):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    return call


@pytest.mark.parametrize("number", SHORTAGES)
async def test_no_descriptor_for_checking_a_picture(
    client: KlingClient, image: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A picture that cannot be opened for lack of descriptors is checked again, as a lack of connections is retried."""
    monkeypatch.setattr("kling_async.io.request_checks.opened", fail_at_first(opened, 3, number))
    assert (await (await client.image_to_video(image))).status.value == "succeed"


@pytest.mark.parametrize("number", SHORTAGES)
async def test_no_descriptor_for_sending_a_picture(
    client: KlingClient, image: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A create without a descriptor for its picture is sent later, once."""
    monkeypatch.setattr("kling_async.io.upload.opened", fail_at_first(opened, 3, number))
    await (await client.image_to_video(image))
    assert emulator.ledger.requests["create"] == 1


async def test_no_descriptor_until_the_budget_ends(
    make_client: ClientMaker, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the budget the error names the shortage and a remedy, and does not blame the request."""
    monkeypatch.setattr("kling_async.io.request_checks.opened", fail_at_first(open, 10**6, errno.EMFILE))
    with pytest.raises(ConnectionFailed, match=r"short of open files.*ulimit -n") as caught:
        await make_client(retry=Retry(budget=5)).image_to_video(image)
    assert not caught.value.sent


async def test_files_are_closed_when_one_more_cannot_be_opened(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The open files of a request are closed if another cannot be opened."""
    files: list[Any] = []

    def open_one(picture: Image) -> Any:
        if files:
            raise OSError(errno.EMFILE, "Too many open files")
        files.append(opened(picture))
        return files[0]

    monkeypatch.setattr("kling_async.io.upload.opened", open_one)
    with pytest.raises(ConnectionFailed):
        await UploadBody((Image.of(image), Image.of(image))).open()
    assert files[0].closed


@pytest.fixture
def few_files() -> Iterator[list[socket.socket]]:
    """Uses up the descriptors up to a lowered limit; closing some frees them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[socket.socket] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        yield held
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_socket(make_client: ClientMaker, few_files: list[socket.socket]) -> None:
    """A process at its limit of descriptors sends nothing, and the error names the limit."""
    client = make_client(base_url="http://127.0.0.1:1", retry=Retry(budget=2))  # where nobody listens
    with pytest.raises(ConnectionFailed, match=r"no connection to 127\.0\.0\.1"):
        await client.get_task("image2video:1")
    with contextlib.suppress(OSError):
        while True:
            few_files.append(socket.socket())
    with pytest.raises(ConnectionFailed, match=r"short of open files.*ulimit -n") as caught:
        await client.get_task("image2video:1")
    assert not caught.value.sent
    for _ in range(20):
        few_files.pop().close()
    with pytest.raises(ConnectionFailed, match=r"no connection to 127\.0\.0\.1"):
        await client.get_task("image2video:1")


# --------------------------------------------------------------------------------------- large answers


LARGE = "x " * envelope.LARGE_BYTES


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that read JSON objects of large answers."""
    names: set[str] = set()
    real = envelope._same

    def noted(value: Any) -> Any:
        names.add(threading.current_thread().name)
        return real(value)

    monkeypatch.setattr(envelope, "_same", noted)
    return names


async def test_a_large_page_is_read_off_the_loop(make_client: ClientMaker, threads: set[str]) -> None:
    """A large page is read by a thread that yields between two objects."""
    one = {"task_status": "succeed", "task_info": {"x": LARGE[:1000]}}
    data = [{"task_id": str(number), **one} for number in range(400)]
    async with serve(lambda _: answer(200, {"code": 0, "data": data})) as stub:
        found = [task.task_id async for task in make_client(base_url=stub.base_url).tasks("image2video", page_size=500)]
    assert found == [str(number) for number in range(400)]
    assert threads
    assert all(name.startswith("kling_async") for name in threads)


async def test_a_large_refusal_is_read_off_the_loop(
    make_client: ClientMaker, threads: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A large refusal counts as a small one; its text is truncated, and contains no key."""
    caplog.set_level(logging.DEBUG)
    refusal = json.dumps({"code": 1201, "message": f"unknown sk-secret: {LARGE}"}).encode()
    async with serve(lambda _: answer(400, refusal)) as stub:
        client = make_client(base_url=stub.base_url, api_key="sk-secret")
        with pytest.raises(RequestRefused, match=r"unknown …: x x x") as caught:
            await client.image_to_video("https://h/a.png")
    assert caught.value.code == 1201
    assert len(str(caught.value)) < 1000
    assert all(name.startswith("kling_async") for name in threads)
    assert "sk-secret" not in caplog.text
