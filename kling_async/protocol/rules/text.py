"""Rules for prompts."""

from collections.abc import Iterator
from typing import Protocol

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


def prompt(request: HasPrompt) -> Iterator[Problem]:
    """At most 2500 characters."""
    if request.prompt is not None:
        yield from text("prompt", request.prompt, most=PROMPT_MOST)


def negative_prompt(request: HasNegativePrompt) -> Iterator[Problem]:
    """At most 2500 characters."""
    if request.negative_prompt is not None:
        yield from text("negative_prompt", request.negative_prompt, most=PROMPT_MOST)
