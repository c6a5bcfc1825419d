"""A pure model of one account: tasks, their states over time, concurrency, balance.

Nothing here reads a clock, draws from a global generator or does I/O: the time is an argument (`now`, seconds since
the epoch), and so is the generator. A task's whole life is decided when it is created; its state is computed from
`now` on each query.
"""

import heapq
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Final

import attrs

from kling_async.emulator.service.endpoint import (
    PACKS,
    AcceptedRequest,
    EarlierResult,
    Endpoint,
    Origin,
    Pack,
    TaskEndpoint,
)
from kling_async.emulator.service.errors import Refusal, invalid

from .conditions import Account
from .task import EmulatedTask, LinkMaker, items_by_id, no_link, over_at_once

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
        rng: Generates ids and generation times.
        speed: How many times faster tasks advance than at the service. More than 0.
        concurrency: Slots of each model; a task takes its slots from `submitted` to its end.
        balance: Units in each kind of pack; or a mapping by kind, where missing kinds get 0.

    Attributes:
        conditions: How the account deviates from its configuration.
        tasks: All tasks, oldest first.
        made_at_once: Results of calls that answer at once, oldest first.
        deleted: Results that were deleted, each by the name of its list in answers and its id.
    """

    def __init__(
        self, *, rng: random.Random, speed: float, concurrency: int, balance: float | Mapping[Pack, float]
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        self._rng = rng
        self._speed = speed
        self.concurrency = concurrency
        self.conditions = Account()
        self.initial = _by_pack(balance)
        self.charged: defaultdict[Pack, Decimal] = defaultdict(Decimal)
        self.tasks: list[EmulatedTask] = []
        self.made_at_once: list[EmulatedTask] = []
        self.deleted: set[tuple[str, str]] = set()
        self.peaks: Counter[str] = Counter()
        self.peak = 0
        self._by_path: defaultdict[str, list[EmulatedTask]] = defaultdict(list)
        self._by_id: dict[str, EmulatedTask] = {}
        self._by_external_id: dict[str, EmulatedTask] = {}
        self._makers: dict[tuple[str, str], EmulatedTask] = {}
        self._in_flight: Counter[str] = Counter()
        self._taken: Counter[Pack] = Counter()
        self._endings: list[tuple[float, str]] = []

    def settle(self, now: float) -> None:
        """Releases the slots of the tasks that have ended by now, and refunds the failed ones."""
        while self._endings and self._endings[0][0] <= now:
            task = self._by_id[heapq.heappop(self._endings)[1]]
            self._in_flight[task.line] -= task.request.slots
            self._taken[task.endpoint.pack] -= task.request.slots
            if task.failure:
                self.charged[task.endpoint.pack] -= task.request.units

    def balance(self, pack: Pack = "video") -> Decimal:
        """Returns the remaining units of a kind of pack, as of the last `settle`."""
        return self.initial[pack] - self.charged[pack]

    def slots_taken(self, pack: Pack) -> int:
        """Returns the slots of a kind of pack that tasks take, over all models, as of the last `settle`."""
        return self._taken[pack]

    def require_balance(self, now: float, pack: Pack, units: Decimal = Decimal(0)) -> None:
        """Refuses a call that the account cannot pay for; the service checks this before the parameters.

        Args:
            now: Seconds since the epoch.
            pack: The kind of pack that pays.
            units: The call's price, as far as it is known.

        Raises:
            Refusal: 1102, which is permanent although its HTTP status is 429.
        """
        self.settle(now)
        balance = self.balance(pack)
        if balance <= 0 or balance < units:
            raise Refusal(1102, "Account balance not enough")

    def create(self, now: float, endpoint: TaskEndpoint, request: AcceptedRequest) -> EmulatedTask:
        """Creates a task, charges for it, and occupies its slots until it ends.

        Raises:
            Refusal: 1102; 1201 when the external id was used before (if the account has `unique_ids`); 1303 when the
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
        self._keep(task)
        if request.external_task_id:
            self._by_external_id[request.external_task_id] = task
        heapq.heappush(self._endings, (task.finished_at, task.task_id))
        self._in_flight[line] += request.slots
        self._taken[endpoint.pack] += request.slots
        self.peaks[line] = max(self.peaks[line], self._in_flight[line])
        self.peak = max(self.peak, self._in_flight.total())
        return task

    def make_at_once(self, now: float, origin: Origin, request: AcceptedRequest) -> EmulatedTask:
        """Creates a task that ends at once, and charges for it: it has files, but no query or list shows it."""
        task = over_at_once(now, origin, request, self._new_id(), self._new_id())
        task = attrs.evolve(task, paid_in=self.conditions.pays)
        self.made_at_once.append(task)
        self._keep(task)
        return task

    def add_preset(self, now: float, origin: Origin, key: str, request: AcceptedRequest) -> None:
        """Adds a result that the account has not made, under its own fixed id, unless it exists."""
        if key not in self._by_id:
            self._keep(over_at_once(now, origin, request, key, key))

    def presets(self, origin: Origin) -> list[EmulatedTask]:
        """Returns the presets of an endpoint."""
        return [task for task in self._by_id.values() if task.endpoint is origin]

    def earlier(self, kind: str, key: str, *, now: float, link: LinkMaker = no_link) -> EarlierResult | None:
        """Returns an earlier result or a preset, None if there is none.

        Args:
            kind: The name of its list in answers: "videos", "audios".
            key: Its id.
            now: Seconds since the epoch; a task that has not finished by then has no result yet.
            link: Makes its links.
        """
        task = self._makers.get((kind, key))
        if task is None or (kind, key) in self.deleted or task.status(now) != "succeed":
            return None
        facts = items_by_id(task, partial(link, task))[kind, key]
        return EarlierResult(facts=facts, age=now - task.finished_at, request=task.request)

    def delete(self, kind: str, key: str, now: float) -> EmulatedTask:
        """Deletes a result that the account has made; deleting it again has no effect.

        Args:
            kind: The name of its list in answers: "voices", "elements".
            key: Its id.
            now: Seconds since the epoch.

        Returns:
            The task that made it.

        Raises:
            Refusal: 1201, when the account has made no such result.
        """
        task = self._makers.get((kind, key))
        if task is None or task.status(now) != "succeed" or not isinstance(task.endpoint, TaskEndpoint):
            raise invalid(f"{kind.removesuffix('s').capitalize()} id not found: {key}")
        self.deleted.add((kind, key))
        return task

    def task(self, task_id: str) -> EmulatedTask:
        """Returns a task by its own id.

        Raises:
            KeyError: If there is none.
        """
        return self._by_id[task_id]

    def find(self, endpoint: Endpoint, key: str, now: float = math.inf) -> EmulatedTask:
        """Returns a task of an endpoint by its task id or, if none has it and the endpoint allows it, its external id.

        Args:
            endpoint: Where it was created.
            key: The id.
            now: Seconds since the epoch, which decides whether a new task is visible yet.

        Raises:
            Refusal: 1201, not the 404 that one would expect.
        """
        task = self._by_id.get(key)
        if task is None and endpoint.finds_by_external_id:
            task = self._by_external_id.get(key)
        if task is None or task.endpoint is not endpoint or not self.conditions.shows(task.created_at, now):
            raise invalid(f"Task not found by {'id' if key.isdecimal() else 'external id'}: {key}")
        return task

    def page(self, endpoint: Endpoint, number: int, size: int, now: float = math.inf) -> list[EmulatedTask]:
        """Returns a page of an endpoint's list, newest first or shuffled; the service does not document its order.

        Args:
            endpoint: Where the tasks were created.
            number: The page's number, from 1.
            size: Tasks per page.
            now: Seconds since the epoch, which decides whether a new task is visible yet.
        """
        tasks = self._by_path[endpoint.path]
        if self.conditions.visible_after > 0:
            tasks = [task for task in tasks if self.conditions.shows(task.created_at, now)]
        tasks = self._shuffled(tasks)
        end = max(len(tasks) - (number - 1) * size, 0)
        return tasks[max(end - size, 0) : end][::-1]

    def known(self, key: str, now: float, *, external: bool = False) -> EmulatedTask | None:
        """Returns a task of any endpoint by its own id or its external id; None if none is visible (yet)."""
        task = (self._by_external_id if external else self._by_id).get(key)
        if task is None or not isinstance(task.endpoint, TaskEndpoint):
            return None
        return task if self.conditions.shows(task.created_at, now) else None

    def all_known(self, now: float) -> list[EmulatedTask]:
        """Returns the tasks of all endpoints that are visible by now, newest first or shuffled."""
        return self._shuffled([task for task in self.tasks if self.conditions.shows(task.created_at, now)])[::-1]

    def _shuffled(self, tasks: list[EmulatedTask]) -> list[EmulatedTask]:
        if self.conditions.list_seed is None:
            return tasks
        return sorted(tasks, key=lambda task: self.conditions.rank(task.task_id))

    def _keep(self, task: EmulatedTask) -> None:
        """Charges for a task, and stores it with its results."""
        self.charged[task.endpoint.pack] += task.request.units
        self._by_id[task.task_id] = task
        self._makers.update(dict.fromkeys(items_by_id(task, partial(no_link, task)), task))

    def _new_task(self, now: float, endpoint: TaskEndpoint, request: AcceptedRequest) -> EmulatedTask:
        """Creates a task, and decides its times and its end."""
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
        parent = request.parent
        return EmulatedTask(
            task_id=self._new_id(),
            result_id=self._new_id(),
            endpoint=endpoint,
            request=request,
            created_at=now,
            started_at=now + queued / self._speed,
            finished_at=now + total / self._speed,
            failure=failure,
            parent=None if parent is None or parent.url else self._makers.get(("videos", parent.video_id)),
            paid_in=self.conditions.pays,
        )

    def _new_id(self) -> str:
        while True:
            number = str(self._rng.randrange(10**17, 10**18))
            if number not in self._by_id:
                return number


def _by_pack(balance: float | Mapping[Pack, float]) -> dict[Pack, Decimal]:
    given = balance if isinstance(balance, Mapping) else dict.fromkeys(PACKS, balance)
    if unknown := given.keys() - set(PACKS):
        raise ValueError(f"packs are called {', '.join(PACKS)}, not {', '.join(sorted(unknown))}")
    return {pack: Decimal(str(given.get(pack, 0))) for pack in PACKS}
