import io
import subprocess
import sys
from pathlib import Path

import pytest

from kling_async.cli.output import Output, printable

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
    """What a terminal cannot show, or would obey, is spelled out."""
    assert expected == printable(text, encoding)


def test_terminal_that_knows_ascii_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of files in other letters do not break a terminal of the C locale."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    Output().result("猫.mp4", "", {})
    assert written.getvalue() == b"\\u732b.mp4\n"


def test_broken_pipe() -> None:
    """A reader that goes away is no error and no traceback."""
    with started("models") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


def test_no_streams_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a console writes nowhere."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    output = Output()
    output.result("x", "x", {})
    output.note("x")
    output.close()
    assert output.closed


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
