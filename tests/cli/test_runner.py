import asyncio
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kling_async import AuthenticationError, ConnectionFailed, DownloadError, KlingError, Remedy
from kling_async.cli import main, runner
from kling_async.cli.job import Job, Stage
from kling_async.cli.output import Output
from kling_async.cli.runner import Stop, Stopped


def run_(work: Callable[[Stop], Coroutine[Any, Any, None]], stage: Stage = Stage.UNSENT) -> int:
    """Runs a coroutine function as a command."""
    return runner.run(Job(target="a.mp4", reference="image2video:1", stage=stage), Output(), work)


async def nothing() -> str:
    """Returns at once."""
    return "done"


async def forever() -> str:
    """Never returns."""
    await asyncio.Event().wait()
    return "never"


def test_result_without_a_signal() -> None:
    """Work that ends without a signal returns its result."""

    async def work(stop: Stop) -> None:
        assert await stop.or_result(nothing()) == "done"

    assert run_(work) == 0


def test_signal_between_two_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """A signal before a step prevents that step."""

    async def work(stop: Stop) -> None:
        stop.request(signal.SIGINT)
        with pytest.raises(Stopped, match="SIGINT"):
            await stop.or_result(forever())
        await stop.or_result(forever())

    assert run_(work) == 130
    assert "nothing was sent" in capsys.readouterr().err


def test_end_of_work_counts() -> None:
    """Work that is ended after a signal still returns its result."""

    async def work(stop: Stop) -> None:
        ended = asyncio.Event()

        async def working() -> str:
            await ended.wait()
            return "kept"

        async def end() -> None:
            ended.set()

        stop.request(signal.SIGTERM)
        assert await stop.or_result(working(), end) == "kept"

    assert run_(work) == 0


@pytest.mark.parametrize(("interrupt", "code"), [(KeyboardInterrupt, 130), (asyncio.CancelledError, 130)])
def test_signals_that_come_as_exceptions(
    interrupt: type[BaseException], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The final message is the same for all kinds of interrupts."""

    async def work(_stop: Stop) -> None:
        raise interrupt

    assert code == run_(work, Stage.ACCEPTED)
    assert "kling-async save image2video:1 -o a.mp4" in capsys.readouterr().err


def test_warnings_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    """Log warnings and retries are printed once each; events that the final message reports are not."""

    async def work(_stop: Stop) -> None:
        logging.getLogger("kling_async").warning("base_url is http://")
        for event in ("closed_unfinished", "in_doubt"):
            logging.getLogger("kling_async").warning("unfinished", extra={"kling_event": event})
        for _ in range(2):
            failed = ConnectionFailed("refused", remedy=Remedy.BASE_URL)
            logging.getLogger("kling_async").debug("1: %s", failed, extra={"kling_event": "read_failed"})
            logging.getLogger("kling_async").debug("POST: HTTP 200")
            broken = DownloadError("the file host answered HTTP 503")
            logging.getLogger("kling_async").debug("%s", broken, extra={"kling_event": "download_failed"})
            refused = AuthenticationError("no", code=1002, http_status=401)  # not retried
            logging.getLogger("kling_async").debug("1: %s", refused, extra={"kling_event": "poll_failed"})

    run_(work)
    assert capsys.readouterr().err.splitlines() == [
        "warning: base_url is http://",
        "refused; --base-url or KLING_BASE_URL sets the address; still trying",
        "the file host answered HTTP 503; still trying",
    ]
    assert not logging.getLogger("kling_async").handlers


def test_errors_of_others_are_not_hidden() -> None:
    """After a second signal only errors of this package are suppressed."""
    contexts: list[dict[str, Any]] = []

    class Loop:
        def default_exception_handler(self, context: dict[str, Any]) -> None:
            contexts.append(context)

    for error in (KlingError("x"), ValueError("y")):
        runner._without_ours(Loop(), {"exception": error})  # type: ignore[arg-type]  # only this method is called
    assert [type(context["exception"]) for context in contexts] == [ValueError]


_STUCK = """
import asyncio, signal, sys, threading
from kling_async.cli import runner
from kling_async.cli.job import Job
from kling_async.cli.output import Output
from kling_async.io.threads import in_thread

async def work(stop):
    loop = asyncio.get_running_loop()

    def stuck():
        for _ in range(3):
            loop.call_soon_threadsafe(stop.request, signal.SIGTERM)
        threading.Event().wait()

    await stop.or_result(in_thread(stuck))

runner.LEAVE_SECONDS = 0.1
sys.exit(runner.run(Job(), Output(), work))
"""


def test_a_thread_that_is_stuck() -> None:
    """After a second signal the process exits despite a stuck thread, with the same message and code."""
    ran = subprocess.run([sys.executable, "-c", _STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (143, "interrupted: nothing was sent, nothing is billed\n")


def test_a_process_is_left_alone_where_nothing_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the command ends after a second signal, its process is not killed."""
    monkeypatch.setattr(runner, "LEAVE_SECONDS", 3600.0)

    async def work(stop: Stop) -> None:
        for _ in range(2):
            asyncio.get_running_loop().call_soon(stop.request, signal.SIGTERM)
        await stop.or_result(forever())

    assert run_(work) == 143
    for timer in [each for each in threading.enumerate() if isinstance(each, threading.Timer)]:
        timer.join(60)
        assert not timer.is_alive()


def test_outside_of_the_main_thread(capsys: pytest.CaptureFixture[str]) -> None:
    """Commands run without signal handlers where none can be set."""
    codes: list[int] = []

    async def work(_stop: Stop) -> None:
        raise ConnectionFailed("no answer")

    def run_here() -> None:
        codes.extend([run_(work, Stage.ATTACHED), main(["--version"])])

    thread = threading.Thread(target=run_here)
    thread.start()
    thread.join()
    assert codes == [5, 0]
    assert "ConnectionFailed" in capsys.readouterr().err


def test_handlers_are_put_back() -> None:
    """A command restores the signal handlers of the process."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    main(["models", "-q"])
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_ignored_signals_stay_ignored() -> None:
    """A command with SIGINT ignored, as in a script's background, is not ended by Ctrl-C."""

    async def work(stop: Stop) -> None:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0)
        assert stop.number is None

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_(work) == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
