"""The checks of prompts, and of how closely they are followed."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from kling_async.emulator.service.errors import Refusal, invalid

from . import fields

PROMPT_LIMIT: Final = 2500
"""Characters of `prompt` and of `negative_prompt`."""

_REFUSED: Final = re.compile(r"\brefused\b", re.IGNORECASE)


def prompts(body: Mapping[str, Any]) -> str:
    """Check `prompt` and `negative_prompt`, and give the former."""
    prompt = limited(body, "prompt")
    limited(body, "negative_prompt")
    return prompt


def required_prompt(body: Mapping[str, Any]) -> str:
    """Do the same where there must be a `prompt`."""
    prompt = prompts(body)
    if not prompt:
        raise invalid("prompt can not be null")
    return prompt


def limited(body: Mapping[str, Any], name: str, *, most: int = PROMPT_LIMIT) -> str:
    """Give a text of at most `most` characters; the service's message spells its name in its own way."""
    value = fields.text(body, name)
    if len(value) > most:
        first, *others = name.split("_")
        raise invalid(f"{first}{''.join(map(str.title, others))}: size must be between 0 and {most}")
    return value


def check_scale(body: Mapping[str, Any]) -> None:
    """Only its range is checked, of all models alike, although the documentation says that v2.x does not have it."""
    scale = fields.number(body, "cfg_scale", -math.inf, math.inf)
    if scale is not None and not 0 <= scale <= 1:
        raise invalid(f"cfgScale: must be {'less' if scale > 1 else 'greater'} than or equal to {int(scale > 1)}")


def check_content(prompt: str) -> None:
    """Refuse content as the service's policy does: here, the word "refused", a switch of the emulator.

    Raises:
        Refusal: 1301.
    """
    if _REFUSED.search(prompt):
        raise Refusal(1301, "the request was refused by the content safety policy")
