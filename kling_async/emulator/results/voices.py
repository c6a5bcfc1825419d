"""The result of endpoints that make voices: data, and an audible trial."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from .result import Link
from .sounds import RenderedSound, SoundSpec

OWNER: Final = "1000001"
"""Number of the emulated account, which owns its own voices and elements; "kling" owns the presets."""

_TRIAL_MILLISECONDS: Final = 3000


@attrs.frozen(kw_only=True)
class VoiceResult:
    """One voice, whose id is the result's id.

    Attributes:
        name: Its name.
        owner: Its owner.
    """

    name: str
    owner: str = OWNER

    @property
    def files(self) -> Mapping[str, str]:
        """The trial."""
        return {"trial": ".wav"}

    @property
    def size(self) -> tuple[int, int]:
        """(0, 0): it is not visible."""
        return 0, 0

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the voice as in answers."""
        return {"voices": [self.voice(result_id, link) | {"status": "succeed"}]}

    def voice(self, voice_id: str, link: Link) -> dict[str, str]:
        """Returns the members of the voice that are also in an element to which it is bound."""
        return {"voice_id": voice_id, "voice_name": self.name, "trial_url": link("trial"), "owned_by": self.owner}

    def placeholder(self, name: str, label: str) -> SoundSpec:  # noqa: ARG002 - there is one file
        """Returns the trial, whose melody depends on the name."""
        return attrs.evolve(self._trial(), label=label)

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedSound:  # noqa: ARG002 - there is one file
        """Returns the trial, whose melody depends on the name."""
        return RenderedSound(self._trial())

    def revised(self, revision: int) -> "VoiceResult":
        """Returns the same voice with another trial."""
        return attrs.evolve(self, name=f"{revision} {self.name}")

    def _trial(self) -> SoundSpec:
        return SoundSpec(text=self.name, milliseconds=_TRIAL_MILLISECONDS, form="wav")
