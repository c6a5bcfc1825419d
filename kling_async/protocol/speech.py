"""Speech: the value of a call that reads a text aloud, whose sound can be saved."""

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
    """A client, which fetches a piece of sound."""

    def __call__(self, audio: Audio, path: "str | PurePath", *, overwrite: bool) -> "Awaitable[Path]":
        """Begins to save it."""
        ...


@attrs.frozen(kw_only=True)
class SpeechAudio(Audio):
    """One finished piece of sound that the client which made it can save.

    Attributes:
        saver: of the client; None once it was pickled.
    """

    saver: SavesAudio | None = attrs.field(default=None, eq=False, repr=False)

    def save(self, path: "str | PurePath", *, overwrite: bool = False) -> "Awaitable[Path]":
        """Streams the sound to disk, as `TaskHandle.save` does: whole, or not at all.

        Args:
            path: a file, or a directory, in which it is called `<id>.mp3`.
            overwrite: replaces an existing file, once the new one is whole.

        Returns:
            Where it is, once awaited.

        Raises:
            TargetExists: there is a file, and `overwrite` is False.
            TargetError: the place cannot be written to.
            DownloadError: it could not be fetched, or came out of a pickle: then `url` is where it is.
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
    """A text, read aloud.

    Attributes:
        audios: the sound: one. Its `id` serves as `audio_id` elsewhere for 30 days, and it can be given there as it is.
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
        """What it took from the account; None where the service does not say so."""
        return cost.legacy(self.final_unit_deduction, self.final_balance_deduction)

    def with_saver(self, saver: SavesAudio) -> Self:
        """The same, whose sound a client can save."""
        return attrs.evolve(self, audios=tuple(attrs.evolve(audio, saver=saver) for audio in self.audios))
