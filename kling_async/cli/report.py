"""Messages of a command that failed or was interrupted, and how to go on, as text and JSON. Pure functions."""

import signal
from typing import Any, Final

import attrs

from kling_async.cli.exit_codes import Exit
from kling_async.cli.job import Job, Stage
from kling_async.cli.output import failure
from kling_async.cli.record_fields import in_options
from kling_async.protocol.errors import (
    ApiError,
    BatchError,
    ConfigurationError,
    ConnectionFailed,
    CreateInDoubt,
    DownloadError,
    ExternalTaskIdConflict,
    InDoubt,
    InvalidReference,
    InvalidRequest,
    KlingError,
    Remedy,
    TargetError,
    TaskError,
    TaskFailed,
    TaskNotFound,
    TaskTimeout,
    UnexpectedAnswer,
    Words,
)

SHELL_WORDS: Final[Words] = {
    Remedy.ADOPT: "--if-exists adopt takes it as the result, another --external-task-id makes a new one",
    Remedy.ATTACH: "",  # the message contains the command
    Remedy.BASE_URL: "--base-url or KLING_BASE_URL sets the address",
    Remedy.CREDENTIALS: (
        "set KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY; keys are made in the developer console. "
        "Without a key, `kling-async generate IMAGE -o FILE --emulator` runs on a local emulator"
    ),
    Remedy.FIND: "",  # the same
    Remedy.LIST: "`kling-async list` shows them",
    Remedy.OVERWRITE: "--overwrite replaces it",
    Remedy.SAVE_WATERMARK: "--watermark saves it",
    Remedy.WAIT_LONGER: "--deadline sets how long to wait",
    Remedy.WATERMARK: "--watermark makes one with the next task",
}
"""The remedies, in terms of the shell command."""


@attrs.frozen
class Ending:
    """The end of a command that failed or was interrupted.

    Attributes:
        code: exit code.
        text: for people.
        data: JSON data for programs.
    """

    code: Exit
    text: str
    data: dict[str, Any]


# ---------------------------------------------------------------------------------------------------- errors


def exit_for(error: KlingError, stage: Stage) -> Exit:
    """Returns the exit code of an error at this stage; a refusal counts as one only before acceptance."""
    begun = stage in {Stage.ACCEPTED, Stage.MADE, Stage.ANSWERED}
    match error:
        case InvalidRequest() | InvalidReference() | ConfigurationError() | BatchError():
            return Exit.USAGE
        case TargetError() if not begun:
            return Exit.USAGE
        case DownloadError():
            return Exit.UNSAVED
        case TaskFailed():
            return Exit.FAILED
        case TaskTimeout() | InDoubt() | UnexpectedAnswer() | ConnectionFailed():
            return Exit.UNKNOWN
        case _ if begun:
            return Exit.UNSAVED if stage is Stage.MADE else Exit.UNKNOWN
        case ApiError() | TaskNotFound():
            return Exit.REFUSED
        case _:
            return Exit.ERROR


def of_error(error: KlingError, job: Job) -> Ending:
    """Returns the end for an error, with the command that gets a result that was paid for."""
    code = exit_for(error, job.stage)
    message = error.explained(SHELL_WORDS)
    if isinstance(error, InvalidRequest):
        message = in_options(message, job.options)
        if all(problem.by_map for problem in error.problems):
            message += "\n--no-strict sends it all the same"
    if error.reference is not None and not job.emulated:
        job = attrs.evolve(job, reference=error.reference)
    may_exist = _may_exist(error, job.stage, code)
    command = _command(error, job) if may_exist and code is not Exit.USAGE else None
    ids = {"code": error.code, "HTTP": error.http_status, "request_id": error.request_id}
    lines = [f"error: {type(error).__name__}: {message}"]
    lines += _optional(", ".join(f"{name} {value}" for name, value in ids.items() if value is not None))
    reference = job.reference if may_exist else error.reference
    lines += _optional(reference, "reference: ")
    lines += _optional(command, _before_command(error))
    data = failure(
        code,
        type(error).__name__,
        message,
        code=error.code,
        http_status=error.http_status,
        request_id=error.request_id,
        reference=reference,
        save_command=command,
    )
    if isinstance(error, InvalidRequest):
        data["problems"] = [{"field": problem.field, "message": problem.message} for problem in error.problems]
    return Ending(code, "\n".join(lines), data)


