"""Speech: the value of a text-to-speech call, whose sound can be saved."""

from collections.abc import Awaitable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, Self

import attrs

from kling_async.protocol import cost
from kling_async.protocol.cost import Cost
from kling_async.protocol.errors import DownloadError
from kling_async.protocol.results import Audio, BalanceDeduction

if TYPE_CHECKING:
    from pathlib import Path, PurePath


class SavesAudio(Protocol):
    """A function of a client that saves a piece of sound."""

    def __call__(self, audio: Audio, path: "str | PurePath", *, overwrite: bool) -> "Awaitable[Path]":
        """Starts the save."""
        ...


@attrs.frozen(kw_only=True)
class SpeechAudio(Audio):
    """One finished piece of sound that its client can save.

    Attributes:
        saver: of the client; None after unpickling.
    """

    saver: SavesAudio | None = attrs.field(default=None, eq=False, repr=False)

    def save(self, path: "str | PurePath", *, overwrite: bool = False) -> "Awaitable[Path]":
        """Streams the sound to disk, as `TaskHandle.save` does: completely, or not at all.

        Args:
            path: a file, or a directory, in which the file is named `<id>.mp3`.
            overwrite: whether to replace an existing file, once the new one is complete.

        Returns:
            An awaitable of the file's path.

        Raises:
            TargetExists: the file exists, and `overwrite` is False.
            TargetError: the path cannot be written to.
            DownloadError: the download failed, or the sound was unpickled: then download its `url` by other means.
        """
        if self.saver is None:
            raise DownloadError("this sound has no client any more, as it was pickled: fetch its `url` by other means")
        return self.saver(self, path, overwrite=overwrite)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles without the client."""
        return _unpickled, ({**attrs.asdict(self, recurse=False), "saver": None},)


def _unpickled(attributes: dict[str, Any]) -> SpeechAudio:
    return SpeechAudio(**attributes)


@attrs.frozen(kw_only=True)
class Speech:
    """The sound of a text that was read aloud.

    Attributes:
        audios: the sound, a single item. For 30 days its `id` can be used as an `audio_id`, and the item itself as the
            argument for it.
        created_at: when it was made (UTC).
        final_unit_deduction: units paid.
        final_balance_deduction: money paid, for accounts with a balance.
    """

    audios: tuple[SpeechAudio, ...]
    created_at: datetime | None = None
    final_unit_deduction: Decimal | None = None
    final_balance_deduction: BalanceDeduction | None = None

    @property
    def cost(self) -> Cost | None:
        """What it took from the account; None if the service does not report it."""
        return cost.legacy(self.final_unit_deduction, self.final_balance_deduction)

    def with_saver(self, saver: SavesAudio) -> Self:
        """Returns a copy whose sound `saver` saves."""
        return attrs.evolve(self, audios=tuple(attrs.evolve(audio, saver=saver) for audio in self.audios))
