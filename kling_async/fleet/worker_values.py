"""Values that a worker's session reads from the fleet's tables."""

import json
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from kling_async.protocol.estimate import Estimate
from kling_async.protocol.fleet.job_state import JobState
from kling_async.protocol.fleet.learned_limit import LearnedLimit


@attrs.frozen(kw_only=True)
class Row:
    """An engine job that a session has claimed, with the fleet's job that it refers to.

    Attributes:
        engine: id of the engine job.
        saves: whether the files are to be saved; otherwise the task is to be created and followed.
        entrypoint: the engine job's entrypoint.
        id: id of the fleet's job, whose columns follow.
        outcome: the job's final state; `cancelled` if another engine job has replaced this one.
        result: the task's result, for a save; None if it must be requested from the service.
    """

    engine: int
    saves: bool
    entrypoint: str
    id: int
    key: str
    endpoint: str
    request: dict[str, Any] = attrs.field(repr=False)
    known: frozenset[str] | None = attrs.field(repr=False)
    line: str
    kind: str
    typical_seconds: float
    is_file: bool
    save_to: str | None
    estimate: Estimate
    submitted_at: datetime
    priority: int
    outcome: str | None
    result: dict[str, Any] | None = attrs.field(default=None, repr=False)
    attempts: int = 0


@attrs.frozen
class Unreadable:
    """An engine job that this version cannot read: it was added by another version, or by hand.

    Attributes:
        engine: id of the engine job.
        why: why it cannot be read.
    """

    engine: int
    why: str


@attrs.frozen
class LineState:
    """State of a queue's line before a claim.

    Attributes:
        entrypoint: its entrypoint in the engine.
        seats: how many seats may be in use now.
        picked: how many seats are in use.
        opens_at: seconds until more may become available just by waiting; None if that does not help.
        is_limited: whether the account has refused a create of this line.
    """

    entrypoint: str
    seats: int
    picked: int
    opens_at: float | None
    is_limited: bool


@attrs.frozen(kw_only=True)
class Account:
    """The account that a session uses.

    Attributes:
        queue: the account's queue.
        credentials: the name of the account's credentials.
        proof: the proof of its key (worker_key); a different proof in the queue means a different key.
        since: when the queue adopted the key, or shortly after.
    """

    queue: str
    credentials: str
    proof: bytes = attrs.field(repr=False)
    since: datetime


@attrs.frozen(kw_only=True)
class QueueState:
    """State of a queue before a claim.

    Attributes:
        credentials: the name of the account's credentials.
        proof: the proof of the account's key; None if the queue will adopt the next worker's key.
        closed: whether no new job may be started.
        opens_at: seconds until one job may test whether the account accepts creates again; None if not paused.
        lines: the queue's lines.
    """

    credentials: str
    proof: bytes | None = attrs.field(repr=False)
    closed: bool
    opens_at: float | None
    lines: list[LineState]


@attrs.frozen
class Follower:
    """The session that polls for the tasks of a queue.

    Attributes:
        session: id of the session.
        owner: its owner number in the journal.
    """

    session: uuid.UUID
    owner: int


def line_of(found: dict[str, Any], declared: int, now: float) -> LineState:
    """Builds a line's state.

    Args:
        found: the line's row, with the number of seats in use.
        declared: the limit of its queue.
        now: the database's time.
    """
    picked, entrypoint, due_at = found.pop("picked"), found.pop("entrypoint"), found.pop("due_at")
    learned = LearnedLimit(**found)
    times = [due_at, learned.not_before, None if learned.refused_above is None else learned.probe_at]
    opens_at = min((time - now for time in times if time is not None and time > now), default=None)
    return LineState(entrypoint, learned.seats(declared, now), picked, opens_at, learned != LearnedLimit())


def read(found: dict[str, Any], saves: str) -> Row | Unreadable:
    """Builds a job from the rows of the engine and the fleet; `saves` is the entrypoint of saves."""
    try:
        return _row_of(found, saves)
    except Exception as error:  # noqa: BLE001  (one unreadable job must not block the others)
        why = "the fleet has no such job" if found["id"] is None else f"{type(error).__name__}: {error}"
        return Unreadable(found["engine"], why)


def _row_of(found: dict[str, Any], saves: str) -> Row:
    _, _, result = bytes(found["payload"]).decode().partition("\n")
    return Row(
        engine=found["engine"],
        saves=found["place"] == saves,
        entrypoint=found["place"],
        id=found["id"],
        key=found["key"],
        endpoint=found["endpoint"],
        request=json.loads(found["request"]),
        known=None if found["known"] is None else frozenset(found["known"].split()),
        line=found["line"],
        kind=found["kind"],
        typical_seconds=found["typical_seconds"],
        is_file=found["is_file"],
        save_to=found["save_to"],
        estimate=Estimate(**{unit: _decimal(found[f"estimate_{unit}"]) for unit in ("units", "usd")}),
        submitted_at=found["submitted_at"],
        priority=found["priority"],
        outcome=found["outcome"] if found["is_current"] else JobState.CANCELLED,
        result=json.loads(result) if result else None,
        attempts=found["attempts"],
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
