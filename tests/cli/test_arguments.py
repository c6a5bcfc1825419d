import re

import pytest

import kling_async
from kling_async.cli import endpoints
from kling_async.cli.exit_codes import Exit, UsageError
from kling_async.cli.record_fields import summary

from .conftest import Run


def test_help_names_each_exit_code(run: Run) -> None:
    """`--help` documents what a script can rely on."""
    ran = run("--help")
    assert ran.code == 0
    assert all(f"{code.value:>3}  {code.meaning}" in ran.out for code in Exit)


def test_no_option_takes_a_key(run: Run) -> None:
    """No command takes a key as an option, since process lists show options; the help names the variables."""
    for command in ("generate", "save", "list", "models", "emulator"):
        assert not re.search(r"--\S*(key|secret)", run(command, "--help").out)
    assert "KLING_SECRET_KEY" in run("generate", "--help").out


@pytest.mark.parametrize("command", ["save", "list", "emulator", "models", "doctor", "--version"])
def test_records_are_imported_on_use(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Commands without an endpoint import no record; the list of commands describes each endpoint."""

    def imported(name: str) -> type:
        raise AssertionError(f"{name} was imported")

    with monkeypatch.context() as patched:
        patched.setattr(endpoints, "record", imported)
        assert run(command, *["--help"] * (command != "--version")).code == 0
    text = summary(endpoints.record(endpoints.DEFAULT))
    assert "".join(text.split()) in "".join(run("--help").out.split())


def test_version(run: Run) -> None:
    """`--version` shows the version that the package has."""
    assert run("--version").out == f"kling-async {kling_async.__version__}\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "required: COMMAND"),
        (["imagetovideo"], "there is no command 'imagetovideo'; did you mean image-to-video?"),
        (["image_to_vidoe"], "did you mean image-to-video?"),
        (["tts"], "did you mean text-to-speech?"),
        (["images/generations"], "did you mean generate-images?"),
        (["estimate", "effects"], "did you mean video-effect?"),
        (["generate", "cat.png"], "needed as well: -o FILE"),
        (["generate", "cat.png", "--out", "a.mp4"], "--out a.mp4; did you mean --output?"),
        (["text-to-speech", "hi"], "needed as well: --voice-id, --voice-language, -o FILE"),
        (["generate", "cat.png", "-o", "-"], "standard output"),
        (["generate", "cat.png", "-o", "a.mp4", "--api-key", "x"], "unrecognized arguments: --api-key"),
        (["generate", "cat.png", "-o", "a.mp4", "--emulator", "--base-url", "http://x"], "not allowed with"),
        (["generate", "cat.png", "-o", "a.mp4", "--prom", "x"], "--prom x; did you mean --prompt?"),
        (["generate", "cat.png", "-o", "a.mp4", "--deadline", "0"], "more than 0"),
        (["save", "image2video:1", "-o", "a.mp4", "--poll", "-1"], "more than 0"),
        (["list", "--limit", "-1"], "0 or more"),
        (["list", "--limit", "ten"], "must be a number, got 'ten'"),
        (["emulator", "--port", "80.5"], "must be a whole number, got '80.5'"),
        (["emulator", "--port", "70000"], "0 to 65535"),
    ],
)
def test_invalid_command_lines(run: Run, words: list[str], text: str) -> None:
    """An invalid command line exits with 2 and refers to the help."""
    ran = run(*words)
    assert ran.code == 2
    assert text in ran.err
    assert "--help" in ran.err
    assert not ran.out


def test_the_commands_own_options_come_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A similar option of the command itself is suggested before other commands that have the option."""
    monkeypatch.setattr(endpoints, "that_take", lambda option: ["others"] if option in {"--tail", "--song"} else [])
    assert "did you mean --image-tail?" in run("generate", "cat.png", "-o", "a.mp4", "--tail", "x").err
    assert "--song x; it is an option of others" in run("generate", "cat.png", "-o", "a.mp4", "--song", "x").err


def test_usage_errors_as_json(run: Run) -> None:
    """With `--json` an invalid command line is reported as JSON too."""
    ran = run("save", "--json")
    assert ran.code == 2
    assert (ran.data["ok"], ran.data["error"], ran.data["exit_code"]) == (False, "UsageError", 2)
    assert not ran.err


def test_usage_error_is_one_line_and_a_hint() -> None:
    """A usage error contains the problem and a hint."""
    assert str(UsageError("no", "see help")) == "error: no\nsee help"


def test_commands_are_listed_by_what_they_make(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list has a heading for each folder of endpoints, each command once, and no line over 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    text = run("--help").out
    listed = text.partition("options:")[0]
    for folder, names in endpoints.folders().items():
        section = listed.partition(f"\n{folder}:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^  (\S+)", section, re.MULTILINE) == names
    assert max(map(len, listed.splitlines())) <= 80
    assert re.findall(r"^  (\S+)", listed.partition("\nmore:\n")[2], re.MULTILINE)[0] == "generate"


@pytest.mark.parametrize("columns", ["1", "9", "20"])
def test_a_terminal_too_narrow_for_words(run: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """A terminal of any width shows the help, and stops no command."""
    monkeypatch.setenv("COLUMNS", columns)
    for words in (["--help"], ["generate", "--help"], ["batch", "--help"], ["estimate", "text-to-video", "a cat"]):
        ran = run(*words)
        assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("option", ["--prompt", "--callback-url"])
def test_hints_name_at_most_three_commands(run: Run, option: str) -> None:
    """A hint names at most three of the commands that have an option."""
    others = endpoints.that_take(option)
    assert len(others) > 3
    hint = f"it is an option of {', '.join(others[:3])} and {len(others) - 3} more"
    assert hint in run("text-to-speech", "a", "-o", "b", option, "x").err
