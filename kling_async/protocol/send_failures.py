"""What a failed send says of what it was to make: that there is none, that there may be one, or probably is."""

import re
from datetime import datetime
from typing import Final

from kling_async.protocol.error_codes import CODES, row_for
from kling_async.protocol.errors import (
    ApiError,
    BadResponse,
    CallInDoubt,
    ConcurrencyExceeded,
    ConnectionFailed,
    KlingError,
    RateLimited,
    RequestTimeout,
    UnexpectedAnswer,
)
from kling_async.protocol.estimate import Estimate

_TIMEOUTS: Final = frozenset({499, 504, 524})
"""HTTP statuses by which gateways say that what is behind them took too long."""

_NO_MODEL: Final = re.compile(r"(the )?model( \S+)? is not supported\.?", re.IGNORECASE)
"""All that code 1201 says of a model that a path does not have; of an id that exists, it says something else."""

_NO_PATH: Final = frozenset({404, 405, 410})


def made_nothing(error: KlingError) -> bool:
    """Whether a send was refused as full or too fast, or never left: it may be repeated as if it had not been."""
    unsent = isinstance(error, ConnectionFailed) and not error.sent
    return unsent or isinstance(error, ConcurrencyExceeded | RateLimited)


def refused(error: KlingError) -> bool:
    """Whether the service itself says that this send made no task: codes 1000 to 1399."""
    row = row_for(error.code) if isinstance(error, ApiError) else None
    return row is not None and not row.in_doubt


def may_be_a_duplicate(error: KlingError) -> bool:
    """Whether a refusal could mean that the id exists: 1201 does, in words of many kinds; others might.

    A proxy that sent the request twice gets such a refusal for the second and passes only that one on. That the model
    is not supported means that for both of them.
    """
    if error.code == 1201 and _NO_MODEL.fullmatch(error.message):
        return False
    return error.http_status == 409 or error.code not in CODES or error.code in {1201, 1202}


def is_unreadable_success(error: KlingError) -> bool:
    """Whether the task probably exists: a 2xx that is not about it, or an answer whose status nobody could read."""
    status = error.http_status
    return (isinstance(error, BadResponse) and status is None) or (
        not isinstance(error, ApiError) and status is not None and 200 <= status < 300
    )


def names_no_path(error: KlingError) -> bool:
    """Whether somebody in between says that there is no such path: whoever it is will say the same again.

    It proves nothing about the service, which may have had the request before.
    """
    return isinstance(error, BadResponse) and error.foreign and error.http_status in _NO_PATH


def was_slow(error: KlingError) -> bool:
    """Whether somebody gave up waiting, so that the service may still be at work."""
    return isinstance(error, RequestTimeout) or error.http_status in _TIMEOUTS or error.code == 5002


def of_a_call(error: KlingError, endpoint: str, sent_at: datetime, estimate: Estimate) -> KlingError:
    """What the caller gets of a failed call that charges: the error, or that it may be paid for.

    Args:
        error: how the call ended.
        endpoint: name of what was called.
        sent_at: when it was sent last.
        estimate: what it costs.
    """
    # An error of the service without a code is what the value itself says: that it failed.
    unanswered = isinstance(error, BadResponse | ConnectionFailed)
    if not (unanswered or (isinstance(error, ApiError) and error.code is not None)):
        return error
    if made_nothing(error) or refused(error):
        return error
    cost = "" if estimate.units is None else f" ({estimate.units.normalize():f} units)"
    data = error.data if isinstance(error, UnexpectedAnswer) else None
    return CallInDoubt(
        f"no readable answer came from {endpoint}, sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC: it may have been done, and "
        f"be billed{cost}. Nothing finds it, so it was not sent again: call anew to pay for another one "
        f"({error.message})",
        code=error.code,
        http_status=error.http_status,
        request_id=error.request_id,
        endpoint=endpoint,
        sent_at=sent_at,
        estimate=estimate,
        data=data,
    )


def after_a_lost_answer(error: KlingError) -> KlingError:
    """What the caller gets of a call that is free, and was repeated because an answer was lost.

    A refusal may then mean that there was nothing left to do; the service's words for it are not known.
    """
    if refused(error):
        error.message = f"{error.message}; the answer to an earlier try was lost, and it may have been done by that"
        error.args = (error.message,)
    return error
