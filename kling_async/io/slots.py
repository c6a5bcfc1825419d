"""Queues of creates that wait for slots: one FIFO queue per line; the core decides how many may run."""

import asyncio
import bisect
import collections
import copy
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from kling_async.protocol.concurrency_limit import Limit
from kling_async.protocol.errors import ClientClosed, KlingError, QueueTimeout

logger = logging.getLogger("kling_async")

_CLOSED: Final = "the client was closed; nothing was created"


class Slot:
    """The slots that one request holds. The holder reports how its create ended, and when its task did.

    Args:
        line: to which the slots belong.
        ticket: the request's position in the line.
        count: number of slots.
        pack: that pays for the request.
        queue_deadline: seconds that the request may wait for them in total.
    """

    __slots__ = ("_count", "_line", "_pack", "_queue_deadline", "_refused", "_state", "_ticket", "_waited")

    def __init__(self, line: "_Line", ticket: int, count: int, pack: str, queue_deadline: float | None) -> None:
        self._line = line
        self._ticket = ticket
        self._count = count
        self._pack = pack
        self._queue_deadline = queue_deadline
        self._state = "waiting"
        self._waited = 0.0
        self._refused = 0

    async def wait(self) -> None:
        """Waits for the slots."""
        begun = self._line.now()
        await self._line.take(
            self._ticket, self._count, self._pack, self._queue_deadline, self._waited, refused=self._refused
        )
        self._waited += self._line.now() - begun
        self._state = "sending"

    def accepted(self) -> None:
        """The task was accepted: the slots are held until `release`."""
        late, self._state = self._state == "running", "running"
        self._line.limit.accepted(self._line.now(), self._count, late=late)
        self._line.grant()

    def in_doubt(self) -> None:
        """Holds the slots while it is unknown whether the task exists; other creates do not wait for the outcome."""
        if self._state == "sending":
            self._state = "running"
            self._line.limit.unclear(self._count)
            self._line.grant()

    async def wait_again(self) -> None:
        """Returns the slots because the account is full, and waits for them at the former position in the line."""
        late, self._state = self._state == "running", "waiting"
        self._refused += 1
        self._line.limit.refused(self._line.now(), self._count, late=late)
        if self._count > 1 and not self._line.limit.running:
            self._line.warn_refused(self._count)
        # Without `grant` before, which would let a smaller request behind this one overtake it.
        await self.wait()

    def release(self) -> None:
        """Releases the slots after the task has ended, or if there is none; idempotent."""
        state, self._state = self._state, "released"
        if state == "running":
            self._line.limit.ended(self._line.now(), self._count)
        elif state == "sending":
            self._line.limit.dropped(self._count)
        self._line.grant()


class Slots:
    """The lines of one client.

    Args:
        limit_for: creates the limit of a line.
        queue_deadline: default of the seconds that a request may wait in its line; None for no limit.
    """

    def __init__(self, limit_for: Callable[[], Limit], queue_deadline: float | None) -> None:
        self._limit_for = limit_for
        self._queue_deadline = queue_deadline
        self._lines: dict[str, _Line] = {}
        self._attached: collections.Counter[str] = collections.Counter()
        self._tickets = itertools.count()
        self._closed = False

    async def take(self, line: str, count: int = 1, *, pack: str = "", queue_deadline: float | None = None) -> Slot:
        """Waits for slots.

        Args:
            line: names the requests that share slots, such as a model's name; shown in messages.
            count: slots of the request, from 1. More than the limit are granted when nothing else runs.
            pack: that pays for it; may differ between requests of one line.
            queue_deadline: seconds that this request may wait, in place of the client's.

        Raises:
            QueueTimeout: `queue_deadline` seconds passed.
            ClientClosed: the client was closed meanwhile.
        """
        if self._closed:
            raise ClientClosed(_CLOSED)
        if line not in self._lines:
            self._lines[line] = _Line(line, self._limit_for(), self._attached)
        ticket = next(self._tickets)
        if queue_deadline is None:
            queue_deadline = self._queue_deadline
        slot = Slot(self._lines[line], ticket, count, pack, queue_deadline)
        await slot.wait()
        return slot

    def attach(self, pack: str = "") -> None:
        """Counts an attached task. It does not wait; as its line is unknown, it counts in each line of its pack."""
        self._attached[pack] += 1

    def detach(self, pack: str = "") -> None:
        """Discounts an attached task that has ended."""
        self._attached[pack] -= 1
        for line in self._lines.values():
            line.grant()

    def fail(self, error: KlingError, pack: str | None = None) -> None:
        """Raises an error in all waiting creates, since the account accepts none now; later creates may try.

        Args:
            error: with which the service refused one of them.
            pack: limits this to creates of one pack; None for all.
        """
        for line in self._lines.values():
            line.fail(error, pack)

    def close(self) -> None:
        """Raises `ClientClosed` in all waiting creates."""
        self._closed = True
        for line in self._lines.values():
            line.close()


