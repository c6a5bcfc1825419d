"""Descriptors for the client's methods that submit: each is one line, generated from the endpoint's record."""

import asyncio
import functools
import inspect
import re
import sys
from collections.abc import Callable, Coroutine, Iterable
from types import MethodType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeVar, get_args, get_origin, overload

from kling_async.handle import TaskHandle
from kling_async.io.paged_list import PagedList
from kling_async.io.submission import SubmitOptions
from kling_async.protocol.call import Call

P = ParamSpec("P")
T = TypeVar("T")

R = TypeVar("R")
Submitted = Coroutine[Any, Any, TaskHandle]


class Client(Protocol):
    """The methods of the client that a generated method calls."""

    def submit(self, request: Any) -> Coroutine[Any, Any, Any]:
        """Submits a record."""
        ...

    def listed(self, request: Any) -> PagedList[Any]:
        """Returns a list that is loaded page by page."""
        ...


class _Method(Generic[P, R]):
    """A method that takes a record's parameters, creates the record and submits it.

    Type checkers, `help` and `inspect.signature` see the record's parameters, types and documentation. The record is
    created when the method is called, not when the result is awaited.
    """

    does = ""

    def __init__(self, record: Callable[[], Callable[P, object]]) -> None:
        self.record = record

    def __set_name__(self, owner: type, name: str) -> None:
        """Stores the method's class and name."""
        self._owner = owner
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], R]: ...

    @overload
    def __get__(self, client: object, owner: type) -> Callable[P, R]: ...

    def __get__(self, client: object, owner: type) -> Callable[..., R]:
        """Returns the method, bound to the client like any other method."""
        return self._method if client is None else MethodType(self._method, client)

    @functools.cached_property
    def _method(self) -> Callable[..., R]:
        record: Any = self.record()
        made: Callable[..., R] = _method(
            record, self._public_name(record), self._owner, self._name, self._returns(record), sent=self._sent
        )
        made.__doc__ = self._documentation(record)
        return made

    def _sent(self, client: Client, record: object) -> Any:
        """Submits the record and returns the method's result."""
        return client.submit(record)

    def _public_name(self, record: Callable[..., object]) -> str:
        """Returns the record's name in the public API."""
        return record.__name__

    def _returns(self, record: Any) -> Any:
        """Returns the type of the awaited result."""
        raise NotImplementedError

    def _documentation(self, record: Callable[..., object]) -> str:
        """Returns the method's docstring: the record's own, with `does` as its second paragraph."""
        text = (inspect.getdoc(record) or "").replace("Attributes:\n", "Args:\n")
        first, _, more = text.partition("\n")
        does = self.does.format(name=self._public_name(record))
        return f"{first}\n\n{does}\n\n{more.strip()}\n\n{self._ends()}".rstrip()

    def _ends(self) -> str:
        """Returns the last sections of the docstring: what `submit` returns and raises."""
        submit = inspect.getdoc(getattr(self._owner, "submit", None)) or ""
        return "".join(submit.partition("Returns:\n")[1:])


class submits(_Method[P, Submitted]):  # noqa: N801  (lower case, as for a decorator)
    """A method that submits a record which creates a task; awaiting it returns the task's handle.

    ```python
    class KlingClient:
        image_to_video = submits(lambda: records.ImageToVideo)
    ```

    Args:
        record: returns the record's class; called when the method is first used, to defer the import.
    """

    does = (
        "Submits `{name}`, waiting for a slot at the account's limit; returns once the service has accepted it. "
        "For the options of `submit`, call it: `submit({name}(...), strict=False)`."
    )

    def _returns(self, record: Any) -> Any:  # noqa: ARG002  (of any record)
        return TaskHandle


class _CallMethod(_Method[P, R]):
    def _returns(self, record: Any) -> Any:
        value = next(get_args(base)[0] for base in record.__orig_bases__ if get_origin(base) is Call)
        return None if value is type(None) else value

    def _ends(self) -> str:
        """Returns what `submit` raises, without errors that only tasks have."""
        _, raises, errors = super()._ends().partition("Raises:\n")
        return raises + "\n".join(line for line in errors.splitlines() if not line.strip().startswith(_OF_TASKS))


