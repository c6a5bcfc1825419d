"""What tests and users can read about the emulated account: tasks, charges, deliveries, requests."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs

from kling_async.emulator.results.links import merged
from kling_async.emulator.service.endpoint import PACKS, Pack

from .account_model import AccountModel
from .task import Status


@attrs.frozen(kw_only=True)
class Entry:
    """One task of the account.

    Attributes:
        endpoint: The endpoint that created it: its path without "/v1/" and "videos/".
        model_name: "" where the endpoint has none; likewise `mode`.
        duration: Requested seconds, 0 where the endpoint has none.
        units: Its price; 0 once it has failed.
        created_at: Seconds since the epoch.
        finished_at: Seconds since the epoch, or None while it is in flight.
        delivered: How many times one of its result files was sent completely.
        parameters: The request, with a description in place of each image's data.
    """

    task_id: str
    external_task_id: str
    endpoint: str
    model_name: str
    mode: str
    duration: int
    units: float
    created_at: float
    finished_at: float | None
    status: Status
    delivered: int
    parameters: dict[str, Any] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Callback:
    """One attempt to post a status change.

    Attributes:
        http_status: The receiver's status, or None when it could not be reached in time.
        error: Why it could not be reached, or "".
    """

    task_id: str
    status: Status
    url: str
    http_status: int | None
    error: str


class Ledger:
    """The ledger of an emulated account, live: each access shows the present state.

    Attributes:
        requests: Requests by kind: "create", "query", "list", "call", "file", "account", "ledger", "unknown".
            Refused ones count.
        calls: Calls that answered at once and took effect, by endpoint: a path without "/v1/" and "videos/".
        refused: Refusals by business code, injected errors among them.
        callbacks: Attempts to post a status change, oldest first.
        credentials_at_files: Requests for result files that carried an `Authorization` header. The files are
            not part of the API and need no credentials, so this should be 0.
    """

    def __init__(self, account: AccountModel, clock: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self._deliveries: Counter[str] = Counter()
        self._parts: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.requests: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.callbacks: list[Callback] = []
        self.credentials_at_files = 0

    @property
    def entries(self) -> list[Entry]:
        """All tasks, oldest first."""
        now = self._clock()
        return [
            Entry(
                task_id=task.task_id,
                external_task_id=task.request.external_task_id,
                endpoint=task.endpoint.name,
                model_name=task.request.model_name,
                mode=task.request.mode,
                duration=task.request.duration,
                units=float(task.units(now)),
                created_at=task.created_at,
                finished_at=task.finished_at if task.finished_at <= now else None,
                status=task.status(now),
                delivered=self._deliveries[task.task_id],
                parameters=task.request.parameters,
            )
            for task in self._account.tasks
        ]

    @property
    def created(self) -> int:
        """Number of tasks created."""
        return len(self._account.tasks)

    @property
    def paid(self) -> int:
        """Number of tasks, and of calls that answer at once, that cost something; a failed task costs nothing."""
        now = self._clock()
        return sum(task.units(now) > 0 for task in (*self._account.tasks, *self._account.made_at_once))

    @property
    def charged(self) -> float:
        """Units of the video pack charged, less refunds for failed tasks."""
        self._account.settle(self._clock())
        return float(self._account.charged["video"])

    @property
    def charged_by(self) -> dict[Pack, float]:
        """`charged` by kind of pack, in the units of each: a video unit is worth 40 image units."""
        self._account.settle(self._clock())
        return {pack: float(self._account.charged[pack]) for pack in PACKS}

    @property
    def balance(self) -> float:
        """Remaining units of the video pack."""
        self._account.settle(self._clock())
        return float(self._account.balance())

    @property
    def delivered(self) -> int:
        """Number of tasks with at least one result file that was sent completely."""
        return len(self._deliveries)

    def peak(self, model_name: str | None = None) -> int:
        """Returns the most slots taken at once, of one model or over all; a video takes one slot."""
        return self._account.peak if model_name is None else self._account.peaks[model_name]

    def record_bytes(self, task_id: str, name: str, start: int, end: int, size: int) -> None:
        """Records that a part of a result file was sent.

        Parts that together cover a file count as one delivery: a download that was interrupted and resumed counts
        when it is complete.

        Args:
            task_id: The task.
            name: The name of the file.
            start: The first byte.
            end: The byte after the last; nothing is recorded unless it is after `start`.
            size: Bytes of the whole file.
        """
        parts = merged([*self._parts.pop((task_id, name), ()), (start, end)])
        if parts == [(0, size)]:
            self._deliveries[task_id] += 1
        elif start < end:
            self._parts[task_id, name] = parts

    def as_json(self) -> dict[str, Any]:
        """Returns the ledger as plain JSON values."""
        return {
            "created": self.created,
            "charged": self.charged,
            "charged_by": self.charged_by,
            "balance": self.balance,
            "delivered": self.delivered,
            "peak": {"all": self.peak(), **self._account.peaks},
            "requests": dict(self.requests),
            "calls": dict(self.calls),
            "refused": {str(code): count for code, count in self.refused.items()},
            "credentials_at_files": self.credentials_at_files,
            "callbacks": [attrs.asdict(callback) for callback in self.callbacks],
            "entries": [attrs.asdict(entry) for entry in self.entries],
        }
