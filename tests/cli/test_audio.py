"""`kling-async text-to-audio` and `video-to-audio`, and the commands that list and save their results."""

from pathlib import Path

import pytest

from kling_async.emulator import Emulator

from .conftest import Run

pytestmark = pytest.mark.usefixtures("hurry")

RAIN = ("text-to-audio", "--prompt", "rain", "--duration", "3.5")
CLIP = ("video-to-audio", "--video-url", "https://example.com/cat.mp4", "--bgm-prompt", "a waltz")
STARTS = {".mp3": b"ID3", ".wav": b"RIFF", ".mp4": b"ftyp"}


def holds(path: Path) -> bool:
    """Whether the content of a file matches its suffix."""
    return STARTS[path.suffix] in path.read_bytes()[:8]


@pytest.mark.parametrize(("words", "name"), [(RAIN, "rain.mp3"), (RAIN, "rain.wav"), (CLIP, "a.wav")])
def test_without_a_key(run: Run, here: Path, words: tuple[str, ...], name: str) -> None:
    """`--emulator` makes a file of the type of its suffix, and shows what it would have cost."""
    ran = run(*words, "-o", name, "--emulator")
    assert ran.code == 0
    assert holds(here / name)
    assert "would have cost 0.25 units, $0.035; nothing was paid" in ran.out


def test_every_option_reaches_the_service(run: Run, service: Emulator) -> None:
    """Options are the documented parameters: the service receives the given values, and nothing else."""
    more = ("--sound-effect-prompt", "purring", "--asmr-mode", "--external-task-id", "a")
    assert run(*CLIP, *more, "-o", "a.mp3").code == 0
    assert run(*RAIN, "--external-task-id", "b", "-o", "b.mp3").code == 0
    dubbed, rain = (entry.parameters for entry in service.ledger.entries)
    words = {"sound_effect_prompt": "purring", "bgm_prompt": "a waltz", "asmr_mode": True}
    assert dubbed == {"video_url": "https://example.com/cat.mp4", **words, "external_task_id": "a"}
    assert rain == {"prompt": "rain", "duration": 3.5, "external_task_id": "b"}


@pytest.mark.usefixtures("service")
def test_save_and_list(run: Run, here: Path) -> None:
    """The endpoint's list contains the task, and a directory gets the video and its sound in both formats."""
    reference = run(*CLIP, "-o", "a.mp3", "--json").data["reference"]
    other = run(*RAIN, "-o", "b.mp3", "--json").data["reference"]
    assert run("list", "video-to-audio", "-q").out.split() == [reference]
    assert run("list", "audio/text-to-audio", "-q").out.split() == [other]
    assert run("save", reference, "-o", "out/", "-q").code == 0
    made = sorted((here / "out").iterdir())
    assert [path.suffix for path in made] == [".mp3", ".mp4", ".wav"]
    assert all(map(holds, made))


def test_bad_input(run: Run, service: Emulator) -> None:
    """All problems are reported at once, by the names of the options; nothing is sent."""
    ran = run("video-to-audio", "--video-id", "8", "--video-url", "cat.mp4", "--bgm-prompt", "x" * 201, "-o", "a.mp4")
    assert ran.code == 2
    assert all(part in ran.err for part in ("3 problems", "exclude each other", "is no address", "at most 200"))
    assert service.ledger.requests.total() == 0
