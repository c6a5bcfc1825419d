"""Several shots in a prompt: `shot 1, 3, a boat leaves; shot 2, 4, it meets a whale;`."""

import re
from typing import Any, Final

import attrs

SHOTS_MOST: Final = 6
WORDS_MOST: Final = 512  # characters

_SHOT: Final = re.compile(r"(?:^|;)\s*shot\s+(\d{1,9})\s*,\s*(\d{1,9})\s*,", re.IGNORECASE | re.ASCII)
_FULL_WIDTH: Final = re.compile(
    r"shot\s*\d{1,9}\s*[,\uff0c]\s*\d{1,9}\s*\uff0c|shot\s*\d{1,9}\s*\uff0c\s*\d|\uff1b\s*shot\s*\d", re.IGNORECASE
)
"""With the comma or the semicolon of Chinese texts."""
_LIKE_ONE: Final = re.compile(r"(?:^|;)\s*shot\s*\d{1,9}\b", re.IGNORECASE | re.ASCII)


@attrs.frozen
class ShotRead:
    """One shot of a prompt.

    Attributes:
        number: from 1.
        seconds: whole ones.
        words: what happens.
        at: what it is called in messages.
    """

    number: Any
    seconds: Any
    words: Any
    at: str


def text_of(number: int, seconds: object, words: object) -> str:
    """A shot in the words of the service."""
    return f"shot {number}, {seconds}, {words};"


def read(prompt: str, at: str) -> list[ShotRead]:
    """The shots that a prompt asks for; none of a plain one."""
    found = [*_SHOT.finditer(prompt)]
    ends = [match.start() for match in found[1:]] + [len(prompt)]
    return [
        ShotRead(int(match[1]), int(match[2]), prompt[match.end() : end].strip().removesuffix(";").strip(), at)
        for match, end in zip(found, ends, strict=False)
    ]


def preface(prompt: str) -> str:
    """What a prompt with shots says before the first of them."""
    first = _SHOT.search(prompt)
    return prompt[: first.start()].strip() if first is not None else ""


def is_full_width(prompt: str) -> bool:
    """Whether it was to ask for shots, with commas or semicolons that the service does not read so."""
    return _FULL_WIDTH.search(prompt) is not None


def is_like_shots(prompt: str) -> bool:
    """Whether it begins as one with shots, and is none."""
    return _LIKE_ONE.search(prompt) is not None and not read(prompt, "")
