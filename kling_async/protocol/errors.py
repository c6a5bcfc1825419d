"""Every error this package raises, in one tree, and the service's code table.

KlingError
├── InvalidRequest (ValueError)            refused here, nothing was sent
│   └── ImageFileMissing (FileNotFoundError)
├── InvalidReference (ValueError)          no `image2video:<id>`
├── ConfigurationError (ValueError)        credentials, address or numbers the client cannot work with
├── WrongEventLoop (RuntimeError)          a client belongs to the loop it first ran on
├── ClientClosed                           the client was closed while something waited
├── QueueTimeout (TimeoutError)            no slot came free in time; nothing was sent
├── ApiError                               the service answered no
│   ├── AuthenticationError                1000, 1001, 1002
│   │   └── TokenTimeError                 1003, 1004: the clocks disagree
│   ├── AccountError                       1100
│   │   └── InsufficientBalance            1101, 1102
│   ├── PermissionRefused                  1103, 1304
│   ├── RequestRefused                     1200, 1201, 1202, 1203
│   │   └── ExternalTaskIdConflict         the id belongs to another task
│   ├── ContentRefused                     1300, 1301
│   ├── RateLimited                        1302
│   ├── ConcurrencyExceeded                1303
│   └── ServerError                        5000, 5001, 5002 and any other 5xx
├── BadResponse                            an answer that cannot be understood
│   └── UnknownStatus                      a status word that is not documented
├── ConnectionFailed (ConnectionError)     no answer
│   └── RequestTimeout (TimeoutError)      none in time
├── TaskError                              about a task that exists, or may
│   ├── TaskFailed                         the service could not make the video
│   ├── TaskNotFound                       the service does not know the reference
│   ├── TaskTimeout (TimeoutError)         not finished by the deadline: unknown, not failed
│   └── CreateInDoubt                      may be paid for; the reference finds out
└── DownloadError                          the video is made, the file is not whole
    ├── TargetError (OSError)              the place to save to cannot be used
    │   └── TargetExists (FileExistsError)
    └── SaveInProgress                     another save writes to the same place
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import attrs

from kling_async.protocol.models import Task


class KlingError(Exception):
    """The root: `except KlingError` catches all that this package raises by itself.

    Attributes:
        message: what happened and what to do next.
        code: the service's business code, where it gave one.
        http_status: the HTTP status, where there was an answer.
        request_id: the service's id of the request, for its support.
        reference: the task this is about, as text for `KlingClient.attach`.
    """

    message: str
    code: int | None = None
    http_status: int | None = None
    request_id: str | None = None
    reference: str | None = None

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        reference: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.http_status = http_status
        self.request_id = request_id
        self.reference = reference
        vars(self).update(more)

    def __str__(self) -> str:
        """The message, then the ids needed to go on."""
        ids = {"code": self.code, "HTTP": self.http_status, "request_id": self.request_id, "reference": self.reference}
        known = ", ".join(f"{name} {value}" for name, value in ids.items() if value is not None)
        return f"{self.message} ({known})" if known else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by value: errors cross process borders."""
        return _revive, (type(self), self.message, dict(vars(self)))

    def about(self, reference: str) -> Self:
        """Names the task this is about, unless it already names one."""
        if self.reference is None:
            self.reference = reference
        return self


def _revive(cls: type[KlingError], message: str, attributes: dict[str, Any]) -> KlingError:
    error = cls(message)
    vars(error).update(attributes)
    return error


# ------------------------------------------------------------------------------------ before anything is sent


@attrs.frozen
class Problem:
    """One thing wrong with a request.

    Attributes:
        field: the parameter, as in the documentation, with the way to nested ones (`dynamic_masks[0].trajectories`).
        message: what is wrong and what would be right.
        missing_file: whether the problem is a file that does not exist.
        by_map: whether only the capability map says so; `strict=False` turns these into warnings.
        only_warns: whether the service is known to accept it all the same: a warning, whatever `strict` is.
    """

    field: str
    message: str
    missing_file: bool = False
    by_map: bool = False
    only_warns: bool = False

    def __str__(self) -> str:
        """`field: message`."""
        return f"{self.field}: {self.message}"


class InvalidRequest(KlingError, ValueError):
    """The request breaks documented rules. Nothing was sent, nothing is paid.

    Attributes:
        problems: all of them, each with its field.
    """

    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "InvalidRequest":
        """The error for these problems, one line each."""
        lines = [str(problem) for problem in problems]
        text = lines[0] if len(lines) == 1 else f"{len(lines)} problems:" + "".join(f"\n  - {line}" for line in lines)
        kind = ImageFileMissing if any(problem.missing_file for problem in problems) else InvalidRequest
        return kind(text, problems=tuple(problems))


class ImageFileMissing(InvalidRequest, FileNotFoundError):
    """As `InvalidRequest`; at least one problem is an image file that does not exist."""


class InvalidReference(KlingError, ValueError):
    """Text that is no reference."""


class ConfigurationError(KlingError, ValueError):
    """The client cannot work with what it was given."""


class WrongEventLoop(KlingError, RuntimeError):
    """A client was used on another event loop than the one it first ran on."""


class ClientClosed(KlingError):
    """The client is closed; what it followed goes on at the service and can be attached elsewhere."""


class QueueTimeout(KlingError, TimeoutError):
    """`queue_deadline` passed before a slot came free. Nothing was sent, nothing is paid."""


class CapabilityWarning(UserWarning):
    """A combination passes that the documentation or the capability map says does not work."""


# --------------------------------------------------------------------------------------- the service answered


class ApiError(KlingError):
    """The service answered with an error; the text is its own."""


