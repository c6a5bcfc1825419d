"""The results of endpoints that make sound: a quiet melody that depends on the text."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import attrs

from .placeholder import sound
from .result import Link, Loader


@attrs.frozen(kw_only=True)
class SoundSpec:
    """A sound.

    Attributes:
        text: Its text, whose letters are played as notes.
        milliseconds: Its length; an MP3 is longer by up to two frames.
        form: "mp3" or "wav".
        label: Digits that distinguish its file from others.
    """

    text: str
    milliseconds: int
    form: str
    label: str = ""

    def make(self) -> bytes:
        """Makes the file: an audible WAV, or a silent MP3."""
        if self.form == "wav":
            return sound.wav(self.text, self.label, self.milliseconds)
        return sound.silent_mp3(f"{self.label} {self.text}", self.milliseconds)


@attrs.frozen
class RenderedSound:
    """A sound that is audible in both forms.

    Attributes:
        spec: The sound.
    """

    spec: SoundSpec

    @property
    def is_large(self) -> bool:
        """False: sounds are small."""
        return False

    def make(self, load: Loader, target: Path, stopped: Callable[[], bool]) -> None:  # noqa: ARG002 - no images
        """Makes the file."""
        if self.spec.form == "wav":
            target.write_bytes(self.spec.make())
            return
        from .rendering.mp3 import encode  # noqa: PLC0415 - imports PyAV, which is an extra

        samples = sound.melody(self.spec.text, self.spec.milliseconds)
        encode(samples, sound.RATE, f"EMULATED {self.spec.text}", target, stopped)


@attrs.frozen(kw_only=True)
class SoundResult:
    """One sound as two files, MP3 and WAV.

    Attributes:
        text: Its text.
        milliseconds: Its length.
    """

    text: str
    milliseconds: int

    @property
    def files(self) -> Mapping[str, str]:
        """Both files."""
        return {"mp3": ".mp3", "wav": ".wav"}

    @property
    def size(self) -> tuple[int, int]:
        """(0, 0): it is not visible."""
        return 0, 0

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the sound as in answers."""
        audio = {
            "id": result_id,
            "url_mp3": link("mp3"),
            "url_wav": link("wav"),
            "duration_mp3": f"{sound.mp3_milliseconds(self.milliseconds) / 1000:.3f}",
            "duration_wav": f"{self.milliseconds / 1000:.3f}",
        }
        return {"audios": [audio]}

    def placeholder(self, name: str, label: str) -> SoundSpec:
        """Returns a file made without an encoder."""
        return attrs.evolve(self._named(name), label=label)

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedSound:  # noqa: ARG002 - it shows none
        """Returns a file made with an encoder."""
        return RenderedSound(self._named(name))

    def revised(self, revision: int) -> Self:
        """Returns another melody of the same length."""
        return attrs.evolve(self, text=f"{revision} {self.text}")

    def _named(self, name: str) -> SoundSpec:
        return SoundSpec(text=self.text, milliseconds=self.milliseconds, form=name)


@attrs.frozen(kw_only=True)
class SpeechResult(SoundResult):
    """A sound as one MP3: a text read aloud."""

    @property
    def files(self) -> Mapping[str, str]:
        """The MP3."""
        return {"mp3": ".mp3"}

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the sound as in answers, with other members than `SoundResult`."""
        seconds = sound.mp3_milliseconds(self.milliseconds) / 1000
        return {"audios": [{"id": result_id, "url": link("mp3"), "duration": f"{seconds:.1f}"}]}
