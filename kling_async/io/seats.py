"""Slots that somebody else gives out: a create comes with its own, and is refused where the account is full."""

from kling_async.io.slots import Slot, Slots
from kling_async.protocol.concurrency_limit import Limit
from kling_async.protocol.errors import ClientClosed, ConcurrencyExceeded


class Seat(Slot):
    """The slot that a request came with."""

    __slots__ = ()

    def __init__(self) -> None:
        """There is no line that it stands in."""

    async def wait(self) -> None:
        """It is there."""

    def accepted(self) -> None:
        """Who gave it counts."""

    def in_doubt(self) -> None:
        """Who gave it counts."""

    async def wait_again(self) -> None:
        """The account is full: whoever gave the slot learns of it, and nothing is sent again.

        Raises:
            ConcurrencyExceeded: always.
        """
        raise ConcurrencyExceeded("the account's slots are taken; nothing was sent again", code=1303)

    def release(self) -> None:
        """Who gave it takes it back."""


class Seats(Slots):
    """As many slots as are asked for."""

    def __init__(self) -> None:
        super().__init__(_no_limit, None)

    async def take(self, line: str, count: int = 1, *, pack: str = "", queue_deadline: float | None = None) -> Slot:
        """A slot, at once.

        Raises:
            ClientClosed: the client was closed meanwhile.
        """
        del line, count, pack, queue_deadline
        if self._closed:
            raise ClientClosed("the client was closed; nothing was sent")
        return Seat()


def _no_limit() -> Limit:
    raise NotImplementedError("there are no lines here")
