"""Every error this package raises, in one tree; `error_codes` has the table of the service's codes.

KlingError
├── InvalidRequest (ValueError)            refused here, nothing was sent
│   └── MediaFileMissing (FileNotFoundError)
│       └── ImageFileMissing               the file of a picture
├── InvalidReference (ValueError)          no `<endpoint>:<id>`
├── ConfigurationError (ValueError)        credentials, address or numbers the client cannot work with
├── BatchError                             the jobs of a batch cannot be read; nothing was sent
├── FleetError                             the database of a fleet cannot be used
├── KeyConflict                            the key belongs to another request
├── BudgetExceeded                         the budget has not enough left; nothing was sent
├── JournalError                           the journal cannot be read or written; nothing was sent
│   └── LeaseLost                          the client was away from its journal for too long; nothing was sent
├── WrongEventLoop (RuntimeError)          a client belongs to the loop it first ran on
├── ClientClosed                           the client was closed while something waited
├── QueueTimeout (TimeoutError)            no slot came free in time; nothing was created
├── ApiError                               the service answered no
│   ├── AuthenticationError                1000, 1001, 1002
│   │   └── TokenTimeError                 1003, 1004: the clocks disagree
│   ├── AccountError                       1100
│   │   └── InsufficientBalance            1101, 1102
│   ├── PermissionRefused                  1103, 1304
│   ├── RequestRefused                     1200, 1201, 1202, 1203
│   │   ├── ExternalTaskIdConflict         the id belongs to another task
│   │   └── ModelRetired                   1203: the model or the path is no more
│   ├── ContentRefused                     1300, 1301
│   ├── RateLimited                        1302
│   ├── ConcurrencyExceeded                1303
│   └── ServerError                        5000, 5001, 5002
├── BadResponse                            an answer that is not the service's, or cannot be understood
│   ├── UnknownStatus                      a status word that is not documented
│   ├── UnexpectedAnswer                   success, without what was asked for
│   └── NotTheService                      base_url leads to something that has never answered as the service does
├── ConnectionFailed (ConnectionError)     no answer
│   └── RequestTimeout (TimeoutError)      none in time
├── TaskError                              about a task that exists, or may
│   ├── TaskFailed                         the service could not make the result
│   ├── TaskNotFound                       the service does not know the reference
│   ├── TaskTimeout (TimeoutError)         not finished by the deadline: unknown, not failed
│   └── CreateInDoubt (InDoubt)            may be paid for; the reference finds out
├── InDoubt                                may be paid for, whatever it was
│   └── CallInDoubt                        a call without a task: its answer was lost, and nothing finds it
└── DownloadError                          the result is made, the file is not whole
    ├── TargetError (OSError)              the place to save to cannot be used
    │   └── TargetExists (FileExistsError)
    └── SaveInProgress                     another save writes to the same place
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
    """What helps, as data: programs decide by it, and the shell command says it with its own options.

    The values say it with this package's names. What is said alike everywhere stands in the message.
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
"""How another surface than Python says each remedy; empty where it says that in its own way."""


