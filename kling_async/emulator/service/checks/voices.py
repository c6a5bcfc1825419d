"""The checks of `sound`, `voice_list` and `element_list`."""

from collections.abc import Mapping
from typing import Any

from kling_async.emulator.service.errors import invalid

from . import fields
from .capabilities import ELEMENTS, SOUND, VOICES


def sound_features(body: Mapping[str, Any]) -> set[str]:
    """Checks sound and voices, and returns the features that are requested."""
    sound = fields.choice(body, "sound", ("on", "off"), "off") == "on"
    voices = fields.objects(body, "voice_list", limit=2)
    for voice in voices:
        fields.required(voice, "voice_id", str, "voice_list")
    if voices and not sound:
        raise invalid("voice_list needs sound to be on")
    return ({SOUND} if sound else set()) | ({VOICES} if voices else set())


def element_features(body: Mapping[str, Any], limit: int = 3) -> set[str]:
    """Checks elements, of which there are at most `limit`, and returns the feature if there are any."""
    elements = fields.objects(body, "element_list", limit=limit)
    for element in elements:
        if (number := fields.required(element, "element_id", int, "element_list")) < 1:
            raise invalid(f"Element id not found: {number}")
    return {ELEMENTS} if elements else set()
