"""How many tasks run at once: one line per model, first in, first out.

Concurrency counts from submitted to terminal, per account and model ("Concurrency rules" of the documentation). The
limit here is the client's own; where the account turns out to run fewer (1303), it comes down to what evidently runs,
for a while.
"""

import asyncio
import collections
from typing import Final

from kling_async.protocol.errors import ClientClosed, QueueTimeout

REFUSAL_MEMORY: Final = 120.0
"""Seconds after a refusal until one more than what ran is tried again, then one more, and so on."""
REFUSAL_PAUSE: Final = 1.0
"""Seconds after a refusal before the next try ("Concurrency rules": back off from one second)."""


class Slots:
    """The lines of one client.

    Args:
        limit: tasks in flight per model, at most.
        queue_deadline: seconds that one may stand in line; None for ever.
    """

    def __init__(self, limit: int, queue_deadline: float | None) -> None:
        self._limit = limit
        self._deadline = queue_deadline
        self._lines: dict[str, _Line] = {}
        self._attached = 0
        self._closed = False

    async def take(self, model_name: str, *, refused: bool = False) -> None:
        """Waits for a slot of this model.

        Args:
            model_name: whose line.
            refused: a slot was held, and the account refused to fill it: that slot goes back and one waits in front.

        Raises:
            QueueTimeout: `queue_deadline` seconds passed.
            ClientClosed: the client was closed meanwhile.
        """
        line = self._lines.setdefault(model_name, _Line(self._limit))
        loop = asyncio.get_running_loop()
        if refused:
            line.refused(loop.time())
        elif self._closed:
            raise ClientClosed("the client is closed; nothing was sent")
        elif not line.waiting and line.free(loop.time(), self._attached):
            line.running += 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        (line.waiting.appendleft if refused else line.waiting.append)(turn)
        self._grant(line)
        try:
            async with asyncio.timeout(self._deadline):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                line.running -= 1  # granted and cancelled in the same moment
            elif turn in line.waiting:
                line.waiting.remove(turn)
            self._grant(line)
            if isinstance(error, TimeoutError):
                raise QueueTimeout(
                    f"no slot of {model_name} came free within {self._deadline:g} s (queue_deadline); nothing was "
                    f"sent. {line.running} tasks of this client run, at most {self._limit} may (concurrency)"
                ) from None
            raise

    def give_back(self, model_name: str) -> None:
        """A task that held a slot of this model is done."""
        line = self._lines[model_name]
        line.running -= 1
        self._grant(line)

    def attach(self) -> None:
        """Counts a task that was attached: it never waits, but its model is not known, so every line counts it."""
        self._attached += 1

    def detach(self) -> None:
        """An attached task is done."""
        self._attached -= 1
        for line in self._lines.values():
            self._grant(line)

    def close(self) -> None:
        """Sends all who wait away."""
        self._closed = True
        for line in self._lines.values():
            for turn in line.waiting:
                if not turn.done():
                    turn.set_exception(ClientClosed("the client was closed; nothing was sent"))
            line.waiting.clear()
            if line.timer is not None:
                line.timer.cancel()

    def _grant(self, line: "_Line") -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while line.waiting and line.free(now, self._attached):
            turn = line.waiting.popleft()
            if not turn.done():
                line.running += 1
                turn.set_result(None)
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        if line.waiting and line.opens_at(now) is not None:
            line.timer = loop.call_at(line.opens_at(now) or now, self._grant, line)


class _Line:
    """One model's slots and who waits for them; times are the loop's."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self.waiting: collections.deque[asyncio.Future[None]] = collections.deque()
        self.timer: asyncio.TimerHandle | None = None
        self._level = limit
        self._refused_at = float("-inf")

    def free(self, now: float, attached: int) -> bool:
        """Whether one more may run."""
        return now >= self._refused_at + REFUSAL_PAUSE and self.running + attached < self._open(now)

    def refused(self, now: float) -> None:
        """The account runs fewer: what still runs is the level for a while, and at least one is tried."""
        self.running -= 1
        self._level = max(1, self.running)
        self._refused_at = now

    def opens_at(self, now: float) -> float | None:
        """When time alone lets another one in; None if only a task's end does."""
        if now < self._refused_at + REFUSAL_PAUSE:
            return self._refused_at + REFUSAL_PAUSE
        if self._open(now) >= self.limit:
            return None
        steps = int((now - self._refused_at) / REFUSAL_MEMORY)
        return self._refused_at + (steps + 1) * REFUSAL_MEMORY

    def _open(self, now: float) -> int:
        if self._level == self.limit:
            return self.limit
        return min(self.limit, self._level + int((now - self._refused_at) / REFUSAL_MEMORY))
