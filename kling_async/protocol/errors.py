"""Every error that this package raises, in one tree; `error_codes` has the table of the service's codes.

KlingError
├── InvalidRequest (ValueError)            refused by this package; nothing was sent
│   └── MediaFileMissing (FileNotFoundError)
│       └── ImageFileMissing               the missing file is a picture
├── InvalidReference (ValueError)          not of the form `<endpoint>:<id>`
├── ConfigurationError (ValueError)        unusable credentials, address or settings
├── BatchError                             the jobs of a batch cannot be read; nothing was sent
├── FleetError                             the database of a fleet cannot be used
├── KeyConflict                            the key belongs to another request
├── BudgetExceeded                         not enough is left of the budget; nothing was sent
├── JournalError                           the journal cannot be read or written; nothing was sent
│   └── LeaseLost                          the client did not renew its lease in time; nothing was sent
├── WrongEventLoop (RuntimeError)          a client belongs to the event loop it first ran on
├── ClientClosed                           the client was closed while a caller waited
├── QueueTimeout (TimeoutError)            no slot became free in time; nothing was created
├── ApiError                               the service answered with an error
│   ├── AuthenticationError                1000, 1001, 1002
│   │   └── TokenTimeError                 1003, 1004: the clocks disagree
│   ├── AccountError                       1100
│   │   └── InsufficientBalance            1101, 1102
│   ├── PermissionRefused                  1103, 1304
│   ├── RequestRefused                     1200, 1201, 1202, 1203
│   │   ├── ExternalTaskIdConflict         the id belongs to another task
│   │   └── ModelRetired                   1203: the model or the path was retired
│   ├── ContentRefused                     1300, 1301
│   ├── RateLimited                        1302
│   ├── ConcurrencyExceeded                1303
│   └── ServerError                        5000, 5001, 5002
├── BadResponse                            the answer is not the service's, or cannot be parsed
│   ├── UnknownStatus                      an undocumented task status
│   ├── UnexpectedAnswer                   success, but without the expected data
│   └── NotTheService                      nothing at base_url has ever answered like the service
├── ConnectionFailed (ConnectionError)     no answer
│   └── RequestTimeout (TimeoutError)      no answer in time
├── TaskError                              about a task that exists, or may exist
│   ├── TaskFailed                         the service could not make the result
│   ├── TaskNotFound                       the service has no task with this reference
│   ├── TaskTimeout (TimeoutError)         not finished by the deadline: unknown, not failed
│   └── CreateInDoubt (InDoubt)            the task may exist and be billed; look it up by the reference
├── InDoubt                                may have been done and billed
│   └── CallInDoubt                        a call without a task: its answer was lost; it cannot be looked up
└── DownloadError                          the result exists, but its file is incomplete
    ├── TargetError (OSError)              the path to save to cannot be used
    │   └── TargetExists (FileExistsError)
    └── SaveInProgress                     another save writes to the same file
"""

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

import attrs

from kling_async.protocol.estimate import Estimate
from kling_async.protocol.tasks import Task

if TYPE_CHECKING:  # it takes time to import
    from decimal import Decimal


class Remedy(enum.Enum):
    """What to do about an error, as data: programs can branch on it, and the shell command words it for its options.

    The values use the names of the Python API. Advice that is the same everywhere is part of the message instead.
    """

    ADOPT = "attach(reference) follows that one, if_exists='adopt' takes it as the result, another id makes a new video"
    ATTACH = "attach(reference) goes on with it"
    BASE_URL = "base_url or KLING_BASE_URL sets the address"
    CREDENTIALS = (
        "set KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY, or pass api_key=...; keys are made in the "
        "developer console. Without a key, `kling-async generate IMAGE -o FILE --emulator` runs on a local emulator"
    )
    FIND = "attach(reference) finds the task if it exists; submit again only with the same external_task_id"
    LIST = "`async for task in client.tasks(error.endpoint)` goes through them"
    OVERWRITE = "overwrite=True replaces it"
    SAVE_WATERMARK = "watermark=True saves it"
    WAIT_LONGER = "attach(reference) waits on; polling.deadline says how long"
    WATERMARK = "ask for one with watermark_info={'enabled': True}"


Words = Mapping[Remedy, str]
"""The text of each remedy for a surface other than Python; empty where that surface gives its own advice."""


