"""Models of the current generation in the shell: `--model` before, after, or between the other arguments."""

from pathlib import Path

import pytest

from kling_async.cli import endpoints
from kling_async.cli.exit_codes import Exit
from kling_async.protocol.catalog import all_endpoints
from kling_async.protocol.endpoint import Generation

from .conftest import CAT, Run

TURBO = ("--model", "kling-3.0-turbo")
NO_MEDIA = "https://files.example/walk.mp4"


@pytest.mark.usefixtures("hurry")
def test_the_first_video(run: Run, tmp_path: Path) -> None:
    """The README's example works: a picture without an option's name, and the file that it is saved as."""
    out = tmp_path / "cat.mp4"
    ran = run("generate", *TURBO, CAT, "-o", str(out), "--prompt", "the cat yawns", "--emulator", "--json")
    assert (ran.code, out.read_bytes()[4:8]) == (Exit.OK, b"ftyp")
    output = ran.data
    assert output["reference"] == f"tasks:{output['task_id']}"
    assert (output["units"], output["usd"], output["cost_told"]) == (4.0, 0.56, True)


@pytest.mark.parametrize(
    ("words", "units"),
    [
        (["generate", "{image}", *TURBO, "--duration", "3"], 2.4),
        (["image-to-video", "{image}", "--model=kling-3.0", "--audio", "native", "--resolution", "1080p"], 6.0),
        (["text-to-video", "a cat", "--model", "kling-2.5-turbo", "--duration", "10"], 3.0),
        (["text-to-video", "shot 1, 3, a cat; shot 2, 3, a dog;", *TURBO, "--duration", "6"], 4.8),
        (["omni-video", "@cat runs", "--model", "kling-o1", "--refer-images", '{"cat": "{image}"}',
          "--aspect-ratio", "1:1"], 3.0),
        (["omni-video", "@a, @b", "--model", "kling-3.0-omni", "--refer-images", '{"a": "{image}", "b": "{image}"}',
          "--aspect-ratio", "1:1", "--duration", "3"], 1.8),
        (["omni-video", "as in it", "--model", "kling-3.0-omni", "--feature-video", NO_MEDIA,
          "--aspect-ratio", "16:9"], 4.5),
        (["motion-control", "{image}", "--model", "kling-3.0", "--video", NO_MEDIA,
          "--character-orientation", "video"], None),
    ],
)  # fmt: skip
def test_what_it_costs(run: Run, words: list[str], units: float | None) -> None:
    """`estimate` accepts the command's arguments, also files by name in JSON, and sends nothing."""
    ran = run("estimate", *(word.replace("{image}", CAT) for word in words), "--json")
    assert (ran.code, ran.data["units"]) == (Exit.OK, units)


def test_each_record_has_a_command() -> None:
    """Each record of the current generation has a command that takes `--model`."""
    commands = {current for name in endpoints.names() if (current := endpoints.current_of(name)) is not None}
    records = {each.record for each in all_endpoints() if each.generation is Generation.CURRENT}
    assert {endpoints.record(name) for name in commands} == records
    assert endpoints.current_of("avatar") is None


@pytest.mark.parametrize("name", [name for name in endpoints.names() if endpoints.current_of(name)])
def test_help_with_and_without_a_model(run: Run, name: str) -> None:
    """A command's help mentions `--model`; with `--model`, it describes the parameters of that model."""
    legacy, current = run(name, "--help"), run(name, "--model", "kling-3.0", "--help")
    assert (legacy.code, current.code) == (Exit.OK, Exit.OK)
    output = " ".join(legacy.out.split())
    assert f"kling-async {name} --model NAME --help" in output
    assert "--model-name" in output
    assert "--model-name" not in current.out
    assert "--model NAME" in current.out
    assert "--resolution" in current.out
    assert f"kling-async models --endpoint current.{name}" in " ".join(current.out.split())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["generate", "{image}", "--model-name", "kling-3.0-turbo"], "or --model kling-3.0-turbo in a shell"),
        (["generate", "{image}", "--model", "kling-v3", "--prompt", "x"], "in the current generation it is kling-3.0"),
        (["generate", "{image}", "--model", "kling-o1", "--prompt", "x"], "is a model of /omni-video"),
        (["generate", "{image}", *TURBO, "--last-frame", "{image}"], "--last-frame is not for kling-3.0-turbo"),
        (["generate", "{image}", *TURBO, "--mode", "pro"], "unrecognized arguments: --mode pro"),
        (["generate", "{image}", "--model"], "expected one argument"),
        (["avatar", "{image}", "--model", "kling-3.0"], "unrecognized arguments: --model kling-3.0"),
    ],
)
def test_what_is_refused(run: Run, tmp_path: Path, words: list[str], text: str) -> None:
    """A model of the other generation is refused with the right option; its parameters are unknown arguments."""
    given = [word.replace("{image}", CAT) for word in words]
    ran = run(*given[:2], "-o", str(tmp_path / "x.mp4"), "--emulator", *given[2:])
    assert ran.code == Exit.USAGE
    assert text in " ".join(ran.err.split())


def test_models(run: Run) -> None:
    """`models` shows current models and those of legacy paths, with their prices."""
    shown = run("models")
    assert {"kling-v2-6", "kling-3.0-turbo"} <= {*shown.out.split()}
    one = run("models", "kling-3.0-turbo", "--json")
    rows = one.data["models"]
    assert {row["mode"] for row in rows} == {"720p", "1080p"}
    assert next(row["units"] for row in rows if (row["mode"], row["duration"]) == ("720p", 5)) == 4.0
    assert run("models", "--endpoint", "current.text-to-video", "--quiet").out.split()[0] == "kling-3.0-turbo"
