"""Each example works as its module docstring describes."""

import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kling_async.emulator import Emulator
from tests.shell.conftest import IMAGES

EXAMPLES = IMAGES.parent


@pytest.fixture(autouse=True)
def key_of_the_emulator(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variables that the examples read."""
    monkeypatch.setenv("KLING_API_KEY", emulator.api_key)
    monkeypatch.setenv("KLING_BASE_URL", emulator.base_url)


def load(name: str) -> ModuleType:
    """Loads an example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_video(path: Path) -> bool:
    """Whether a file is an MP4 of some size."""
    return path.read_bytes()[4:8] == b"ftyp" and path.stat().st_size > 100_000


async def test_one_clip(tmp_path: Path, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`one_clip.py` prints the price and saves the video; a second run pays nothing and prints the reason."""
    words = (str(IMAGES / "cat.png"), str(tmp_path / "cat.mp4"))
    await load("one_clip").main(*words)
    assert capsys.readouterr().out == f"costs about 0.350 USD\nsaved: {words[1]}\n"
    assert is_video(tmp_path / "cat.mp4")
    with pytest.raises(SystemExit, match=r"TargetExists: .* exists"):
        await load("one_clip").main(*words)
    assert emulator.ledger.created == 1


async def test_many_clips(tmp_path: Path, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`many_clips.py` saves one video per picture, and prints the failed ones; a second run repeats none."""
    images = [str(IMAGES / name) for name in ("cat.png", "rocket.jpg", "coffee.png", "README.md")]
    for _ in range(2):
        await load("many_clips").main(f"{tmp_path}/out/", *images)
        assert [is_video(path) for path in (tmp_path / "out").iterdir()] == [True, True, True]
        assert "README.md -> image:" in capsys.readouterr().out
    assert emulator.ledger.created == 3


async def test_chain(tmp_path: Path, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`chain.py` passes the result of each step to the next, and prints the cost before and after."""
    await load("chain").main(str(tmp_path))
    assert capsys.readouterr().out.splitlines() == [
        "before: about 0.29 USD, and 0.07 USD for each 5 seconds of lip-sync",
        "after: 8 units of the image pack",
        "after: 2.35 units of the video pack: 1.5, 0.05, 0.05, 0.5, 0.25",
    ]
    kinds = {path.name: path.read_bytes()[:8] for path in tmp_path.iterdir()}
    assert kinds.pop("portrait.png").startswith(b"\x89PNG")
    assert kinds.pop("speech.mp3")[:2] in {b"ID", b"\xff\xfb", b"\xff\xf3"}
    assert {name: head[4:] for name, head in kinds.items()} == {
        "moving.mp4": b"ftyp",
        "speaking.mp4": b"ftyp",
        "sounding.mp4": b"ftyp",
    }
    assert emulator.ledger.created == 4
    assert emulator.ledger.charged == pytest.approx(2.35)


async def test_resume(tmp_path: Path) -> None:
    """`resume.py` submits with one client and saves with another."""
    resume = load("resume")
    for _ in range(2):
        await resume.submit(str(IMAGES / "cat.png"), str(tmp_path / "jobs.txt"))
    await resume.save(str(tmp_path / "jobs.txt"), f"{tmp_path}/out/")
    assert [is_video(path) for path in (tmp_path / "out").iterdir()] == [True, True]


async def test_durable(tmp_path: Path, emulator: Emulator) -> None:
    """`durable.py` creates one clip for each line; a second run creates only the new ones."""
    prompts = tmp_path / "prompts.txt"
    for text in ("a cat\na dog\na cat\n", "a cat\na dog\na cow\n"):
        prompts.write_text(text)
        await load("durable").main(str(prompts), str(tmp_path / "out"))
    assert len([path for path in (tmp_path / "out").glob("*.mp4") if is_video(path)]) == 3
    assert emulator.ledger.created == 3


async def test_traces(tmp_path: Path, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`traces.py` creates ten videos, and draws their phases from its file of spans."""
    await load("traces").main(str(tmp_path / "spans.jsonl"), f"{tmp_path}/out/")
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.endswith(". queue, c create, = generate, d download")
    assert [line[-9:] for line in lines] == ["1.5 units"] * 10
    assert all("=" in line for line in lines)
    assert emulator.ledger.created == 10
    assert len((tmp_path / "spans.jsonl").read_text("utf-8").splitlines()) >= 10 * 5


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("[a-z]*.py")))
async def test_usage(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with invalid arguments prints its usage, and exits."""
    takes_many = example == "many_clips.py"
    for words in ([], ["one"] if takes_many else ["one", "two", "three", "four", "five"]):
        monkeypatch.setattr(sys, "argv", [example, *words])
        with pytest.raises(SystemExit, match=rf"python (examples/)?{example}"):
            runpy.run_path(str(EXAMPLES / example), run_name="__main__")
