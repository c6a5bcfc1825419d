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
        text: What it says: letters are notes.
        milliseconds: How long it is; an MP3 is longer by up to two frames.
        form: "mp3" or "wav".
        label: Digits that make its file differ from others.
    """

    text: str
    milliseconds: int
    form: str
    label: str = ""

    def make(self) -> bytes:
        """Make the file: a WAV that is heard, or an MP3 that is silent."""
        if self.form == "wav":
            return sound.wav(self.text, self.label, self.milliseconds)
        return sound.silent_mp3(f"{self.label} {self.text}", self.milliseconds)


@attrs.frozen
class RenderedSound:
    """A sound that is heard in both forms.

    Attributes:
        spec: What it is.
    """

    spec: SoundSpec

    @property
    def is_large(self) -> bool:
        """Sounds are small."""
        return False

    def make(self, load: Loader, target: Path, stopped: Callable[[], bool]) -> None:  # noqa: ARG002 - no images
        """Make it."""
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
        text: What it says.
        milliseconds: How long it is.
    """

    text: str
    milliseconds: int

    @property
    def files(self) -> Mapping[str, str]:
        """Both files."""
        return {"mp3": ".mp3", "wav": ".wav"}

    @property
    def size(self) -> tuple[int, int]:
        """Nothing is seen."""
        return 0, 0

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Give the sound as answers have it."""
        audio = {
            "id": result_id,
            "url_mp3": link("mp3"),
            "url_wav": link("wav"),
            "duration_mp3": f"{sound.mp3_milliseconds(self.milliseconds) / 1000:.3f}",
            "duration_wav": f"{self.milliseconds / 1000:.3f}",
        }
        return {"audios": [audio]}

    def placeholder(self, name: str, label: str) -> SoundSpec:
        """Give a file as it is made without an encoder."""
        return attrs.evolve(self._named(name), label=label)

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedSound:  # noqa: ARG002 - it shows none
        """Give a file as it is made with one."""
        return RenderedSound(self._named(name))

    def revised(self, revision: int) -> Self:
        """Give another melody of the same length."""
        return attrs.evolve(self, text=f"{revision} {self.text}")

    def _named(self, name: str) -> SoundSpec:
        return SoundSpec(text=self.text, milliseconds=self.milliseconds, form=name)


@attrs.frozen(kw_only=True)
class SpeechResult(SoundResult):
    """A sound as one MP3: what text that is read out gives."""

    @property
    def files(self) -> Mapping[str, str]:
        """The MP3."""
        return {"mp3": ".mp3"}

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Give the sound as answers have it: other members than those of `SoundResult`."""
        seconds = sound.mp3_milliseconds(self.milliseconds) / 1000
        return {"audios": [{"id": result_id, "url": link("mp3"), "duration": f"{seconds:.1f}"}]}