class AuthenticationError(ApiError):
    """The credentials were refused (codes 1000 to 1002)."""


class TokenTimeError(AuthenticationError):
    """The token is not valid yet or no more (1003, 1004), also after it was renewed."""


class AccountError(ApiError):
    """The account is in an abnormal state (1100)."""


class InsufficientBalance(AccountError):
    """The account is in arrears or its resource pack is used up (1101, 1102). Never retried by itself."""


class PermissionRefused(ApiError):
    """No right to this model or from this address (1103, 1304)."""


class RequestRefused(ApiError):
    """The service refused the parameters (1200 to 1203 and other 4xx)."""


class ExternalTaskIdConflict(RequestRefused):
    """The external_task_id belongs to another, older task, which `reference` names.

    Attributes:
        task: that task.
    """

    task: Task


class ContentRefused(ApiError):
    """Refused by the platform's policy or content safety (1300, 1301)."""


class RateLimited(ApiError):
    """Too many requests (1302)."""


class ConcurrencyExceeded(ApiError):
    """More tasks at once than the account's resource pack allows (1303)."""


class ServerError(ApiError):
    """The service failed (5000 to 5002, and any 5xx)."""


class BadResponse(KlingError):
    """An answer that cannot be understood."""


class UnknownStatus(BadResponse):
    """A status word that is not documented."""


class ConnectionFailed(KlingError, ConnectionError):
    """No answer came.

    Attributes:
        sent: False if the request surely never reached the service.
        permanent: True if trying again cannot help: the certificate, the address or the proxy has to be changed.
    """

    sent: bool = True
    permanent: bool = False


class RequestTimeout(ConnectionFailed, TimeoutError):
    """No answer came in time."""


# ---------------------------------------------------------------------------------------------- about a task


class TaskError(KlingError):
    """About a task that exists or may exist; `reference` names it."""


class TaskFailed(TaskError):
    """The service ended the task without a video.

    Attributes:
        task: the task; `task.status_msg` is the service's reason.
    """

    task: Task


class TaskNotFound(TaskError):
    """The service does not know the reference."""


class TaskTimeout(TaskError, TimeoutError):
    """The deadline passed before the task ended. It means unknown, not failed: the task goes on and is billed."""


class CreateInDoubt(TaskError):
    """The answer to the create call was lost and could not be found out: the task may exist and be billed.

    `reference` holds the external_task_id; `attach(reference)` finds the task if it exists.
    """


# ------------------------------------------------------------------------------------------------ the file


class DownloadError(KlingError):
    """The video could not be fetched whole. What came is kept; saving again goes on from there."""


class TargetError(DownloadError, OSError):
    """The place to save to cannot be used."""


class TargetExists(TargetError, FileExistsError):
    """There is a file already; `overwrite=True` replaces it."""


class SaveInProgress(DownloadError):
    """Another save, of this process or another one, writes to the same file."""


# ------------------------------------------------------------------------------------------- the code table


class CodeRow(NamedTuple):
    """One row of the documentation's error table.

    Attributes:
        error: the class raised.
        hint: what to do, added to the service's own text.
        transient: whether the same read may succeed when sent again.
        renew_token: whether a fresh token may cure it, once.
        in_doubt: whether a create that was answered so may have made a task.
    """

    error: type[ApiError]
    hint: str = ""
    transient: bool = False
    renew_token: bool = False
    in_doubt: bool = False


_REGION_HINT = (
    "check the key; keys are regional: one made in China works on https://api-beijing.klingai.com only, others on "
    "https://api-singapore.klingai.com only (base_url or KLING_BASE_URL)"
)
_CLOCK_HINT = "set this machine's clock right (the token is valid from and until a time)"

CODES: dict[int, CodeRow] = {
    1000: CodeRow(AuthenticationError, _REGION_HINT),
    1001: CodeRow(AuthenticationError, _REGION_HINT),
    1002: CodeRow(AuthenticationError, _REGION_HINT),
    1003: CodeRow(TokenTimeError, _CLOCK_HINT, renew_token=True),
    1004: CodeRow(TokenTimeError, _CLOCK_HINT, renew_token=True),
    1100: CodeRow(AccountError, "look at the account in the console"),
    1101: CodeRow(InsufficientBalance, "the account is in arrears: pay in the console, then submit again"),
    1102: CodeRow(InsufficientBalance, "the resource pack is used up or expired: buy one, then submit again"),
    1103: CodeRow(PermissionRefused, "the account has no right to this API or model"),
    1200: CodeRow(RequestRefused),
    1201: CodeRow(RequestRefused),
    1202: CodeRow(RequestRefused, "the address does not know this method; check base_url"),
    1203: CodeRow(RequestRefused, "no such resource; check model_name and base_url"),
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


ACCOUNT_CODES: frozenset[int] = frozenset({1100, 1101, 1102, 1304})
"""Refusals of the account, not of the request: whoever sends next gets the same."""

_UNKNOWN = CodeRow(ApiError, in_doubt=True)
_BY_STATUS: dict[int, CodeRow] = {
    401: CODES[1002],
    403: CODES[1103],
    404: CODES[1203],
    408: CodeRow(ServerError, transient=True, in_doubt=True),
    429: CODES[1302],
}


def row_for(http_status: int, code: int | None) -> CodeRow:
    """The row that an answer belongs to: by its code where that is known, else by its HTTP status."""
    if code is not None and code in CODES:
        return CODES[code]
    if http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    if http_status >= 500:  # gateways answer without a code
        return CODES[5000]
    if 300 <= http_status < 500:
        return CODES[1200]
    return _UNKNOWN  # a code that is not documented, under a status that says nothing
