"""`kling-async estimate`: the cost of a request, with the options of its command."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from kling_async.cli import endpoints

from .conftest import CAT, Run

JSON = {
    "element_image_list.json": '{"frontal_image": "cat.jpg", "refer_images": ["cat.jpg"]}',
    "face_choose.json": """[{
        "face_id": "0", "audio_id": "1", "sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0
    }]""",
}
"""The files that the examples read."""


@pytest.mark.parametrize(
    ("words", "of", "cost"),
    [
        (["generate", CAT, "--mode", "pro", "--duration", "10"], "kling-v2-6 pro 10 s", "about 5 units, $0.70"),
        (["generate-images", "a cat", "--n", "3"], "kling-v3 3 times", "about 24 units (image pack), $0.084"),
        (["text-to-speech", "hi", "--voice-id", "x", "--voice-language", "en"], "", "about 0.05 units, $0.007"),
        (["delete-voice", "1"], "", "nothing"),
        (["--model", "kling-3.0-turbo", "--first-frame", CAT], "kling-3.0-turbo", "about 4 units, $0.56"),
    ],
)
def test_what_it_costs(run: Run, words: list[str], of: str, cost: str) -> None:
    """The arguments of a command after `estimate` show its cost, without a key or an output path."""
    ran = run("estimate", *words)
    assert ran.code == 0
    assert of in ran.out
    assert f"cost   {cost}\n" in ran.out
    assert ran.out.endswith("nothing was sent\n")


def test_for_programs(run: Run, here: Path) -> None:
    """`--json` has numbers; a given output path is not written to."""
    data = run("estimate", "text-to-video", "a cat", "-o", "cat.mp4", "--json").data
    assert (data["units"], data["usd"], data["typical_seconds"] > 10) == (1.5, 0.21, True)
    assert [*here.iterdir()] == []


def test_what_is_wrong(run: Run, here: Path) -> None:
    """All that the command would refuse is refused, including the output path."""
    (here / "cat.mp4").touch()
    assert "cat.mp4 exists" in run("estimate", "generate", CAT, "-o", "cat.mp4").err
    ran = run("estimate", "image-to-video", "none.png", "--cfg-scale", "7")
    assert ran.code == 2
    assert "--image: there is no file 'none.png'" in ran.err
    assert "--cfg-scale: " in ran.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "required: COMMAND"),
        (["text2vidoe"], "did you mean text-to-video?"),
        (["models"], "there is no command 'models'"),
        (["text-to-video", "a", "--promt", "b"], "did you mean --prompt?"),
        (["text-to-video", "a", "--duration", "long"], "see `kling-async estimate text-to-video --help`"),
    ],
)
def test_mistakes(run: Run, words: list[str], text: str) -> None:
    """Mistakes are reported as by the command itself."""
    ran = run("estimate", *words)
    assert (ran.code, text in ran.err) == (2, True)


def test_unknown_price(run: Run) -> None:
    """A model without a price is reported, as `?` with `--quiet`."""
    words = ("text-to-video", "a cat", "--model-name", "unheard-of")
    assert "not known" in run("estimate", *words).out
    assert run("estimate", *words, "-q").out == "?\n"


@pytest.mark.parametrize("name", endpoints.names())
def test_examples(run: Run, here: Path, name: str) -> None:
    """The first example in a command's help passes all checks."""
    shutil.copy(CAT, here / "cat.jpg")
    [example] = re.findall(r"^  kling-async (.*) --emulator$", run(name, "--help").out, re.MULTILINE)
    for file in re.findall(r"@(\S+)", example):
        (here / file).write_text(JSON[file])
    ran = run("estimate", *shlex.split(example))
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("name", ["generate", *endpoints.names()])
def test_help(run: Run, name: str) -> None:
    """Each endpoint's options are shown, and no output path is required."""
    ran = run("estimate", name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"usage: kling-async estimate {name} ")
    assert " -o FILE [options]" not in ran.out.partition("\n\n")[0]
