"""Checks before anything is sent: options, references, and the problems of a request."""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Final, get_args

from kling_async.io.config import is_seconds
from kling_async.io.submission import Again, IfExists, OnDoubt, SubmitOptions
from kling_async.protocol.call import Call, CallEndpoint, CursorListEndpoint, ListEndpoint
from kling_async.protocol.catalog import all_calls, all_endpoints, call_endpoint_of, endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.errors import (
    ConfigurationError,
    InvalidReference,
    InvalidRequest,
    ModelRetired,
    Problem,
    RequestRefused,
)
from kling_async.protocol.reference import TASKS, Reference
from kling_async.protocol.tasks import TaskStatus
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.requests import HttpRequest

if TYPE_CHECKING:
    from kling_async.protocol.raw import RawCall

KEY_MAXIMUM: Final = 1000
"""Maximum length of a key, in characters."""

_DEFAULTS: Final[Mapping[str, object]] = {
    "strict": True,
    "if_exists": "raise",
    "on_doubt": "settle",
    "deadline": None,
    "queue_deadline": None,
    "key": None,
    "again": None,
    "save_to": None,
}
"""Defaults of the options of `KlingClient.submit`."""


def parse_reference(reference: str) -> Reference:
    """Parses a reference.

    Raises:
        InvalidReference: it is malformed, or its endpoint is unknown.
    """
    try:
        parsed = Reference.parse(reference)
    except ValueError as error:
        raise InvalidReference(str(error)) from None
    endpoint_of_reference(parsed)
    return parsed


def endpoint_of_reference(reference: Reference) -> Endpoint:
    """Returns the endpoint of a reference.

    Raises:
        InvalidReference: there is no such endpoint.
    """
    endpoint = endpoint_named(reference.endpoint)
    if endpoint is None:
        known = ", ".join(dict.fromkeys(each.name for each in all_endpoints()))
        raise InvalidReference(
            f"unknown endpoint {reference.endpoint!r}; known: {known}; raw:<path> is for any other path of the "
            "service, such as raw:/v1/general/new-route"
        )
    return endpoint


def endpoint_that_takes(request: object) -> Endpoint:
    """Returns the endpoint of a request.

    Raises:
        InvalidRequest: it is not a request, or is a call that makes no task.
    """
    endpoint = endpoint_of(request)
    if isinstance(request, Call):
        advice = "makes no task that could be saved; submit it, and await its value"
        raise InvalidRequest.of([Problem("request", f"a {type(request).__name__} {advice}")])
    if endpoint is None:
        raise _no_request(request)
    return endpoint


def check_call(request: object, options: SubmitOptions) -> None:
    """Refuses objects that are not calls, and options, which only tasks have.

    Raises:
        InvalidRequest: it is not a call.
        TypeError: options were given.
    """
    if not isinstance(request, Call):
        raise _no_request(request)
    given = [name for name, value in options.items() if value != _DEFAULTS[name]]
    if given:
        raise TypeError(f"a {type(request).__name__} makes no task and takes no options: {', '.join(given)}")


def call_endpoint_that_takes(request: object) -> CallEndpoint:
    """Returns the endpoint of a call.

    Raises:
        InvalidRequest: there is none.
    """
    endpoint = call_endpoint_of(request)
    if endpoint is None:
        raise _no_request(request)
    return endpoint


def list_endpoint_that_takes(request: object) -> ListEndpoint | CursorListEndpoint:
    """Returns the endpoint of a list.

    Raises:
        InvalidRequest: there is none.
    """
    endpoint = call_endpoint_of(request)
    if not isinstance(endpoint, ListEndpoint | CursorListEndpoint):
        raise _no_request(request)
    return endpoint


def raw_call(request: "RawCall") -> HttpRequest:
    """Returns the HTTP request of a raw call.

    Raises:
        InvalidRequest: the call has problems.
    """
    from kling_async.protocol.raw import problems_of_call  # noqa: PLC0415  (on first use: its rules take time)

    if problems := problems_of_call(request):
        raise InvalidRequest.of(problems)
    return requests.call(request.method, request.path, request.body)


def listed_endpoint(
    name: object, page_size: object, since: object = None, status: object = None
) -> tuple[Endpoint, TaskStatus | None]:
    """Returns the endpoint of a list, and the status to filter its tasks by, if any.

    Raises:
        InvalidRequest: no endpoint of this name has a list, the page size is out of range, or the list cannot be
            filtered by time or status.
    """
    endpoint = endpoint_named(name) if isinstance(name, str) else None
    if endpoint is None or not endpoint.lists:
        known = ", ".join(each.name for each in all_endpoints() if each.lists)
        raise InvalidRequest.of([Problem("endpoint", f"must be one of {known}, or raw:<path>")])
    if type(page_size) is not int or page_size not in range(1, endpoint.page_maximum + 1):
        raise InvalidRequest.of([Problem("page_size", f"must be from 1 to {endpoint.page_maximum}")])
    for field, value in (("since", since), ("status", status)):
        if value is not None and endpoint.generation is Generation.LEGACY:
            raise InvalidRequest.of([Problem(field, f"lists of the legacy generation have none; {TASKS!r} has")])
    if since is not None:
        check_moment(since)
    word = "succeed" if status == "succeeded" else status
    if word is not None and word not in set(TaskStatus):
        raise InvalidRequest.of([Problem("status", f"must be one of {', '.join(TaskStatus)}")])
    return endpoint, None if word is None else TaskStatus(str(word))


