"""The service's code table: the error class of each code, whether it is transient, and what to do about it."""

from typing import Any, NamedTuple

from kling_async.protocol.errors import (
    AccountError,
    ApiError,
    AuthenticationError,
    ConcurrencyExceeded,
    ContentRefused,
    InsufficientBalance,
    ModelRetired,
    PermissionRefused,
    RateLimited,
    Remedy,
    RequestRefused,
    ServerError,
    TokenTimeError,
)


class CodeRow(NamedTuple):
    """One row of the documentation's error table.

    Attributes:
        error: the class raised.
        hint: what to do, added to the service's text.
        transient: whether a read may succeed when it is repeated.
        in_doubt: whether a create that got this answer may have made a task.
        remedy: what to do; None if there is no named remedy.
    """

    error: type[ApiError]
    hint: str = ""
    transient: bool = False
    in_doubt: bool = False
    remedy: Remedy | None = None


_REGION_HINT = (
    "check the key; keys are regional: one made in China works on https://api-beijing.klingai.com only, others on "
    "https://api-singapore.klingai.com only"
)
_CLOCK_HINT = "set this machine's clock right (the token is valid from and until a time)"

CODES: dict[int, CodeRow] = {
    1000: CodeRow(AuthenticationError, _REGION_HINT, remedy=Remedy.BASE_URL),
    1001: CodeRow(AuthenticationError, _REGION_HINT, remedy=Remedy.BASE_URL),
    1002: CodeRow(AuthenticationError, _REGION_HINT, remedy=Remedy.BASE_URL),
    1003: CodeRow(TokenTimeError, _CLOCK_HINT),
    1004: CodeRow(TokenTimeError, _CLOCK_HINT),
    1100: CodeRow(AccountError, "look at the account in the console"),
    1101: CodeRow(InsufficientBalance, "the account is in arrears: pay in the console, then submit again"),
    1102: CodeRow(InsufficientBalance, "the resource pack is used up or expired: buy one, then submit again"),
    1103: CodeRow(PermissionRefused, "the account has no right to this API or model"),
    1200: CodeRow(RequestRefused),
    1201: CodeRow(RequestRefused),
    1202: CodeRow(RequestRefused, "the address does not know this method", remedy=Remedy.BASE_URL),
    1203: CodeRow(RequestRefused, "no such resource; check model_name and the address", remedy=Remedy.BASE_URL),
    1300: CodeRow(ContentRefused, "the platform's policy forbids it"),
    1301: CodeRow(ContentRefused, "content safety refused the image or the prompt; change them"),
    1302: CodeRow(RateLimited, "requests come too fast", transient=True),
    1303: CodeRow(ConcurrencyExceeded, "the account's slots are taken", transient=True),
    1304: CodeRow(PermissionRefused, "this machine's address is not on the account's IP whitelist"),
    5000: CodeRow(ServerError, transient=True, in_doubt=True),
    5001: CodeRow(ServerError, "the service is under maintenance", transient=True, in_doubt=True),
    5002: CodeRow(ServerError, "the service timed out inside", transient=True, in_doubt=True),
}
"""The error table of the documentation; HTTP 429 alone stands for six of its rows, so the code decides."""


ADDRESS_CODE: int = 1304
"""The service refuses every request from this machine's IP address."""
ACCOUNT_CODES: frozenset[int] = frozenset({1100, 1101, ADDRESS_CODE})
"""Refusals of the account, not of the request: the next request of any kind gets the same."""
PACK_CODES: frozenset[int] = frozenset({1102})
"""Refusals of one resource pack: the next request paid from that pack gets the same. An image pack does not pay for
video."""

_UNKNOWN_REFUSAL = CodeRow(ApiError, transient=True)
_FAMILIES: tuple[tuple[range, CodeRow], ...] = (
    (range(1000, 1100), CodeRow(AuthenticationError, _REGION_HINT, transient=True)),
    (range(1100, 1400), _UNKNOWN_REFUSAL),
    (range(5000, 5100), CODES[5000]),
)
"""Codes of the table's families that it does not list. They come from the service, but do not end a wait."""


_RETIRED = CodeRow(ModelRetired)
_RETIRED_WORDS = ("discontinued", "no longer available")
"""From the service's texts about a model and about a whole path; whether the latter has code 1203 is not certain."""


def row_for(code: int | None, text: str = "") -> CodeRow | None:
    """Returns the row of a code; None for 0 and for a code that is not the service's.

    Args:
        code: of an answer.
        text: the service's text, which distinguishes a retired model from one that never existed.
    """
    if code in {1202, 1203} and any(words in text.lower() for words in _RETIRED_WORDS):
        return _RETIRED
    if code is None or code in CODES:
        return None if code is None else CODES[code]
    return next((row for family, row in _FAMILIES if code in family), None)


def code_of(value: Any) -> int | None:
    """Parses a code of the service: a number, or its digits as text. Returns None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if type(value) is int and abs(value) < 10**9 else None
