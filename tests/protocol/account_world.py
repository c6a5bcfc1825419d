"""A simulated account with limited slots, and clients that obey their `Limit`, in simulated time."""

import heapq
import itertools
from collections.abc import Callable

import attrs

from kling_async.protocol.concurrency_limit import BEAT, Limit
from kling_async.protocol.retry import Uniform

Seconds = Callable[[], float]


@attrs.define
class Client:
    """One client with queued tasks.

    Attributes:
        limit: its concurrency limit.
        waiting: tasks that are neither accepted nor being created.
        count: slots that each of them takes.
        done: number of tasks whose end was seen.
        finished_at: time at which the last end was seen.
        refused: number of creates that the account refused.
    """

    limit: Limit
    waiting: int
    count: int = 1
    done: int = 0
    finished_at: float = 0.0
    refused: int = 0
    wakes_at: float | None = None


@attrs.define
class AccountModel:
    """The account and its clock.

    Attributes:
        capacity: number of slots; a task for which too few are free is refused.
        latency: draws the seconds from a create to its answer.
        length: draws how long a task takes from its acceptance to the moment in which its client sees the end.
    """

    capacity: int
    latency: Seconds
    length: Seconds
    now: float = 0.0
    running: int = 0
    _events: list[tuple[float, int, Callable[[], None]]] = attrs.field(factory=list)
    _numbers: "itertools.count[int]" = attrs.field(factory=itertools.count)

    def run(self, *clients: Client, until: Callable[[], bool] = lambda: False) -> None:
        """Runs the simulation until no event is left, or until a condition holds."""
        for client in clients:
            self._grant(client)
        while self._events and not until():
            self.now, _, happens = heapq.heappop(self._events)
            happens()

    def _at(self, time: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), happens))

    def _grant(self, client: Client) -> None:
        while client.waiting and client.limit.may_start(self.now, client.count):
            client.waiting -= 1
            client.limit.started(client.count)
            self._at(self.now + self.latency(), lambda: self._answer(client))
        opens_at = client.limit.opens_at(self.now) if client.waiting else None
        if opens_at is not None and opens_at != client.wakes_at:
            client.wakes_at = opens_at
            self._at(opens_at, lambda: self._grant(client))

    def _answer(self, client: Client) -> None:
        if self.running + client.count <= self.capacity:
            self.running += client.count
            client.limit.accepted(self.now, client.count)
            self._at(self.now + self.length(), lambda: self._end(client))
        else:
            client.waiting += 1
            client.refused += 1
            client.limit.refused(self.now, client.count)
        self._grant(client)

    def _end(self, client: Client) -> None:
        self.running -= client.count
        client.done += 1
        client.finished_at = self.now
        client.limit.ended(self.now, client.count)
        self._grant(client)


def client(tasks: int, concurrency: int, uniform: Uniform, count: int = 1) -> Client:
    """A client with this many queued tasks of `count` slots each."""
    return Client(Limit(concurrency, BEAT, uniform), tasks, count)


def ideal(tasks: int, slots: int, latency: float, length: float) -> float:
    """Seconds for tasks of equal length, each started as soon as a slot is free."""
    return -(-tasks // slots) * (latency + length)
