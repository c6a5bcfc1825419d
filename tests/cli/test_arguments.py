import re

import pytest

from kling_async.cli.arguments import read
from kling_async.cli.exits import Exit, UsageError

from .conftest import Run


def test_help_names_each_exit_code(run: Run) -> None:
    """`--help` documents what a script can rely on."""
    ran = run("--help")
    assert ran.code == 0
    assert all(f"{code.value:>3}  {code.meaning}" in ran.out for code in Exit)


def test_keys_are_no_options(run: Run) -> None:
    """No command takes a key as an option, since a process list shows it; help says where keys go."""
    for command in ("generate", "save", "list", "models", "emulator"):
        assert not re.search(r"--\S*(key|secret)", run(command, "--help").out)
    assert "KLING_SECRET_KEY" in run("generate", "--help").out


def test_version(run: Run) -> None:
    """`--version` shows the version."""
    assert re.fullmatch(r"kling-async \d+\.\d+\.\d+\S*\n", run("--version").out)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "required: COMMAND"),
        (["generate", "cat.png"], "-o/--output"),
        (["generate", "cat.png", "-o", "-"], "standard output"),
        (["generate", "cat.png", "-o", "a.mp4", "--api-key", "x"], "unrecognized arguments: --api-key"),
        (["generate", "cat.png", "-o", "a.mp4", "--emulator", "--base-url", "http://x"], "not allowed with"),
        (["generate", "cat.png", "-o", "a.mp4", "--prom", "x"], "unrecognized arguments: --prom"),
        (["generate", "cat.png", "-o", "a.mp4", "--deadline", "0"], "more than 0"),
        (["list", "--limit", "-1"], "0 or more"),
        (["emulator", "--port", "70000"], "0 to 65535"),
    ],
)
def test_what_cannot_be_understood(run: Run, words: list[str], text: str) -> None:
    """A mistake in the words ends with 2 and says where help is."""
    ran = run(*words)
    assert ran.code == 2
    assert text in ran.err
    assert "--help" in ran.err
    assert not ran.out


def test_usage_errors_as_json(run: Run) -> None:
    """Programs read a mistake in the words as JSON too."""
    ran = run("save", "--json")
    assert ran.code == 2
    assert (ran.data["ok"], ran.data["error"], ran.data["exit_code"]) == (False, "UsageError", 2)
    assert not ran.err


def test_switches_have_three_positions() -> None:
    """`--sound` and `--no-sound` differ from saying nothing."""
    words = ["generate", "a.png", "-o", "a.mp4"]
    assert [read([*words, *more]).sound for more in ([], ["--sound"], ["--no-sound"])] == [None, True, False]


def test_usage_error_is_one_line_and_a_hint() -> None:
    """A usage error shows what is wrong and how to learn more."""
    assert str(UsageError("no", "see help")) == "error: no\nsee help"
