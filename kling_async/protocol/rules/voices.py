"""Rules for elements of the library and voices, which prompts can name."""

from collections.abc import Iterator
from typing import Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.results import Element, Voice
from kling_async.protocol.rules.values import LONG_MOST, listed, text, whole

ELEMENTS_MOST = 3
VOICES_MOST = 2


class HasElements(Protocol):
    """A request that can name elements."""

    @property
    def element_list(self) -> tuple[Element, ...] | None:
        """The elements."""
        ...


class HasVoices(Protocol):
    """A request that can name voices."""

    @property
    def voice_list(self) -> tuple[Voice, ...] | None:
        """The voices."""
        ...

    @property
    def sound(self) -> bool | None:
        """Whether the video has sound."""
        ...


def elements(request: HasElements, *, most: int | None = ELEMENTS_MOST) -> Iterator[Problem]:
    """Allows at most 3 ids of 64 bits, or as many as the endpoint accepts."""
    read = yield from listed("element_list", request.element_list, Element, most=most)
    for path, element in read:
        yield from whole(f"{path}.element_id", element.element_id, 1, LONG_MOST)


def voices(request: HasVoices) -> Iterator[Problem]:
    """Allows at most 2 voices, only with sound."""
    yield from _voices(request, most=VOICES_MOST)
    if request.voice_list and request.sound is not True:
        yield Problem("voice_list", "needs sound")


def uncertain_voices(request: HasVoices) -> Iterator[Problem]:
    """Warns of more than 2 voices, or voices without sound, for models that may not have voices at all."""
    yield from _voices(request, most=None)
    given = len(request.voice_list) if isinstance(request.voice_list, tuple) else 0
    if given > VOICES_MOST or (given and request.sound is not True):
        what = f"at most {VOICES_MOST} are documented, only with sound; they are sent, and may be refused"
        yield Problem("voice_list", what, only_warns=True)


def _voices(request: HasVoices, *, most: int | None) -> Iterator[Problem]:
    read = yield from listed("voice_list", request.voice_list, Voice, most=most)
    for path, voice in read:
        yield from text(f"{path}.voice_id", voice.voice_id)
        if voice.voice_id == "":
            yield Problem(f"{path}.voice_id", "is empty")