class KlingError(Exception):
    """The base class: `except KlingError` catches every error that this package raises itself.

    What to do: follow the message; `remedy` is the same advice for programs.

    Attributes:
        message: what happened.
        remedy: what to do next; None if there is no named remedy.
        code: the service's error code; None if the answer had none.
        http_status: the HTTP status of the answer; None if there was no answer.
        request_id: the service's id of the request, for its support.
        reference: the task that the error is about, as text for `KlingClient.attach`.
    """

    message: str = ""
    remedy: Remedy | None = None
    code: int | None = None
    http_status: int | None = None
    request_id: str | None = None
    reference: str | None = None

    def __init__(
        self,
        message: str,
        *,
        remedy: Remedy | None = None,
        code: int | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        reference: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code
        self.http_status = http_status
        self.request_id = request_id
        self.reference = reference
        vars(self).update(more)

    def __str__(self) -> str:
        """The message and the remedy, then the ids."""
        ids = {"code": self.code, "HTTP": self.http_status, "request_id": self.request_id, "reference": self.reference}
        known = ", ".join(f"{name} {value}" for name, value in ids.items() if value is not None)
        return f"{self.explained()} ({known})" if known else self.explained()

    def explained(self, words: Words | None = None) -> str:
        """The message and the remedy, without ids.

        Args:
            words: the text of each remedy; None for that of the Python API.
        """
        remedy = self.remedy and (self.remedy.value if words is None else words[self.remedy])
        return f"{self.message}; {remedy}" if remedy else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles all attributes, so that errors can be sent between processes."""
        return _revive, (type(self), self.message, dict(vars(self)))

    def about(self, reference: str) -> Self:
        """Sets the reference of the task that the error is about, unless one is set already."""
        if self.reference is None:
            self.reference = reference
        return self


def _revive(cls: type[KlingError], message: str, attributes: dict[str, Any]) -> KlingError:
    error = cls(message)
    vars(error).update(attributes)
    return error


# ------------------------------------------------------------------------------------ before anything is sent


class CapabilityWarning(UserWarning):
    """A request is sent although the documentation or the capability map says that it does not work."""


class RetiredModelWarning(CapabilityWarning):
    """A request is sent for a model that this version of the package lists as retired."""


@attrs.frozen
class Problem:
    """One thing that is wrong with a request.

    Attributes:
        field: name of the parameter as documented, with the path to nested ones (`dynamic_masks[0].trajectories`).
        message: what is wrong, and what is expected.
        missing_file: kind of the file that does not exist; None for any other problem.
        by_map: whether only the capability map forbids it; `strict=False` turns such problems into warnings.
        only_warns: whether it is a warning whatever `strict` is.
        warning: class of the warning, if it is one.
    """

    field: str
    message: str
    missing_file: Literal["image", "sound"] | None = None
    by_map: bool = False
    only_warns: bool = False
    warning: type[CapabilityWarning] = CapabilityWarning

    @property
    def comes_with_time(self) -> bool:
        """Whether a request that was valid once can have this problem later: files are deleted, the map changes."""
        return self.missing_file is not None or self.by_map or self.only_warns

    def __str__(self) -> str:
        """`field: message`."""
        return f"{self.field}: {self.message}"


class InvalidRequest(KlingError, ValueError):
    """The request breaks documented rules. Nothing was sent or billed.

    What to do: correct the parameters that `problems` name.

    Attributes:
        problems: everything that is wrong with the request.
    """

    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "InvalidRequest":
        """The error for these problems, one line each."""
        lines = [str(problem) for problem in problems]
        text = lines[0] if len(lines) == 1 else f"{len(lines)} problems:" + "".join(f"\n  - {line}" for line in lines)
        missing = {problem.missing_file for problem in problems} - {None}
        kind = ImageFileMissing if "image" in missing else MediaFileMissing if missing else InvalidRequest
        return kind(text, problems=tuple(problems))


class MediaFileMissing(InvalidRequest, FileNotFoundError):
    """An `InvalidRequest` of which at least one problem is a file that does not exist.

    What to do: give a path that exists; relative paths start at the current directory of the process.
    """


class ImageFileMissing(MediaFileMissing):
    """A `MediaFileMissing` of which at least one missing file is a picture.

    What to do: give a path that exists; relative paths start at the current directory of the process.
    """


class InvalidReference(KlingError, ValueError):
    """The text is not a reference.

    What to do: pass a `reference` of a handle, a task or an error: `<endpoint>:<id>`.
    """


class ConfigurationError(KlingError, ValueError):
    """A setting, a credential or an argument cannot be used. Nothing was sent.

    What to do: follow the message.
    """


class BatchError(KlingError):
    """The jobs of a batch cannot be read at all. Nothing was sent.

    What to do: correct the jobs as the message says.
    """


class FleetError(KlingError):
    """The database of a fleet cannot be used, or has no such fleet, queue or job.

    What to do: follow the message. Each submission is stored completely or not at all; repeat it if in doubt: nothing
    is submitted twice.
    """


@attrs.frozen
class Difference:
    """One difference between two requests with the same key.

    Attributes:
        member: name of the request's member.
        journal: its value in the journal, shortened; `(absent)` if there is none.
        given: its value in the new request, likewise.
    """

    member: str
    journal: str
    given: str

    def __str__(self) -> str:
        """Both values, as the error shows them."""
        return f"{self.member}: {self.journal} in the journal, {self.given} now"


class KeyConflict(KlingError):
    """The key belongs to another request. Nothing was sent; `reference` is that of the task in the journal.

    What to do: submit the same request under this key, or use another key.

    Attributes:
        differences: how the two requests differ.
    """

    differences: tuple[Difference, ...]


class BudgetExceeded(KlingError):
    """Not enough is left of the budget. Nothing was sent or billed.

    What to do: wait until the work behind `reserved` ends, or raise the budget's limit.

    Attributes:
        left: the amount that can still be reserved, in the budget's unit.
        reserved: the amount reserved for work that is under way or in doubt.
        asked: the amount that the request needs.
    """

    left: "Decimal"
    reserved: "Decimal"
    asked: "Decimal"


class JournalError(KlingError):
    """The journal cannot be opened, read or written. The request, which would have been billed, was not sent.

    What to do: check the disk and the permissions, then submit the same key again: it continues the work.
    """


class LeaseLost(JournalError):
    """The client's lease expired before it could reach its journal: other clients may take over. Nothing was sent.

    Its process was suspended, or cut off from the database. The client still follows its tasks, but starts no new work.

    What to do: close the client and make another one, then submit the same key again: it continues the work.
    """


class WrongEventLoop(KlingError, RuntimeError):
    """A client was used on another event loop than the one it first ran on.

    What to do: make a client for each loop; `attach(handle.reference)` with the client of this loop.
    """


class ClientClosed(KlingError):
    """The client is closed; its tasks continue at the service, and another client can attach to them.

    What to do: `attach(reference)` with another client.
    """


class QueueTimeout(KlingError, TimeoutError):
    """`queue_deadline` passed before a slot became free. Nothing was created or billed.

    What to do: submit again later, or with a longer `queue_deadline`.
    """


# --------------------------------------------------------------------------------------- the service answered


class ApiError(KlingError):
    """The service answered with an error; the message contains its text.

    What to do: read the service's text; give its support the `request_id`.
    """


class AuthenticationError(ApiError):
    """The credentials were refused (codes 1000 to 1002).

    What to do: check the keys, and that `base_url` belongs to the region in which they were made; `kling-async doctor`
    checks both.
    """


class TokenTimeError(AuthenticationError):
    """The token is not valid yet or has expired (1003, 1004), even after it was renewed.

    What to do: correct this machine's clock.
    """


class AccountError(ApiError):
    """The account is in an abnormal state (1100).

    What to do: check the account in the console.
    """


class InsufficientBalance(AccountError):
    """The account is in arrears, or its resource pack is used up (1101, 1102). Never retried automatically.

    What to do: pay or buy a pack in the console, then submit again.
    """


class PermissionRefused(ApiError):
    """The account has no access to this API or model, or not from this IP address (1103, 1304).

    What to do: in the console, request access or add this machine's address to the account's whitelist.
    """


class RequestRefused(ApiError):
    """The service refused the parameters (1200 to 1203).

    What to do: change the parameters that the service's text names.
    """


class ExternalTaskIdConflict(RequestRefused):
    """The external_task_id belongs to an older task, which `reference` names.

    What to do: `attach(reference)`, or submit with `if_exists="adopt"`; a different id makes a new task.

    Attributes:
        task: the older task.
    """

    task: Task


class ModelRetired(RequestRefused):
    """The service has retired the model, or the whole path. Nothing was created.

    The message names a replacement, if one is known.

    What to do: use the model that the message names; `current.from_legacy` converts requests to the current generation.
    """


class ContentRefused(ApiError):
    """The platform's policy or its content safety refused the request (1300, 1301).

    What to do: change the picture or the prompt.
    """


class RateLimited(ApiError):
    """Too many requests (1302).

    What to do: submit again later. The client has retried for `Retry.budget` seconds, so other processes use up the
    account's rate limit.
    """


class ConcurrencyExceeded(ApiError):
    """More tasks at once than the account's resource pack allows (1303).

    What to do: submit again later. The client waits for free slots, so other processes hold all slots of the account.
    """


class ServerError(ApiError):
    """The service failed (5000 to 5002).

    What to do: try again later. After such an answer to a create, the client looks the task up, and raises
    `CreateInDoubt` if it cannot find out whether the task exists.
    """


class BadResponse(KlingError):
    """The answer is not the service's, or cannot be parsed: it proves nothing about a task.

    Gateways, proxies and login pages send such answers, with any HTTP status. `code` is the code in the answer, if any.

    What to do: try again; if it persists, check the proxies and gateways between this machine and the service.

    Attributes:
        foreign: whether the answer is not even in the service's envelope.
    """

    foreign: bool = False


class UnknownStatus(BadResponse):
    """The task has an undocumented status.

    What to do: `attach(reference)` later, or with a newer version of this package.
    """


class UnexpectedAnswer(BadResponse):
    """The service reported success, but without the expected data. The request is not repeated, and may be billed.

    Either the answer to a `RawTask` names no task: the path may not make tasks, and `RawCall` is for such paths. Or
    the answer to a call that makes no task cannot be parsed.

    What to do: read `data` before you send the request again.

    Attributes:
        data: the `data` of the answer.
    """

    data: Any = None


class NotTheService(BadResponse):
    """Nothing at `base_url` has ever answered like the service: the address is wrong, or a proxy answers instead.

    Raised by calls that only read. A create that may have arrived there raises `CreateInDoubt`.

    What to do: set `base_url` or `KLING_BASE_URL`; `kling-async doctor` shows what answers there.
    """


class ConnectionFailed(KlingError, ConnectionError):
    """The service did not answer.

    What to do: try again; if `permanent`, change the certificate, the address or the proxy first.

    Attributes:
        sent: False if the request certainly never reached the service.
        permanent: True if a retry cannot help: the certificate, the address or the proxy has to be changed.
    """

    sent: bool = True
    permanent: bool = False


class RequestTimeout(ConnectionFailed, TimeoutError):
    """The service did not answer in time.

    What to do: try again.
    """


# ---------------------------------------------------------------------------------------------- about a task


class TaskError(KlingError):
    """An error about a task that exists or may exist; `reference` names it.

    What to do: continue with `attach(reference)`.
    """


class TaskFailed(TaskError):
    """The service ended the task without a result.

    What to do: change the request and submit it again; under the same key, with `again="failed"`.

    Attributes:
        task: the task; `task.status_msg` is the service's reason.
    """

    task: Task


class TaskNotFound(TaskError):
    """The service has no task with this reference.

    What to do: check the reference, and that the credentials belong to the account that made the task.
    """


class TaskTimeout(TaskError, TimeoutError):
    """The deadline passed before the task ended. Its outcome is unknown: the task continues, and is billed.

    What to do: `attach(reference)` continues to wait.
    """


class InDoubt(KlingError):
    """The answer to a request that costs money was lost: the request may have been carried out and billed.

    What to do: check before you pay for it again.
    """


class CreateInDoubt(TaskError, InDoubt):
    """The answer to the create was lost, and looking the task up was inconclusive: it may exist and be billed.

    `reference` contains the external_task_id; `attach(reference)` finds the task if it exists. It is None if the
    service cannot look up tasks of this kind by that id: then only the account's list of tasks shows whether the task
    exists, and `async for task in client.tasks(error.endpoint)` iterates over it.

    What to do: `attach(reference)`; without a reference, check the account's list before you submit again.

    Attributes:
        endpoint: name of the endpoint.
        sent_at: when it was first sent (UTC), by the service's clock as far as that is known; the task's `created_at`
            is about this time, or later.
        candidates: references of tasks without an external id that were made since. If the path drops external ids, one
            of them may be this task, and `attach` finds it only by that reference.
    """

    endpoint: str
    sent_at: datetime
    candidates: tuple[str, ...] = ()


class CallInDoubt(InDoubt):
    """The answer to a billed call that makes no task was lost or could not be parsed: the call may be billed.

    The service offers no way to look up such a call, so it is not sent again.

    What to do: check the account's usage; a new call is billed again.

    Attributes:
        endpoint: name of the endpoint.
        sent_at: when it was sent (UTC), by this machine's clock.
        estimate: the price, if the call was carried out.
        data: the `data` of an answer that could not be parsed; None if there was no answer.
    """

    endpoint: str
    sent_at: datetime
    estimate: Estimate
    data: Any = None


# ------------------------------------------------------------------------------------------------ the file


class DownloadError(KlingError):
    """The file could not be downloaded completely. The received part is kept, and the next save continues it.

    What to do: save again; it resumes the download and costs nothing.
    """


class TargetError(DownloadError, OSError):
    """The path to save to cannot be used.

    What to do: choose another path, or correct the permissions; then save again.
    """


class TargetExists(TargetError, FileExistsError):
    """The file exists already.

    What to do: choose another name, or pass `overwrite=True`.
    """


class SaveInProgress(DownloadError):
    """Another save, in this process or another, writes to the same file.

    What to do: wait for the other save, or choose another name.
    """
