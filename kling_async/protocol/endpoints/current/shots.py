"""Several shots in a prompt: `shot 1, 3, a boat leaves; shot 2, 4, it meets a whale;`."""

import re
import unicodedata
from typing import Any, Final

import attrs

SHOTS_MOST: Final = 6
WORDS_MOST: Final = 512  # characters

_SHOT: Final = re.compile(r"(?:^|;)\s*shot(\s+\d{1,9})\s*,(?=\s*\d{1,9}\s*,)", re.IGNORECASE | re.ASCII)
_LISTED: Final = re.compile(r"(?:^|;)\s*shot(\s*[-+]?\d[\d.]*)\s*,", re.IGNORECASE | re.ASCII)
"""The beginning of a shot, whatever follows."""
_LIKE_ONE: Final = re.compile(r"(?:^|;)\s*shot\s*\d{1,9}\b", re.IGNORECASE | re.ASCII)


@attrs.frozen
class ShotRead:
    """One shot of a prompt.

    Attributes:
        number: number from 1; the text in its place if that is not a number.
        seconds: whole seconds, likewise.
        words: what happens.
        at: its name in messages.
    """

    number: Any
    seconds: Any
    words: Any
    at: str


def text_of(number: int, seconds: object, words: object) -> str:
    """Returns a shot in the syntax of the service."""
    return f"shot {number}, {seconds}, {words};"


def read(prompt: str, at: str) -> list[ShotRead]:
    """Returns the shots in a prompt; none for a plain prompt.

    A prompt that begins with a shot is read as a list of shots: malformed parts are kept in it. Elsewhere, `shot` is an
    ordinary word unless the syntax of a shot is complete.
    """
    found = [*_how(prompt).finditer(prompt)]
    ends = [match.start() for match in found[1:]] + [len(prompt)]
    read = []
    for match, end in zip(found, ends, strict=False):
        seconds, _, words = prompt[match.end() : end].partition(",")
        number = match[1] if match[1][0].isspace() else f"shot{match[1]}"  # the syntax requires a blank in between
        read.append(ShotRead(_whole(number), _whole(seconds), words.strip().removesuffix(";").strip(), at))
    return read


def _how(prompt: str) -> re.Pattern[str]:
    return _LISTED if _LISTED.match(prompt) is not None else _SHOT


def _whole(text: str) -> int | str:
    digits = text.strip().removesuffix(";").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else digits


def preface(prompt: str) -> str:
    """Returns the text of a prompt before its first shot."""
    first = _how(prompt).search(prompt)
    return prompt[: first.start()].strip() if first is not None else ""


def is_full_width(prompt: str) -> bool:
    """Whether a prompt has other shots once full-width commas, semicolons and digits are replaced by ASCII ones."""
    plain = unicodedata.normalize("NFKC", prompt).replace("\u3001", ",")
    return [(shot.number, shot.seconds) for shot in read(plain, "")] != [
        (shot.number, shot.seconds) for shot in read(prompt, "")
    ]


def is_like_shots(prompt: str) -> bool:
    """Whether a prompt looks like one with shots, but has none."""
    return _LIKE_ONE.search(prompt) is not None and not read(prompt, "")
