"""Simulates the polling schedule: the number of polls per task, against the lag until its end is seen.

Durations resemble real ones: log-normal with a mean of 164 s, and three in a hundred around 700 s. A single task is
polled by the schedule itself. For a hundred at once the client's poller runs unchanged, on a loop whose clock jumps,
against a list that shows the newest tasks first.
"""

import asyncio
import functools
import math
import random
import selectors
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from benchmarks.figures import Goal, Spread, table
from kling_async.io.api import Api
from kling_async.io.poller import Poller
from kling_async.protocol.clips import typical_seconds
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import KlingError
from kling_async.protocol.polling.durations import DurationEstimate, Durations
from kling_async.protocol.polling.schedule import AimedPolling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.protocol.wire.responses import Listed

MEAN: Final = 164.0
SIGMA: Final = 0.3
LATE: Final = 0.03
LATE_MEAN: Final = 700.0
LATE_SIGMA: Final = 0.1

WANTED: Final = 5.0
"""Seconds of mean lag at which all are compared."""
FRESH_POLLS: Final = 12
"""Maximum number of polls for a client's first task."""
LEARNED: Final = 50
LAGS: Final = (0.01, 0.02, 0.03, 0.05, 0.08)
SHIPPED: Final = AimedPolling().lag
"""Lags of `AimedPolling`, as shares of a task's duration: those that are simulated, and the default."""
BEATS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
PEERS: Final[Mapping[str, tuple[float, float]]] = {
    "fal": (0.1, 0.1),
    "replicate": (0.5, 0.5),
    "openai": (1.0, 1.0),
    "lumaai (a loop of 3 s)": (3.0, 3.0),
    "klingai": (5.0, 5.0),
    "runwayml": (4.5, 7.5),
}
"""Range of seconds between polls, as shipped."""
SEEDS: Final = range(5)
TASKS: Final = 2000
IN_FLIGHT: Final = 100
ANSWER: Final = 0.05
"""Seconds until the service answers."""


def duration(random_: random.Random) -> float:
    """Draws the duration of a task in seconds."""
    if random_.random() < LATE:
        return LATE_MEAN * math.exp(random_.gauss(0, LATE_SIGMA))
    return MEAN * math.exp(random_.gauss(-(SIGMA**2) / 2, SIGMA))


def density(seconds: float) -> float:
    """Returns the probability density of the durations."""
    usual = _normal(math.log(seconds / MEAN) + SIGMA**2 / 2, SIGMA)
    return ((1 - LATE) * usual + LATE * _normal(math.log(seconds / LATE_MEAN), LATE_SIGMA)) / seconds


def least_polls(lag: float) -> float:
    """Returns the minimum of polls per task at a mean lag: the squared integral of sqrt(f S), over twice the lag."""
    step, survival, integral = 0.5, 1.0, 0.0
    for number in range(4000):
        middle = (number + 0.5) * step
        ends = density(middle) * step
        integral += math.sqrt(density(middle) * max(0.0, survival - ends / 2)) * step
        survival -= ends
    return integral**2 / (2 * lag)


def _normal(distance: float, sigma: float) -> float:
    return math.exp(-((distance / sigma) ** 2) / 2) / sigma / math.sqrt(2 * math.pi)


# ---------------------------------------------------------------------------------------------- one alone


def alone(delay: Callable[[float], float], random_: random.Random) -> tuple[float, float]:
    """Returns mean lag and polls per task, for tasks that are polled `delay(age)` seconds after the last poll."""
    lag, polls = 0.0, 0
    for _ in range(TASKS):
        end, age = duration(random_), 0.0
        while age < end:
            age += delay(age)
            polls += 1
        lag += age - end
    return lag / TASKS, polls / TASKS


def aimed(lag: float, estimate: DurationEstimate, random_: random.Random) -> tuple[float, float]:
    """Returns mean lag and polls per task for `AimedPolling(lag)`, without learning from these tasks."""
    polling = AimedPolling(lag=lag)
    return alone(lambda age: polling.delay(estimate, age, random_.random), random_)


def learned(seed: int) -> DurationEstimate:
    """Returns an estimate that has seen 50 tasks."""
    random_ = random.Random(seed)  # noqa: S311  (no secret)
    estimate = DurationEstimate(typical_seconds("pro", 5))
    for _ in range(LEARNED):
        estimate.observe(duration(random_))
    return estimate


# ------------------------------------------------------------------------------------------ many at once


class JumpingSelector(selectors.DefaultSelector):
    """A selector without waiting: its time jumps to the next timer."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Advances the time."""
        self.now += timeout or 0.0
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop without sockets, in which sleeps end at once, in order."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Returns the simulated time."""
        return self._jumping.now


