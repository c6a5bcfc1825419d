"""Videos in requests: given by URL, and not fetched; `earlier` finds those that the account has made."""

from collections.abc import Mapping
from typing import Any, Final

from kling_async.emulator.service.errors import invalid

from . import fields
from .pictures import is_reachable

CLIP_SECONDS: Final = 5
"""Assumed length in whole seconds of a video that the account has not made, as it is not fetched."""


def video(body: Mapping[str, Any], name: str) -> str:
    """Checks the URL of a video, and returns it, "" when there is none.

    Raises:
        Refusal: 1201, with the recorded message, when it is not a URL or counts as unreachable.
    """
    url = fields.text(body, name)
    is_url = url.lower().startswith(("http://", "https://")) and url.split() == [url]
    if url and not (is_url and is_reachable(url)):
        raise invalid("Video URL is invalid")
    return url


def keeps_sound(body: Mapping[str, Any]) -> bool:
    """Checks `keep_original_sound`, and returns whether the sound is kept: by default yes, as in most sources."""
    return fields.choice(body, "keep_original_sound", ("yes", "no"), "yes") == "yes"
