import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol import converters
from kling_async.protocol.media.given import MediaSource
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.picture import Picture
from kling_async.protocol.media.sound import Sound, SoundFacts
from tests.protocol.sound_files import MP3, wav
from tests.repeatable import pickled


@pytest.mark.parametrize(
    ("given", "sound"),
    [
        ("a b/speech.mp3", Sound(MediaSource.PATH, path="a b/speech.mp3")),
        (Path("speech.mp3"), Sound(MediaSource.PATH, path="speech.mp3")),
        ("https://example.com/a.mp3?s=1", Sound(MediaSource.URL, url="https://example.com/a.mp3?s=1")),
        (bytearray(MP3), Sound(MediaSource.DATA, data=MP3)),
        (Sound.from_base64(base64.b64encode(MP3)), Sound(MediaSource.DATA, data=MP3)),
        ("", None),
        (None, None),
    ],
    ids=str,
)
def test_what_is_a_sound(given: Any, sound: Sound | None) -> None:
    """A path, an address and bytes are sounds as they are pictures; "" counts as omitted, as in official examples."""
    assert converters.sound(given) == sound


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("data:audio/mpeg;base64,AAAA", "Sound.from_base64"),
        (base64.b64encode(MP3).decode(), "Sound.from_base64"),
        (base64.b64encode(wav()).decode()[:70], "Sound.from_base64"),
        ("A" * 5000, "Sound.from_base64"),
        ("ftp://example.com/a.mp3", "not ftp://"),
        ("https://", "no host"),
        ("a\0b", "NUL"),
        (" ", "empty string"),
        (5, "got int"),
        (Image.of("a.png"), "got Image"),
        (Picture(index=0, url="https://h/a"), "got Picture"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_invalid_sound_has_a_complaint(given: Any, named: str) -> None:
    """An invalid sound has a complaint with the remedy."""
    sound = Sound.of(given)
    assert sound.source is MediaSource.UNREADABLE
    assert named in (sound.complaint or "")


@given(st.one_of(st.text(max_size=60), st.binary(max_size=9), st.integers()))
def test_any_value_becomes_a_sound(value: object) -> None:
    """Any value becomes a sound whose repr can be printed, and which can be pickled."""
    sound = Sound.of(value)
    assert repr(sound).startswith("Sound(")
    assert sound == pickled(sound)


def test_sounds_and_pictures_differ() -> None:
    """The same bytes as a sound and as a picture are different values, and their reprs show which."""
    sound: object = Sound.of(b"1")
    assert sound != Image.of(b"1")
    assert (repr(sound), repr(Sound.of("https://h/a.mp3?s=1"))) == ("Sound(<1 bytes>)", "Sound('https://h/a.mp3')")
    with pytest.raises(ValueError, match=r"^Sound\.from_base64: "):
        Sound.from_base64("A")


def test_the_beginning_determines_the_format() -> None:
    """Only the beginning of a sound is read."""
    read: list[tuple[int, int]] = []

    def reading(start: int, count: int) -> bytes:
        read.append((start, count))
        return MP3[start : start + count]

    assert SoundFacts.of(reading, 10**9) == SoundFacts(size=10**9, suffix=".mp3")
    assert read == [(0, 64)]
    assert SoundFacts.of(lambda *_: b"", 0) == SoundFacts(size=0, complaint="the file is empty")
