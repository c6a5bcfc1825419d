"""The endpoints as subcommands, each named after the client's method.

The other modules of the shell command find endpoints and their records only through this one.
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
"""The endpoint of `generate`, and the default of `list` and `models`."""


CURRENT: Final = "current."
"""Prefix of the endpoint names that subcommands use with `--model`, a model of the current generation."""
MODEL: Final = "--model"


@functools.cache
def _records() -> dict[str, Callable[[], Any]]:
    """Returns a function for each subcommand that imports and returns its record."""
    found = vars(KlingClient).items()
    return {name.replace("_", "-"): each.record for name, each in found if isinstance(each, submits | calls | lists)}


def names() -> list[str]:
    """Returns the names of the subcommands."""
    return list(_records())


def record(name: str) -> Any:
    """Returns the record class of a subcommand."""
    if name.startswith(CURRENT):
        return current_record(name.removeprefix(CURRENT).replace("-", "_"))
    return _records()[name]()


def meant(name: str, words: Sequence[str]) -> str:
    """Returns the endpoint of a subcommand: with `--model` among the words, that of the current generation.

    Args:
        name: of the subcommand.
        words: that follow it.
    """
    has_model = any(word.partition("=")[0] == MODEL for word in words)
    return current_of(name) or name if has_model else name


def current_of(name: str) -> str | None:
    """Returns the endpoint of a subcommand in the current generation; None where there is none."""
    return f"{CURRENT}{name.replace('_', '-')}" if has_current(name.replace("-", "_")) else None


def that_take(option: str | None) -> list[str]:
    """Returns the subcommands that have this option; for None those that take a file as positional argument."""
    records = {name: record(name) for name in names()}
    if option is None:
        firsts = {name: positional(each) for name, each in records.items()}
        return [name for name, first in firsts.items() if first is not None and first.has_files]
    return [name for name, each in records.items() if any(field.option == option for field in fields_of(each))]


def folders() -> dict[str, list[str]]:
    """Returns the subcommands by the folder of their endpoints: videos, images, ..."""
    found: dict[str, list[str]] = {}
    for name in names():
        found.setdefault(record(name).__module__.split(".")[-2], []).append(name)
    return found


def summary(name: str) -> str:
    """Returns a short description of what a subcommand makes."""
    return record_fields.summary(record(name))


def endpoint(text: str) -> Endpoint | None:
    """Returns the endpoint of a name: a subcommand, the client's method, or the first half of a reference."""
    name = text.replace("_", "-")
    known = name in _records() or (name.startswith(CURRENT) and record(name) is not None)
    return endpoint_for(record(name)) if known else endpoint_named(text)


def described(name: str) -> Described:
    """Returns the endpoint of a subcommand, which makes tasks or answers at once."""
    found = described_by(record(name))
    if found is None:
        raise LookupError(f"{name} is no endpoint")
    return found


def default() -> Endpoint:
    """Returns the endpoint that is used where none is named."""
    found = described(DEFAULT)
    if not isinstance(found, Endpoint):
        raise TypeError(f"{DEFAULT} makes no tasks")
    return found


def current() -> Endpoint:
    """Returns the endpoint that is queried for tasks of the current generation."""
    found = endpoint_named(TASKS)
    if found is None:
        raise LookupError(TASKS)
    return found


def by_path(word: str) -> str | None:
    """Returns the subcommand whose documented path is this word, or ends in it: `tts`, `images/generations`."""
    paths = {name: f"/{described(name).name}" for name in names()}
    return next((name for name, path in paths.items() if path.endswith(f"/{word}")), None)


def reference(text: str) -> str:
    """Normalizes a reference that may begin with the name of a subcommand."""
    first, colon, id_ = text.partition(":")
    named = endpoint(first)
    return f"{named.name}:{id_}" if colon and named is not None else text


def listed(text: str) -> str:
    """Returns the first half of the references of an endpoint's tasks.

    Raises:
        UsageError: the endpoint has no list of tasks.
    """
    named = endpoint(text)
    if named is not None and named.lists:
        return named.name
    found = {name: described(name) for name in names()}
    known = [name for name, each in found.items() if isinstance(each, Endpoint) and each.lists]
    near = nearest(text.replace("_", "-"), known)
    hint = f"did you mean {near}?" if near else f"use one of {', '.join(known)},"
    raise UsageError(f"there is no list of {text!r}; {hint} raw:PATH is for any other path, such as raw:/v1/new/route")


def is_kept(reference: str) -> bool:
    """Whether a task's result is no file and stays at the service; False where the reference names no endpoint."""
    try:
        found = endpoint_named(Reference.parse(reference).endpoint)
    except ValueError:
        return False
    return found is not None and not found.result.is_file


def suffix(name: str) -> str | None:
    """Returns the suffix of the files that a subcommand saves; None where it saves none."""
    found = described(name)
    if isinstance(found, Endpoint):
        return found.result.suffix if found.result.is_file else None
    return ResultKind.AUDIO.suffix if _has_files(record(name)) else None


def _has_files(call: Any) -> bool:
    """Whether the value of a call contains files that can be saved."""
    [value] = [get_args(base)[0] for base in call.__orig_bases__ if get_origin(base) is Call]
    return isinstance(value, type) and issubclass(value, HasFiles)


def page_maximum(text: str) -> int:
    """Returns the maximum number of tasks on a page of an endpoint's list."""
    found = endpoint(text)
    return found.page_maximum if found else 1


def of(request: Any) -> Described:
    """Returns the endpoint of a request."""
    found = endpoint_of(request) or described_by(type(request))
    if found is None:
        raise TypeError(f"{type(request).__name__} is no request")
    return found


def path(request: Any) -> str:
    """Returns the path that a request is sent to."""
    return of(request).path_of(request)


def results_of(request: Any) -> int:
    """Returns the number of results of a request."""
    found = of(request)
    return found.slots_of(request) if isinstance(found, Endpoint) else 1


def kind_of(request: Any) -> ResultKind | None:
    """Returns the kind of result of a request; None where it makes no task."""
    found = of(request)
    return found.result if isinstance(found, Endpoint) else None


def typical_seconds(request: Any) -> float:
    """Returns the seconds that a request usually takes at the service; 1 for a call without a task."""
    found = of(request)
    return found.typical_seconds(request) if isinstance(found, Endpoint) else 1.0
