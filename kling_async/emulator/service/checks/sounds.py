"""Sounds in requests: the checks of their format, size and length."""

import binascii
import math
import struct
from collections.abc import Mapping
from typing import Any, Final

import attrs

from kling_async.emulator.service.errors import invalid

from . import fields
from .pictures import UNREACHABLE_MESSAGE, decoded_size, is_reachable

MAX_SOUND_BYTES: Final = 5 * 2**20
"""A sound has at most 5 MB, before base64."""

GUESSED_SECONDS: Final = 5.0
"""Assumed length of a sound given by URL, which is not fetched."""

LENGTH_MESSAGE: Final = "The duration of the audio is invalid."
"""Message of a task whose sound is too short or too long; the emulator's own, as no such answer is on record."""

# Bit rates of layer III in kbit/s, by the index in a frame's header: of MPEG-1, and of later versions.
_MPEG_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MPEG_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)


@attrs.frozen
class SubmittedSound:
    """The facts that are kept of a sound.

    Attributes:
        seconds: Its length, assumed if it is not known.
        damage: Why a task will fail because of it, or "".
        summary: A description in place of its data, or its URL.
        is_known: Whether the length is known.
    """

    seconds: float
    damage: str
    summary: str
    is_known: bool = False


def sound(body: Mapping[str, Any], name: str, low: float, high: float) -> SubmittedSound | None:
    """Checks a sound as sent on the wire, a URL or raw base64; None when there is none.

    MP3 and WAV pass. M4A and AAC are documented, but refused, as observed at the service.

    Args:
        body: The object that contains it.
        name: The member.
        low: Minimum seconds; a task with a shorter sound fails.
        high: Maximum seconds; a task with a longer sound fails.

    Raises:
        Refusal: 1201, when it is neither, or too large, or of another format.
    """
    text = fields.text(body, name)
    if not text:
        return None
    if text.startswith(("http://", "https://")):
        return SubmittedSound(GUESSED_SECONDS, "" if is_reachable(text) else UNREACHABLE_MESSAGE, text)
    size = decoded_size(text)
    if size > MAX_SOUND_BYTES:
        raise invalid(f"{name}: file size can not exceed 5MB")
    try:
        seconds = _seconds(binascii.a2b_base64(text))
    except (IndexError, ValueError, struct.error, ZeroDivisionError):
        seconds = math.nan
    summary = f"<sound, {size} bytes>"
    if math.isnan(seconds):
        return SubmittedSound(GUESSED_SECONDS, "", summary)
    return SubmittedSound(seconds, "" if low <= seconds <= high else LENGTH_MESSAGE, summary, is_known=True)


def _seconds(data: bytes) -> float:
    """Checks the format, and returns the length in seconds, NaN if it cannot be determined."""
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return _wav_seconds(data)
    start = 0
    if data.startswith(b"ID3"):
        start = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    # A frame begins with 11 bits set, then version and layer; layer 0 is AAC.
    if data[start] == 0xFF and data[start + 1] & 0xE6 == 0xE2:
        rates = _MPEG_1 if data[start + 1] & 0x18 == 0x18 else _MPEG_2
        return (len(data) - start) * 8 / (1000 * rates[data[start + 2] >> 4])
    if start:
        return math.nan
    raise invalid("Audio format is invalid")


def _wav_seconds(data: bytes) -> float:
    place, per_second = 12, 0.0
    while True:
        kind, size = struct.unpack_from("<4sI", data, place)
        if kind == b"fmt ":
            per_second = float(struct.unpack_from("<I", data, place + 16)[0])
        elif kind == b"data":
            return float(min(size, len(data) - place - 8) / per_second)
        place += 8 + size + size % 2