class Service:
    """The service that the poller queries: an account whose list shows the newest tasks first."""

    def __init__(self) -> None:
        self.requests = 0
        self._ends: dict[str, float] = {}
        self._began: dict[str, float] = {}

    def create(self, seconds: float) -> tuple[Task, float]:
        """Creates a task of this duration; returns it with the time of its end."""
        now = asyncio.get_running_loop().time()
        task_id = str(len(self._ends))
        self._began[task_id], self._ends[task_id] = now, now + seconds
        return self._task(task_id), now + seconds

    async def query(self, _: Endpoint, task_id: str) -> Task:
        """Answers a single query."""
        self.requests += 1
        await asyncio.sleep(ANSWER)
        return self._task(task_id)

    async def listed(self, _: Endpoint, request: HttpRequest, known: Callable[[str], TaskStatus | None]) -> Listed:
        """Answers a page of the list."""
        number, size = (int(dict(request.params)[name]) for name in ("pageNum", "pageSize"))
        self.requests += 1
        await asyncio.sleep(ANSWER)
        newest = len(self._ends) - 1 - (number - 1) * size
        page = [str(index) for index in range(newest, max(-1, newest - size), -1)]
        changes: dict[int, tuple[str, Task | None]] = {}
        for place, task_id in enumerate(page):
            if (status := known(task_id)) is not None:
                task = self._task(task_id)
                changes[place] = (task_id, None if task.status is status else task)
        return Listed(len(page), cast("Any", changes))

    def service_time(self) -> float:
        """Returns the time by which tasks are dated."""
        return _moment(asyncio.get_running_loop().time()).timestamp()

    def _task(self, task_id: str) -> Task:
        began, end = self._began[task_id], self._ends[task_id]
        ended = asyncio.get_running_loop().time() >= end
        status = TaskStatus.SUCCEED if ended else TaskStatus.PROCESSING
        return Task(
            endpoint="image2video", task_id=task_id, status=status, created_at=_moment(began), updated_at=_moment(end)
        )


class Waiter:
    """Waits for the end of a task."""

    def __init__(self) -> None:
        self.end = asyncio.get_running_loop().create_future()

    def changed(self, task: Task) -> None:
        """Ignores a change of status."""

    def ended(self, end: Task | KlingError) -> None:
        """Completes the wait."""
        assert isinstance(end, Task)
        self.end.set_result(None)


async def together(lag: float, seed: int) -> tuple[float, float]:
    """Returns mean lag and polls per task, with a hundred tasks in flight all the time."""
    random_ = _random(seed)
    service, durations = Service(), Durations()
    poller = Poller(cast("Api", service), AimedPolling(lag=lag), Retry(), random_.random, durations)
    estimate = durations.of("image2video/kling-v2-6/pro/5", typical_seconds("pro", 5))
    for _ in range(LEARNED):
        estimate.observe(duration(random_))
    loop, places, lags = asyncio.get_running_loop(), asyncio.Semaphore(IN_FLIGHT), []

    async def one(number: int) -> None:
        async with places:
            if number < IN_FLIGHT:
                await asyncio.sleep(random_.random() * MEAN)  # so that they do not begin all at once
            created, end = service.create(duration(random_))
            waiter = Waiter()
            reference = Reference("image2video", created.task_id)
            poller.follow(reference, created=created, estimate=estimate, on_end=lambda: None).listeners.append(waiter)
            await waiter.end
            lags.append(loop.time() - end)

    await asyncio.gather(*(one(number) for number in range(TASKS)))
    await poller.close()
    return sum(lags) / TASKS, service.requests / TASKS