def _command(error: KlingError, job: Job) -> str | None:
    """Returns the command that gets the result; None if it would only repeat what has just failed."""
    if isinstance(error, TaskFailed) or (job.stage is Stage.ATTACHED and isinstance(error, ApiError | TaskNotFound)):
        return None
    if error.remedy is Remedy.WATERMARK:
        job = attrs.evolve(job, watermark=False)
    return job.save_command(overwrite=error.remedy is Remedy.OVERWRITE)


def _may_exist(error: KlingError, stage: Stage, code: Exit) -> bool:
    """Whether the task may exist: the reference is made before the create, so it may name none."""
    if stage is Stage.UNSENT or (stage is Stage.CREATING and isinstance(error, ConnectionFailed) and not error.sent):
        return False
    begun = stage in {Stage.ACCEPTED, Stage.MADE}
    return begun or code is Exit.UNKNOWN or isinstance(error, TaskError | ExternalTaskIdConflict)


def exit_of(number: signal.Signals) -> Exit:
    """Returns the exit code after a signal."""
    return Exit.TERMINATED if number is signal.SIGTERM else Exit.INTERRUPTED


def of_stop(number: signal.Signals, job: Job) -> Ending:
    """Returns the end after a signal, with what continues at the service and is billed."""
    code = exit_of(number)
    command = job.save_command()
    reference = None if job.stage is Stage.UNSENT else job.reference
    message, before = _STOPPED[job.stage]
    message = job.goes_on or message
    if job.emulated:
        message = "the emulator ended, and its task with it; nothing was billed"
    lines = [f"interrupted: {message}", *_optional(reference, "reference: ")]
    if job.stage is not Stage.UNSENT:
        lines += _optional(command, before)
    data = failure(code, "Interrupted", message, reference=reference, save_command=command if reference else None)
    return Ending(code, "\n".join(lines), data)


def of_bug(error: BaseException, job: Job) -> Ending:
    """Returns the end after a bug, with the command that gets the result; the traceback is printed separately."""
    command = None if job.stage is Stage.UNSENT else job.save_command()
    message = f"this is a bug in kling-async: {type(error).__name__}: {error}"
    text = "\n".join([f"error: {message}", *_optional(command, "the result, if there is one: ")])
    reference = job.reference if command else None
    return Ending(
        Exit.ERROR, text, failure(Exit.ERROR, type(error).__name__, message, reference=reference, save_command=command)
    )


_STOPPED: Final = {
    Stage.UNSENT: ("nothing was sent, nothing is billed", ""),
    Stage.CREATING: (
        "it is not known whether the service has the task already; it may be billed",
        "look for it, and save it if it exists: ",
    ),
    Stage.CALLING: ("the answer was not waited for: the service may have done it, and bills nothing", ""),
    Stage.CHARGING: ("the service may have done it already, and may bill it", ""),
    Stage.ANSWERED: ("the service has done it, but what it made is not saved", ""),
    Stage.ATTACHED: ("this does not affect the task", "save it later: "),
    Stage.ACCEPTED: ("the task goes on at the service, and is billed", "save it later: "),
    Stage.MADE: ("the result is made, but not saved", "save it: "),
    Stage.WORKING: (
        (
            "ended at once; what was sent goes on at the service, and is billed; other workers take it over after the "
            "heartbeat"
        ),
        "",
    ),
}


def _before_command(error: KlingError) -> str:
    match error:
        case CreateInDoubt() | ConnectionFailed():
            return "look for it, and save it if it exists: "
        case _ if error.remedy is Remedy.WATERMARK:
            return "save what there is without it: "
        case DownloadError():
            return "save it: "
        case ApiError():
            return "the task that has the reference: "
        case _:
            return "go on: "


def _optional(value: str | None, before: str = "") -> list[str]:
    return [f"  {before}{value}"] if value else []
