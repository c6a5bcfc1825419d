import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_async.cli.commands import generate
from kling_async.emulator import Emulator
from kling_async.io import under_way
from kling_async.io.creates import Creates

from .conftest import CAT, Clock, Run, line_with, printed_command, serving, started

PIPE_HOLDS_LESS = 2**20

pytestmark = pytest.mark.usefixtures("hurry")


@contextlib.contextmanager
def generating(*words: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A command that makes a video."""
    with started("generate", CAT, "-o", "cat.mp4", *words, **options) as process:
        yield process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_while_waiting(run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int) -> None:
    """A signal ends the wait, not the task; the printed command then saves the video."""
    clock = Clock()
    with serving(speed=1.0, clock=clock) as service:
        monkeypatch.setenv("KLING_BASE_URL", service.base_url)
        monkeypatch.setenv("KLING_API_KEY", service.api_key)
        with generating() as process:
            line_with(process.stderr, "submitted")
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        clock.end_all_tasks()
        assert process.returncode == code
        assert "goes on at the service, and is billed" in err
        assert "Traceback" not in err
        assert run(*printed_command(err)).code == 0
        assert service.ledger.created == 1


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_while_it_is_imported(tmp_path: Path, number: str, code: int) -> None:
    """A signal while the command is still being imported gets the same message as a later one."""
    stand_in = f"import os, signal, time\nos.kill(os.getpid(), signal.{number})\ntime.sleep(60)\n"
    (tmp_path / "aiohttp.py").write_text(stand_in)
    with generating(env={**os.environ, "PYTHONPATH": str(tmp_path)}) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == "interrupted: nothing was sent, nothing is billed\n"


def test_ignored_from_the_start() -> None:
    """A command started with SIGINT ignored, by cron or in a script's background, is not ended by it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with started("generate", "-", "-o", "cat.mp4", "--emulator", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write("x" * PIPE_HOLDS_LESS)  # returns once the command reads
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2  # it read to the end
    assert "image" in err


def test_before_anything_is_sent() -> None:
    """Ctrl-C while standard input is read: nothing was sent."""
    with started("generate", "-", "-o", "cat.mp4", "--emulator", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write("x" * PIPE_HOLDS_LESS)  # returns once the command reads
        for _ in range(5):  # a signal just before the next read does not interrupt it
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
                break
        assert process.returncode == 130
        assert process.stderr is not None
        assert process.stderr.read() == "interrupted: nothing was sent, nothing is billed\n"


def test_service_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a connection is retried: nothing was sent."""
    monkeypatch.setenv("KLING_API_KEY", "api-key-anything")
    with socket.create_server(("127.0.0.1", 0)) as hangs_up:
        hangs_up.settimeout(60)
        with generating("--base-url", f"https://127.0.0.1:{hangs_up.getsockname()[1]}") as process:
            for _ in range(2):  # before a connection is usable, so that nothing was sent
                hangs_up.accept()[0].close()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("interrupted: nothing was sent, nothing is billed\n")


@contextlib.contextmanager
def silent_service(received: Callable[[], object]) -> Iterator[str]:
    """A service that accepts a request, calls `received`, and never answers."""

    def take(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            received()
            left.wait(60)

    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taking = threading.Thread(target=take, args=[listener])
        taking.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            left.set()
            taking.join(60)


def test_while_creating(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a create awaits its response: it may be billed, and the reference of its task is shown."""
    monkeypatch.setattr(under_way, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(generate, "SETTLES_AT_ONCE", 0.01)
    monkeypatch.setenv("KLING_API_KEY", "api-key-anything")
    with silent_service(lambda: os.kill(os.getpid(), signal.SIGINT)) as address:
        ran = run("generate", CAT, "-o", "cat.mp4", "--base-url", address, "--external-task-id", "mine")
    assert ran.code == 130
    assert "finding out whether the service has the task" in ran.err
    assert "may be billed" in ran.err
    assert printed_command(ran.err) == ["save", "image2video:mine", "-o", "cat.mp4", "--base-url", address]


def test_second_signal_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C does not wait for the lookup of a create; the reference is still shown."""
    monkeypatch.setenv("KLING_API_KEY", "api-key-anything")
    received = threading.Event()
    with silent_service(received.set) as address, generating("--base-url", address) as process:
        assert received.wait(60)
        process.send_signal(signal.SIGINT)
        line_with(process.stderr, "Ctrl-C again leaves at once")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "may be billed" in err
    assert "Traceback" not in err
    assert printed_command(err)[1].startswith("image2video:kling-async-")


def test_accepted_while_it_is_interrupted(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that succeeds after Ctrl-C is reported as a task that continues."""
    real = Creates.drive

    async def interrupted(creates: Any, *arguments: Any, **options: Any) -> Any:
        task = await real(creates, *arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return task

    monkeypatch.setattr(Creates, "drive", interrupted)
    ran = run("generate", CAT, "-o", "cat.mp4")
    monkeypatch.setattr(Creates, "drive", real)
    assert ran.code == 130
    assert "goes on at the service" in ran.err
    assert printed_command(ran.err)[1] == f"image2video:{service.ledger.entries[0].task_id}"


def test_with_the_emulator_inside() -> None:
    """A built-in emulator ends with its command, so the message names no task that continues."""
    with generating("--emulator") as process:
        line_with(process.stderr, "submitted")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing was billed" in err
    assert "kling-async save" not in err
