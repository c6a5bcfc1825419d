import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kling_async.cli import Exit, main
from kling_async.cli.output import Output, printable

from .batches import jobs
from .conftest import started


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Kätzchen\n", "utf-8", "Kätzchen\n"),
        ("Kätzchen", "ascii", "K\\xe4tzchen"),
        ("\x1b[2Jgone\r", "utf-8", "\\x1b[2Jgone\\r"),
        ("bad\udcffname", "utf-8", "bad\\udcffname"),
    ],
)
def test_printable(text: str, encoding: str, expected: str) -> None:
    """Characters that a terminal cannot show, or would interpret, are escaped."""
    assert expected == printable(text, encoding)


def test_ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of files in other letters do not break a terminal of the C locale."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    Output().result("猫.mp4", "", {})
    assert written.getvalue() == b"\\u732b.mp4\n"


@pytest.mark.parametrize("words", ["models", "--version", "--help"])
def test_broken_pipe(words: str) -> None:
    """A reader that closes the pipe causes no error and no traceback."""
    with started(words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


class _Full(io.StringIO):
    """A file on a full disk."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "words",
    [["models"], ["models", "--json"], ["--version"], ["--help"], ["batch", "--schema", "text-to-video", "--json"]],
)
def test_full_disk(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Output lost to a full disk is an error, reported once."""
    monkeypatch.setattr(sys, "stdout", _Full())
    assert main(words) == Exit.ERROR
    assert capsys.readouterr().err.count("error: stdout cannot be written: No space left on device\n") == 1


@pytest.mark.usefixtures("hurry")
def test_full_disk_where_something_was_paid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A paid result is saved, and its JSON is printed to stderr."""
    monkeypatch.setattr(sys, "stdout", _Full())
    words = ["text-to-video", "--prompt", "a boat", "-o", "boat.mp4", "--emulator", "--json"]
    assert main(words) == Exit.ERROR
    about, rest = capsys.readouterr().err.splitlines()
    assert about == "error: stdout cannot be written: No space left on device"
    lost = json.loads(rest)
    assert lost["reference"].startswith("text2video:")
    assert (lost["ok"], lost["exit_code"]) == (False, Exit.ERROR)
    assert (tmp_path / "boat.mp4").exists()


@pytest.mark.usefixtures("hurry")
def test_full_disk_at_the_end_of_a_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The JSON on stderr is not `ok`, like the exit code."""
    words = ["batch", jobs(tmp_path, "one"), "--out", "out", "--emulator", "--json"]
    monkeypatch.setattr(sys, "stdout", _Full())
    assert main(words) == Exit.ERROR
    lost = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (lost["event"], lost["ok"], lost["exit_code"]) == ("end", False, Exit.ERROR)


def test_full_disk_after_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk hides neither an error nor its exit code."""
    monkeypatch.setattr(sys, "stdout", _Full())
    assert main(["models", "no-model", "--json"]) == Exit.USAGE
    assert "no-model" in capsys.readouterr().err


def test_no_streams_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a console prints nothing."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    output = Output()
    output.result("x", "x", {})
    output.note("x")
    output.close()
    assert not output.lost


def test_c_locale() -> None:
    """With LC_ALL=C and ASCII streams the help and the table still work."""
    ran = subprocess.run(
        [sys.executable, "-m", "kling_async.cli", "models", "kling-v3"],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert b"kling-v3" in ran.stdout
    assert ran.stderr == b""
