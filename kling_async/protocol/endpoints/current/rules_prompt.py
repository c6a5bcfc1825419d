"""Rules for prompts: their length, the names in them, and their shots. `rules_shape` explains C1 to C32."""

import re
from collections.abc import Iterator
from typing import Any, Final

from kling_async.protocol.endpoints.current import shots
from kling_async.protocol.endpoints.current.given import Given, Item
from kling_async.protocol.endpoints.current.shots import SHOTS_MOST, WORDS_MOST
from kling_async.protocol.endpoints.current.table import Shots
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import in_words, is_whole, shown, text

RECOMMENDED_MOST: Final = 2500
_AT: Final = re.compile(r"(?<![A-Za-z0-9_])@(?=\w)")
_INSIDE_WORDS: Final = re.compile(r"(?<=[A-Za-z0-9_])@(?=\w)")
"""After an ASCII letter it is a mail address; not after a Chinese or Japanese one, as these words are not separated."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+|[^\W\x00-\x7f]+")
"""A name, as far as it can be recognized without the ids: in `@cat\u5728` cat."""


def length(given: Given) -> Iterator[Problem]:
    """C29 [docs]: the row has the maximum length; if that is 3072 characters, 2500 are recommended."""
    if given.row is None or given.prompt is None:
        return
    size, most = len(given.prompt), given.row.prompt_most
    if size > most:
        yield Problem(given.prompt_at, f"has {size} characters; at most {most} are possible with {given.row.model}")
    elif size > RECOMMENDED_MOST and given.row.verified:
        what = f"has {size} characters; at most {RECOMMENDED_MOST} are recommended; it is sent"
        yield Problem(given.prompt_at, what, only_warns=True)


# ------------------------------------------------------------------------------------------------------ names


def ids(given: Given) -> Iterator[Problem]:
    """C28 [docs]: elements and voices have unique ids, of which none is part of another."""
    named: list[tuple[str, Item]] = []
    for item in given.items:
        value: Any = item.members.get("id")
        field = item.at("id")
        if value is None:
            if item.type in {"element", "voice"} and "id" not in item.members:
                yield Problem(field, f"is required: the prompt names the {item.type} by it, as @id")
            elif "id" in item.members:
                yield Problem(field, "expected text, got None")
        elif not isinstance(value, str) or not value.strip():
            yield Problem(field, "is blank" if isinstance(value, str) else f"expected text, got {shown(value)}")
        else:
            yield from text(field, value)
            named.append((value, item))
    for place, (id_, item) in enumerate(named):
        for other, _ in named[:place]:
            if id_ == other:
                yield Problem(item.at("id"), f"{shown(id_)} is the id of another material; each needs its own")
            elif id_ in other or other in id_:
                part, whole = sorted((id_, other), key=len)
                yield Problem(item.at("id"), f"{shown(part)} is part of {shown(whole)}: the prompt would name both")


def names(given: Given) -> Iterator[Problem]:
    """C28 [docs]: each material named in the prompt exists, and none is named by accident, as by a mail address."""
    prompt = given.prompt or ""
    ids = [item.members["id"] for item in given.items if isinstance(item.members.get("id"), str)]
    known = tuple(id_ for id_ in ids if id_.strip())
    missing = [end for at in _AT.finditer(prompt) if not prompt.startswith(known, end := at.end())]
    if missing:
        found = in_words([f"@{name}" for name in dict.fromkeys(_name(prompt, at) for at in missing[:5])], "and")
        yield Problem(given.prompt_at, f"names {found}, which no material has as its id", only_warns=True)
    chance = [end for at in _INSIDE_WORDS.finditer(prompt) if prompt.startswith(known, end := at.end())]
    if chance:
        what = f"has @{_name(prompt, chance[0])} inside of a word, which names a material all the same"
        yield Problem(given.prompt_at, what, only_warns=True)


def _name(prompt: str, start: int) -> str:
    found = _NAME.match(prompt, start, start + 40)
    return found[0] if found is not None else prompt[start]


# ------------------------------------------------------------------------------------------------------ shots


def shots_possible(given: Given) -> Iterator[Problem]:
    """C5, C29 [docs]: three models make several shots, which must have one exact syntax."""
    row, prompt = given.row, given.prompt or ""
    if row is None:
        return
    if given.shots and row.shots is Shots.NONE:
        given_so = given.shots[0].at != given.prompt_at
        what = f"several shots are not possible with {row.model}; it makes one of them all"
        yield Problem(given.prompt_at, what, by_map=given_so, only_warns=not given_so)
    if row.shots is Shots.NONE:
        return
    if shots.is_full_width(prompt):
        yield Problem(given.prompt_at, "asks for shots with full-width commas, semicolons or digits; use , and ;")
    elif shots.is_like_shots(prompt):
        what = "begins like a prompt of several shots, and is none: shot 1, 3, words; shot 2, 2, words;"
        yield Problem(given.prompt_at, what, only_warns=True)
    if given.shots and shots.preface(prompt):
        what = "says something before its first shot; whether that has an effect is not known"
        yield Problem(given.prompt_at, what, only_warns=True)


def shot_by_shot(given: Given) -> Iterator[Problem]:
    """C29 [docs]: 1 to 6 shots, numbered from 1, whole seconds that add up to the duration, 512 characters each."""
    found, row = given.shots, given.row
    if not found or row is None or row.shots is Shots.NONE or given.settings.get("multi_shot") is False:
        return
    if len(found) > SHOTS_MOST:
        yield Problem(given.prompt_at, f"has {len(found)} shots; at most {SHOTS_MOST} are possible")
    if [shot.number for shot in found] != [*range(1, len(found) + 1)]:
        what = f"its shots are not counted from 1 to {len(found)}, as in: shot 1, 3, words; shot 2, 2, words;"
        yield Problem(given.prompt_at, what)
    by_record = found[0].at != given.prompt_at
    for place, shot in enumerate(found, 1):
        where = shot.at if not by_record else f"{shot.at}.words"
        if not isinstance(shot.words, str) or not shot.words.strip():
            got = "is blank" if isinstance(shot.words, str) else f"expected text, got {shown(shot.words)}"
            yield Problem(where, got if by_record else f"shot {place} says nothing")
        else:
            yield from _words(where, shot.words)
        if not is_whole(shot.seconds) or shot.seconds < 1:
            where = shot.at if not by_record else f"{shot.at}.seconds"
            got = f"whole seconds, at least 1, got {shown(shot.seconds)}"
            yield Problem(where, f"expected {got}" if by_record else f"shot {place}: expected {got}")
    yield from _sum(given)


def _words(where: str, words: str) -> Iterator[Problem]:
    if len(words) > WORDS_MOST:
        yield Problem(where, f"a shot has {len(words)} characters; at most {WORDS_MOST} are possible")
    if ";" in words:
        yield Problem(where, "has a semicolon, which ends a shot; use a full stop")


def _sum(given: Given) -> Iterator[Problem]:
    lengths = [shot.seconds for shot in given.shots]
    if not all(map(is_whole, lengths)) or given.seconds is None or sum(lengths) == given.seconds:
        return
    left_out = "" if "duration" in given.settings else " where it is left out"
    what = f"the shots last {shown(sum(lengths))} s together, duration is {shown(given.seconds)}{left_out}"
    yield Problem(given.prompt_at, what)
