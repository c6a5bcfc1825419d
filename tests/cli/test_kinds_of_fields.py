"""Options of possible records: each type of field, independent of the service's endpoints."""

from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import Any, Literal

import attrs
import pytest

from kling_async import Image, Sound, Video
from kling_async.cli.exit_codes import UsageError
from kling_async.cli.record_fields import in_options, option_names, prose
from kling_async.cli.record_options import add_options, request_from
from kling_async.protocol.converters import as_record, each, instead_of
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.converters import sound as as_sound
from kling_async.protocol.records import Point


@attrs.frozen(kw_only=True)
class Frame:
    """A picture in a list."""

    image: Image | None = attrs.field(converter=as_image)


def _words(values: list[str]) -> tuple[str, ...]:
    return tuple(values)


Ratio = Literal["16:9", "1:1"]


def _frame(value: Any) -> Any:
    return Frame(image=value) if isinstance(value, str | bytes) else as_record(Frame, value)


def _frames(values: Any) -> Any:
    return each(_frame, values)


@attrs.frozen(kw_only=True)
class Clip:
    """A video in a list, by its address."""

    video_url: str
    refer_type: Literal["base", "feature"] | None = None


@attrs.frozen(kw_only=True)
class Tag:
    """A word in a list, by its id."""

    tag_id: str


@attrs.frozen(kw_only=True)
class Cover:
    """A record with files at some depth."""

    front: Image | None = attrs.field(converter=as_image)
    frames: tuple[Frame, ...] | None = attrs.field(default=None, converter=_frames)


def _pictures(values: Any) -> Any:
    return each(as_image, values)


def _cover(value: Any) -> Any:
    return as_record(Cover, value)


def _moment(value: datetime | int) -> int:
    return value if isinstance(value, int) else int(value.timestamp())


@attrs.frozen
class Various:
    """What endpoints have beside clips."""

    pictures: tuple[Image, ...] | None = attrs.field(default=None, converter=_pictures)
    clips: tuple[Clip, ...] | None = attrs.field(default=None, kw_only=True)
    tags: tuple[Tag, ...] | None = attrs.field(default=None, kw_only=True)
    cover: Cover | None = attrs.field(default=None, converter=_cover, kw_only=True)
    amount: int | Literal["auto"] | None = attrs.field(default=None, kw_only=True)
    sound: Sound | None = attrs.field(default=None, converter=as_sound, kw_only=True)
    video_id: str | None = attrs.field(default=None, kw_only=True)
    video: Video | None = attrs.field(default=None, metadata=instead_of("video_id", "id"), kw_only=True)
    until: int = attrs.field(default=0, converter=_moment, kw_only=True)


@attrs.frozen(kw_only=True)
class Sample:
    """One of each kind.

    More on it: `count` or `prompt=True`.

    Attributes:
        prompt: what happens,
            100 % of it.
        count: how many.
        ratio: of the sides.
        words: some.
        frames: pictures.
        point: a place.
        wide: or not.
    """

    prompt: str
    count: Literal[1, 2] = 1
    ratio: Ratio | str = "16:9"
    words: tuple[str, ...] = attrs.field(default=(), converter=_words)
    frames: tuple[Frame, ...] | None = attrs.field(default=None, converter=_frames)
    point: Point | None = None
    wide: bool = True


def sample(*words: str) -> Any:
    """A `Sample` parsed from arguments."""
    return made(Sample, *words)


def made(record: type, *words: str) -> Any:
    """Any record parsed from arguments."""
    parser = ArgumentParser()
    add_options(parser, parser, record)
    return request_from(
        record, parser.parse_args(words, Namespace(parser=parser, positional=None, needs_output=False)), bytes
    )


def test_kinds_of_values() -> None:
    """Each kind of field is parsed by its type."""
    assert sample("--prompt", "p") == Sample(prompt="p")
    words = ["--count", "2", "--ratio", "3:2", "--words", "a, b", "--words", '["c"]', "--no-wide"]
    words += ["--frames", "a,b.png", "--frames", '[{"image": "c.png"}]', "--point", '{"x": 1, "y": 2}']
    assert sample("--prompt", "p", *words) == Sample(
        prompt="p",
        count=2,
        ratio="3:2",
        words=["a, b", "c"],
        frames=["a,b.png", "c.png"],
        point={"x": 1, "y": 2},  # type: ignore[arg-type]  # its converter accepts a dict
        wide=False,
    )


