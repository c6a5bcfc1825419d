"""Several shots in a prompt: `shot 1, 3, a boat leaves; shot 2, 4, it meets a whale;`."""

import re
import unicodedata
from typing import Any, Final

import attrs

SHOTS_MOST: Final = 6
WORDS_MOST: Final = 512  # characters

_SHOT: Final = re.compile(r"(?:^|;)\s*shot(\s+\d{1,9})\s*,(?=\s*\d{1,9}\s*,)", re.IGNORECASE | re.ASCII)
_LISTED: Final = re.compile(r"(?:^|;)\s*shot(\s*[-+]?\d[\d.]*)\s*,", re.IGNORECASE | re.ASCII)
"""A shot of which no more is right than how it begins."""
_LIKE_ONE: Final = re.compile(r"(?:^|;)\s*shot\s*\d{1,9}\b", re.IGNORECASE | re.ASCII)


@attrs.frozen
class ShotRead:
    """One shot of a prompt.

    Attributes:
        number: from 1; the text that stands in its place where that is none.
        seconds: whole ones, likewise.
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
    """The shots that a prompt asks for; none of a plain one.

    One that begins as a list of shots is nothing else: whatever is wrong with one of them stays in it. Elsewhere the
    word is a word, unless all of a shot is there.
    """
    found = [*_how(prompt).finditer(prompt)]
    ends = [match.start() for match in found[1:]] + [len(prompt)]
    read = []
    for match, end in zip(found, ends, strict=False):
        seconds, _, words = prompt[match.end() : end].partition(",")
        number = match[1] if match[1][0].isspace() else f"shot{match[1]}"  # the grammar parts the two
        read.append(ShotRead(_whole(number), _whole(seconds), words.strip().removesuffix(";").strip(), at))
    return read


def _how(prompt: str) -> re.Pattern[str]:
    return _LISTED if _LISTED.match(prompt) is not None else _SHOT


def _whole(text: str) -> int | str:
    digits = text.strip().removesuffix(";").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else digits


def preface(prompt: str) -> str:
    """What a prompt with shots says before the first of them."""
    first = _how(prompt).search(prompt)
    return prompt[: first.start()].strip() if first is not None else ""


def is_full_width(prompt: str) -> bool:
    """Whether it asks for other shots once the commas, semicolons and digits of Chinese texts are those of English."""
    plain = unicodedata.normalize("NFKC", prompt).replace("\u3001", ",")
    return [(shot.number, shot.seconds) for shot in read(plain, "")] != [
        (shot.number, shot.seconds) for shot in read(prompt, "")
    ]


def is_like_shots(prompt: str) -> bool:
    """Whether it begins as one with shots, and is none."""
    return _LIKE_ONE.search(prompt) is not None and not read(prompt, "")