class KlingError(Exception):
    """The root: `except KlingError` catches all that this package raises by itself.

    What to do: what the message says; `remedy` says it for programs.

    Attributes:
        message: what happened.
        remedy: what to do next, where that has a name.
        code: the service's business code, where it gave one.
        http_status: the HTTP status, where there was an answer.
        request_id: the service's id of the request, for its support.
        reference: the task this is about, as text for `KlingClient.attach`.
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
        """The message and the remedy, then the ids needed to go on."""
        ids = {"code": self.code, "HTTP": self.http_status, "request_id": self.request_id, "reference": self.reference}
        known = ", ".join(f"{name} {value}" for name, value in ids.items() if value is not None)
        return f"{self.explained()} ({known})" if known else self.explained()

    def explained(self, words: Words | None = None) -> str:
        """The message and the remedy, without ids.

        Args:
            words: how to say the remedy; else with this package's names.
        """
        remedy = self.remedy and (self.remedy.value if words is None else words[self.remedy])
        return f"{self.message}; {remedy}" if remedy else self.message

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


class CapabilityWarning(UserWarning):
    """A combination passes that the documentation or the capability map says does not work."""


class RetiredModelWarning(CapabilityWarning):
    """A request is sent for a model that the service has retired, as far as is known here."""


@attrs.frozen
class Problem:
    """One thing wrong with a request.

    Attributes:
        field: the parameter, as in the documentation, with the way to nested ones (`dynamic_masks[0].trajectories`).
        message: what is wrong and what would be right.
        missing_file: kind of the file that does not exist; None where the problem is another one.
        by_map: whether only the capability map says so; `strict=False` turns these into warnings.
        only_warns: whether it refuses nothing and is a warning, whatever `strict` is.
        warning: of which class, where it is one.
    """

    field: str
    message: str
    missing_file: Literal["image", "sound"] | None = None
    by_map: bool = False
    only_warns: bool = False
    warning: type[CapabilityWarning] = CapabilityWarning

    @property
    def comes_with_time(self) -> bool:
        """Whether what was sent without a problem can have this one later: files are deleted, the map changes."""
        return self.missing_file is not None or self.by_map or self.only_warns

    def __str__(self) -> str:
        """`field: message`."""
        return f"{self.field}: {self.message}"


class InvalidRequest(KlingError, ValueError):
    """The request breaks documented rules. Nothing was sent, nothing is paid.

    What to do: mend what `problems` name.

    Attributes:
        problems: all of them, each with its field.
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
    """As `InvalidRequest`; at least one problem is a file that does not exist.

    What to do: give a path that exists; a relative one begins where the process runs.
    """


class ImageFileMissing(MediaFileMissing):
    """As `MediaFileMissing`; at least one of the files is that of a picture.

    What to do: give a path that exists; a relative one begins where the process runs.
    """


class InvalidReference(KlingError, ValueError):
    """Text that is no reference.

    What to do: pass what `handle.reference`, `task.reference` or an error has: `<endpoint>:<id>`.
    """


class ConfigurationError(KlingError, ValueError):
    """The client cannot work with what it was given.

    What to do: what the message says; nothing was sent.
    """


class BatchError(KlingError):
    """The jobs of a batch cannot be read at all. Nothing was sent.

    What to do: mend the jobs as the message says.
    """


class FleetError(KlingError):
    """The database of a fleet cannot be used, or has no such fleet, queue or job.

    What to do: what the message says. What was submitted in one step is there as a whole or not at all; the same again
    finds out, and submits nothing twice.
    """


@attrs.frozen
class Difference:
    """In what two requests under one key differ.

    Attributes:
        member: of the request.
        journal: its value in the journal, shortened; `(absent)` where there is none.
        given: its value now, likewise.
    """

    member: str
    journal: str
    given: str

    def __str__(self) -> str:
        """Both, as the error shows them."""
        return f"{self.member}: {self.journal} in the journal, {self.given} now"


class KeyConflict(KlingError):
    """The key belongs to another request. Nothing was sent; `reference` is that of the work in the journal.

    What to do: give the same request under this key, or another key.

    Attributes:
        differences: in what they differ.
    """

    differences: tuple[Difference, ...]


class BudgetExceeded(KlingError):
    """The budget has not enough left. Nothing was sent, nothing is paid.

    What to do: wait until what is `reserved` ends, or give the budget a higher limit.

    Attributes:
        left: what can still be reserved, in what the budget counts.
        reserved: for what is under way or in doubt.
        asked: what the request needs.
    """

    left: "Decimal"
    reserved: "Decimal"
    asked: "Decimal"


class JournalError(KlingError):
    """The journal cannot be opened, read or written. What would have been paid for was not sent.

    What to do: see to the disk, or to who may write there; the same key again goes on.
    """


