"""`kling-async text-to-video`, and the commands that list, save and describe its results."""

import re
import shlex
from pathlib import Path

import pytest

from kling_async.cli import endpoints
from kling_async.emulator import Emulator
from kling_async.protocol.endpoints.videos.text_to_video import CAPABILITIES

from .conftest import CAT, Run, serving

pytestmark = pytest.mark.usefixtures("hurry")

MADE = ("text-to-video", "--prompt", "a cat on a skateboard")


# ------------------------------------------------------------------------------------------------ making a video


def test_without_a_key(run: Run, here: Path) -> None:
    """`--emulator` makes a real video of the prompt, and shows what it would have cost."""
    ran = run(*MADE, "-o", "cat.mp4", "--emulator", "--aspect-ratio", "9:16")
    assert ran.code == 0
    assert (here / "cat.mp4").read_bytes()[4:8] == b"ftyp"
    assert "would have cost 1.5 units, $0.21; nothing was paid" in ran.out
    assert "kling-v2-6 5 s, about 1.5 units" in ran.err


def test_every_option_reaches_the_service(run: Run, service: Emulator) -> None:
    """Options are the documented parameters: the service receives the given values, and nothing else."""
    words = "--model-name kling-v3 --mode pro --duration 7 --sound --aspect-ratio 1:1 --cfg-scale 0.5"
    words += " --negative-prompt rain --camera-control zoom=5 --external-task-id mine"
    words += " --voice-list 829824295735410756,829824295735410757"
    ran = run(*MADE, "-o", "out/", *words.split(), "--watermark", "--no-multi-shot", "--json")
    assert (ran.code, ran.data["reference"]) == (0, f"text2video:{ran.data['task_id']}")
    [entry] = service.ledger.entries
    assert entry.parameters == {
        "prompt": "a cat on a skateboard",
        "model_name": "kling-v3",
        "negative_prompt": "rain",
        "multi_shot": False,
        "voice_list": [{"voice_id": "829824295735410756"}, {"voice_id": "829824295735410757"}],
        "sound": "on",
        "cfg_scale": 0.5,
        "mode": "pro",
        "camera_control": {
            "type": "simple",
            "config": {"horizontal": 0, "vertical": 0, "pan": 0, "tilt": 0, "roll": 0, "zoom": 5},
        },
        "aspect_ratio": "1:1",
        "duration": "7",
        "watermark_info": {"enabled": True},
        "external_task_id": "mine",
    }
    assert ran.data["watermark_path"] == f"out/{ran.data['task_id']}-watermark.mp4"


@pytest.mark.usefixtures("service")
def test_shots(run: Run) -> None:
    """Shots replace the prompt."""
    shot = '{"index": 1, "prompt": "a cat", "duration": 5}'
    words = ["--model-name", "kling-v3", "--multi-shot", "--shot-type", "customize", "--multi-prompt", shot]
    assert run("text-to-video", "-o", "cat.mp4", *words, "-q").out == "cat.mp4\n"


# --------------------------------------------------------------------------------------------- other commands


def test_save_and_list(run: Run, here: Path, service: Emulator) -> None:
    """The printed reference saves the video again, and the task is in its own endpoint's list."""
    reference = run(*MADE, "-o", "cat.mp4", "--json").data["reference"]
    picture = run("generate", CAT, "-o", "picture.mp4", "--json").data["reference"]
    assert run("save", reference, "-o", "again.mp4", "-q").code == 0
    assert (here / "again.mp4").read_bytes() == (here / "cat.mp4").read_bytes()
    for name in ("text-to-video", "text_to_video", "text2video"):
        assert run("list", name, "-q").out.split() == [reference]
    assert run("list", "-q").out.split() == [picture]
    assert service.ledger.created == 2


