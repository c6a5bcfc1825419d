import io
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import Element, Image, ImageToVideo, Voice
from kling_async.cli import endpoints
from kling_async.cli.arguments import read
from kling_async.cli.exit_codes import UsageError
from kling_async.cli.option_values import stdin_bytes
from kling_async.cli.record_fields import descriptions, fields_of, prose
from kling_async.cli.record_options import request_from
from kling_async.protocol.records import CameraConfig, CameraControl, DynamicMask, Point, ShotPrompt, WatermarkInfo

from .conftest import Run


def given(*words: str, stdin: bytes = b"picture") -> Any:
    """The request that a command line gives."""
    return request_from(ImageToVideo, read(["generate", "-o", "a.mp4", *words]), lambda: stdin)


# ------------------------------------------------------------------------------------- an endpoint of the service


def test_only_what_was_given() -> None:
    """Options that are not given keep the record's defaults."""
    assert given("cat.png") == ImageToVideo(image="cat.png")


def test_every_option_reaches_its_field() -> None:
    """Each option sets the field of the documented name."""
    words = "--prompt p --negative-prompt n --model-name kling-v3 --mode pro --duration 7 --image-tail t.png --sound"
    words += " --cfg-scale 0.5 --static-mask s.png --multi-shot --shot-type customize --callback-url http://h/ "
    words += "--external-task-id e --watermark --element-list 1,2 --element-list 3 --voice-list v "
    words += "--camera-control down_back"
    assert given("i.png", *words.split()) == ImageToVideo(
        image="i.png",
        prompt="p",
        negative_prompt="n",
        model_name="kling-v3",
        mode="pro",
        duration=7,
        image_tail="t.png",
        sound=True,
        cfg_scale=0.5,
        static_mask="s.png",
        multi_shot=True,
        shot_type="customize",
        callback_url="http://h/",
        external_task_id="e",
        watermark_info=WatermarkInfo(enabled=True),
        element_list=[Element(element_id=1), Element(element_id=2), Element(element_id=3)],
        voice_list=[Voice(voice_id="v")],
        camera_control=CameraControl(type="down_back"),
    )


def test_every_field_has_an_option() -> None:
    """Each documented parameter has a described option; that of a watermark has a shorter name."""
    options = vars(read(["generate", "-o", "a.mp4"]))
    fields = attrs.fields_dict(ImageToVideo)
    assert {name.removeprefix("record.") for name in options if "." in name} == fields.keys() - {"watermark_info"}
    assert descriptions(ImageToVideo).keys() == fields.keys()


def test_switches_have_three_positions() -> None:
    """`--sound`, `--no-sound` and neither of them are three different values."""
    assert [given("a.png", *more).sound for more in ([], ["--sound"], ["--no-sound"])] == [None, True, False]


def test_nested_values_are_json() -> None:
    """Masks and shots are given as the documented JSON, all at once or one by one."""
    mask = '{"mask": "m.png", "trajectories": [{"x": 1, "y": 2}]}'
    shots = [f'{{"index": {index}, "prompt": "p", "duration": "3"}}' for index in (1, 2)]
    expected = tuple(ShotPrompt(index=index, prompt="p", duration=3) for index in (1, 2))
    found = given("a.png", "--dynamic-masks", f"[{mask}]", "--multi-prompt", shots[0], "--multi-prompt", shots[1])
    assert found.dynamic_masks == (DynamicMask(mask=Image.of("m.png"), trajectories=(Point(x=1, y=2),)),)
    assert found.multi_prompt == expected
    assert given("a.png", "--multi-prompt", f"[{', '.join(shots)}]").multi_prompt == expected


def test_picture_from_standard_input() -> None:
    """`-` reads the bytes of standard input, for one picture only."""
    assert given("-") == ImageToVideo(image=b"picture")
    assert given("--image-tail", "-").image_tail == Image.of(b"picture")
    with pytest.raises(UsageError, match="image and image_tail"):
        given("-", "--image-tail", "-")


def test_first_picture_has_a_name_as_well() -> None:
    """The first picture may be given by its name, but not twice."""
    assert given("--image", "cat.png") == given("cat.png")
    with pytest.raises(UsageError, match=r"image is given twice: a\.png and --image b\.png"):
        given("a.png", "--image", "b.png")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zoom=5", CameraControl(type="simple", config=CameraConfig(zoom=5))),
        ("pan=-2.5", CameraControl(type="simple", config=CameraConfig(pan=-2.5))),
        ("forward_up", CameraControl(type="forward_up")),
        ('{"type": "down_back"}', CameraControl(type="down_back")),
    ],
)
def test_camera_control(text: str, expected: Any) -> None:
    """`--camera-control` takes a movement, a preset, or JSON."""
    assert given("a.png", "--camera-control", text).camera_control == expected


