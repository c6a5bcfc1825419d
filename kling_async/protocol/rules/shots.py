"""Rules for videos of several shots."""

from collections.abc import Iterator
from typing import Protocol

from kling_async.protocol.capability import DURATION_LEFT_OUT
from kling_async.protocol.errors import Problem
from kling_async.protocol.records import ShotPrompt, ShotType
from kling_async.protocol.rules.text import HasPrompt
from kling_async.protocol.rules.values import listed, one_of, shown, switch, text, whole

SHOT_PROMPT_MOST = 512  # characters
SHOTS_MOST = 6
SHOT_TYPES = ("customize", "intelligence")


class HasShots(Protocol):
    """A request that can have several shots in one video."""

    @property
    def multi_shot(self) -> bool | None:
        """Whether it has several shots."""
        ...

    @property
    def shot_type(self) -> ShotType | None:
        """Whether the shots are given by the request or chosen by the service."""
        ...

    @property
    def multi_prompt(self) -> tuple[ShotPrompt, ...] | None:
        """The shots."""
        ...

    @property
    def duration(self) -> int | None:
        """Seconds of the video."""
        ...


class HasPromptOrShots(HasPrompt, HasShots, Protocol):
    """A request that describes the video by a prompt, or shot by shot."""


def prompt_or_shots(request: HasPromptOrShots) -> Iterator[Problem]:
    """Requires a prompt, unless the shots are given, with which it has no effect."""
    if request.multi_shot is True and request.shot_type == "customize":
        return
    if request.prompt is None or request.prompt == "":
        yield Problem("prompt", "is required: say what happens in the video")


def shots(request: HasShots) -> Iterator[Problem]:
    """Checks `multi_shot` and its companions. A prompt, which `customize` ignores, is not reported."""
    yield from switch("multi_shot", request.multi_shot)
    yield from _shot_list(request)
    if request.shot_type is not None:
        yield from one_of("shot_type", request.shot_type, SHOT_TYPES)
    if request.multi_shot is True:
        if request.shot_type is None:
            yield Problem("shot_type", "is required with multi_shot; use customize or intelligence")
        if request.shot_type == "customize" and request.multi_prompt is None:
            yield Problem("multi_prompt", "is required with shot_type 'customize'")
        return
    for field in ("shot_type", "multi_prompt"):
        if getattr(request, field) not in (None, ()):  # an empty list means none
            yield Problem(field, "has an effect with multi_shot only; set that or leave this out")


def _shot_list(request: HasShots) -> Iterator[Problem]:
    read = yield from listed("multi_prompt", request.multi_prompt, ShotPrompt, most=SHOTS_MOST)
    if request.multi_prompt == () and request.multi_shot is True:
        yield Problem("multi_prompt", f"is empty; give 1 to {SHOTS_MOST} shots")
    problems = [problem for path, shot in read for problem in _shot(path, shot)]
    yield from problems
    if problems or not read or len(read) != len(request.multi_prompt or ()):
        return
    indexes = [shot.index for _, shot in read]
    if len(set(indexes)) != len(indexes):
        yield Problem("multi_prompt", f"two shots have the same index; number them 1 to {len(indexes)}")
    elif max(indexes) > len(indexes):
        yield Problem("multi_prompt", f"a shot has index {shown(max(indexes))}; number them 1 to {len(indexes)}")
    seconds = sum(shot.duration for _, shot in read)
    duration = DURATION_LEFT_OUT if request.duration is None else request.duration
    if not list(whole("", duration, 1)) and seconds != duration:
        left_out = " where it is left out" if request.duration is None else ""
        yield Problem(
            "multi_prompt", f"the shots last {shown(seconds)} s together, duration is {shown(duration)}{left_out}"
        )


def _shot(path: str, shot: ShotPrompt) -> Iterator[Problem]:
    yield from whole(f"{path}.index", shot.index, 1)
    yield from text(f"{path}.prompt", shot.prompt, most=SHOT_PROMPT_MOST)
    yield from whole(f"{path}.duration", shot.duration, 1)
