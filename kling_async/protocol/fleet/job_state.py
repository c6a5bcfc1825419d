"""The state of a job, derived from its rows in the fleet and the journal."""

import enum


class JobState(enum.StrEnum):
    """State of a job."""

    QUEUED = "queued"
    """Waiting for a slot; nothing was sent."""
    SENDING = "sending"
    """Has a slot, and may have been sent."""
    GENERATING = "generating"
    """The service has accepted the task."""
    SAVING = "saving"
    """The result is ready, but its files are not completely saved yet."""
    SAVED = "saved"
    """All files are completely saved."""
    DONE = "done"
    """The result is ready and has no files."""
    FAILED = "failed"
    """The service could not generate the result."""
    REFUSED = "refused"
    """No task was created and nothing was paid; submitting the same job again queues it again."""
    CANCELLED = "cancelled"
    """Cancelled before it was sent; submitting the same job again queues it again."""
    IN_DOUBT = "in_doubt"
    """May have been sent and is not sent again: it is unknown whether a task exists."""
    LOST = "lost"
    """It can never be determined whether a task exists, or the service has deleted it."""
    SAVE_FAILED = "save_failed"
    """The result is ready but could not be saved; submitting the same job again saves it at no cost."""

    @property
    def is_final(self) -> bool:
        """Whether the state no longer changes unless the job is submitted again."""
        return self not in _UNDER_WAY


_UNDER_WAY = frozenset({JobState.QUEUED, JobState.SENDING, JobState.GENERATING, JobState.SAVING})

QUEUED_AGAIN = frozenset({JobState.REFUSED, JobState.CANCELLED})
"""States in which submitting an equal job queues it again."""


def state_of(
    outcome: str | None,
    *,
    begun: bool,
    is_file: bool,
    entry: str | None = None,
    failed: bool = False,
    doubtful: bool = False,
) -> JobState:
    """Returns the state of a job.

    Args:
        outcome: the final state in the job's row, if it has one.
        begun: whether the job may already have been sent.
        is_file: whether its result has files.
        entry: the state of its last journal entry; None without an entry.
        failed: whether the task of that entry has failed.
        doubtful: whether that entry is marked as possibly sent, with unknown outcome.
    """
    if outcome is not None:
        return JobState(outcome)
    if not begun:
        return JobState.QUEUED
    match entry:
        case "accepted":
            return JobState.GENERATING
        case "ended" if failed:
            return JobState.FAILED
        case "ended" | "saved":
            return (JobState.SAVED if entry == "saved" else JobState.SAVING) if is_file else JobState.DONE
        case "lost":
            return JobState.LOST
        case "intent" if doubtful:
            return JobState.IN_DOUBT
        case _:  # also covers a refused entry of an earlier attempt
            return JobState.SENDING
