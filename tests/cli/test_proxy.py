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
    """Runs a proxy in a separate process, which resolves every name to a local port; yields its address."""
    command = [sys.executable, str(PROXY), to.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.usefixtures("hurry")
def test_a_command_uses_a_proxy(run: Run, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process reaches a name that only the proxy resolves, by HTTP_PROXY."""
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
