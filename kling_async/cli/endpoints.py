"""The endpoints as the shell command offers them: a subcommand each, named as the client's method.

This module alone knows where endpoints and their records are found; the others ask here.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args, get_origin

from kling_async.cli import record_fields
from kling_async.cli.exit_codes import UsageError
from kling_async.cli.record_fields import fields_of, positional
from kling_async.client import KlingClient
from kling_async.methods import calls, lists, nearest, submits
from kling_async.protocol.call import Call, HasFiles
from kling_async.protocol.catalog import (
    current_record,
    described_by,
    endpoint_for,
    endpoint_named,
    endpoint_of,
    has_current,
)
from kling_async.protocol.endpoint import Described, Endpoint
from kling_async.protocol.reference import TASKS, Reference
from kling_async.protocol.result_kind import ResultKind

DEFAULT: Final = "image-to-video"
"""What `generate` makes, and `list` and `models` show."""


CURRENT: Final = "current."
"""Begins the names of what a subcommand makes with `--model`, a model of the current generation."""
MODEL: Final = "--model"


@functools.cache
def _records() -> dict[str, Callable[[], Any]]:
    """What gives the record of each subcommand; none is imported for that."""
    found = vars(KlingClient).items()
    return {name.replace("_", "-"): each.record for name, each in found if isinstance(each, submits | calls | lists)}


def names() -> list[str]:
    """The subcommands."""
    return list(_records())


def record(name: str) -> Any:
    """The record that the subcommand's options make."""
    if name.startswith(CURRENT):
        return current_record(name.removeprefix(CURRENT).replace("-", "_"))
    return _records()[name]()


def meant(name: str, words: Sequence[str]) -> str:
    """What a subcommand makes by the words of the command line: with a `--model`, what models of today make.

    Args:
        name: of the subcommand.
        words: that follow it.
    """
    asked = any(word.partition("=")[0] == MODEL for word in words)
    return current_of(name) or name if asked else name


def current_of(name: str) -> str | None:
    """What the subcommand makes with models of the current generation; None where there are none."""
    return f"{CURRENT}{name.replace('_', '-')}" if has_current(name.replace("-", "_")) else None


def that_take(option: str | None) -> list[str]:
    """The subcommands that have this option; those that take a file without an option, where it is None."""
    records = {name: record(name) for name in names()}
    if option is None:
        firsts = {name: positional(each) for name, each in records.items()}
        return [name for name, first in firsts.items() if first is not None and first.has_files]
    return [name for name, each in records.items() if any(field.option == option for field in fields_of(each))]


def folders() -> dict[str, list[str]]:
    """The subcommands by the folder that their endpoints are in: videos, images, ..."""
    found: dict[str, list[str]] = {}
    for name in names():
        found.setdefault(record(name).__module__.split(".")[-2], []).append(name)
    return found


def summary(name: str) -> str:
    """What a subcommand makes, in a few words."""
    return record_fields.summary(record(name))


def endpoint(text: str) -> Endpoint | None:
    """The endpoint of this name: a subcommand, also written as the client's method, or the beginning of references."""
    name = text.replace("_", "-")
    known = name in _records() or (name.startswith(CURRENT) and record(name) is not None)
    return endpoint_for(record(name)) if known else endpoint_named(text)


def described(name: str) -> Described:
    """What is known of a subcommand's endpoint, which makes tasks or answers at once."""
    found = described_by(record(name))
    if found is None:
        raise LookupError(f"{name} is no endpoint")
    return found


def default() -> Endpoint:
    """The endpoint that is meant where none is named."""
    found = described(DEFAULT)
    if not isinstance(found, Endpoint):
        raise TypeError(f"{DEFAULT} makes no tasks")
    return found


def current() -> Endpoint:
    """The endpoint that is asked for tasks of the current generation."""
    found = endpoint_named(TASKS)
    if found is None:
        raise LookupError(TASKS)
    return found


def by_path(word: str) -> str | None:
    """The subcommand whose path in the documentation is this word, or ends in it: `tts`, `images/generations`."""
    paths = {name: f"/{described(name).name}" for name in names()}
    return next((name for name, path in paths.items() if path.endswith(f"/{word}")), None)


def reference(text: str) -> str:
    """A reference that may begin with the name of a subcommand."""
    first, colon, id_ = text.partition(":")
    named = endpoint(first)
    return f"{named.name}:{id_}" if colon and named is not None else text


def listed(text: str) -> str:
    """First half of the references of an endpoint's tasks.

    Raises:
        UsageError: there is no list of such tasks.
    """
    named = endpoint(text)
    if named is not None and named.lists:
        return named.name
    found = {name: described(name) for name in names()}
    known = [name for name, each in found.items() if isinstance(each, Endpoint) and each.lists]
    near = nearest(text.replace("_", "-"), known)
    meant = f"did you mean {near}?" if near else f"use one of {', '.join(known)},"
    raise UsageError(f"there is no list of {text!r}; {meant} raw:PATH is for any other path, such as raw:/v1/new/route")


def is_kept(reference: str) -> bool:
    """Whether what a task made is no file and stays at the service; so not where the reference names no endpoint."""
    try:
        found = endpoint_named(Reference.parse(reference).endpoint)
    except ValueError:
        return False
    return found is not None and not found.result.is_file


def suffix(name: str) -> str | None:
    """What the name of a file ends in that the subcommand saves; None where it saves none."""
    found = described(name)
    if isinstance(found, Endpoint):
        return found.result.suffix if found.result.is_file else None
    return ResultKind.AUDIO.suffix if _has_files(record(name)) else None


def _has_files(call: Any) -> bool:
    """Whether the value of a call has files that can be saved."""
    [value] = [get_args(base)[0] for base in call.__orig_bases__ if get_origin(base) is Call]
    return isinstance(value, type) and issubclass(value, HasFiles)


def page_maximum(text: str) -> int:
    """Tasks that a page of an endpoint's list can hold."""
    found = endpoint(text)
    return found.page_maximum if found else 1


def of(request: Any) -> Described:
    """What is known of the endpoint that takes a request."""
    found = endpoint_of(request) or described_by(type(request))
    if found is None:
        raise TypeError(f"{type(request).__name__} is no request")
    return found


def path(request: Any) -> str:
    """Where the request is sent to."""
    return of(request).path_of(request)


def results_of(request: Any) -> int:
    """How many results a request has."""
    found = of(request)
    return found.slots_of(request) if isinstance(found, Endpoint) else 1


def kind_of(request: Any) -> ResultKind | None:
    """What a request makes; None where it makes no task."""
    found = of(request)
    return found.result if isinstance(found, Endpoint) else None


def typical_seconds(request: Any) -> float:
    """Seconds after which the service has usually done what is requested; a call without a task answers at once."""
    found = of(request)
    return found.typical_seconds(request) if isinstance(found, Endpoint) else 1.0
