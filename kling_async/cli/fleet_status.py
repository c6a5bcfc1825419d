"""The state of a fleet as text."""

from typing import TYPE_CHECKING, Final

from kling_async.cli.batch_state import one_line
from kling_async.cli.output import number, table
from kling_async.protocol.fleet.job_state import JobState

if TYPE_CHECKING:
    from kling_async.fleet.jobs import Job
    from kling_async.fleet.metrics import Metrics, QueueMetrics

_SEEN_SECONDS: Final = 60.0
"""Silence after which a worker counts as dead here; the default heartbeat is 30 seconds."""


def metrics_text(metrics: "Metrics", width: int | None) -> str:
    """Returns all queues and workers as text.

    Args:
        metrics: of the fleet.
        width: of the terminal; None for no limit.
    """
    parts = [_queue_text(queue, width) for queue in metrics.queues]
    if metrics.workers:
        rows = [
            [
                each.name,
                each.version,
                ", ".join(each.queues),
                str(each.jobs),
                f"{each.seen:.0f} s ago",
                "draining" * each.draining,
            ]
            for each in metrics.workers
        ]
        parts.append(table(["worker", "version", "queues", "jobs", "seen", ""], rows, width))
    else:
        parts.append("no worker runs: `kling-async fleet worker --out DIR` is one")
    return "\n\n".join(parts)


def _queue_text(queue: "QueueMetrics", width: int | None) -> str:
    states = ", ".join(f"{count} {state.value}" for state, count in queue.states.items()) or "no jobs"
    lines = [f"queue {queue.name}: {states}"]
    if queue.draining:
        lines.append("  draining: nothing new is begun (`kling-async fleet drain --off` takes that back)")
    if queue.paused is not None:
        lines.append(one_line(f"  paused: {queue.paused}"))
    if queue.lag is not None:
        lines.append(f"  the first in line has waited for {queue.lag:.0f} s")
    if spent := _spent(queue):
        lines.append(f"  {spent}")
    if queue.lines:
        rows = [[one_line(each.line), f"{each.used} of {each.slots}", str(each.queued)] for each in queue.lines]
        lines += [one_line(f"  {each.line} waits: {each.waits_for}") for each in queue.lines if each.waits_for]
        lines.append(table(["  model", "slots", "queued"], [[f"  {row[0]}", *row[1:]] for row in rows], width))
    return "\n".join(lines)


def _spent(queue: "QueueMetrics") -> str:
    paid = [f"{number(queue.units)} units"] * bool(queue.units)
    paid += [f"{number(amount)} {currency or '(no currency named)'}" for currency, amount in queue.money.items()]
    text = f"paid: {', '.join(paid)}" if paid else ""
    if queue.spending is not None:
        left = queue.spending
        budget = (
            f"budget: {number(left.left)} of {number(left.limit)} {left.unit} left, {number(left.reserved)} reserved"
        )
        text = f"{text}; {budget}" if text else budget
    return text


def job_text(job: "Job") -> str:
    """Returns one job as text."""
    more: list[str] = [job.state.value]
    more += [job.reference] if job.reference else []
    lines = [one_line(f"{job.key}: {', '.join(more)}")]
    lines += [one_line(f"  {job.error}")] if job.error else []
    lines += [f"  {file.path}" for file in (job.entry.files if job.entry is not None else ())]
    return "\n".join(lines)


def under_way(metrics: "Metrics", name: str) -> int:
    """Returns the number of tasks of a queue that hold a slot."""
    return sum(line.used for queue in metrics.queues if queue.name == name for line in queue.lines)


def unfollowed(metrics: "Metrics", name: str) -> str:
    """Returns a warning for a queue with tasks under way but without a live worker; empty where there is one."""
    seen = min((worker.seen for worker in metrics.workers if name in worker.queues), default=None)
    if seen is not None and seen <= _SEEN_SECONDS:
        return ""
    reason = "no worker takes from it" if seen is None else f"no worker of it has sent a heartbeat for {seen:.0f} s"
    return f"{reason}: without a worker the tasks are not followed or saved (`kling-async fleet worker --out DIR`)"


def unsaved(metrics: "Metrics", name: str) -> int:
    """Returns the number of results of a queue that are made, and not saved yet."""
    return sum(queue.states.get(JobState.SAVING, 0) for queue in metrics.queues if queue.name == name)
