"""Sound without an encoder: a quiet melody as WAV, and silence of the same length as MP3."""

import functools
import math
import struct
import zlib
from typing import Final

RATE: Final = 48_000
"""Samples per second."""

_NOTE: Final = RATE // 5  # samples
_FADE: Final = RATE // 100
_LOUDNESS: Final = 2600  # of 32767: -22 dB
_SCALE: Final = (262, 294, 330, 392, 440, 523, 587, 659)  # Hz, pentatonic, so that no sequence is dissonant

# MPEG-1 layer III, 64 kbit/s, 48 kHz, mono, without CRC: a frame of 24 ms always has 192 bytes.
_MP3_HEADER: Final = bytes.fromhex("fffb54c4")
_MP3_FRAME_BYTES: Final = 192
_MP3_FRAME: Final = 1152  # samples


def mp3_milliseconds(milliseconds: int) -> int:
    """Returns the length of the MP3 of a sound: whole frames and one more, which encoders need."""
    return _mp3_frames(milliseconds) * 1000 * _MP3_FRAME // RATE


def melody(text: str, milliseconds: int) -> bytes:
    """Plays a text, a note per letter, over and over.

    Returns:
        Samples of 16 bits, little-endian, mono.
    """
    count = milliseconds * RATE // 1000
    letters = text or "-"
    notes = [_note(_pitch(letters[number % len(letters)])) for number in range(-(-count // _NOTE))]
    return b"".join(notes)[: 2 * count]


def wav(text: str, label: str, milliseconds: int) -> bytes:
    """Returns a WAV file of the melody.

    Args:
        text: The text to play.
        label: Stored as a comment in the file.
        milliseconds: Its length.
    """
    form = _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    note = _chunk(b"LIST", b"INFO" + _chunk(b"ICMT", f"EMULATED {label}\0".encode()))
    # The comment is last: some readers expect the samples after 44 bytes.
    return _chunk(b"RIFF", b"WAVE" + form + _chunk(b"data", melody(text, milliseconds)) + note)


def silent_mp3(label: str, milliseconds: int) -> bytes:
    """Returns a silent MP3 file.

    Args:
        label: Stored as the title in the file.
        milliseconds: The length of the sound that it replaces.
    """
    note = b"\0" + f"EMULATED {label}".encode("latin-1", errors="replace")
    frame = b"TIT2" + struct.pack(">IH", len(note), 0) + note
    tag = b"ID3\3\0\0" + bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0)) + frame
    # Side information of zeros: no granule has any coefficients.
    return tag + _MP3_HEADER.ljust(_MP3_FRAME_BYTES, b"\0") * _mp3_frames(milliseconds)


def _mp3_frames(milliseconds: int) -> int:
    return -(-milliseconds * RATE // (1000 * _MP3_FRAME)) + 1


def _pitch(letter: str) -> int:
    """Returns the frequency of a letter or digit in Hz, 0 of other characters."""
    return _SCALE[zlib.crc32(letter.encode(errors="replace")) % len(_SCALE)] if letter.isalnum() else 0


@functools.cache
def _note(pitch: int) -> bytes:
    wave = (
        round(_LOUDNESS * min(1, step / _FADE, (_NOTE - step) / _FADE) * math.sin(2 * math.pi * pitch * step / RATE))
        for step in range(_NOTE)
    )
    return struct.pack(f"<{_NOTE}h", *wave)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