class LeaseLost(JournalError):
    """A client did not reach its journal for as long as its lease: others may go on with its work. Nothing was sent.

    Its process was stopped, or cut off from the database. It still follows what it has, but begins nothing any more.

    What to do: close it and make another one; the same key again goes on.
    """


class WrongEventLoop(KlingError, RuntimeError):
    """A client was used on another event loop than the one it first ran on.

    What to do: make a client for each loop; `attach(handle.reference)` on that of this loop.
    """


class ClientClosed(KlingError):
    """The client is closed; what it followed goes on at the service and can be attached elsewhere.

    What to do: `attach(reference)` with another client.
    """


class QueueTimeout(KlingError, TimeoutError):
    """`queue_deadline` passed before a slot came free. Nothing was created, nothing is paid.

    What to do: submit again later, or with a longer `queue_deadline`.
    """


# --------------------------------------------------------------------------------------- the service answered


class ApiError(KlingError):
    """The service answered with an error; the text is its own.

    What to do: read the service's text; its support asks for `request_id`.
    """


class AuthenticationError(ApiError):
    """The credentials were refused (codes 1000 to 1002).

    What to do: check the keys, and that `base_url` is of the region that they were made in; `kling-async doctor`
    tells.
    """


class TokenTimeError(AuthenticationError):
    """The token is not valid yet or no more (1003, 1004), also after it was renewed.

    What to do: set this machine's clock right.
    """


class AccountError(ApiError):
    """The account is in an abnormal state (1100).

    What to do: look at the account in the console.
    """


class InsufficientBalance(AccountError):
    """The account is in arrears or its resource pack is used up (1101, 1102). Never retried by itself.

    What to do: pay or buy a pack in the console, then submit again.
    """


class PermissionRefused(ApiError):
    """No right to this model or from this address (1103, 1304).

    What to do: ask for the right, or put this machine's address on the account's whitelist, in the console.
    """


class RequestRefused(ApiError):
    """The service refused the parameters (1200 to 1203).

    What to do: change what the service's text names.
    """


class ExternalTaskIdConflict(RequestRefused):
    """The external_task_id belongs to another, older task, which `reference` names.

    What to do: `attach(reference)`, or submit with `if_exists="adopt"`; another id makes another task.

    Attributes:
        task: that task.
    """

    task: Task


class ModelRetired(RequestRefused):
    """The service says that it has retired the model, or the whole path. Nothing was created.

    The message names the model to take in its place, where one is known.

    What to do: take the model that the message names; `current.from_legacy` is the way to the current generation.
    """


class ContentRefused(ApiError):
    """Refused by the platform's policy or content safety (1300, 1301).

    What to do: change the picture or the prompt.
    """


class RateLimited(ApiError):
    """Too many requests (1302).

    What to do: submit again later; it was repeated for `Retry.budget` seconds, so others use up what the account
    may ask.
    """


class ConcurrencyExceeded(ApiError):
    """More tasks at once than the account's resource pack allows (1303).

    What to do: submit again later; the client waits for slots by itself, so others hold all that the account has.
    """


class ServerError(ApiError):
    """The service failed (5000 to 5002).

    What to do: try again later. A create that is answered so is looked up, and is `CreateInDoubt` where that tells
    nothing.
    """


class BadResponse(KlingError):
    """An answer that is not the service's, or cannot be understood: it says nothing about a task.

    Gateways, proxies and login pages answer so, whatever the HTTP status. `code` is what such an answer carried.

    What to do: try again; where it stays, see what stands between this machine and the service.

    Attributes:
        foreign: whether it is not even the service's envelope.
    """

    foreign: bool = False


class UnknownStatus(BadResponse):
    """A status word that is not documented.

    What to do: `attach(reference)` later, or with a newer version of this package.
    """


class UnexpectedAnswer(BadResponse):
    """The service answered with success, but without what was asked for; it is not sent again, and may be billed.

    The answer to a `RawTask` names no task: the path may make none, and `RawCall` is for paths that answer at once. Or
    the answer to a call that makes no task cannot be read.

    What to do: read `data` before you send it again.

    Attributes:
        data: of the answer.
    """

    data: Any = None


