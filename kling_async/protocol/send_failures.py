"""What a failed send implies about its task: that there is none, that there may be one, or that there probably is."""

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
"""HTTP statuses of gateways whose upstream server took too long."""

_NO_MODEL: Final = re.compile(r"(the )?model( \S+)? is not supported\.?", re.IGNORECASE)
"""The whole text of code 1201 about a model that a path does not have; that about an existing id is different."""

_NO_PATH: Final = frozenset({404, 405, 410})


def made_nothing(error: KlingError) -> bool:
    """Whether a send was refused because of limits (1302, 1303), or never left: it can safely be repeated."""
    unsent = isinstance(error, ConnectionFailed) and not error.sent
    return unsent or isinstance(error, ConcurrencyExceeded | RateLimited)


def refused(error: KlingError) -> bool:
    """Whether the service itself reports that this send made no task: codes 1000 to 1399."""
    row = row_for(error.code) if isinstance(error, ApiError) else None
    return row is not None and not row.in_doubt


def may_be_a_duplicate(error: KlingError) -> bool:
    """Whether a refusal could mean that the id exists: 1201 does, with various texts; others might.

    A proxy that sends a request twice gets such a refusal for the duplicate and may pass on only that. "Model is not
    supported" cannot be about a duplicate: it would apply to both requests.
    """
    if error.code == 1201 and _NO_MODEL.fullmatch(error.message):
        return False
    return error.http_status == 409 or error.code not in CODES or error.code in {1201, 1202}


def is_unreadable_success(error: KlingError) -> bool:
    """Whether the task probably exists: a 2xx that is not about it, or an answer whose status could not be parsed."""
    status = error.http_status
    return (isinstance(error, BadResponse) and status is None) or (
        not isinstance(error, ApiError) and status is not None and 200 <= status < 300
    )


def names_no_path(error: KlingError) -> bool:
    """Whether a server in between reports that there is no such path, as it would for every repetition.

    This proves nothing about the service, which may have received the request before.
    """
    return isinstance(error, BadResponse) and error.foreign and error.http_status in _NO_PATH


def was_slow(error: KlingError) -> bool:
    """Whether a client or a gateway stopped waiting, so that the service may still be processing the request."""
    return isinstance(error, RequestTimeout) or error.http_status in _TIMEOUTS or error.code == 5002


def of_a_call(error: KlingError, endpoint: str, sent_at: datetime, estimate: Estimate) -> KlingError:
    """Returns the error to raise for a failed call that charges: `error`, or `CallInDoubt` if it may be billed.

    Args:
        error: that ended the call.
        endpoint: name of the endpoint.
        sent_at: when the call was last sent.
        estimate: its price.
    """
    # An `ApiError` without a code comes from a parsed value that reports a failure.
    unanswered = isinstance(error, BadResponse | ConnectionFailed)
    if not (unanswered or (isinstance(error, ApiError) and error.code is not None)):
        return error
    if made_nothing(error) or refused(error):
        return error
    cost = "" if estimate.units is None else f" ({estimate.units.normalize():f} units)"
    data = error.data if isinstance(error, UnexpectedAnswer) else None
    return CallInDoubt(
        f"no readable answer came from {endpoint}, sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC: it may have been done, and "
        f"be billed{cost}. It cannot be looked up, so it was not sent again: a new call is billed again "
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
    """Returns the error to raise for a free call that was repeated because an answer was lost.

    A refusal may then mean that nothing was left to do; the service's text for that is not known.
    """
    if refused(error):
        error.message = f"{error.message}; the answer to an earlier try was lost, and it may have been done by that"
        error.args = (error.message,)
    return error
