"""Where a create can be, and what leads from there to where: as one table, which may live nowhere else."""

import enum
from collections.abc import Mapping
from typing import Final


class CreateState(enum.Enum):
    """Where a create is, by what is known of its task."""

    UNSENT = "nothing was created; the request is to be sent"
    FULL = "nothing was created; the account is full, and a slot is waited for"
    SENDING = "the first send is under way"
    STOPPING = "the first send is under way; the client closes, so there is no other"
    CLAIMED = "the first send was refused, perhaps since a task with this id exists; it is looked up"
    SETTLING = "a send may have made the task, which may not show yet; it is looked up for `settle` seconds"
    DOUBTFUL = "it has not shown by then; it is looked up until the service says that it does not exist"
    EXPECTED = "a send has probably made the task; it is looked up for `settle` seconds, and never sent again"
    SEARCHING = "it is not found by its id, and may have been made without; all tasks since it was sent are looked at"
    MISSING = "nothing shows it; the same id is to be sent again"
    SENDING_AGAIN = "a further send is under way"
    ACCEPTED = "the task is known"
    REFUSED = "there is no task, or nobody knows: the error says which"


_S = CreateState

SENDING: Final = frozenset({_S.SENDING, _S.STOPPING, _S.SENDING_AGAIN})
"""A send is under way."""

UNDECIDED: Final = SENDING | {_S.CLAIMED, _S.SETTLING, _S.DOUBTFUL, _S.EXPECTED, _S.SEARCHING, _S.MISSING}
"""Something may be paid for that nobody knows of yet."""

TRANSITIONS: Final[Mapping[CreateState, Mapping[CreateState, str]]] = {
    _S.UNSENT: {
        _S.SENDING: "its first byte goes out",
        _S.REFUSED: "the client closes, a file or the lease is gone, or it did not get out before the budget was over",
    },
    _S.FULL: {_S.UNSENT: "there is a slot again", _S.REFUSED: "the client closes"},
    _S.SENDING: {
        _S.ACCEPTED: "200 about our task",
        _S.REFUSED: "the service refuses it: nothing was created; or it cannot be looked up: `CreateInDoubt`",
        _S.UNSENT: "1302, or it never left: again after a delay",
        _S.FULL: "1303: again with a new slot",
        _S.CLAIMED: "a refusal that a duplicate could cause",
        _S.EXPECTED: "a 2xx that cannot be read",
        _S.SETTLING: "all else: reset, timeout, 5000 to 5002, an answer that is not the service's",
        _S.STOPPING: "the client closes",
    },
    _S.STOPPING: {
        _S.ACCEPTED: "200 about our task",
        _S.REFUSED: "a refusal, or what would be sent again if the client did not close",
        _S.CLAIMED: "a refusal that a duplicate could cause",
        _S.EXPECTED: "a 2xx that cannot be read",
        _S.SETTLING: "all else",
    },
    _S.CLAIMED: {
        _S.ACCEPTED: "it is found",
        _S.REFUSED: "it is not found: the refusal; no answer in `settle` seconds: `CreateInDoubt`",
    },
    _S.SETTLING: {
        _S.ACCEPTED: "it is found",
        _S.DOUBTFUL: "`settle` seconds are over, and the last look-up was not answered",
        _S.SEARCHING: "current generation: the service says at the end of `settle` that there is no such task",
        _S.MISSING: "legacy: the same",
        _S.REFUSED: "the address is not the service's, or it must not be sent again: `CreateInDoubt`",
    },
    _S.DOUBTFUL: {
        _S.ACCEPTED: "it is found",
        _S.SEARCHING: "current generation: the service says that there is no such task, or the budget is over",
        _S.MISSING: "legacy: the service says that there is no such task",
        _S.REFUSED: "the budget is over, or the address is not the service's: `CreateInDoubt`",
    },
    _S.EXPECTED: {
        _S.ACCEPTED: "it is found",
        _S.SEARCHING: "current generation: it was not found in `settle` seconds",
        _S.REFUSED: "legacy: the same: `CreateInDoubt`",
    },
    _S.SEARCHING: {
        _S.ACCEPTED: "one has our id, or one alone may be ours where the path is known to drop ids",
        _S.MISSING: "none has our id, and none is without one",
        _S.DOUBTFUL: "the same, after the last of three sends",
        _S.REFUSED: "some may be ours, or the budget is over, or it must not be sent again: `CreateInDoubt`",
    },
    _S.MISSING: {
        _S.SENDING_AGAIN: "its first byte goes out, with the same id",
        _S.SETTLING: "it did not get out",
        _S.ACCEPTED: "the budget is over: it is found by the last look-up",
        _S.REFUSED: "the budget is over, and it is not found: `CreateInDoubt`",
    },
    _S.SENDING_AGAIN: {
        _S.ACCEPTED: "200 about our task",
        _S.EXPECTED: "a refusal, which an earlier send may have caused, or a 2xx that cannot be read",
        _S.SETTLING: "all else",
        _S.REFUSED: "the path makes no task: its answer",
    },
    _S.ACCEPTED: {},
    _S.REFUSED: {},
}
"""State -> states that an event can lead to, and by what. Any other event leaves a create where it is."""
