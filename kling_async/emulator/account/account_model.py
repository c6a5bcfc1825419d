"""A pure model of one account: tasks, their states over time, concurrency, balance.

Nothing here reads a clock, draws from a global generator or does I/O: the time is an argument (`now`, seconds since
the epoch), the generator is given. A task's whole life is settled when it is created; its state is worked out
from `now` whenever somebody asks.
"""

import heapq
import math
import random
import re
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Final

from kling_async.emulator.service.endpoint import AcceptedRequest, Endpoint, Pack
from kling_async.emulator.service.errors import Refusal, invalid

from .conditions import Account
from .task import EmulatedTask

RISK_MESSAGE: Final = "Failure to pass the risk control system"

_FORBIDDEN: Final = re.compile(r"\bforbidden\b", re.IGNORECASE)

# Spread of the generation times around their mean: the standard deviation of their logarithm.
_SPREAD: Final = 0.25
# Real seconds: how long a task is `submitted`, and how soon a doomed one fails (both as in the recorded bodies).
_QUEUE_SECONDS: Final = (2.0, 6.0)
_IMAGE_FAILURE_SECONDS: Final = 9.0
_RISK_FAILURE_SECONDS: Final = 20.0


class AccountModel:
    """An account on which tasks are created.

    Args:
        rng: Where ids and generation times are drawn from.
        speed: How many times faster than the service tasks advance. More than 0.
        concurrency: Slots of one model: a task of one slot takes it from `submitted` to its end.
        balance: Units to spend, of each kind of pack.

    Attributes:
        conditions: How the account differs from what it was told, if it does.
    """

    def __init__(self, *, rng: random.Random, speed: float, concurrency: int, balance: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        self._rng = rng
        self._speed = speed
        self.concurrency = concurrency
        self.conditions = Account()
        self.initial_balance = Decimal(str(balance))
        self.charged: defaultdict[Pack, Decimal] = defaultdict(Decimal)
        self.tasks: list[EmulatedTask] = []
        self.peaks: Counter[str] = Counter()
        self.peak = 0
        self._by_path: defaultdict[str, list[EmulatedTask]] = defaultdict(list)
        self._by_id: dict[str, EmulatedTask] = {}
        self._by_external_id: dict[str, EmulatedTask] = {}
        self._in_flight: Counter[str] = Counter()
        self._endings: list[tuple[float, str]] = []

    def settle(self, now: float) -> None:
        """Let the tasks that have ended by now give back their slots, and the failed ones their price."""
        while self._endings and self._endings[0][0] <= now:
            task = self._by_id[heapq.heappop(self._endings)[1]]
            self._in_flight[task.line] -= task.request.slots
            if task.failure:
                self.charged[task.endpoint.pack] -= task.request.units

    def balance(self, pack: Pack = "video") -> Decimal:
        """Give the units that are left of a kind of pack, as of the last `settle`."""
        return self.initial_balance - self.charged[pack]

    def require_balance(self, now: float, pack: Pack, units: Decimal = Decimal(0)) -> None:
        """Refuse a call that the account cannot pay for; the service looks at this before the parameters.

        Args:
            now: Seconds since the epoch.
            pack: What it is paid from.
            units: What the call will cost, as far as known.

        Raises:
            Refusal: 1102, which is permanent although its HTTP status is 429.
        """
        self.settle(now)
        balance = self.balance(pack)
        if balance <= 0 or balance < units:
            raise Refusal(1102, "Account balance not enough")

    def create(self, now: float, endpoint: Endpoint, request: AcceptedRequest) -> EmulatedTask:
        """Make a task, charge for it, and occupy its slots until it ends.

        Raises:
            Refusal: 1102, 1201 when the external id was used before (if the account has `unique_ids`), 1303 when the
                model's slots are taken. A refused request has no effect.
        """
        self.require_balance(now, endpoint.pack, request.units)
        if self.conditions.unique_ids and request.external_task_id and request.external_task_id in self._by_external_id:
            raise invalid(f"External_task_id {request.external_task_id} already exists")
        line = endpoint.line(request)
        if self.conditions.is_full(line, self._in_flight[line] + request.slots, self.concurrency, now):
            raise Refusal(1303, "parallel task over resource pack limit")
        task = self._new_task(now, endpoint, request)
        self.tasks.append(task)
        self._by_path[endpoint.path].append(task)
        self._by_id[task.task_id] = task
        if request.external_task_id:
            self._by_external_id[request.external_task_id] = task
        self.charged[endpoint.pack] += request.units
        heapq.heappush(self._endings, (task.finished_at, task.task_id))
        self._in_flight[line] += request.slots
        self.peaks[line] = max(self.peaks[line], self._in_flight[line])
        self.peak = max(self.peak, self._in_flight.total())
        return task

    def task(self, task_id: str) -> EmulatedTask:
        """Give a task by its own id.

        Raises:
            KeyError: If there is none.
        """
        return self._by_id[task_id]

    def find(self, endpoint: Endpoint, key: str, now: float = math.inf) -> EmulatedTask:
        """Give the task of an endpoint with a task id or, failing that and where the endpoint has it, an external id.

        Args:
            endpoint: Where it was created.
            key: The id.
            now: Seconds since the epoch, for those who may not know a new task yet.

        Raises:
            Refusal: 1201, not the 404 that one would expect.
        """
        task = self._by_id.get(key)
        if task is None and endpoint.finds_by_external_id:
            task = self._by_external_id.get(key)
        if task is None or task.endpoint is not endpoint or not self.conditions.shows(task.created_at, now):
            raise invalid(f"Task not found by id/external id: {key}")
        return task

    def page(self, endpoint: Endpoint, number: int, size: int, now: float = math.inf) -> list[EmulatedTask]:
        """Give a page of an endpoint's list, newest first or shuffled; the service does not document its order.

        Args:
            endpoint: Where the tasks were created.
            number: From 1 on.
            size: Tasks on a page.
            now: Seconds since the epoch, for those who may not know a new task yet.
        """
        tasks = self._by_path[endpoint.path]
        if self.conditions.visible_after > 0:
            tasks = [task for task in tasks if self.conditions.shows(task.created_at, now)]
        if self.conditions.list_seed is not None:
            tasks = sorted(tasks, key=lambda task: self.conditions.rank(task.task_id))
        end = max(len(tasks) - (number - 1) * size, 0)
        return tasks[max(end - size, 0) : end][::-1]

    def _new_task(self, now: float, endpoint: Endpoint, request: AcceptedRequest) -> EmulatedTask:
        """Settle the life of a new task."""
        queued = self._rng.uniform(*_QUEUE_SECONDS)
        mean = endpoint.generation_seconds(request.parameters)
        if mean is None:
            raise ValueError(f"{endpoint.path} accepts a request and does not know how long it takes")
        total = queued + self._rng.lognormvariate(math.log(mean) - _SPREAD**2 / 2, _SPREAD)
        failure = request.damage
        if failure:
            total = _IMAGE_FAILURE_SECONDS
        elif _FORBIDDEN.search(request.prompt):
            failure, total = RISK_MESSAGE, _RISK_FAILURE_SECONDS
        return EmulatedTask(
            task_id=self._new_id(),
            result_id=self._new_id(),
            endpoint=endpoint,
            request=request,
            created_at=now,
            started_at=now + queued / self._speed,
            finished_at=now + total / self._speed,
            failure=failure,
        )

    def _new_id(self) -> str:
        while True:
            number = str(self._rng.randrange(10**17, 10**18))
            if number not in self._by_id:
                return number
