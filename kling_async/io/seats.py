"""Slots managed outside the client: each create brings its own, and is refused if the account is full."""

from kling_async.io.slots import Slot, Slots
from kling_async.protocol.concurrency_limit import Limit
from kling_async.protocol.errors import ClientClosed, ConcurrencyExceeded


class Seat(Slot):
    """The slot that a request brings."""

    __slots__ = ()

    def __init__(self) -> None:
        """Needs no arguments, since it belongs to no line."""

    async def wait(self) -> None:
        """Returns at once: the slot is held already."""

    def accepted(self) -> None:
        """Does nothing: the owner of the slot counts."""

    def in_doubt(self) -> None:
        """Does nothing: the owner of the slot counts."""

    async def wait_again(self) -> None:
        """Reports a full account to the owner of the slot; nothing is sent again.

        Raises:
            ConcurrencyExceeded: always.
        """
        raise ConcurrencyExceeded("the account's slots are taken; nothing was sent again", code=1303)

    def release(self) -> None:
        """Does nothing: the owner of the slot releases it."""


class Seats(Slots):
    """Grants every slot at once."""

    def __init__(self) -> None:
        super().__init__(_no_limit, None)

    async def take(self, line: str, count: int = 1, *, pack: str = "", queue_deadline: float | None = None) -> Slot:
        """Returns a slot at once.

        Raises:
            ClientClosed: the client was closed meanwhile.
        """
        del line, count, pack, queue_deadline
        if self._closed:
            raise ClientClosed("the client was closed; nothing was sent")
        return Seat()


def _no_limit() -> Limit:
    raise NotImplementedError("there are no lines here")
