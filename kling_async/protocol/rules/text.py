"""Rules for prompts."""

import re
from collections.abc import Iterator
from typing import Any, Final, Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import text

PROMPT_MOST = 2500  # characters


class HasPrompt(Protocol):
    """A request with a prompt."""

    @property
    def prompt(self) -> str | None:
        """What the result shows."""
        ...


class HasNegativePrompt(Protocol):
    """A request with a negative prompt."""

    @property
    def negative_prompt(self) -> str | None:
        """What the result does not show."""
        ...


def prompt(request: HasPrompt, most: int = PROMPT_MOST) -> Iterator[Problem]:
    """Allows at most 2500 characters, or fewer if the endpoint's page requires it."""
    if request.prompt is not None:
        yield from text("prompt", request.prompt, most=most)


def required_prompt(request: HasPrompt) -> Iterator[Problem]:
    """Requires a prompt."""
    if request.prompt is None or request.prompt == "":
        yield Problem("prompt", "is required: say what is to be made")


def no_picture_name(request: HasPrompt, advice: str) -> Iterator[Problem]:
    """Refuses the file name of a picture as the prompt: a result made from a file name would be billed.

    Args:
        request: with a prompt.
        advice: how to give a picture instead.
    """
    value: Any = request.prompt
    if isinstance(value, str) and _PICTURE_NAME.fullmatch(value.strip()):
        yield Problem("prompt", f"is the name of a picture: {advice}")


_PICTURE_NAME: Final = re.compile(r"(\S+|[/~.].*|[A-Z]:[\\/].*)\.(png|jpe?g|webp)", re.IGNORECASE)


def negative_prompt(request: HasNegativePrompt) -> Iterator[Problem]:
    """Allows at most 2500 characters."""
    if request.negative_prompt is not None:
        yield from text("negative_prompt", request.negative_prompt, most=PROMPT_MOST)
