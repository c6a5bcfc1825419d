"""The states of a create and the transitions between them, in the one table that defines them."""

import enum
from collections.abc import Mapping
from typing import Final


class CreateState(enum.Enum):
    """The state of a create, by what is known about its task."""

    UNSENT = "nothing was created; the request is to be sent"
    FULL = "nothing was created; the account is full, and the create waits for a slot"
    SENDING = "the first send is under way"
    STOPPING = "the first send is under way; the client closes, so it is the last one"
    CLAIMED = "the first send was refused, perhaps because a task with this id exists; it is looked up"
    SETTLING = "a send may have made the task, which may not be visible yet; it is looked up for `settle` seconds"
    DOUBTFUL = "the task was not visible by then; it is looked up until the service reports that it does not exist"
    EXPECTED = "a send has probably made the task; it is looked up for `settle` seconds, and never sent again"
    SEARCHING = "the task is not found by its id, but may exist without one; all tasks since the send are searched"
    MISSING = "the task was not found; the request is to be sent again with the same id"
    SENDING_AGAIN = "a further send is under way"
    ACCEPTED = "the task is known"
    REFUSED = "there is no task, or that is not known: the error shows which"


_S = CreateState

SENDING: Final = frozenset({_S.SENDING, _S.STOPPING, _S.SENDING_AGAIN})
"""A send is under way."""

UNDECIDED: Final = SENDING | {_S.CLAIMED, _S.SETTLING, _S.DOUBTFUL, _S.EXPECTED, _S.SEARCHING, _S.MISSING}
"""There may be a billed task that is not known yet."""

TRANSITIONS: Final[Mapping[CreateState, Mapping[CreateState, str]]] = {
    _S.UNSENT: {
        _S.SENDING: "its first byte goes out",
        _S.REFUSED: "the client closes, a file or the lease is gone, or no send left before the budget was over",
    },
    _S.FULL: {_S.UNSENT: "there is a slot again", _S.REFUSED: "the client closes"},
    _S.SENDING: {
        _S.ACCEPTED: "200 about our task",
        _S.REFUSED: "the service refuses it: nothing was created; or it cannot be looked up: `CreateInDoubt`",
        _S.UNSENT: "1302, or it never left: again after a delay",
        _S.FULL: "1303: again with a new slot",
        _S.CLAIMED: "a refusal that a duplicate could cause",
        _S.EXPECTED: "a 2xx that cannot be parsed",
        _S.SETTLING: "anything else: reset, timeout, 5000 to 5002, an answer that is not the service's",
        _S.STOPPING: "the client closes",
    },
    _S.STOPPING: {
        _S.ACCEPTED: "200 about our task",
        _S.REFUSED: "a refusal, or an error after which it would be sent again if the client did not close",
        _S.CLAIMED: "a refusal that a duplicate could cause",
        _S.EXPECTED: "a 2xx that cannot be parsed",
        _S.SETTLING: "anything else",
    },
    _S.CLAIMED: {
        _S.ACCEPTED: "it is found",
        _S.REFUSED: "it is not found: the refusal; no answer in `settle` seconds: `CreateInDoubt`",
    },
    _S.SETTLING: {
        _S.ACCEPTED: "it is found",
        _S.DOUBTFUL: "`settle` seconds are over, and the last look-up was not answered",
        _S.SEARCHING: "current generation: the service reports at the end of `settle` that there is no such task",
        _S.MISSING: "legacy: the same",
        _S.REFUSED: "the address is not the service's, or it must not be sent again: `CreateInDoubt`",
    },
    _S.DOUBTFUL: {
        _S.ACCEPTED: "it is found",
        _S.SEARCHING: "current generation: the service reports that there is no such task, or the budget is over",
        _S.MISSING: "legacy: the service reports that there is no such task",
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
        _S.SETTLING: "the request did not leave this machine",
        _S.ACCEPTED: "the budget is over: it is found by the last look-up",
        _S.REFUSED: "the budget is over, and it is not found: `CreateInDoubt`",
    },
    _S.SENDING_AGAIN: {
        _S.ACCEPTED: "200 about our task",
        _S.EXPECTED: "a refusal, which an earlier send may have caused, or a 2xx that cannot be parsed",
        _S.SETTLING: "anything else",
        _S.REFUSED: "the path makes no task: its answer",
    },
    _S.ACCEPTED: {},
    _S.REFUSED: {},
}
"""State -> possible next states, each with its cause. Any other event does not change the state."""