def test_json_from_a_file(here: Path) -> None:
    """`@FILE` reads the JSON of a file."""
    (here / "shots.json").write_text('[{"index": 1, "prompt": "ü", "duration": 5}]', encoding="utf-8")
    assert given("a.png", "--multi-prompt", "@shots.json").multi_prompt[0].prompt == "ü"


def test_text_that_begins_with_a_dash() -> None:
    """A prompt may begin with a dash if it is joined to its option."""
    assert given("a.png", "--prompt=-over the hill").prompt == "-over the hill"


# ------------------------------------------------------------------------------------------- what a tired user types


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--duration", "five"], "--duration: must be a number, got 'five'"),
        (["--cfg-scale", "much"], "--cfg-scale: must be a number, got 'much'"),
        (["--shot-type", "custom"], "'customize', 'intelligence'"),
        (["--sound", "on"], "unrecognized arguments: on"),
        (["--prompt", "the", "cat"], "a text with spaces needs quotes around it"),
        (["--prompt", "the", "cat" * 100], "a text with spaces needs quotes around it"),
        (["--prompt", "-over the hill"], "a value that begins with a dash is joined to it: --prompt=-..."),
        (["--promt", "x"], "did you mean --prompt?"),
        (["picture"], "each file needs its option before it: --image, --image-tail, --static-mask or --dynamic-masks"),
        (["--aspect-ratio", "1:1"], "it is an option of "),
        (["--tail", "x"], "did you mean --image-tail?"),
        (["--negative_prompt=x"], "did you mean --negative-prompt?"),
        (["--nosound"], "did you mean --no-sound?"),
        (["--element-list", ","], "--element-list: needs ids with commas between"),
        (["--camera-control", "spin=5"], "'spin' is no movement; use one of horizontal"),
        (["--camera-control", "zoom=much"], "--camera-control: must be a number, got 'much'"),
        (["--camera-control", "{"], "--camera-control: no JSON"),
        (["--multi-prompt", "[{index: 1}]"], "@FILE reads it from a file, where no shell touches the quotes"),
        (["--multi-prompt", "a dog"], "--multi-prompt: no JSON"),
        (["--multi-prompt", "[" * 100_000], "--multi-prompt: no JSON"),
        (["--multi-prompt", "@none.json"], "--multi-prompt: none.json: cannot be read: No such file"),
        (["--multi-prompt", "@picture"], "--multi-prompt: picture: cannot be read: it is no UTF-8 text"),
        (["--multi-prompt", "@broken.json"], "--multi-prompt: broken.json: no JSON"),
        (["--poll", "often"], "--poll: must be a number, got 'often'"),
    ],
)
def test_slips(run: Run, here: Path, words: list[str], text: str) -> None:
    """An invalid value exits with 2, and the error names its option and valid values."""
    (here / "picture").write_bytes(b"\xff\xfe\xff")
    (here / "broken.json").write_text("[")
    ran = run("image-to-video", "cat.png", "-o", "a.mp4", *words)
    assert ran.code == 2
    assert text in ran.err
    assert "see `kling-async image-to-video --help`" in ran.err


# ------------------------------------------------------------------------------------------- help, standard input


@pytest.mark.parametrize("name", ["generate", *endpoints.names()])
def test_help_of_each_endpoint(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The help of each command has its usage, the record's prose, and every option described, in lines that fit."""
    monkeypatch.setenv("COLUMNS", "90")
    ran = run(name, "--help")
    name_of_endpoint = endpoints.DEFAULT if name == "generate" else name
    record = endpoints.record(name_of_endpoint)
    assert ran.code == 0
    assert ran.out.startswith(f"usage: kling-async {name} ")
    shown = "".join(ran.out.split())  # lines are broken at hyphens too
    texts = [*prose(record), *(field.described for field in fields_of(record))]
    assert [text for text in texts if "".join(text.split()) not in shown] == []
    suffix = endpoints.suffix(name_of_endpoint)
    assert (f" -o cat{suffix} " if suffix is not None else "--emulator") in ran.out
    assert ("--output" in ran.out) is (suffix is not None)
    assert "`" not in ran.out.partition("the service:")[0]
    assert max(map(len, ran.out.partition("examples:")[0].splitlines())) <= 90  # those are pasted, and so not wrapped


class Stdin(io.TextIOWrapper):
    """Standard input, piped or not."""

    def __init__(self, data: bytes, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self._terminal = terminal

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal


@pytest.mark.parametrize("stdin", [None, Stdin(b"", terminal=True), Stdin(b"")])
def test_no_picture_in_standard_input(monkeypatch: pytest.MonkeyPatch, stdin: Stdin | None) -> None:
    """The command does not read a picture from a terminal."""
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(UsageError, match="standard input"):
        stdin_bytes()


def test_bytes_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is read as bytes."""
    monkeypatch.setattr("sys.stdin", Stdin(b"\x89PNG"))
    assert stdin_bytes() == b"\x89PNG"