def test_deadline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a deadline, the printed command saves the task."""
    with serving(speed=300.0) as service:
        monkeypatch.setenv("KLING_API_KEY", service.api_key)
        ran = run(*MADE, "-o", "cat.mp4", "--deadline", "0.1", "--base-url", service.base_url)
        assert ran.code == 5
        [command] = [line for line in ran.err.splitlines() if "kling-async save text2video:" in line]
        words = shlex.split(command[command.index("kling-async save") :])
        assert run(*words[1:]).code == 0


def test_models(run: Run) -> None:
    """The table has the models, columns and prices of the endpoint."""
    ran = run("models", "--endpoint", "text-to-video")
    header, *rows = ran.out.splitlines()
    assert " ".join(header.split()) == "model mode seconds camera sound voices cfg shots size fps units/s $/s"
    assert {row.split()[0] for row in rows[: rows.index("")]} == set(CAPABILITIES.models)
    assert re.search(r"^kling-v2-6 +pro +5, 10 .* 0\.5 / 1 / 1\.2 +0\.07 / 0\.14 / 0\.168$", ran.out, re.MULTILINE)
    assert run("models", "kling-v1-5", "--endpoint", "text-to-video").code == 2


def test_voices_have_no_price_where_there_is_no_sound(run: Run) -> None:
    """Prices are silent, with sound, with voices; an impossible combination has none."""
    table = run("models", "--endpoint", "text2video").out
    assert re.search(r"^kling-v1 +std +5 .* 30 +0\.2 +0\.028$", table, re.MULTILINE)
    assert re.search(r"^kling-v3 +std .* 0\.6 / 0\.9 / \? ", table, re.MULTILINE)


def test_help(run: Run) -> None:
    """The help is about the shell: options, no Python, examples to paste, no long lines."""
    text = run("text-to-video", "--help").out
    assert text.startswith("usage: kling-async text-to-video [PROMPT] -o FILE [options]\n")
    assert "A video from a prompt" in text
    assert " ".join(text.split()).count("kling-async models --endpoint text-to-video") == 2
    assert "--aspect-ratio {16:9,9:16,1:1}" in text
    for word in ("IMAGE", "kling_async", "TextToVideo", "None", "dict", "`prompt`", "  \n"):
        assert word not in text
    prose = text.partition("examples:")[0].splitlines()  # those are pasted, and so not wrapped
    assert max(map(len, prose)) <= 80
    assert "text-to-video" in run("--help").out


def test_the_example_of_the_help_works(run: Run) -> None:
    """The first example in the help runs unchanged."""
    [line] = re.findall(
        r"^  kling-async (text-to-video .*--emulator)$", run("text-to-video", "--help").out, re.MULTILINE
    )
    assert run(*shlex.split(line)).code == 0


# ------------------------------------------------------------------------------------ mistakes of a tired person


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "prompt: is required: say what happens in the video"),
        (["--prompt", ""], "prompt: is required"),
        (["--prompt="], "prompt: is required"),
        (["--prompt", "cat.png"], "prompt: is the name of a picture"),
        (["--prompt", CAT], "make one from the picture with image to video"),
        ([CAT], "prompt: is the name of a picture"),
        (["a cat", CAT], "a file is for image-to-video"),
        (["--image", CAT], "--image is an option of image-to-video"),
        ([f"--image={CAT}"], "it is an option of image-to-video"),
        (["--prompt", "a", "cat"], "prompt is given twice: cat and --prompt a"),
        (["a", "cat"], "a text with spaces needs quotes around it"),
        (["--promt", "a cat"], "did you mean --prompt?"),
        (["--prompt", "cat", "--ratio", "1:1"], "did you mean --aspect-ratio?"),
        (["--prompt", "cat", "--modle-name", "kling-v3"], "did you mean --model-name?"),
        (["--prompt", "cat", "--mode", "por"], "'std', 'pro', '4k'"),
        (["--prompt", "cat", "--mode", "4k"], "not possible with kling-v2-6; use std or pro"),
        (["--prompt", "cat", "--duration", "7"], "use 5 or 10"),
        (["--prompt", "cat", "--duration", "long"], "must be a number"),
        (["--prompt", "cat", "--aspect-ratio", "4:3"], "'16:9', '9:16', '1:1'"),
        (["--prompt", "cat", "--model-name", "kling-v2-1"], "makes videos from pictures only"),
        (["--prompt", "cat", "--sound"], "needs mode pro"),
        (["--prompt"], "expected one argument"),
        (["--prompt", "-"], '--prompt takes the words, not where they are: --prompt "$(cat)"'),
        (["-"], "--prompt takes the words"),
        (["--prompt", f"@{CAT}"], '--prompt "$(cat '),
        (["--prompt", "cat", "--negative-prompt", " - "], "--negative-prompt takes the words"),
    ],
    ids=lambda words: " ".join(words).replace(CAT, "CAT") if isinstance(words, list) else None,
)
def test_mistakes(run: Run, service: Emulator, words: list[str], text: str) -> None:
    """A mistake exits with 2, the error suggests a correction in one or two lines, and nothing is sent."""
    ran = run("text-to-video", *words, "-o", "a.mp4")
    assert (ran.code, ran.out) == (2, "")
    assert text.removeprefix("--image is ") in ran.err
    assert len(ran.err.splitlines()) <= 3
    assert not service.ledger.requests


def test_words_may_begin_with_an_at_sign(run: Run) -> None:
    """`@NAME` is a file if that file exists, and text otherwise."""
    assert run("estimate", "text-to-video", "--prompt", "@nobody-here waves").code == 0


def test_a_mistyped_command(run: Run) -> None:
    """The nearest command is suggested, with any separator."""
    assert "did you mean text-to-video?" in run("text2video", "-o", "a.mp4").err
    assert "did you mean text-to-video?" in run("text_to_vidoe", "-o", "a.mp4").err


def test_commands_that_take_an_option() -> None:
    """The records determine which commands have an option, and which take a file without one."""
    assert "text-to-video" in endpoints.that_take("--aspect-ratio")
    assert "image-to-video" not in endpoints.that_take("--aspect-ratio")
    assert {"image-to-video", "text-to-video"} <= {*endpoints.that_take("--prompt")}
    assert endpoints.that_take("--prom") == []
    assert "image-to-video" in endpoints.that_take(None)
    assert "text-to-video" not in endpoints.that_take(None)


@pytest.mark.parametrize("word", ["on", "off", "Yes"])
def test_a_switch_takes_no_word(run: Run, word: str) -> None:
    """`--sound on` is an error, not a video of the prompt "on"."""
    ran = run("text-to-video", "-o", "out/", "--sound", word)
    assert (ran.code, ran.out) == (2, "")
    assert f"--sound takes no {word!r}: --sound is on, --no-sound is off" in ran.err
