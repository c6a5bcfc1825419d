"""The result of endpoints that make voices: data, and a trial that can be heard."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from .result import Link
from .sounds import RenderedSound, SoundSpec

OWNER: Final = "1000001"
"""Number of the emulated account; what is not its own is owned by "kling"."""

_TRIAL_MILLISECONDS: Final = 3000


@attrs.frozen(kw_only=True)
class VoiceResult:
    """One voice, whose id is that of the result.

    Attributes:
        name: What it is called.
        owner: Its maker.
    """

    name: str
    owner: str = OWNER

    @property
    def files(self) -> Mapping[str, str]:
        """The trial."""
        return {"trial": ".wav"}

    @property
    def size(self) -> tuple[int, int]:
        """Nothing is seen."""
        return 0, 0

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Give the voice as answers have it."""
        return {"voices": [self.voice(result_id, link) | {"status": "succeed"}]}

    def voice(self, voice_id: str, link: Link) -> dict[str, str]:
        """Give the voice as it is described elsewhere, too: in an element that it is bound to."""
        return {"voice_id": voice_id, "voice_name": self.name, "trial_url": link("trial"), "owned_by": self.owner}

    def placeholder(self, name: str, label: str) -> SoundSpec:  # noqa: ARG002 - there is one file
        """Give the trial: its melody depends on the name."""
        return attrs.evolve(self._trial(), label=label)

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedSound:  # noqa: ARG002 - there is one file
        """Give the trial, the same."""
        return RenderedSound(self._trial())

    def revised(self, revision: int) -> "VoiceResult":
        """Give the same voice with another trial."""
        return attrs.evolve(self, name=f"{revision} {self.name}")

    def _trial(self) -> SoundSpec:
        return SoundSpec(text=self.name, milliseconds=_TRIAL_MILLISECONDS, form="wav")
