"""Rules for the shape of a body: its members and materials.

C1 to C32 are the names of the checks of this generation in the project's notes. The service itself refuses few of these
mistakes: it ignores what it does not know, and bills for the video that it makes of the rest. `[docs]` is the service's
documentation of 2026-09, `[live]` its behavior as observed by others.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.given import Given, Item
from kling_async.protocol.endpoints.current.request import OPTIONS, SETTINGS
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.given import Media
from kling_async.protocol.rules import videos
from kling_async.protocol.rules.values import in_words, is_path, segment, shown, text

IMAGES: Final = ("first_frame", "middle_frame", "last_frame", "refer_image", "image")
VIDEOS: Final = ("feature_video", "base_video", "video")
FRAMES: Final = ("first_frame", "middle_frame", "last_frame")
REQUIRED: Final = {
    "prompt": "text",
    **dict.fromkeys((*IMAGES, *VIDEOS), "url"),
    "element": "element_id",
    "voice": "voice_id",
}
"""The required member of each type of material."""

_LEGACY_MEMBERS: Final = {
    "mode": "is resolution in settings: 720p, 1080p or 4k",
    "sound": "is audio in settings: native or off",
    "image": "is an item of contents: first_frame",
    "image_tail": "is an item of contents: last_frame",
    "model_name": "is the last segment of the path",
    "negative_prompt": "is gone: say it in the prompt",
    "multi_prompt": "is said in the prompt: shot 1, 3, words; shot 2, 2, words;",
    "shot_type": "is said in the prompt: shot 1, 3, words; shot 2, 2, words;",
}
_LEGACY_TYPES: Final = {
    "image": "first_frame or refer_image",
    "video": "feature_video or base_video",
    "end_frame": "last_frame",
    "image_tail": "last_frame",
    "reference_image": "refer_image",
    "reference_video": "feature_video",
    "text": "prompt",
}
"""Types of the legacy generation and likely mistakes, with the correct types."""


def unknown_members(given: Given) -> Iterator[Problem]:
    """C1 [live, seen by two]: unknown members are silently ignored, and the rest is billed."""
    chief = "prompt" if given.family == table.TEXT_TO_VIDEO else "contents"
    # Contents on a text-to-video path, and a prompt on other paths, are reported by other rules.
    yield from _unknown("", given.body, ("settings", "options", "prompt", "contents"), chief)
    yield from _unknown("settings", given.settings, (*SETTINGS, "seed"), "")
    yield from _unknown("options", given.options, OPTIONS, "")
    for item in given.items:
        if item.type in REQUIRED:
            known = ("type", REQUIRED[item.type], *_takes_id(item, given.family))
            for name in item.members:
                if name not in known:
                    has = in_words(known, "and")
                    yield Problem(item.at(_key(name)), f"a {item.type} has no such member; it has {has}")
    if "seed" in given.settings:  # [live]: an error message shows that it is read
        yield Problem(given.setting("seed"), "is not documented; it is sent all the same", only_warns=True)


def _unknown(where: str, members: Mapping[str, Any], known: tuple[str, ...], chief: str) -> Iterator[Problem]:
    for name in members:
        if name in known:
            continue
        if name in SETTINGS:
            advice = "belongs into settings"
        elif name in OPTIONS:
            advice = "belongs into options"
        else:
            names = [each for each in known if each not in {"prompt", "contents", "seed"} or each == chief]
            advice = _LEGACY_MEMBERS.get(name, f"is not known; {where or 'a body'} has {in_words(names, 'and')}")
        path = f"{where}.{_key(name)}" if where else _key(name)
        yield Problem(path, f"{advice}. The service would ignore it here, and bill for what it makes without it")


def _takes_id(item: Item, family: str) -> tuple[str, ...]:
    """[docs]: a prompt and the materials of motion control have no id, frames only with omni video."""
    named = item.type in {"refer_image", "feature_video", "base_video", "element", "voice"}
    return ("id",) if named or (item.type in FRAMES and family == table.OMNI_VIDEO) else ()


def _key(name: object) -> str:
    """Returns the name of a member for a message."""
    return name if isinstance(name, str) and len(name) <= 40 and name.isprintable() else shown(name)


# ------------------------------------------------------------------------------------------- what is certain


def containers(given: Given) -> Iterator[Problem]:
    """C1, C3 [docs]: settings and options are objects, contents is a list of objects which have a type."""
    for name in ("settings", "options"):
        if not isinstance(given.body.get(name, {}), Mapping):
            yield Problem(name, f"expected an object, got {shown(given.body[name])}")
    contents = given.body.get("contents")
    if isinstance(contents, list | tuple):
        for place, item in enumerate(contents):
            if not isinstance(item, Mapping):
                yield Problem(f"contents[{place}]", f"expected an object with a type, got {shown(item)}")
            elif not isinstance(item.get("type"), str) or not item["type"]:
                yield Problem(f"contents[{place}].type", f"is required: {in_words(sorted(table.TYPES))}")


def only_json(given: Given) -> Iterator[Problem]:
    """All values can be sent as JSON."""
    for name, value in given.body.items():
        if not isinstance(name, str):
            yield Problem("body", f"expected texts for names of members, got {shown(name)}")
        elif not (isinstance(value, Mapping) or (name == "contents" and isinstance(value, list | tuple))):
            yield from _json(_key(name), value)
    for item in given.items:
        for member, value in item.members.items():
            yield from _json(item.at(_key(member)), value)
    for member, value in given.settings.items():
        yield from _json(given.setting(_key(member)), value)
    for member, value in given.options.items():
        yield from _json(given.option(_key(member)), value)


def _json(field: str, value: object) -> Iterator[Problem]:
    if not isinstance(value, Media) and not _is_json(value):
        yield Problem(field, f"{shown(value)} cannot be sent as JSON")


def _is_json(value: object) -> bool:
    match value:
        case None | bool():
            return True
        case int():
            return abs(value) < 10**30
        case str():
            return value == value.encode("utf-8", "ignore").decode()
        case float():
            return math.isfinite(value)
        case dict():
            return all(isinstance(key, str) and _is_json(one) for key, one in value.items())
        case list():
            return all(map(_is_json, value))
        case _:
            return False


def words(given: Given) -> Iterator[Problem]:
    """C2 [docs]: text to video requires a prompt, and has no contents."""
    if given.family != table.TEXT_TO_VIDEO:
        return
    prompt = given.body.get("prompt")
    if prompt is None or (isinstance(prompt, str) and not prompt.strip()):
        yield Problem("prompt", "is required: say what happens in the video")
    else:
        yield from text("prompt", prompt)
    if "contents" in given.body:
        yield Problem("contents", "is not for words alone, which stand in prompt")


def contents(given: Given) -> Iterator[Problem]:
    """C3 [docs, live texts]: all other families have contents, including the prompt, without empty items."""
    if given.family in {table.TEXT_TO_VIDEO, ""}:
        return
    if "prompt" in given.body:
        yield Problem("prompt", "stands in contents: {'type': 'prompt', 'text': ...}")
    listed = given.body.get("contents")
    if not listed or not isinstance(listed, list | tuple):
        what = "is empty" if listed in ([], ()) else "is required" if listed is None else f"got {shown(listed)}"
        if given.fields is None:  # a record has its own rules for what is required
            yield Problem("contents", f"{what}: a list of materials, at least one")
    for item in given.items:
        yield from _material(item)


def _material(item: Item) -> Iterator[Problem]:
    member = REQUIRED.get(item.type)
    if member is None:
        return
    value = item.members.get(member)
    if item.type in IMAGES and isinstance(value, Media):
        return
    if value is None or (isinstance(value, str) and not value.strip()):
        yield Problem(item.at(member), "is required" if value is None else "is blank")
    elif item.type in VIDEOS:  # C30 [docs]: an address only
        yield from videos.video_address(item.at(member), value)
    else:
        yield from text(item.at(member), value)


_FOREIGN: Final = {
    "/v1": "is a legacy path, whose requests look otherwise: use the records of kling_async, or RawTask",
    "/tasks": "makes no task: tasks are asked for there",
    "/account": "makes no task: it is about the account",
}
"""Prefixes of paths that are not creates of this generation."""


def path(given: Given) -> Iterator[Problem]:
    """C32: the path is valid; with an unknown model, only certain problems refuse the request."""
    model = given.path.removeprefix(f"{given.family}/") if given.family else ""
    wrong = [*segment(given.model_at, model)] if given.path.startswith(f"{given.family}/") and given.family else []
    foreign = next((what for begin, what in _FOREIGN.items() if f"{given.path.lower()}/".startswith(f"{begin}/")), None)
    if wrong or not is_path(given.path):
        shape = f"{given.family or table.OMNI_VIDEO}/<model>, with letters, digits, '.', '_' and '-'"
        yield Problem(given.model_at, f"expected a path: {shape}; no host, no '..' and no query")
    elif foreign is not None:
        yield Problem(given.model_at, foreign)
    elif given.fields is not None and given.path.startswith(_others(given.family)):
        yield Problem("path", f"is not of {given.family}, which this record is for")
    elif given.row is None and (another := _another_name(given, model)) is not None:
        yield Problem(given.model_at, another, by_map=True)
    elif given.row is None:
        yield Problem(given.model_at, _unknown_model(given, model), only_warns=True)
    elif not given.row.verified:
        what = "is known from partners of the service only; it is sent, and what is not certain is not refused"
        yield Problem(given.model_at, f"{model} {what}", only_warns=True)


def _others(family: str) -> tuple[str, ...]:
    return tuple(f"{each}/" for each in table.FAMILIES if each != family)


def _another_name(given: Given, model: str) -> str | None:
    """Returns a correction for the name of a legacy model, or of a model of other paths."""
    if (meant := table.OF_LEGACY.get(model)) is not None:
        return f"{model} is called so on legacy paths, as their model_name; in the current generation it is {meant}"
    others = [family for family, models in table.MODELS.items() if model in models]
    if others:
        return f"{model} is a model of {in_words(others, 'and')}, and not of {given.family}"
    small = model.lower()
    return f"{model} is written {small}" if small != model and small in table.MODELS.get(given.family, ()) else None


def _unknown_model(given: Given, model: str) -> str:
    known = table.MODELS.get(given.family)
    if known is None:
        return f"nothing is known of this path; known ones begin with {in_words(table.FAMILIES)}"
    what = f"no model {shown(model)} is known of {given.family}; known are {in_words(known, 'and')}"
    return f"{what}. It is sent, and what is not certain is not refused"


# ---------------------------------------------------------------------------------------- by the row of a path


def foreign_types(given: Given) -> Iterator[Problem]:
    """C4 [live]: a type of another path is accepted and ignored; three were paid for without it."""
    known = given.row.contents if given.row is not None else tuple(sorted(table.TYPES))
    if given.family == table.TEXT_TO_VIDEO or (given.row is None and given.fields is not None):
        return
    for item in given.items:
        if item.type and item.type not in known:
            meant = _LEGACY_TYPES.get(item.type, "") if given.fields is None else ""
            hint = f" (did you mean {meant}?)" if meant else ""
            of = given.row.model if given.row is not None else "any path that is known"
            field = item.place if given.fields is not None else item.at("type")
            takes = in_words(known, "and")
            yield Problem(field, f"{_key(item.type)} is not for {of}{hint}; it takes {takes}", by_map=True)
