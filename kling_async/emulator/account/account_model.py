"""A pure model of one account: tasks, their states over time, concurrency, balance.

Nothing here reads a clock, draws from a global generator or does I/O: the time is an argument (`now`, seconds since
the epoch), the generator is given. A task's whole life is settled when it is created; its state is worked out
from `now` whenever somebody asks.
"""

import heapq
import math
import random
import re
from collections import Counter
from decimal import Decimal
from typing import Final, Literal

import attrs

from kling_async.emulator.service import catalog
from kling_async.emulator.service.errors import Refusal, invalid
from kling_async.emulator.service.rules import AcceptedRequest

from .conditions import Account

Status = Literal["submitted", "processing", "succeed", "failed"]

RISK_MESSAGE: Final = "Failure to pass the risk control system"
IMAGE_MESSAGE: Final = (
    "The resolution or aspect ratio of the input image is invalid. Please ensure it meets the required specifications."
)

_FORBIDDEN: Final = re.compile(r"\bforbidden\b", re.IGNORECASE)

# Spread of the generation times around their mean: the standard deviation of their logarithm.
_SPREAD: Final = 0.25
# Real seconds: how long a task is `submitted`, and how soon a doomed one fails (both as in the recorded bodies).
_QUEUE_SECONDS: Final = (2.0, 6.0)
_IMAGE_FAILURE_SECONDS: Final = 9.0
_RISK_FAILURE_SECONDS: Final = 20.0


@attrs.frozen(kw_only=True)
class EmulatedTask:
    """A task and all that will happen to it.

    Attributes:
        task_id: 18 decimal digits.
        video_id: The same, of its result.
        request: What was asked for.
        created_at: Seconds since the epoch, as all the times here.
        started_at: When it becomes `processing`.
        finished_at: When it becomes `succeed` or `failed`.
        failure: Why it fails, or "" when it succeeds.
    """

    task_id: str
    video_id: str
    request: AcceptedRequest
    created_at: float
    started_at: float
    finished_at: float
    failure: str

    def status(self, now: float) -> Status:
        """Give the state at a time."""
        if now >= self.finished_at:
            return "failed" if self.failure else "succeed"
        return "processing" if now >= self.started_at else "submitted"

    def updated_at(self, now: float) -> float:
        """Give the time of the last change before a time."""
        return max(t for t in (self.created_at, self.started_at, self.finished_at) if t <= max(now, self.created_at))

    def units(self, now: float) -> Decimal:
        """Give the units that the task costs: its price, or 0 once it has failed.

        Whether the service charges for failed tasks is not documented; resellers say that it does not.
        """
        return Decimal(0) if self.status(now) == "failed" else self.request.units


class AccountModel:
    """An account that accepts orders.

    Args:
        rng: Where ids and generation times are drawn from.
        speed: How many times faster than the service tasks advance. More than 0.
        concurrency: Tasks that one model may have between `submitted` and their end.
        balance: Units to spend.

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
        self.charged = Decimal(0)
        self.tasks: list[EmulatedTask] = []
        self.peaks: Counter[str] = Counter()
        self.peak = 0
        self._by_id: dict[str, EmulatedTask] = {}
        self._by_external_id: dict[str, EmulatedTask] = {}
        self._in_flight: Counter[str] = Counter()
        self._endings: list[tuple[float, str]] = []

    def settle(self, now: float) -> None:
        """Let the tasks that have ended by now give back their slots, and the failed ones their price."""
        while self._endings and self._endings[0][0] <= now:
            task = self._by_id[heapq.heappop(self._endings)[1]]
            self._in_flight[task.request.model_name] -= 1
            if task.failure:
                self.charged -= task.request.units

    def require_balance(self, now: float, units: Decimal = Decimal(0)) -> None:
        """Refuse a call that the account cannot pay for; the service looks at this before the parameters.

        Args:
            now: Seconds since the epoch.
            units: What the call will cost, as far as known.

        Raises:
            Refusal: 1102, which is permanent although its HTTP status is 429.
        """
        self.settle(now)
        balance = self.initial_balance - self.charged
        if balance <= 0 or balance < units:
            raise Refusal(1102, "Account balance not enough")

    def create(self, now: float, request: AcceptedRequest) -> EmulatedTask:
        """Make a task, charge for it, and occupy a slot until it ends.

        Raises:
            Refusal: 1102, 1201 when the external id was used before (if the account has `unique_ids`), 1303 when the
                model's slots are taken. A refused request has no effect.
        """
        self.require_balance(now, request.units)
        if self.conditions.unique_ids and request.external_task_id and request.external_task_id in self._by_external_id:
            raise invalid(f"External_task_id {request.external_task_id} already exists")
        model = request.model_name
        if self.conditions.is_full(model, self._in_flight[model], self.concurrency, now):
            raise Refusal(1303, "parallel task over resource pack limit")
        task = self._live(now, request)
        self.tasks.append(task)
        self._by_id[task.task_id] = task
        if request.external_task_id:
            self._by_external_id[request.external_task_id] = task
        self.charged += request.units
        heapq.heappush(self._endings, (task.finished_at, task.task_id))
        self._in_flight[model] += 1
        self.peaks[model] = max(self.peaks[model], self._in_flight[model])
        self.peak = max(self.peak, self._in_flight.total())
        return task

    def find(self, key: str, now: float = math.inf) -> EmulatedTask:
        """Give the task with a task id or, failing that, an external id.

        Args:
            key: The id.
            now: Seconds since the epoch, for those who may not know a new task yet.

        Raises:
            Refusal: 1201, not the 404 that one would expect.
        """
        task = self._by_id.get(key) or self._by_external_id.get(key)
        if task is None or not self.conditions.shows(task.created_at, now):
            raise invalid(f"Task not found by id/external id: {key}")
        return task

    def page(self, number: int, size: int, now: float = math.inf) -> list[EmulatedTask]:
        """Give a page of the list, newest first or shuffled; the service does not document its request.

        Args:
            number: From 1 on.
            size: Tasks on a page.
            now: Seconds since the epoch, for those who may not know a new task yet.
        """
        tasks = self.tasks
        if self.conditions.visible_after > 0:
            tasks = [task for task in tasks if self.conditions.shows(task.created_at, now)]
        if self.conditions.list_seed is not None:
            tasks = sorted(tasks, key=lambda task: self.conditions.rank(task.task_id))
        end = max(len(tasks) - (number - 1) * size, 0)
        return tasks[max(end - size, 0) : end][::-1]

    def _live(self, now: float, request: AcceptedRequest) -> EmulatedTask:
        """Settle the life of a new task."""
        queued = self._rng.uniform(*_QUEUE_SECONDS)
        mean = catalog.mean_generation_seconds(request.model_name, request.mode, request.duration)
        total = queued + self._rng.lognormvariate(math.log(mean) - _SPREAD**2 / 2, _SPREAD)
        failure = ""
        if not request.acceptable or request.damage:
            failure = request.damage if request.acceptable else IMAGE_MESSAGE
            total = _IMAGE_FAILURE_SECONDS
        elif _FORBIDDEN.search(request.prompt):
            failure, total = RISK_MESSAGE, _RISK_FAILURE_SECONDS
        return EmulatedTask(
            task_id=self._new_id(),
            video_id=self._new_id(),
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
