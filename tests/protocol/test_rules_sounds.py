from typing import Any

import pytest

from kling_async.protocol.endpoints.videos.avatar import ENDPOINT, Avatar
from kling_async.protocol.media.given import FileFacts
from kling_async.protocol.media.sound import SoundFacts
from tests.protocol.requests_made import URL
from tests.protocol.sound_files import AAC, M4A, MP3, MP3_FRAMES, MP4, OGG, wav


def messages(sound: Any, facts: FileFacts | None = None, *, only_warns: bool = False) -> list[str]:
    """The problems of a sound with these facts, `only_warns` or not."""
    found = ENDPOINT.problems(Avatar(URL, sound_file=sound), {} if facts is None else {"sound_file": facts})
    assert {problem.field for problem in found} <= {"sound_file"}
    assert {problem.only_warns for problem in found} <= {only_warns}
    return [problem.message for problem in found]


def known(data: bytes) -> SoundFacts:
    """What is known of these bytes."""
    return SoundFacts.of(lambda start, count: data[start : start + count], len(data))


@pytest.mark.parametrize("data", [MP3, MP3_FRAMES, wav()], ids=["ID3", "frames", "wav"])
def test_mp3_and_wav_pass(data: bytes) -> None:
    """Both are known by their bytes, whatever they are called; 5 x 2**20 bytes are allowed themselves."""
    assert messages(data, known(data)) == []
    assert messages("a.dat", SoundFacts(size=5 * 2**20, suffix=known(data).suffix)) == []


@pytest.mark.parametrize(("data", "named"), [(M4A, "this is M4A,"), (MP4, "M4A (MP4)"), (AAC, "this is AAC,")])
def test_what_is_documented_and_was_refused_warns(data: bytes, named: str) -> None:
    """M4A and AAC are sent, with a warning."""
    [message] = messages(data, known(data), only_warns=True)
    assert named in message
    assert "MP3 and WAV are safe" in message


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (known(OGG), "this is a OGG file; the service takes MP3 and WAV"),
        (known(b"\x89PNG\r\n\x1a\n"), "this is a PNG file"),
        (known(b"<html>" + b" " * 60), "this is text, not a sound"),
        (known(b"SUQzBAAAAAAAAA" + b"A" * 60), "this is text, not a sound"),
        (known(b"\0\1\2"), "neither MP3 nor WAV"),
        (known(b""), "the file is empty"),
        (SoundFacts(size=5 * 2**20 + 1, suffix=".mp3"), "has 5242881 bytes; at most 5242880 (5 MB)"),
        (FileFacts(complaint="there is no file 'a'", missing_file=True), "there is no file"),
    ],
)
def test_other_sounds_are_refused(facts: FileFacts, says: str) -> None:
    """Anything else is refused once, with what is expected."""
    [message] = messages("a.mp3", facts)
    assert says in message


def test_what_is_missing_is_a_missing_file() -> None:
    """A sound that does not exist is known as such, as a picture is."""
    facts = {"sound_file": FileFacts(complaint="there is no file", missing_file=True)}
    assert [each.missing_file for each in ENDPOINT.problems(Avatar(URL, sound_file="a.mp3"), facts)] == ["sound"]


def test_addresses_are_not_looked_into() -> None:
    """A sound at an address passes: the service fetches it."""
    assert messages("https://example.com/a.ogg", known(OGG)) == []
