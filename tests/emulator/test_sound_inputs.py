import base64
from typing import Any

import pytest

from kling_async.emulator.results.placeholder import sound as files
from kling_async.emulator.service.checks.sounds import LENGTH_MESSAGE, sound
from kling_async.emulator.service.errors import Refusal

WAV = files.wav("a", "1", 3000)
MP3 = files.silent_mp3("1", 3000)
MP3_OF_MPEG_2 = b"\xff\xf3\x80\xc0" + bytes(3 * 8000)  # 64 kbit/s
NOTE = b"LIST" + (5).to_bytes(4, "little") + b"INFO1\0"  # padded to an even length
WAV_WITH_A_NOTE = WAV[:12] + NOTE + WAV[12:]


def read(data: bytes) -> Any:
    """Checks a file as a member of a request."""
    return sound({"sound_file": base64.b64encode(data).decode()}, "sound_file", 2, 60)


@pytest.mark.parametrize("data", [WAV, WAV_WITH_A_NOTE, MP3, MP3[MP3.index(b"\xff\xfb") :], MP3_OF_MPEG_2])
def test_the_length_of_a_sound_is_read(data: bytes) -> None:
    """The length of a WAV and of an MP3, with or without a tag, comes from its bytes."""
    given = read(data)

    assert given.seconds == pytest.approx(3, abs=0.05)
    assert (given.is_known, given.damage, given.summary) == (True, "", f"<sound, {len(data)} bytes>")


@pytest.mark.parametrize("data", [b"ID3\3\0\0\0\0\0\0nothing", b"RIFF\0\0\0\0WAVEfmt ", b"ID3"])
def test_an_unreadable_length_is_assumed(data: bytes) -> None:
    """A file whose frames are not understood passes, with an assumed length."""
    assert (read(data).seconds, read(data).is_known, read(data).damage) == (5.0, False, "")


@pytest.mark.parametrize("data", [b"\0\0\0\x20ftypM4A ", b"\xff\xf1\x50\x80", b"\xff\xf9\x50\x80", b"OggS", b"\0\0\0"])
def test_another_format_is_refused(data: bytes) -> None:
    """M4A and AAC are refused although they are documented, as observed at the service."""
    with pytest.raises(Refusal, match="Audio format is invalid"):
        read(data)


def test_a_sound_has_limits() -> None:
    """5 MB pass and one byte more does not; too short a sound makes the task fail later."""
    large = MP3 + bytes(5 * 2**20 - len(MP3))

    assert read(large).is_known
    with pytest.raises(Refusal, match="5MB"):
        read(large + b"\0")
    assert read(files.wav("a", "1", 1000)).damage == LENGTH_MESSAGE
    with pytest.raises(Refusal, match="base64"):
        sound({"s": "data:audio/mp3;base64,AAAA"}, "s", 2, 60)


def test_an_address_is_not_fetched() -> None:
    """A sound by URL has an assumed length; an unreachable one makes the task fail."""
    there, gone = (sound({"s": f"https://{host}/a.mp3"}, "s", 2, 60) for host in ("x.example", "x.invalid"))

    assert there is not None
    assert gone is not None
    assert (there.seconds, there.damage, there.summary) == (5.0, "", "https://x.example/a.mp3")
    assert "get the contents" in gone.damage
    assert sound({}, "s", 2, 60) is None
