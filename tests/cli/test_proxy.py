import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_async.emulator import Emulator
from tests.cli.conftest import CAT, Run

PROXY = Path(__file__).parents[1] / "shell" / "proxy.py"


@contextlib.contextmanager
def proxy_process(to: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A proxy in a process of its own, which leads every name to a port of this machine; its address."""
    command = [sys.executable, str(PROXY), to.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.usefixtures("hurry")
def test_a_command_asks_through_a_proxy(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that only the proxy resolves is reached by HTTP_PROXY, a real process here."""
    monkeypatch.setenv("KLING_BASE_URL", "http://api.kling.test")
    with proxy_process(service.base_url) as (process, url):
        monkeypatch.setenv("HTTP_PROXY", url)
        ran = run("generate", CAT, "-o", "a.mp4")
        assert ran.code == 0, ran.err
        assert Path("a.mp4").exists()
        process.kill()
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    assert lines[0] == "POST http://api.kling.test/v1/videos/image2video HTTP/1.1"
    assert not any("127.0.0.1" in line for line in lines)  # the file's host is this machine