class calls(_CallMethod[P, Coroutine[Any, Any, T]], Generic[P, T]):  # noqa: N801  (as above)
    """A method that submits a `Call`; awaiting it returns the call's value. Otherwise as `submits`.

    Args:
        record: as with `submits`.
    """

    does = "Submits the call `{name}`, and returns the value of its response; it creates no task and needs no slot."

    def __init__(self, record: Callable[[], Callable[P, Call[T]]]) -> None:
        super().__init__(record)


class lists(_CallMethod[P, PagedList[T]], Generic[P, T]):  # noqa: N801  (as above)
    """A method that returns a list which is loaded page by page; otherwise as `calls`.

    Args:
        record: as with `submits`.
    """

    does = "`async for` yields one item after the other, loading pages as needed; `await` returns all items as a list."

    def __init__(self, record: Callable[[], Callable[P, Call[list[T]]]]) -> None:
        super().__init__(record)

    def _sent(self, client: Client, record: object) -> Any:
        return client.listed(record)

    def _returns(self, record: Any) -> Any:
        kind: Any = PagedList
        return kind[get_args(super()._returns(record))]


_OF_TASKS: Final = ("MediaFileMissing", "ExternalTaskIdConflict", "QueueTimeout", "CreateInDoubt")
"""Errors of `submit` that no call raises."""


def _method(
    record: Callable[..., object],
    public_name: str,
    owner: type,
    name: str,
    returns: Any,
    *,
    sent: Callable[[Client, object], Any],
) -> Any:
    qualified_name = f"{owner.__qualname__}.{name}"
    accepted = inspect.signature(record)

    def method(client: Client, /, *args: Any, **kwargs: Any) -> Any:
        try:
            request = record(*args, **kwargs)
        except TypeError as error:
            raise _refused(qualified_name, public_name, accepted, args, kwargs) or error from None
        return sent(client, request)

    signature = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), *accepted.parameters.values()],
        return_annotation=returns,
    )
    made: Any = method
    made.__signature__ = signature
    made.__annotations__ = {each.name: each.annotation for each in accepted.parameters.values()} | {"return": returns}
    made.__name__ = name
    made.__qualname__ = qualified_name
    made.__module__ = owner.__module__
    if get_origin(returns) is PagedList:
        return made
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(made)  # so that `mock.create_autospec` creates an awaitable mock
    else:
        made._is_coroutine = vars(asyncio.coroutines)["_is_coroutine"]  # noqa: SLF001  (the same, without a public function)
    return made


def having_word(name: str, known: Iterable[str]) -> list[str]:
    """Returns the known names that contain this one as a word: `model_name` contains `model`."""
    return [each for each in known if name.strip("-") in re.split("[-_]", each)]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that was probably meant: one that contains it as a word, or the one spelt most alike."""
    import difflib  # noqa: PLC0415  (only needed on an error)

    known = list(known)
    return next(iter(having_word(name, known) or difflib.get_close_matches(name, known, n=1)), None)


def _refused(
    method: str, record: str, accepted: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> TypeError | None:
    """Returns the error for arguments that the record does not accept, in the method's name; None if all fit."""
    for name, value in kwargs.items():
        if name in accepted.parameters:
            continue
        refused = f"{method}() got an unexpected keyword argument {name!r}"
        if name in SubmitOptions.__annotations__:
            return TypeError(f"{refused}: it is an option of submit({record}(...), {name}={repr(value)[:60]})")
        close = nearest(name, accepted.parameters)
        return TypeError(f"{refused}; did you mean {close!r}?" if close else refused)
    try:
        accepted.bind(*args, **kwargs)
    except TypeError as error:
        return TypeError(f"{method}(): {error}")
    return None