class NotTheService(BadResponse):
    """What answers at `base_url` has never answered as the service does: a wrong address, or something in between.

    Raised by calls that only read. A create that may have arrived there is `CreateInDoubt`.

    What to do: set `base_url` or `KLING_BASE_URL`; `kling-async doctor` says what answers there.
    """


class ConnectionFailed(KlingError, ConnectionError):
    """No answer came.

    What to do: try again; where `permanent`, change the certificate, the address or the proxy first.

    Attributes:
        sent: False if the request surely never reached the service.
        permanent: True if trying again cannot help: the certificate, the address or the proxy has to be changed.
    """

    sent: bool = True
    permanent: bool = False


class RequestTimeout(ConnectionFailed, TimeoutError):
    """No answer came in time.

    What to do: try again.
    """


# ---------------------------------------------------------------------------------------------- about a task


class TaskError(KlingError):
    """About a task that exists or may exist; `reference` names it.

    What to do: go on with `attach(reference)`.
    """


class TaskFailed(TaskError):
    """The service ended the task without a video.

    What to do: change the request and submit it anew; under the same key with `again="failed"`.

    Attributes:
        task: the task; `task.status_msg` is the service's reason.
    """

    task: Task


class TaskNotFound(TaskError):
    """The service does not know the reference.

    What to do: check the reference, and that the credentials are of the account that made the task.
    """


class TaskTimeout(TaskError, TimeoutError):
    """The deadline passed before the task ended. It means unknown, not failed: the task goes on and is billed.

    What to do: `attach(reference)` waits on.
    """


class InDoubt(KlingError):
    """The answer to something that costs money was lost: it may have been done, and be billed.

    What to do: find out before you pay for it again.
    """


class CreateInDoubt(TaskError, InDoubt):
    """The answer to the create call was lost and could not be found out: the task may exist and be billed.

    `reference` holds the external_task_id; `attach(reference)` finds the task if it exists. None where the service does
    not find tasks of this kind by that id: then only the account's list of tasks shows whether it exists, and
    `async for task in client.tasks(error.endpoint)` goes through it.

    What to do: `attach(reference)`; without one, look at the account's list before you submit it again.

    Attributes:
        endpoint: name of the endpoint.
        sent_at: when it was sent first (UTC), by the service's clock as far as that is known; `created_at` of the task
            is about that, or later.
        candidates: references of tasks without an external id that were made since. If the path drops ids, one of them
            may be it, and `attach` finds it by no other name.
    """

    endpoint: str
    sent_at: datetime
    candidates: tuple[str, ...] = ()


class CallInDoubt(InDoubt):
    """The answer to a call that charges and makes no task was lost, or could not be read: it may be billed.

    The service has nothing by which such a call could be found, so it is not sent again.

    What to do: look at the account's usage; call anew to pay for another one.

    Attributes:
        endpoint: name of what was called.
        sent_at: when it was sent (UTC), by this machine's clock.
        estimate: what it costs, if it was done.
        data: of the answer, where there was one that could not be read.
    """

    endpoint: str
    sent_at: datetime
    estimate: Estimate
    data: Any = None


# ------------------------------------------------------------------------------------------------ the file


class DownloadError(KlingError):
    """The file could not be fetched whole. What came is kept; saving again goes on from there.

    What to do: save again, which goes on and costs nothing.
    """


class TargetError(DownloadError, OSError):
    """The place to save to cannot be used.

    What to do: choose another place, or mend who may write there; then save again.
    """


class TargetExists(TargetError, FileExistsError):
    """There is a file already; `overwrite=True` replaces it.

    What to do: choose another name, or pass `overwrite=True`.
    """


class SaveInProgress(DownloadError):
    """Another save, of this process or another one, writes to the same file.

    What to do: wait for the other save, or choose another name.
    """
