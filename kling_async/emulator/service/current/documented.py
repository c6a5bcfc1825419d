"""Checks of a strict emulator: what the documentation forbids on all paths of the current generation.

The service was observed to accept most of it, and to ignore it or to make something else.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import permutations
from typing import Any, Final

from kling_async.emulator.service.endpoint import Body
from kling_async.emulator.service.errors import invalid

from .contents import Item, member_of
from .rows import CLIP_SECONDS, Row

SHOTS: Final = 6
SHOT_LETTERS: Final = 512

_ONCE: Final = ("prompt", "first_frame", "last_frame", "image", "video")
_SHOT: Final = re.compile(r"shot\s+([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*,\s*(.*)", re.DOTALL | re.IGNORECASE)
_LIST: Final = re.compile(r"\s*shot\s*[0-9][0-9.]*\s*,", re.IGNORECASE)
_NEXT_SHOT: Final = re.compile(r"(?:^|[;\s])\s*(?=shot\s+[0-9]{1,3}\s*,\s*[0-9]{1,3}\s*,)", re.IGNORECASE)


def check(row: Row, body: Body) -> None:
    """Refuses what no path documents, in a request that the service would accept.

    Raises:
        Refusal: 1201.
    """
    settings = body.get("settings") or {}
    for name, value in settings.items():
        if value is None or value == "":
            raise invalid(f"settings.{name} value '{value}' is invalid")
    duration = settings.get("duration", CLIP_SECONDS)
    if row.durations and (type(duration) is not int or duration not in row.durations):
        raise invalid(f"settings.duration value '{duration}' is invalid")
    for number, each in enumerate(body.get("contents") or ()):
        _check_item(row, f"contents[{number}]", each)


def _check_item(row: Row, place: str, item: Mapping[str, Any]) -> None:
    kind = item["type"]
    if kind not in row.takes:
        raise invalid(f"{place}.type value '{kind}' is not supported here")
    known = {"type", member_of(kind)} | ({"id"} if kind in row.named else set())
    if unknown := item.keys() - known:
        raise invalid(f"{place}.{min(unknown)} is not supported here")


def check_items(row: Row, items: list[Item]) -> None:
    """Refuses too many materials, and names by which the prompt could not refer to them.

    Raises:
        Refusal: 1201.
    """
    counts = Counter(each.type for each in items)
    if several := [kind for kind in _ONCE if counts[kind] > 1]:
        raise invalid(f"contents can not have more than one {several[0]}")
    if counts["feature_video"] + counts["base_video"] > row.most_videos:
        raise invalid(f"contents can not have more than {row.most_videos} video")
    if counts["last_frame"] and not counts["first_frame"]:
        raise invalid("last_frame is not supported without first_frame")
    if any(not each.name for each in items if each.type in {"element", "voice"}):
        raise invalid("content items of type 'element' and 'voice' must have a non-blank id")
    names = [each.name for each in items if each.name]
    if any(one in other for one, other in permutations(names, 2)):
        raise invalid("ids of contents must be unique, and none can be a part of another")


def check_prompt(row: Row, prompt: str, *, seconds: int, may_cut: bool) -> None:
    """Refuses a prompt that is too long or, if it may cut the clip into shots, whose shots do not add up.

    Raises:
        Refusal: 1201.
    """
    if len(prompt) > row.prompt_limit:
        raise invalid(f"prompt: size must be between 0 and {row.prompt_limit}")
    if not row.reads_shots or not may_cut:
        return
    pieces = [_SHOT.fullmatch(piece.strip()) for piece in prompt.split(";") if piece.strip()]
    if _LIST.match(prompt) and not all(piece and piece[3] for piece in pieces):
        raise invalid("shots must be written as: shot n, m, words; with whole seconds")
    shots = shots_of(prompt)
    if [number for number, _, _ in shots] != list(range(1, len(shots) + 1)) or len(shots) > SHOTS:
        raise invalid(f"shots must be numbered 1, 2, 3 and so on, up to {SHOTS}")
    if any(length < 1 or len(words) > SHOT_LETTERS for _, length, words in shots):
        raise invalid(f"a shot takes at least 1 second, and at most {SHOT_LETTERS} characters")
    if shots and sum(length for _, length, _ in shots) != seconds:
        raise invalid("the durations of shots must sum to settings.duration")


def shots_of(prompt: str) -> list[tuple[int, int, str]]:
    """Returns the shots that a prompt describes: number, seconds, words; empty if it describes none."""
    found = (_SHOT.fullmatch(piece.strip()) for piece in _NEXT_SHOT.split(prompt))
    return [(int(each[1]), int(each[2]), each[3].removesuffix(";")) for each in found if each]
