"""The checks of `multi_shot`, `shot_type` and `multi_prompt`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from kling_async.emulator.service.errors import invalid

from . import fields
from .capabilities import MULTI_SHOT

SHOT_PROMPT_LIMIT: Final = 512
"""Characters of a shot's prompt, at most."""


def shot_features(body: Mapping[str, Any], duration: int) -> set[str]:
    """Checks the members about several shots, and returns the feature if they are requested.

    Args:
        body: The request.
        duration: Requested seconds; the durations of the shots must sum to it.
    """
    multi_shot: bool = fields.member(body, "multi_shot", bool) or False
    shot_type = fields.choice(body, "shot_type", ("customize", "intelligence"), "")
    shots = fields.objects(body, "multi_prompt", limit=6)
    total = sum(map(_seconds, shots))
    if sorted(shot["index"] for shot in shots) != list(range(1, len(shots) + 1)):
        raise invalid("multi_prompt: index must be 1, 2, 3 and so on")
    if multi_shot and not shot_type:
        raise invalid("shot_type can not be null")
    if is_customized(body):
        if not shots:
            raise invalid("multi_prompt can not be null")
        if total != duration:
            raise invalid("the durations of multi_prompt must sum to duration")
    return {MULTI_SHOT} if multi_shot else set()


def is_customized(body: Mapping[str, Any]) -> bool:
    """Whether the shots are described one by one, so that `prompt` has no effect."""
    return bool(body.get("multi_shot")) and body.get("shot_type") == "customize"


def _seconds(shot: Mapping[str, Any]) -> int:
    """Checks a shot, and returns its length in seconds."""
    fields.required(shot, "index", int, "multi_prompt")
    if len(fields.required(shot, "prompt", str, "multi_prompt")) > SHOT_PROMPT_LIMIT:
        raise invalid(f"multi_prompt: prompt can not exceed {SHOT_PROMPT_LIMIT} characters")
    length = fields.required(shot, "duration", str, "multi_prompt")
    if not re.fullmatch("[1-9][0-9]?", length, re.ASCII):
        raise invalid(f"multi_prompt: duration value '{length}' is invalid")
    return int(length)
