"""The backends start as their READMEs describe."""

import asyncio
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from examples.web_service.settings import Settings, from_command_line
from tests.serving.apps.conftest import SERVERS, visitor
from tests.serving.apps.processes import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_the_first_command(name: str, tmp_path: Path) -> None:
    """The README's first command prints an address to open, and a clip posted there is made by the emulator."""
    first = (ROOT / "examples" / name / "README.md").read_text("utf-8").split("```")[1]
    words = shlex.split(first.rpartition("&&")[2])
    assert words == [".venv/bin/python", "-m", f"examples.{name}", "--emulator"]
    command = [sys.executable, *words[1:], "--port", "0"]

    async def post(url: str) -> None:
        async with visitor(url) as ann:
            assert (await ann.ended((await ann.post())[1]))["status"] == "done"

    with subprocess.Popen(
        command, cwd=ROOT, env={"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        match = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert match is not None
        asyncio.run(post(match[1]))
        process.terminate()
        process.wait(30)
    assert list(tmp_path.iterdir()) == []


MISTAKES: tuple[tuple[dict[str, str], str], ...] = (
    ({"KLING_API_KEY": ""}, "KLING_API_KEY"),
    ({"CLIPS_UNITS": "many"}, "CLIPS_UNITS"),
    ({"CLIPS_CONCURRENCY": "abc"}, "CLIPS_CONCURRENCY"),
    ({"CLIPS_CONCURRENCY": "0"}, "CLIPS_CONCURRENCY"),
    ({"CLIPS_URL": "me.example"}, "CLIPS_URL"),
    ({"CLIPS_URL": "https://["}, "CLIPS_URL"),
    ({"CLIPS_DIRECTORY": __file__}, "CLIPS_DIRECTORY"),
    ({"KLING_WEBHOOK_SECRETS": "whsec_bad!"}, "KLING_WEBHOOK_SECRETS"),
)


def begun(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> Settings:
    """Reads the settings from these arguments and variables, and closes the socket."""
    monkeypatch.setattr(sys, "argv", ["app", *(arguments or ("--port", "0"))])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    listener, settings = from_command_line()
    listener.close()
    return settings


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistakes(
    mistake: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mistake in the environment is reported in one line that names the variable, and no other content of it."""
    with pytest.raises(SystemExit) as ended:
        begun(monkeypatch, **({"CLIPS_DIRECTORY": str(tmp_path), "KLING_API_KEY": "key"} | mistake))
    output = capsys.readouterr()
    assert (ended.value.code, output.out, output.err.count("\n")) == (2, "", 1)
    assert message in output.err
    assert "whsec_bad" not in output.err


@pytest.mark.parametrize("arguments", [("--port", "99999"), ("--host", "a..b"), ("--host", "::1::")])
def test_where_it_cannot_listen(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address that cannot be listened on is reported in one line that names the option."""
    with pytest.raises(SystemExit) as ended:
        begun(monkeypatch, "--emulator", *arguments)
    output = capsys.readouterr()
    assert (ended.value.code, output.out, output.err.count("\n")) == (2, "", 1)
    assert "--port" in output.err


def test_ipv6(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A backend can listen on an IPv6 address, and prints it in the form for browsers."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    settings = begun(monkeypatch, "--emulator", "--host", "::1", "--port", "0")
    assert capsys.readouterr().out == f"Open {settings.url}\n"
    assert (settings.url or "").startswith("http://[::1]:")


def test_an_address_that_ends_in_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CLIPS_URL` may end in a slash: the callback URL is still the backend's."""
    given = {"CLIPS_DIRECTORY": str(tmp_path), "KLING_API_KEY": "key", "CLIPS_URL": "https://me.example/"}
    assert begun(monkeypatch, **given).callback_url == "https://me.example/kling/{token}"
