"""Rules for the sounds in any parameter of a request."""

from collections.abc import Iterator
from typing import Final, Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.sound import Sound, SoundFacts
from kling_async.protocol.results import Audio
from kling_async.protocol.rules.files import Facts, file
from kling_async.protocol.rules.nested import each_of
from kling_async.protocol.rules.values import exactly_one, text

MEGABYTES_MOST = 5

_TAKEN: Final = (".mp3", ".wav")
_DOUBTFUL: Final = {".m4a": "M4A", ".mp4": "M4A (MP4)", ".aac": "AAC"}
_TEXTS: Final = (".html", ".xml", ".json", ".txt")


class TakesSound(Protocol):
    """A request, or a part of one, with exactly one sound."""

    @property
    def audio_id(self) -> str | None:
        """Id of an earlier sound."""
        ...

    @property
    def sound_file(self) -> Sound | None:
        """A file."""
        ...

    @property
    def audio(self) -> Audio | None:
        """An earlier sound."""
        ...


def one_sound(request: TakesSound) -> Iterator[Problem]:
    """Requires exactly one of an earlier sound, its id, or a file."""
    yield from exactly_one(request, "audio_id", "sound_file", "audio")
    if request.audio_id is not None:
        yield from text("audio_id", request.audio_id)


def sounds(request: object, facts: Facts) -> Iterator[Problem]:
    """Checks each sound: at most 5 MB (5 x 2**20 bytes), MP3 or WAV by its bytes. Addresses pass.

    M4A and AAC cause a warning: they are documented, but the live service refused them ("Audio format is invalid").
    """
    for field, sound in each_of(request, Sound).items():
        known = facts.get(field)
        yield from file(field, sound, known, MEGABYTES_MOST)
        if sound.is_local and isinstance(known, SoundFacts) and known.complaint is None:
            yield from _format(field, known.suffix)


def _format(field: str, suffix: str) -> Iterator[Problem]:
    if suffix in _TAKEN:
        return
    if suffix in _DOUBTFUL:
        doubt = f"this is {_DOUBTFUL[suffix]}, which is documented and was refused by the service; MP3 and WAV are safe"
        yield Problem(field, doubt, only_warns=True)
    elif suffix in _TEXTS:
        yield Problem(field, "this is text, not a sound: base64 is decoded by Sound.from_base64, a page is no download")
    elif suffix:
        yield Problem(field, f"this is a {suffix[1:].upper()} file; the service takes MP3 and WAV: convert it first")
    else:
        yield Problem(field, "this is neither MP3 nor WAV, which are what the service takes")