def check_moment(since: object) -> None:
    """Refuses values that are not aware datetimes.

    Raises:
        InvalidRequest: it is not a datetime, or has no time zone.
    """
    if not isinstance(since, datetime) or since.tzinfo is None:
        raise InvalidRequest.of([Problem("since", "must be a datetime with its zone, as datetime.now(UTC) has it")])


def check_options(options: SubmitOptions, request: object, *, journal: bool) -> None:
    """Refuses invalid options: a misspelt value must not silently select a default.

    Args:
        options: to check.
        request: that they belong to.
        journal: whether the client has a journal.

    Raises:
        InvalidRequest: with all problems.
        ConfigurationError: an option needs a journal.
    """
    of_journals = [name for name in ("key", "again", "save_to") if options.get(name) is not None]
    if of_journals and not journal:
        raise ConfigurationError(f"{of_journals[0]} needs a journal: KlingClient(journal='clips.sqlite')")
    problems = [
        Problem(name, f"must be one of {', '.join(words)}")
        for name, words in {"if_exists": get_args(IfExists), "on_doubt": get_args(OnDoubt)}.items()
        if options.get(name, words[0]) not in words
    ]
    problems += [
        Problem(name, "must be seconds, or None")
        for name in ("deadline", "queue_deadline")
        if options.get(name) is not None and not is_seconds(options.get(name))
    ]
    problems += _problems_of_key(options, request)
    if problems:
        raise InvalidRequest.of(problems)


def _is_text(text: str) -> bool:
    """Whether it can be encoded as UTF-8, which lone surrogates cannot, and has no NUL."""
    return "\0" not in text and text == text.encode("utf-8", "ignore").decode()


def _problems_of_key(options: SubmitOptions, request: object) -> list[Problem]:
    key, again = options.get("key"), options.get("again")
    problems = []
    if key is not None and not (isinstance(key, str) and 1 <= len(key) <= KEY_MAXIMUM and _is_text(key)):
        problems.append(Problem("key", f"must be text of 1 to {KEY_MAXIMUM} letters"))
    if key is not None and getattr(request, "external_task_id", None) is not None:
        problems.append(Problem("key", "makes the external_task_id: give one of the two"))
    if again is not None and (again not in get_args(Again) or key is None):
        problems.append(Problem("again", f"must be {' or '.join(map(repr, get_args(Again)))}, and goes with a key"))
    if options.get("save_to") is not None and not isinstance(options.get("save_to"), str | PathLike):
        problems.append(Problem("save_to", "must be a path"))
    return problems


def refuse(problems: Sequence[Problem], *, strict: bool) -> None:
    """Raises for problems that prevent sending, and warns of the others at the caller's line.

    Raises:
        InvalidRequest: with all problems; those found only by the capability map are warnings if not `strict`.
    """
    refused = [problem for problem in problems if not problem.only_warns]
    if refused and (strict or not all(problem.by_map for problem in refused)):
        raise InvalidRequest.of(refused)
    for problem in problems:
        warnings.warn(str(problem), problem.warning, stacklevel=_level_of_caller())


def refuse_without_mark(request: object, *, watermark: bool) -> None:
    """Refuses to pay for a task without the watermarked file that is to be saved.

    Raises:
        InvalidRequest: a watermarked file is to be saved, but the request does not enable it.
    """
    info = getattr(request, "watermark_info", None)
    if watermark and getattr(info, "enabled", None) is not True:
        raise InvalidRequest.of([Problem("watermark_info", "must be enabled for a watermarked file to be saved")])


def name_the_models(error: RequestRefused, endpoint: Endpoint, request: object) -> None:
    """Adds the available models to a refusal of an unknown or retired model."""
    model_name, known = getattr(request, "model_name", None), endpoint.capabilities
    if known is None or not model_name:
        return
    advice = known.unknown_model(model_name)
    if advice is None and "model" in error.message.lower():
        advice = endpoint.retired_model(model_name)
        if advice is None and isinstance(error, ModelRetired):
            alive = [name for name in known.models if name not in {*known.retired, model_name}]
            advice = f"use one of {', '.join(alive)}"
    if advice:
        error.message = f"{error.message}; {advice}"


def _no_request(request: object) -> InvalidRequest:
    kinds = ", ".join(dict.fromkeys(known.record.__name__ for known in (*all_endpoints(), *all_calls())))
    got = f"the class {request.__name__}" if isinstance(request, type) else type(request).__name__
    return InvalidRequest.of([Problem("request", f"expected {kinds} or RawTask, got {got}")])


def _level_of_caller() -> int:
    """Returns the stack level of the first frame outside this package, relative to the calling function."""
    package = __name__.partition(".")[0] + "."
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(package):
        level, frame = level + 1, frame.f_back
    return level
