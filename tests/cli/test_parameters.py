import io
from pathlib import Path
from typing import Any

import pytest

from kling_async.cli.arguments import read
from kling_async.cli.exits import UsageError
from kling_async.cli.parameters import camera_control, from_json, listed, parameters, stdin_bytes


def given(*words: str, stdin: bytes = b"picture") -> dict[str, Any]:
    """The parameters of a command."""
    return parameters(read(["generate", "-o", "a.mp4", *words]), lambda: stdin)


def test_only_what_was_given() -> None:
    """What no option names is left to the client and the service."""
    assert given("cat.png") == {"image": "cat.png", "model_name": "kling-v2-6", "duration": "5"}


def test_every_option_reaches_its_parameter() -> None:
    """Options carry the documented names over."""
    words = "--prompt p --negative-prompt n --model-name kling-v3 --mode pro --duration 7 --image-tail t.png --sound"
    words += " --cfg-scale 0.5 --static-mask s.png --multi-shot --shot-type customize --callback-url http://h/ "
    words += "--external-task-id e --watermark --element-list 1,2 --voice-list v --camera-control down_back"
    assert given("i.png", *words.split()) == {
        "image": "i.png",
        "prompt": "p",
        "negative_prompt": "n",
        "model_name": "kling-v3",
        "mode": "pro",
        "duration": "7",
        "image_tail": "t.png",
        "sound": True,
        "cfg_scale": 0.5,
        "static_mask": "s.png",
        "multi_shot": True,
        "shot_type": "customize",
        "callback_url": "http://h/",
        "external_task_id": "e",
        "watermark_info": {"enabled": True},
        "element_list": ["1", "2"],
        "voice_list": ["v"],
        "camera_control": {"type": "down_back"},
    }


def test_nested_values_are_json() -> None:
    """Masks and shots are given as the documented JSON."""
    found = given("a.png", "--dynamic-masks", '[{"mask": "m.png"}]', "--multi-prompt", '[{"index": 1}]')
    assert (found["dynamic_masks"], found["multi_prompt"]) == ([{"mask": "m.png"}], [{"index": 1}])


def test_picture_from_standard_input() -> None:
    """`-` takes the bytes that are piped in, for one picture only."""
    assert given("-")["image"] == b"picture"
    assert given("--image-tail", "-")["image_tail"] == b"picture"
    with pytest.raises(UsageError, match="image and image_tail"):
        given("-", "--image-tail", "-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zoom=5", {"type": "simple", "config": {"zoom": 5.0}}),
        ("pan=-2.5", {"type": "simple", "config": {"pan": -2.5}}),
        ("forward_up", {"type": "forward_up"}),
        ('{"type": "down_back"}', {"type": "down_back"}),
    ],
)
def test_camera_control(text: str, expected: Any) -> None:
    """A movement, a preset, or JSON."""
    assert expected == camera_control(text)


@pytest.mark.parametrize(("text", "why"), [("spin=5", "is no movement"), ("zoom=much", "a number"), ("{", "no JSON")])
def test_camera_control_refused(text: str, why: str) -> None:
    """What is no camera control is said with what would be one."""
    with pytest.raises(UsageError, match=why):
        camera_control(text)


def test_json_from_a_file(here: Path) -> None:
    """`@FILE` reads the JSON of a file."""
    (here / "shots.json").write_text('[{"prompt": "ü"}]', encoding="utf-8")
    assert from_json("--x", "@shots.json") == [{"prompt": "ü"}]


def test_json_file_that_cannot_be_read(here: Path) -> None:
    """A missing file and one that is no text are told apart."""
    (here / "picture").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match=r"none\.json cannot be read: No such file"):
        from_json("--x", "@none.json")
    with pytest.raises(UsageError, match="no UTF-8 text"):
        from_json("--x", "@picture")


def test_ids() -> None:
    """Ids have commas between; none at all is a mistake."""
    assert listed("--x", "12, 345,") == ["12", "345"]
    with pytest.raises(UsageError, match="--x needs ids"):
        listed("--x", ",")


class Stdin(io.TextIOWrapper):
    """Standard input, piped or not."""

    def __init__(self, data: bytes, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self._terminal = terminal

    def isatty(self) -> bool:
        """Whether somebody types."""
        return self._terminal


@pytest.mark.parametrize("stdin", [None, Stdin(b"", terminal=True), Stdin(b"")])
def test_no_picture_in_standard_input(monkeypatch: pytest.MonkeyPatch, stdin: Stdin | None) -> None:
    """The command does not wait for somebody to type a picture."""
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(UsageError, match="standard input"):
        stdin_bytes()


def test_bytes_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is piped in is taken as bytes."""
    monkeypatch.setattr("sys.stdin", Stdin(b"\x89PNG"))
    assert stdin_bytes() == b"\x89PNG"
