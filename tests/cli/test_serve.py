import json
import signal
import socket

import pytest

from .conftest import CAT, Run, line_with, started

pytestmark = pytest.mark.usefixtures("hurry")


def test_serves_until_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The printed lines are what another shell needs; Ctrl-C is the usual end."""
    with started("emulator", "--speed", "300") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert line_with(process.stdout, "emulator of the Kling API: http://127.0.0.1:")
        for name in ("KLING_BASE_URL", "KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY"):
            monkeypatch.setenv(name, line_with(process.stdout, f"export {name}=").strip().partition("=")[2])
        assert run("generate", CAT, "-o", "a.mp4").code == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "tasks created: 1, saved: 1; units charged: 1.5" in process.stderr.read()


def test_for_programs() -> None:
    """With `--json` a program reads one line; SIGTERM ends it as well."""
    with started("emulator", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["KLING_BASE_URL"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_port_is_taken(run: Run) -> None:
    """A port that is taken is said in words."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = run("emulator", "--port", str(taken.getsockname()[1]))
    assert ran.code == 2
    assert "cannot listen" in ran.err
    assert "Traceback" not in ran.err
