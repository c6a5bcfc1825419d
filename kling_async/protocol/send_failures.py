"""What a failed send of a create says about its task: that there is none, that there may be one, or probably is."""

from typing import Final

from kling_async.protocol.error_codes import CODES, row_for
from kling_async.protocol.errors import (
    ApiError,
    BadResponse,
    ConcurrencyExceeded,
    ConnectionFailed,
    KlingError,
    RateLimited,
    RequestTimeout,
)

_TIMEOUTS: Final = frozenset({499, 504, 524})
"""HTTP statuses by which gateways say that what is behind them took too long."""


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

    A proxy that sent the request twice gets such a refusal for the second and passes only that one on.
    """
    return error.http_status == 409 or error.code not in CODES or error.code in {1201, 1202}


def is_unreadable_success(error: KlingError) -> bool:
    """Whether the task probably exists: a 2xx that is not about it, or an answer whose status nobody could read."""
    status = error.http_status
    return (isinstance(error, BadResponse) and status is None) or (
        not isinstance(error, ApiError) and status is not None and 200 <= status < 300
    )


def was_slow(error: KlingError) -> bool:
    """Whether somebody gave up waiting, so that the service may still be at work."""
    return isinstance(error, RequestTimeout) or error.http_status in _TIMEOUTS or error.code == 5002
