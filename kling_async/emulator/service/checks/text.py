"""The checks of prompts and of `cfg_scale`."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from kling_async.emulator.service.errors import Refusal, invalid

from . import fields

PROMPT_LIMIT: Final = 2500
"""Characters of `prompt` and of `negative_prompt`, at most."""

_REFUSED: Final = re.compile(r"\brefused\b", re.IGNORECASE)


def prompts(body: Mapping[str, Any]) -> str:
    """Checks `prompt` and `negative_prompt`, and returns the former."""
    prompt = limited(body, "prompt")
    limited(body, "negative_prompt")
    return prompt


def required_prompt(body: Mapping[str, Any]) -> str:
    """Checks both, requires a `prompt`, and returns it."""
    prompt = prompts(body)
    if not prompt:
        raise invalid("prompt can not be null")
    return prompt


def limited(body: Mapping[str, Any], name: str, *, most: int = PROMPT_LIMIT) -> str:
    """Returns a text of at most `most` characters; the service's message spells the member's name in camel case."""
    value = fields.text(body, name)
    if len(value) > most:
        first, *others = name.split("_")
        raise invalid(f"{first}{''.join(map(str.title, others))}: size must be between 0 and {most}")
    return value


def check_scale(body: Mapping[str, Any]) -> None:
    """Checks its range only, for all models alike, although according to the documentation v2.x does not have it."""
    scale = fields.number(body, "cfg_scale", -math.inf, math.inf)
    if scale is not None and not 0 <= scale <= 1:
        raise invalid(f"cfgScale: must be {'less' if scale > 1 else 'greater'} than or equal to {int(scale > 1)}")


def check_content(prompt: str) -> None:
    """Refuses content, in place of the service's policy, that contains the word "refused", a switch of the emulator.

    Raises:
        Refusal: 1301.
    """
    if _REFUSED.search(prompt):
        raise Refusal(1301, "the request was refused by the content safety policy")