class _Waiting(NamedTuple):
    """A request in its line."""

    ticket: int
    wanted: int
    pack: str
    turn: "asyncio.Future[None]"


class _Line:
    """The waiting creates of one line, and its limit."""

    def __init__(self, name: str, limit: Limit, attached: Mapping[str, int]) -> None:
        self.limit = limit
        self._name = name
        self._attached = attached
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._warned_refused = False

    @staticmethod
    def now() -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    async def take(
        self, ticket: int, count: int, pack: str, deadline: float | None, waited: float, *, refused: int
    ) -> None:
        """Waits for `count` slots, behind all lower tickets; they count as sending from then on.

        The deadline is reduced by the seconds `waited` earlier. `refused` counts earlier refusals, for the message.
        """
        waiting = _Waiting(ticket, count, pack, asyncio.get_running_loop().create_future())
        if self._closed:
            raise ClientClosed(_CLOSED)
        bisect.insort(self._waiting, waiting, key=_ticket)
        self.grant()
        try:
            async with asyncio.timeout(None if deadline is None else max(deadline - waited, 0)):
                await waiting.turn
        except BaseException as error:
            turn = waiting.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.limit.dropped(count)  # granted and cancelled in the same moment
            elif waiting in self._waiting:
                self._waiting.remove(waiting)
            self.grant()
            if isinstance(error, TimeoutError):
                raise self._timed_out(count, deadline, refused) from None
            raise

    def grant(self) -> None:
        """Grants slots in the order of the line as far as the limit allows, and sets the timer for the next attempt."""
        now = self.now()
        while self._waiting:
            first = self._waiting[0]
            if not self.limit.may_start(now, first.wanted, others=self._attached.get(first.pack, 0)):
                break
            self._waiting.popleft()
            if not first.turn.done():
                self.limit.started(first.wanted)
                first.turn.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        opens_at = self.limit.opens_at(now) if self._waiting else None
        if opens_at is not None:
            self._timer = asyncio.get_running_loop().call_at(opens_at, self.grant)

    def warn_refused(self, count: int) -> None:
        """Warns, once, that a request for several slots was refused while it was alone: the limit may be lower."""
        if not self._warned_refused:
            self._warned_refused = True
            logger.warning(
                "the account refuses %d slots of %s at once, though this client holds none of them: it may allow "
                "fewer (then ask for fewer results in one task), or others hold them; it is tried again and again",
                count,
                self._name,
                extra={"kling_event": "slots_refused"},
            )

    def close(self) -> None:
        """Raises `ClientClosed` in all waiting creates."""
        self._closed = True
        self.fail(ClientClosed(_CLOSED))

    def fail(self, error: KlingError, pack: str | None = None) -> None:
        """Raises a copy of the error in each waiting create, or in those of one pack."""
        failed = [waiting for waiting in self._waiting if pack in {None, waiting.pack}]
        for waiting in failed:
            self._waiting.remove(waiting)
            if not waiting.turn.done():
                waiting.turn.set_exception(copy.copy(error))
        self.grant()

    def _timed_out(self, count: int, deadline: float | None, refused: int) -> QueueTimeout:
        wanted = "no slot" if count == 1 else f"no {count} slots"
        sent = (
            f"the account was full each time it was sent ({refused}); nothing was created"
            if refused
            else "nothing was sent"
        )
        return QueueTimeout(
            f"{wanted} of {self._name} came free within {deadline:g} s (queue_deadline); {sent}. "
            f"Tasks of this client hold {self.limit.running} slots, at most {self.limit.ceiling} may be held "
            "(concurrency)"
        )


def _ticket(waiting: _Waiting) -> int:
    return waiting.ticket
