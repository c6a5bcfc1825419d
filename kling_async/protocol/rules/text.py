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
        """What happens."""
        ...


class HasNegativePrompt(Protocol):
    """A request that can say what is not wanted."""

    @property
    def negative_prompt(self) -> str | None:
        """What does not happen."""
        ...


def prompt(request: HasPrompt, most: int = PROMPT_MOST) -> Iterator[Problem]:
    """At most 2500 characters, or fewer where the endpoint's page says so."""
    if request.prompt is not None:
        yield from text("prompt", request.prompt, most=most)


def required_prompt(request: HasPrompt) -> Iterator[Problem]:
    """Nothing is made without one."""
    if request.prompt is None or request.prompt == "":
        yield Problem("prompt", "is required: say what is to be made")


def no_picture_name(request: HasPrompt, advice: str) -> Iterator[Problem]:
    """A picture's name is no prompt: what the model makes of a file name would be paid for.

    Args:
        request: with a prompt.
        advice: where a picture is given instead.
    """
    value: Any = request.prompt
    if isinstance(value, str) and _PICTURE_NAME.fullmatch(value.strip()):
        yield Problem("prompt", f"is the name of a picture: {advice}")


_PICTURE_NAME: Final = re.compile(r"(\S+|[/~.].*|[A-Z]:[\\/].*)\.(png|jpe?g|webp)", re.IGNORECASE)


def negative_prompt(request: HasNegativePrompt) -> Iterator[Problem]:
    """At most 2500 characters."""
    if request.negative_prompt is not None:
        yield from text("negative_prompt", request.negative_prompt, most=PROMPT_MOST)
