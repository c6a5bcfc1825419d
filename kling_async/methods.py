"""The client's methods that submit: one line each, made from the record that the endpoint takes."""

import asyncio
import functools
import inspect
import re
import sys
from collections.abc import Callable, Coroutine, Iterable
from types import MethodType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeVar, get_args, get_origin, overload

from kling_async.handle import TaskHandle
from kling_async.io.submission import SubmitOptions
from kling_async.protocol.call import Call

P = ParamSpec("P")
T = TypeVar("T")

Submitted = Coroutine[Any, Any, TaskHandle]


class Client(Protocol):
    """What a method needs of its client."""

    def submit(self, request: Any) -> Coroutine[Any, Any, Any]:
        """Submits a record."""
        ...


class _Method(Generic[P, T]):
    """A method that takes a record's parameters and submits the record.

    The parameters, their types and their documentation are the record's, for type checkers, `help` and
    `inspect.signature`. The record is made when the method is called, not when the result is awaited.
    """

    does = ""

    def __init__(self, record: Callable[[], Callable[P, object]]) -> None:
        self.record = record

    def __set_name__(self, owner: type, name: str) -> None:
        """Keeps the name that the method has in its class."""
        self._owner = owner
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]: ...

    @overload
    def __get__(self, client: object, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, client: object, owner: type) -> Callable[..., Coroutine[Any, Any, T]]:
        """The method, bound to a client as any other."""
        return self._method if client is None else MethodType(self._method, client)

    @functools.cached_property
    def _method(self) -> Callable[..., Coroutine[Any, Any, T]]:
        record: Any = self.record()
        return _method(record, self._owner, self._name, self._returns(record), self.does)

    def _returns(self, record: Any) -> Any:
        """What is awaited."""
        raise NotImplementedError


class submits(_Method[P, TaskHandle]):  # noqa: N801  (reads as what it does, and is used as a decorator is)
    """A method that submits a record which makes a task, and awaits its handle.

    ```python
    class KlingClient:
        image_to_video = submits(lambda: records.ImageToVideo)
    ```

    Args:
        record: tells the record's class; called when the method is first used, so that nothing is imported before.
    """

    does = (
        "Submits `{name}`, and returns once the service accepted it; waits in line at the account's limit. "
        "Options are `submit`'s: `submit({name}(...), strict=False)`."
    )

    def _returns(self, record: Any) -> Any:  # noqa: ARG002  (of any record)
        return TaskHandle


class calls(_Method[P, T]):  # noqa: N801  (as above)
    """A method that submits a `Call`, and awaits its value; otherwise as `submits`.

    Args:
        record: as with `submits`.
    """

    does = "Calls with `{name}`, and returns the value of the answer; there is no task, and no line."

    def __init__(self, record: Callable[[], Callable[P, Call[T]]]) -> None:
        super().__init__(record)

    def _returns(self, record: Any) -> Any:
        return next(get_args(base)[0] for base in record.__orig_bases__ if get_origin(base) is Call)


def _method(
    record: Callable[..., object], owner: type, name: str, returns: Any, does: str
) -> Callable[..., Coroutine[Any, Any, Any]]:
    qualified_name = f"{owner.__qualname__}.{name}"
    taken = inspect.signature(record)

    def method(client: Client, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        _check_arguments(qualified_name, record.__name__, taken, args, kwargs)
        return client.submit(record(*args, **kwargs))

    signature = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), *taken.parameters.values()],
        return_annotation=returns,
    )
    made: Any = method
    made.__signature__ = signature
    made.__annotations__ = {each.name: each.annotation for each in taken.parameters.values()} | {"return": returns}
    made.__doc__ = _documentation(record, owner, does)
    made.__name__ = name
    made.__qualname__ = qualified_name
    made.__module__ = owner.__module__
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(made)  # so that `mock.create_autospec` makes what can be awaited
    else:
        made._is_coroutine = vars(asyncio.coroutines)["_is_coroutine"]  # noqa: SLF001  (the same, before there was a name)
    return method


_OF_TASKS: Final = ("MediaFileMissing", "ExternalTaskIdConflict", "QueueTimeout", "CreateInDoubt")
"""Errors of `submit` that no call raises."""


def _documentation(record: Callable[..., object], owner: type, does: str) -> str:
    """What is done, the record's own text, and what `submit` returns and raises."""
    text = (inspect.getdoc(record) or "").replace("Attributes:\n", "Args:\n")
    submit = inspect.getdoc(getattr(owner, "submit", None)) or ""
    _, returns, results = submit.partition("Returns:\n")
    if does is calls.does:
        _, returns, results = results.partition("Raises:\n")
        results = "\n".join(line for line in results.splitlines() if not line.strip().startswith(_OF_TASKS))
    first, _, more = text.partition("\n")
    return f"{first}\n\n{does.format(name=record.__name__)}\n\n{more.strip()}\n\n{returns}{results}".rstrip()


def having_word(name: str, known: Iterable[str]) -> list[str]:
    """The known names that have this one as a word: `model_name` has `model`."""
    return [each for each in known if name.strip("-") in re.split("[-_]", each)]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: one that has it as a word (`model`), or is spelt most alike."""
    import difflib  # noqa: PLC0415  (only for a mistake)

    known = list(known)
    return next(iter(having_word(name, known) or difflib.get_close_matches(name, known, n=1)), None)


def _check_arguments(
    method: str, record: str, taken: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Refuses arguments that the record does not take, in the method's name.

    Raises:
        TypeError: there is one.
    """
    for name, value in kwargs.items():
        if name in taken.parameters:
            continue
        refused = f"{method}() got an unexpected keyword argument {name!r}"
        if name in SubmitOptions.__annotations__:
            raise TypeError(f"{refused}: it is an option of submit({record}(...), {name}={repr(value)[:60]})")
        close = nearest(name, taken.parameters)
        raise TypeError(f"{refused}; did you mean {close!r}?" if close else refused)
    try:
        taken.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{method}(): {error}") from None