def test_first_field_needs_no_name() -> None:
    """The first field, a text or a list, may be given without its option."""
    assert sample("p") == sample("--prompt", "p") == Sample(prompt="p")
    assert made(Various, "a.png", "b.png").pictures == (Image.of("a.png"), Image.of("b.png"))
    assert made(Various, "--pictures", "a.png", "--pictures", "b.png") == made(Various, "a.png", "b.png")
    assert made(Various).pictures is None
    with pytest.raises(UsageError, match=r"pictures is given twice: a\.png and --pictures b\.png"):
        made(Various, "a.png", "--pictures", "b.png")


def test_items_by_what_they_need() -> None:
    """A record with one required field can be given as that; ids are split at commas, addresses are not."""
    address = "https://example.com/a,b.mp4"
    assert made(Various, "--clips", address).clips == [{"video_url": address}]
    json = '{"video_url": "x", "refer_type": "base"}'
    assert made(Various, "--clips", json).clips == [{"video_url": "x", "refer_type": "base"}]
    assert made(Various, "--tags", "o_101,o_102").tags == [{"tag_id": "o_101"}, {"tag_id": "o_102"}]


def test_a_number_or_a_word() -> None:
    """A field that takes a number or a word parses both."""
    assert [made(Various, "--amount", text).amount for text in ("4", "auto")] == [4, "auto"]


def test_a_moment() -> None:
    """A time field parses a date and hour, and the service's own number."""
    day = int(datetime(2026, 11, 29, 18).timestamp())  # noqa: DTZ001  (of this machine's clock)
    assert made(Various, "--until", "2026-11-29T18:00").until == day
    assert made(Various, "--until", "7").until == 7


def test_files_at_any_depth_are_piped_in() -> None:
    """`-` means standard input in JSON and for sound too; in other fields it is a text."""
    cover = made(Various, "--cover", '{"front": "-", "frames": [{"image": "a.png"}]}').cover
    assert (cover.front, cover.frames) == (Image.of(b""), (Frame(image="a.png"),))
    assert made(Various, "--sound", "-").sound == Sound.of(b"")
    assert made(Various, "--video-id", "-").video_id == "-"
    with pytest.raises(UsageError, match="standard input, not cover and cover"):
        made(Various, "--cover", '{"front": "-", "frames": [{"image": "-"}]}')


def test_earlier_results_are_no_options() -> None:
    """A field for a Python object has no option; messages name its id instead."""
    parser = ArgumentParser()
    add_options(parser, parser, Various)
    assert "--video " not in parser.format_help()
    names = option_names(Various)
    assert (
        in_options("video: give video, video_id or sound: one", names) == "--video-id: give --video-id or --sound: one"
    )
    assert in_options("sound: give sound, video_id or video: one", names) == "--sound: give --sound or --video-id: one"
    assert in_options("sound: give peace or war: one", names) == "--sound: give peace or war: one"


def test_messages_in_the_words_of_the_shell() -> None:
    """Messages name options in place of fields; other words and paths are unchanged."""
    names = {"cfg_scale": "--cfg-scale", "prompt": "--prompt", "image_list": "--image-list"}
    text = "2 problems:\n  - prompt: no prompt\n  - image_list[0].image: needs cfg_scale, not a_cfg_scale.png"
    assert in_options(text, names) == (
        "2 problems:\n  - --prompt: no prompt\n  - --image-list[0].image: needs --cfg-scale, not a_cfg_scale.png"
    )
    assert in_options("warning: prompt: long", names) == "warning: --prompt: long"


def test_one_of_a_list_is_piped_in() -> None:
    """`-` means standard input in a list of files too, and for one file only."""
    assert sample("--prompt", "p", "--frames", "a.png", "--frames", "-").frames == (
        Frame(image="a.png"),
        Frame(image=b""),
    )
    with pytest.raises(UsageError, match="standard input, not frames and frames"):
        sample("--prompt", "p", "--frames", "-", "--frames", "-")


def test_what_a_record_needs() -> None:
    """A missing field without a default is reported by the name of its option."""
    with pytest.raises(UsageError, match="needed as well: --prompt"):
        sample()


def test_help_from_the_docstring() -> None:
    """The help is the record's docstring, with options in place of fields, and details that argparse omits."""
    parser = ArgumentParser()
    add_options(parser, parser, Sample)
    text = " ".join(parser.format_help().split())
    assert prose(Sample) == ["One of each kind.", "More on it: --count or --prompt."]
    assert "--prompt TEXT what happens, 100 % of it (required)" in text
    assert "--count {1,2} how many (default: 1)" in text
    assert "of the sides; known: 16:9, 1:1 (default: 16:9)" in text
    assert 'a place; JSON such as {"x": 0, "y": 0}, or @FILE that holds it' in text
    assert "some; may be repeated --" in text
    assert "or not (default: True)" in text
