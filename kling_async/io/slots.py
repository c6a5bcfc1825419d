"""Submitter that wait to be sent, in one line per model, first in, first out; `protocol.limits` says how many run."""

import asyncio
import bisect
import collections
import copy
import itertools
from collections.abc import Callable

from kling_async.protocol.errors import ClientClosed, KlingError, QueueTimeout
from kling_async.protocol.limits import Limit


class Slot:
    """A place among the tasks in flight. Its holder reports how the create ended, and when the task did.

    Args:
        line: the model's line.
    """

    __slots__ = ("_line", "_state", "_ticket")

    def __init__(self, line: "_Line", ticket: int) -> None:
        self._line = line
        self._ticket = ticket
        self._state = "sending"

    def accepted(self) -> None:
        """The task was accepted: the slot is held until `release`."""
        late, self._state = self._state == "running", "running"
        self._line.limit.accepted(self._line.now(), late=late)
        self._line.grant()

    def in_doubt(self) -> None:
        """It is not known whether the task exists: the slot is held, and does not hold up the others."""
        if self._state == "sending":
            self._state = "running"
            self._line.limit.unclear()
            self._line.grant()

    async def wait_again(self) -> None:
        """The account is full: gives the slot back, and waits for the next one at the old place in line."""
        late, self._state = self._state == "running", "waiting"
        self._line.limit.refused(self._line.now(), late=late)
        self._line.grant()
        await self._line.take(self._ticket)
        self._state = "sending"

    def release(self) -> None:
        """The task ended, or there is none; idempotent."""
        state, self._state = self._state, "released"
        if state == "running":
            self._line.limit.ended(self._line.now())
        elif state == "sending":
            self._line.limit.dropped()
        self._line.grant()


class Slots:
    """The lines of one client.

    Args:
        limit_for: makes a model's limit.
        queue_deadline: seconds that one may stand in line; None for ever.
    """

    def __init__(self, limit_for: Callable[[], Limit], queue_deadline: float | None) -> None:
        self._limit_for = limit_for
        self._deadline = queue_deadline
        self._lines: dict[str, _Line] = {}
        self._attached = 0
        self._tickets = itertools.count()
        self._closed = False

    async def take(self, model_name: str) -> Slot:
        """Waits for a slot of this model.

        Raises:
            QueueTimeout: `queue_deadline` seconds passed.
            ClientClosed: the client was closed meanwhile.
        """
        if self._closed:
            raise ClientClosed("the client is closed; nothing was sent")
        if model_name not in self._lines:
            self._lines[model_name] = _Line(model_name, self._limit_for(), self._deadline, lambda: self._attached)
        line = self._lines[model_name]
        ticket = next(self._tickets)
        await line.take(ticket)
        return Slot(line, ticket)

    def attach(self) -> None:
        """Counts a task that was attached: it never waits, but its model is not known, so every line counts it."""
        self._attached += 1

    def detach(self) -> None:
        """An attached task is done."""
        self._attached -= 1
        for line in self._lines.values():
            line.grant()

    def fail(self, error: KlingError) -> None:
        """The account cannot take anything now: all creates in line get the error; later ones try afresh."""
        for line in self._lines.values():
            line.fail(error)

    def close(self) -> None:
        """Ends all waiting."""
        self._closed = True
        for line in self._lines.values():
            line.close()


class _Line:
    """The creates that wait for one model, and its limit."""

    def __init__(self, model_name: str, limit: Limit, deadline: float | None, attached: Callable[[], int]) -> None:
        self.limit = limit
        self._model_name = model_name
        self._deadline = deadline
        self._attached = attached
        self._waiting: collections.deque[tuple[int, asyncio.Future[None]]] = collections.deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @staticmethod
    def now() -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    async def take(self, ticket: int) -> None:
        """Waits for a place, behind all with a lower ticket; counts as sending from then on."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            raise ClientClosed("the client was closed; nothing was sent")
        bisect.insort(self._waiting, (ticket, turn), key=_number)
        self.grant()
        try:
            async with asyncio.timeout(self._deadline):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.limit.dropped()  # granted and cancelled in the same moment
            elif (ticket, turn) in self._waiting:
                self._waiting.remove((ticket, turn))
            self.grant()
            if isinstance(error, TimeoutError):
                raise self._too_late() from None
            raise

    def grant(self) -> None:
        """Lets in as many as the limit allows, and sets the timer for the next."""
        now = self.now()
        while self._waiting and self.limit.may_start(now, self._attached()):
            _, turn = self._waiting.popleft()
            if not turn.done():
                self.limit.started()
                turn.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        opens_at = self.limit.opens_at(now) if self._waiting else None
        if opens_at is not None:
            self._timer = asyncio.get_running_loop().call_at(opens_at, self.grant)

    def close(self) -> None:
        """Ends all waiting."""
        self._closed = True
        self.fail(ClientClosed("the client was closed; nothing was sent"))

    def fail(self, error: KlingError) -> None:
        """Gives all that wait the error, each a copy of its own."""
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(copy.copy(error))
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _too_late(self) -> QueueTimeout:
        return QueueTimeout(
            f"no slot of {self._model_name} came free within {self._deadline:g} s (queue_deadline); nothing was sent. "
            f"{self.limit.running} tasks of this client run, at most {self.limit.ceiling} may (concurrency)"
        )


def _number(waiting: tuple[int, "asyncio.Future[None]"]) -> int:
    return waiting[0]
