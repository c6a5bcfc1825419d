"""Rules for settings: the choices of a path, and exclusions. `rules_shape` explains C1 to C32."""

from collections.abc import Iterator
from typing import Any, Final

from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.given import Given
from kling_async.protocol.endpoints.current.table import Row, Shots
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.models import SECONDS_MOST
from kling_async.protocol.rules.values import in_words, shown, switch, text, whole

_OMNI_3: Final = "/omni-video/kling-3.0-omni"
_O1: Final = "/omni-video/kling-o1"


def kinds(given: Given) -> Iterator[Problem]:
    """C5 [docs]: duration is a number, not text; multi_shot is a boolean; the others are text."""
    for name, value in given.settings.items():
        field = given.setting(name)
        if name == "duration":
            yield from whole(field, value, 1, SECONDS_MOST)
        elif name == "multi_shot":
            yield from switch(field, value)
            if value is None:
                yield Problem(field, "expected True or False, got None")
        elif name in {"resolution", "aspect_ratio", "audio", "character_orientation"}:
            yield from text(field, value)


def choices(given: Given) -> Iterator[Problem]:
    """C5 [docs]: the choices of the path for each setting."""
    row = given.row
    if row is None:
        return
    has: dict[str, tuple[Any, ...]] = {
        "resolution": row.resolutions,
        "duration": row.durations,
        "aspect_ratio": row.ratios,
        "audio": row.audio,
        "multi_shot": (True, False) if row.shots is Shots.BY_MEMBER else (),
        "character_orientation": ("image", "video") if row.family == table.MOTION_CONTROL else (),
    }
    for name, possible in has.items():
        value = given.settings.get(name)
        if name not in given.settings or (name == "duration" and type(value) is not int):
            continue
        if not possible:
            yield Problem(given.setting(name), f"{_not_here(name, row)}; leave it out", by_map=True)
        elif isinstance(value, str | int) and value not in possible:
            span = _span(possible)
            yield Problem(
                given.setting(name), f"{shown(value)} is not possible with {row.model}; use {span}", by_map=True
            )


def _span(possible: tuple[Any, ...]) -> str:
    if len(possible) > 6:
        return f"{possible[0]} to {possible[-1]}"
    return in_words([str(one) for one in possible])


def _not_here(name: str, row: Row) -> str:
    if name in {"duration", "aspect_ratio"} and row.family == table.MOTION_CONTROL:  # C26
        return "is not possible: the result follows its video"
    if name == "aspect_ratio":
        return "is not possible: the result has the ratio of its first frame"
    if name == "audio" and row.model == "kling-3.0-turbo":
        return "is no setting of kling-3.0-turbo, which always makes sound"
    return f"is no setting of {row.model}"


def only_in_1080p(given: Given) -> Iterator[Problem]:
    """C7, C8, C10 [docs]: features that some models have in 1080p only, which must be set: the default is 720p."""
    row = given.row
    if row is None or given.resolution == "1080p":
        return
    now = f"resolution is {shown(given.resolution)}" + (
        "" if "resolution" in given.settings else " where it is left out"
    )
    for name in row.only_1080p:
        if name == "native" and given.audio == "native":
            yield Problem(given.setting("audio"), f"native needs resolution 1080p with {row.model}; {now}", by_map=True)
        elif name != "native" and given.of(name):
            yield Problem(given.where(name), f"needs resolution 1080p with {row.model}; {now}", by_map=True)


def frames_and_sound(given: Given) -> Iterator[Problem]:
    """C9 [docs: the capability table says silent only, the page nothing]."""
    if given.path == "/image-to-video/kling-2.6" and given.of("last_frame") and given.audio == "native":
        what = "with a last frame is silent by the capability table of kling-2.6; it is sent, and may be refused"
        yield Problem(given.setting("audio"), f"native {what}", only_warns=True)


def voices_and_sound(given: Given) -> Iterator[Problem]:
    """C10 [docs]: a voice requires native sound."""
    if given.path == "/image-to-video/kling-2.6" and given.of("voice") and given.audio != "native":
        yield Problem(given.where("voice"), "needs audio native")


def videos_and_sound(given: Given) -> Iterator[Problem]:
    """C13, C15, C22 [docs; live 400 of the last]: the possible sounds of a result with a video."""
    if given.family != table.OMNI_VIDEO:
        return
    field = given.setting("audio")
    if given.path == _OMNI_3 and given.of("feature_video") and given.audio != "off":
        yield Problem(field, f"{shown(given.audio)} is not possible with a feature_video; use off")
    elif given.path == _OMNI_3 and given.of("base_video") and given.audio == "native":
        yield Problem(field, "native is not possible with a base_video; use original or off")
    if given.audio == "original" and not given.videos:
        yield Problem(field, "original needs a video whose sound it is")


def ratio(given: Given) -> Iterator[Problem]:
    """C20 [docs; live 400]: a ratio is required unless a frame or a video determines it."""
    row = given.row
    if row is None or row.family != table.OMNI_VIDEO or "aspect_ratio" in given.settings:
        return
    if given.of("first_frame", "base_video"):
        return
    choices = in_words(row.ratios)
    if given.of("feature_video"):  # [docs] exempt any video, [live] only one that is edited
        what = "is left out: sources disagree on whether a feature_video gives the ratio"
        yield Problem(given.setting("aspect_ratio"), f"{what}; {choices} is safer", only_warns=True)
    else:
        yield Problem(given.setting("aspect_ratio"), f"is required without a first frame or a video; use {choices}")


def seconds_with_video(given: Given) -> Iterator[Problem]:
    """C21 [docs; the second by partners]: an edit is as long as its video, and a reference gave 10 s at most once."""
    if given.family != table.OMNI_VIDEO:
        return
    if given.of("base_video") and "duration" in given.settings:
        what = "has no effect: a video that is edited keeps its length, by which it is billed"
        yield Problem(given.setting("duration"), what, only_warns=True)
    elif given.of("feature_video") and given.seconds is not None and given.seconds > 10:
        what = "sources disagree on whether more than 10 seconds are made with a feature_video"
        yield Problem(given.setting("duration"), f"{what}; it is sent", only_warns=True)


def o1_seconds(given: Given) -> Iterator[Problem]:
    """C23 [docs, live 400]: kling-o1 makes only 5 or 10 seconds without references."""
    plain = not given.of("refer_image", "element") and not given.videos
    if given.path == _O1 and plain and given.seconds in range(3, 11) and given.seconds not in {5, 10}:
        what = f"{given.seconds} is not possible with kling-o1 without a picture to refer to; use 5 or 10"
        yield Problem(given.setting("duration"), what, by_map=True)


def orientation(given: Given) -> Iterator[Problem]:
    """C26 [docs]: the orientation of the person is required."""
    if given.family == table.MOTION_CONTROL and "character_orientation" not in given.settings:
        yield Problem(given.setting("character_orientation"), "is required; use image or video")


def edit_shots(given: Given) -> Iterator[Problem]:
    """C14, C16 [docs]: an edit has one shot, but the service's default is several."""
    row = given.row
    if row is None or row.shots is not Shots.BY_MEMBER:
        return
    multi_shot: Any = given.settings.get("multi_shot", True)
    field = given.setting("multi_shot")
    if given.of("base_video") and multi_shot is True:
        now = "is true" if "multi_shot" in given.settings else "is left out, which is true to the service"
        yield Problem(field, f"{now}: a base_video has one shot; send false", only_warns=True)
    elif given.shots and multi_shot is False:
        yield Problem(field, "is false: the shots of the prompt become one", only_warns=True)
