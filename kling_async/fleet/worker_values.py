"""What a worker's session reads of the fleet's tables."""

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
    """A job of the engine that a session has, with the job of the fleet behind it.

    Attributes:
        engine: its id in the engine.
        saves: whether its files are to be saved; else its task is to be made.
        entrypoint: under which the engine has it.
        id: of the job, as all that follows.
        outcome: its final state; `cancelled` where it was, and what was submitted anew has another row in the engine.
        result: of its task, for a save; None where the service is to be asked for it.
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
    """A job of the engine that this version cannot read: another one put it there, or somebody by hand.

    Attributes:
        engine: its id in the engine.
        why: it cannot be read.
    """

    engine: int
    why: str


@attrs.frozen
class LineState:
    """A line of a queue, as it is before a claim.

    Attributes:
        entrypoint: in the engine.
        seats: how many there may be now.
        picked: how many are taken.
        opens_at: seconds from now until there may be more, where time alone decides.
        is_limited: whether the account has refused something there.
    """

    entrypoint: str
    seats: int
    picked: int
    opens_at: float | None
    is_limited: bool


@attrs.frozen(kw_only=True)
class Account:
    """The account that a session works with.

    Attributes:
        queue: of the account.
        credentials: the name of the account's credentials.
        proof: of its key (worker_key); a queue with another one has another key.
        since: when the queue got that key, or a moment after it.
    """

    queue: str
    credentials: str
    proof: bytes = attrs.field(repr=False)
    since: datetime


@attrs.frozen(kw_only=True)
class QueueState:
    """A queue, as it is before a claim.

    Attributes:
        credentials: the name of the account's credentials.
        proof: of the account's key; None where the next worker's key is to be the queue's.
        closed: whether nothing new may be begun.
        opens_at: seconds from now until one job may try whether the account accepts something again.
        lines: of the queue.
    """

    credentials: str
    proof: bytes | None = attrs.field(repr=False)
    closed: bool
    opens_at: float | None
    lines: list[LineState]


@attrs.frozen
class Follower:
    """The session that asks for the tasks of a queue.

    Attributes:
        session: of which worker.
        owner: its number in the journal.
    """

    session: uuid.UUID
    owner: int


def line_of(found: dict[str, Any], declared: int, now: float) -> LineState:
    """A line, out of its row and a count of its seats.

    Args:
        found: the row.
        declared: the limit of its queue.
        now: the database's time.
    """
    picked, entrypoint, due_at = found.pop("picked"), found.pop("entrypoint"), found.pop("due_at")
    learned = LearnedLimit(**found)
    times = [due_at, learned.not_before, None if learned.refused_above is None else learned.probe_at]
    opens_at = min((time - now for time in times if time is not None and time > now), default=None)
    return LineState(entrypoint, learned.seats(declared, now), picked, opens_at, learned != LearnedLimit())


def read(found: dict[str, Any], saves: str) -> Row | Unreadable:
    """A job, out of the rows of the engine and of the fleet; `saves` is the entrypoint of what is to be saved."""
    try:
        return _row_of(found, saves)
    except Exception as error:  # noqa: BLE001  (whatever is wrong with one must not stop the others)
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