def _moment(seconds: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


# --------------------------------------------------------------------------------------------- the part


def measure(_: Mapping[str, Path]) -> dict[str, Any]:
    """Runs all simulations, which takes half a minute."""
    fresh = DurationEstimate(typical_seconds("pro", 5))
    curves = {
        "least possible": [(lag, least_polls(lag)) for lag in (1.0, 2.0, 4.0, 8.0, 16.0)],
        "fixed beat": [_middle([_beaten((beat, beat), seed) for seed in SEEDS]) for beat in BEATS],
        "kling_async, fresh": [_middle([aimed(lag, fresh, _random(seed)) for seed in SEEDS]) for lag in LAGS],
        "kling_async, after 50": [
            _middle([aimed(lag, learned(seed), _random(seed)) for seed in SEEDS]) for lag in LAGS
        ],
        "kling_async, 100 in flight": [_middle([_together(lag, seed) for seed in SEEDS[:2]]) for lag in LAGS],
    }
    return {
        "curves": curves,
        "points": {name: [_beaten(span, seed) for seed in SEEDS] for name, span in PEERS.items()},
        "least": least_polls(WANTED),
        "alone": [_polls_at(functools.partial(_alone, seed)) for seed in SEEDS],
        "together": [_polls_at(functools.partial(_together, seed=seed)) for seed in SEEDS],
        "shipped": {
            "one alone, fresh": [aimed(SHIPPED, fresh, _random(seed)) for seed in SEEDS],
            f"one alone, after {LEARNED}": [aimed(SHIPPED, learned(seed), _random(seed)) for seed in SEEDS],
            f"{IN_FLIGHT} in flight, after {LEARNED}": [_together(SHIPPED, seed) for seed in SEEDS],
        },
    }


def _polls_at(simulated: Callable[[float], tuple[float, float]]) -> float:
    """Returns polls per task at the wanted mean lag: finds its setting, and corrects for the remaining difference."""
    setting = SHIPPED
    for _ in range(3):
        setting *= WANTED / simulated(setting)[0]
    lag, polls = simulated(setting)
    return polls * lag / WANTED


@functools.cache
def _alone(seed: int, lag: float) -> tuple[float, float]:
    return aimed(lag, learned(seed), _random(seed))


def _together(lag: float, seed: int) -> tuple[float, float]:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(together(lag, seed))


def _random(seed: int) -> random.Random:
    return random.Random(1000 + seed)  # noqa: S311  (no secret)


def _beaten(span: tuple[float, float], seed: int) -> tuple[float, float]:
    """Simulates polling at an interval; its jitter has a separate random source, so that the tasks are the same."""
    jitter = _random(-1 - seed)
    return alone(lambda _: jitter.uniform(*span), _random(seed))


def _middle(points: list[tuple[float, float]]) -> tuple[float, float]:
    return Spread(lag for lag, _ in points).median, Spread(polls for _, polls in points).median


def markdown(data: Mapping[str, Any]) -> str:
    """Returns the section of the report."""
    shipped = {f"kling_async, {name}": points for name, points in data["shipped"].items()}
    rows = [
        [
            name,
            Spread(polls for _, polls in points).text(2 if name in shipped else 1),
            Spread(lag for lag, _ in points).text(2),
        ]
        for name, points in (data["points"] | shipped).items()
    ]
    curves = [
        [name, "; ".join(f"{polls:.3g} at {lag:.2g} s" for lag, polls in sorted(curve))]
        for name, curve in data["curves"].items()
    ]
    return f"""## The schedule, simulated

Durations are as real ones seem to be (log-normal, mean {MEAN:g} s, sigma {SIGMA:g}; {LATE:.0%} around
{LATE_MEAN:g} s). A single task is polled by the schedule itself; for {IN_FLIGHT} in flight the client's own poller
runs in simulated time, and a page of the list counts as one poll; that list shows the newest first and
contains this client's tasks only. Medians of {len(SEEDS)} simulations of {TASKS} tasks, with the lowest and highest;
the curve of {IN_FLIGHT} in flight is of two. Peers are simulated by their polling interval alone. The minimum of polls
at a mean lag L is (integral of sqrt(f S))^2 / (2 L): {data["least"]:.1f} at {WANTED:g} s.

{table(["as shipped", "polls per task", "mean lag, s"], rows)}

{table(["curve", "polls per task at a mean lag"], curves)}
"""


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """Returns the goals for polls per task at a mean lag of 5 s: against the minimum, and for a fresh client."""
    one = f"polls per task at {WANTED:g} s mean lag, one alone, learned", "at most 1.2 x the least"
    many = "the same, 100 in flight, coalesced", "at most 0.3 polls"
    fresh = f"polls per task at {WANTED:g} s mean lag, one alone, fresh", f"at most {FRESH_POLLS} polls"
    if "alone" not in data:
        return [Goal(*one), Goal(*many), Goal(*fresh)]
    # Corrected for the remaining difference from the wanted lag, as for the others.
    unlearned = Spread(polls * lag / WANTED for lag, polls in data["shipped"]["one alone, fresh"])
    alone, together = Spread(polls / data["least"] for polls in data["alone"]), Spread(data["together"])
    return [
        Goal(*one, f"{alone.text(2)} x", alone.median / 1.2 - 1),
        Goal(*many, together.text(2), together.median / 0.3 - 1),
        Goal(*fresh, unlearned.text(2), unlearned.median / FRESH_POLLS - 1),
    ]
