"""How far a job has come, by what the fleet and the journal have of it."""

import enum


class JobState(enum.StrEnum):
    """How far a job has come."""

    QUEUED = "queued"
    """It waits for a slot; nothing was sent."""
    SENDING = "sending"
    """It has a slot, and may have been sent."""
    GENERATING = "generating"
    """The service has the task."""
    SAVING = "saving"
    """The result is made, and its files are not whole yet."""
    SAVED = "saved"
    """Its files are saved whole."""
    DONE = "done"
    """The result is made, and has no files."""
    FAILED = "failed"
    """The service could not make it."""
    REFUSED = "refused"
    """Nothing was created and nothing is paid; the same submitted again is queued anew."""
    CANCELLED = "cancelled"
    """It was cancelled before it was sent; the same submitted again is queued anew."""
    IN_DOUBT = "in_doubt"
    """It may have been sent, and is not sent again: nobody knows whether there is a task."""
    LOST = "lost"
    """It can never be known whether there is a task, or the service has deleted it."""
    SAVE_FAILED = "save_failed"
    """The result is made and could not be saved; the same submitted again saves it, which costs nothing."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes of it unless it is submitted again."""
        return self not in _UNDER_WAY


_UNDER_WAY = frozenset({JobState.QUEUED, JobState.SENDING, JobState.GENERATING, JobState.SAVING})

QUEUED_AGAIN = frozenset({JobState.REFUSED, JobState.CANCELLED})
"""States from which an equal submit queues a job again."""


def state_of(
    outcome: str | None,
    *,
    begun: bool,
    is_file: bool,
    entry: str | None = None,
    failed: bool = False,
    doubtful: bool = False,
) -> JobState:
    """The state of a job.

    Args:
        outcome: the final state that is written in it, if there is one.
        begun: whether it has passed the point from which on it may be sent.
        is_file: whether its result has files.
        entry: the state of its last entry in the journal; None where there is none.
        failed: whether the task of that has failed.
        doubtful: whether that says that it may have been sent and is not known.
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
        case _:  # of an earlier attempt that was refused, too
            return JobState.SENDING
