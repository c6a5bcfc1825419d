"""Signals in real processes: the first waits for running tasks, the second exits, the same command continues."""

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_async.batch.batch import Batch
from kling_async.emulator import Emulator

from .batches import end, events, jobs, made
from .conftest import Clock, Run, line_with, serving, started
from .test_signals import silent_service

ROWS = 4
AT_ONCE = 2
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

pytestmark = pytest.mark.usefixtures("hurry")


class _Clock(Clock):
    """A clock that can advance with each reading, so that tasks end soon."""

    step = 0.0

    def __call__(self) -> float:
        """The time."""
        self.ahead += self.step
        return super().__call__()


@pytest.fixture
def clock() -> _Clock:
    """The service's clock; no task ends until a test advances it."""
    return _Clock()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> Iterator[Emulator]:
    """An emulator as the service that the environment names."""
    with serving(speed=1.0, clock=clock) as emulator:
        monkeypatch.setenv("KLING_BASE_URL", emulator.base_url)
        monkeypatch.setenv("KLING_API_KEY", emulator.api_key)
        yield emulator


@contextlib.contextmanager
def running(here: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Runs a batch in a separate process, with some running and some waiting rows."""
    name = jobs(here, *map(str, range(ROWS)))
    with started("batch", name, "--out", "out", "--concurrency", str(AT_ONCE), "--poll", "1", *words) as process:
        yield process


def run_printed_command(run: Run, err: str) -> Any:
    """Runs the command that a message contains."""
    command = next(line for line in err.splitlines() if line.startswith("go on"))
    return run(*shlex.split(command[command.index("kling-async") :])[1:])


@pytest.mark.parametrize("number", CODES)
def test_once(run: Run, here: Path, service: Emulator, clock: _Clock, number: signal.Signals) -> None:
    """After one signal nothing more is sent, running tasks are saved, and the same command makes the remaining rows."""
    with running(here) as process:
        line_with(process.stderr, f"{AT_ONCE} running")
        process.send_signal(number)
        err = line_with(process.stderr, "Ctrl-C again leaves at once")
        clock.end_all_tasks()
        out, rest = process.communicate(timeout=60)
    assert err == f"no new tasks; waiting for {AT_ONCE} that run. Ctrl-C again leaves at once\n"
    assert process.returncode == CODES[number]
    assert "2 waiting, 2 done" in out
    assert len(made(here / "out")) == AT_ONCE
    assert service.ledger.created == AT_ONCE
    assert "Traceback" not in rest
    clock.step = 20
    assert run_printed_command(run, rest).code == 0
    assert service.ledger.created == ROWS


def test_twice(run: Run, here: Path, service: Emulator, clock: _Clock) -> None:
    """A second signal exits at once, with a report; the same command saves running tasks, and pays nothing twice."""
    with running(here) as process:
        line_with(process.stderr, f"{AT_ONCE} running")
        process.send_signal(signal.SIGINT)
        line_with(process.stderr, "Ctrl-C again leaves at once")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "2 waiting, 2 running" in out
    assert f"about {service.ledger.charged:g} units" in out
    assert "2 tasks may go on at the service, and are billed" in err
    assert "Traceback" not in err
    assert (here / "out" / "report.html").exists()
    clock.step = 20
    assert run_printed_command(run, err).code == 0
    assert len(made(here / "out")) == ROWS
    assert service.ledger.created == ROWS


def test_twice_while_creating(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second signal does not wait for creates in doubt: the journal has them."""
    monkeypatch.setenv("KLING_API_KEY", "api-key-anything")
    received = threading.Event()
    with silent_service(received.set) as address, running(here, "--base-url", address) as process:
        assert received.wait(60)
        process.send_signal(signal.SIGINT)
        line_with(process.stderr, "Ctrl-C again leaves at once")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=8)  # less than the ten seconds that a client closes in
    assert process.returncode == 130
    assert f"--base-url {address}" in err
    assert "Traceback" not in err


def test_killed(run: Run, here: Path, service: Emulator, clock: _Clock) -> None:
    """After a kill the same command continues as well."""
    with running(here) as process:
        line_with(process.stderr, f"{AT_ONCE} running")
        process.kill()
        process.communicate()
    clock.step = 20
    ran = run("batch", "jobs.jsonl", "--out", "out", "--json")
    assert ran.code == 0
    assert next(event for event in events(ran) if event["event"] == "plan")["done"] == AT_ONCE
    assert end(ran)["counts"]["done"] == ROWS
    assert service.ledger.created == ROWS


@pytest.mark.usefixtures("service")
def test_events(here: Path) -> None:
    """Events report a signal too; the last one has the code and the command."""
    with running(here, "--json") as process:
        line_with(process.stdout, '"progress"')
        process.send_signal(signal.SIGINT)
        stopping = line_with(process.stdout, '"stopping"')
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert '"command": "kling-async batch' in stopping
    last = end(out)
    assert (last["event"], last["exit_code"], last["ok"]) == ("end", 130, False)
    assert last["command"].startswith("kling-async batch")
    assert err == ""


def test_while_rows_are_checked(run: Run, here: Path, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal before the first request ends the command at once, and no file remains."""

    async def interrupted(_: Batch) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    monkeypatch.setattr(Batch, "load", interrupted)
    ran = run("batch", jobs(here, "one"), "--out", "out")
    assert ran.code == 130
    assert "nothing was sent" in ran.err
    assert service.ledger.requests["create"] == 0
    assert not (here / "out").exists()
