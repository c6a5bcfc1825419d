import asyncio
import contextlib
import json
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import Polling
from kling_async.cli import main
from kling_async.cli import service as cli_service
from kling_async.emulator import Emulator, server
from kling_async.emulator.service import video_models

CAT = str(Path(__file__).parents[2] / "examples" / "images" / "cat.png")


@attrs.frozen
class Ran:
    """The outcome of a command."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON of stdout, which must be one object and nothing else."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process."""

    def run_(*words: str) -> Ran:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, and an environment without keys and proxies."""
    monkeypatch.chdir(tmp_path)
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in ("KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_BASE_URL", *proxies):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Keeps SIGINT enabled in commands of this and other processes, even if cron or `&` has made pytest ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes videos in tenths of a second, and small ones, with and without `--emulator`."""

    def often(deadline: float) -> Polling:  # a fixed beat, in place of both kinds
        return Polling(first=0.01, factor=1.2, maximum=0.1, deadline=deadline)

    monkeypatch.setattr(server, "_log_how_to_render", lambda: None)  # that the extra is missing
    monkeypatch.setattr(video_models, "SHORT_SIDE", dict.fromkeys(video_models.SHORT_SIDE, 90))
    monkeypatch.setattr(cli_service, "EMULATED_SECONDS", 0.1)
    monkeypatch.setattr(cli_service, "often", often)
    monkeypatch.setattr(cli_service, "AimedPolling", often)


class Clock:
    """A clock that tests can advance, so that tasks end."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """The time."""
        return time.time() + self.ahead

    def end_all_tasks(self) -> None:
        """Advances the clock until all tasks have ended."""
        self.ahead += 2000


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Emulator]:
    """Runs an emulator on a separate loop, so that commands can run in this thread."""
    loop = asyncio.new_event_loop()
    emulator = Emulator(**options)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(emulator.start(), loop).result(10)
    try:
        yield emulator
    finally:
        asyncio.run_coroutine_threadsafe(emulator.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator that the environment names as the service; a video takes about a hundredth of a second."""
    with serving(speed=10_000.0) as emulator:
        monkeypatch.setenv("KLING_BASE_URL", emulator.base_url)
        monkeypatch.setenv("KLING_ACCESS_KEY", emulator.access_key)
        monkeypatch.setenv("KLING_SECRET_KEY", emulator.secret_key)
        yield emulator


@contextlib.contextmanager
def started(*words: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Runs a command in a separate process, which is ended with the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kling_async.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_with(stream: Any, text: str) -> str:
    """Reads up to the first line that has the text."""
    for line in stream:
        if text in line:
            return str(line)
    raise AssertionError(f"{text!r} was never written")


def printed_command(text: str) -> list[str]:
    """The words of the save command that a message ends with, without the program's name."""
    [command] = [line for line in text.splitlines() if "kling-async save image2video:" in line]
    return shlex.split(command[command.index("kling-async save image2video:") :])[1:]
