"""Videos in requests: they are given by URL, and not fetched; `earlier` knows those that the account has made."""

from collections.abc import Mapping
from typing import Any, Final

from kling_async.emulator.service.errors import invalid

from . import fields
from .pictures import is_reachable

CLIP_SECONDS: Final = 5
"""Length in whole seconds of a video that the account has not made: it is not known, as it is not fetched."""


def video(body: Mapping[str, Any], name: str) -> str:
    """Check the URL of a video, and give "" when there is none.

    Raises:
        Refusal: 1201, worded as recorded, when it is no URL or cannot be reached.
    """
    url = fields.text(body, name)
    is_url = url.lower().startswith(("http://", "https://")) and url.split() == [url]
    if url and not (is_url and is_reachable(url)):
        raise invalid("Video URL is invalid")
    return url


def keeps_sound(body: Mapping[str, Any]) -> bool:
    """Check `keep_original_sound`, and tell whether the video's own sound stays; most sources say that it does."""
    return fields.choice(body, "keep_original_sound", ("yes", "no"), "yes") == "yes"
