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
from kling_async.io.paged_list import PagedList
from kling_async.io.submission import SubmitOptions
from kling_async.protocol.call import Call

P = ParamSpec("P")
T = TypeVar("T")

R = TypeVar("R")
Submitted = Coroutine[Any, Any, TaskHandle]


class Client(Protocol):
    """What a method needs of its client."""

    def submit(self, request: Any) -> Coroutine[Any, Any, Any]:
        """Submits a record."""
        ...

    def listed(self, request: Any) -> PagedList[Any]:
        """A list that comes page by page."""
        ...


class _Method(Generic[P, R]):
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
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], R]: ...

    @overload
    def __get__(self, client: object, owner: type) -> Callable[P, R]: ...

    def __get__(self, client: object, owner: type) -> Callable[..., R]:
        """The method, bound to a client as any other."""
        return self._method if client is None else MethodType(self._method, client)

    @functools.cached_property
    def _method(self) -> Callable[..., R]:
        record: Any = self.record()
        made: Callable[..., R] = _method(
            record, self._called(record), self._owner, self._name, self._returns(record), sent=self._sent
        )
        made.__doc__ = self._documentation(record)
        return made

    def _sent(self, client: Client, record: object) -> Any:
        """What the method gives."""
        return client.submit(record)

    def _called(self, record: Callable[..., object]) -> str:
        """What the record is called where users find it."""
        return record.__name__

    def _returns(self, record: Any) -> Any:
        """What is awaited."""
        raise NotImplementedError

    def _documentation(self, record: Callable[..., object]) -> str:
        """What is done, and the record's own text."""
        text = (inspect.getdoc(record) or "").replace("Attributes:\n", "Args:\n")
        first, _, more = text.partition("\n")
        return f"{first}\n\n{self.does.format(name=self._called(record))}\n\n{more.strip()}\n\n{self._ends()}".rstrip()

    def _ends(self) -> str:
        """What `submit` returns and raises."""
        submit = inspect.getdoc(getattr(self._owner, "submit", None)) or ""
        return "".join(submit.partition("Returns:\n")[1:])


class submits(_Method[P, Submitted]):  # noqa: N801  (reads as what it does, and is used as a decorator is)
    """A method that submits a record which makes a task, and awaits its handle.

    ```python
    class KlingClient:
        image_to_video = submits(lambda: records.ImageToVideo)
    ```

    Args:
        record: gives the record's class; called when the method is first used, so that nothing is imported before.
    """

    does = (
        "Submits `{name}`, and returns once the service accepted it; waits in line at the account's limit. "
        "Options are `submit`'s: `submit({name}(...), strict=False)`."
    )

    def _returns(self, record: Any) -> Any:  # noqa: ARG002  (of any record)
        return TaskHandle


class _CallMethod(_Method[P, R]):
    def _returns(self, record: Any) -> Any:
        value = next(get_args(base)[0] for base in record.__orig_bases__ if get_origin(base) is Call)
        return None if value is type(None) else value

    def _ends(self) -> str:
        """What `submit` raises, without errors of tasks only."""
        _, raises, errors = super()._ends().partition("Raises:\n")
        return raises + "\n".join(line for line in errors.splitlines() if not line.strip().startswith(_OF_TASKS))


class calls(_CallMethod[P, Coroutine[Any, Any, T]], Generic[P, T]):  # noqa: N801  (as above)
    """A method that submits a `Call`, and awaits its value; otherwise as `submits`.

    Args:
        record: as with `submits`.
    """

    does = "Calls with `{name}`, and returns the value of the answer; there is no task, and no line."

    def __init__(self, record: Callable[[], Callable[P, Call[T]]]) -> None:
        super().__init__(record)


class lists(_CallMethod[P, PagedList[T]], Generic[P, T]):  # noqa: N801  (as above)
    """A method that gives a list which comes page by page; otherwise as `calls`.

    Args:
        record: as with `submits`.
    """

    does = "`async for` gives one after the other, asking for pages as they are needed; `await` gives all, as a list."

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
    called: str,
    owner: type,
    name: str,
    returns: Any,
    *,
    sent: Callable[[Client, object], Any],
) -> Any:
    qualified_name = f"{owner.__qualname__}.{name}"
    taken = inspect.signature(record)

    def method(client: Client, /, *args: Any, **kwargs: Any) -> Any:
        try:
            request = record(*args, **kwargs)
        except TypeError as error:
            raise _refused(qualified_name, called, taken, args, kwargs) or error from None
        return sent(client, request)

    signature = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), *taken.parameters.values()],
        return_annotation=returns,
    )
    made: Any = method
    made.__signature__ = signature
    made.__annotations__ = {each.name: each.annotation for each in taken.parameters.values()} | {"return": returns}
    made.__name__ = name
    made.__qualname__ = qualified_name
    made.__module__ = owner.__module__
    if get_origin(returns) is PagedList:
        return made
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(made)  # so that `mock.create_autospec` makes what can be awaited
    else:
        made._is_coroutine = vars(asyncio.coroutines)["_is_coroutine"]  # noqa: SLF001  (the same, before there was a name)
    return made


def having_word(name: str, known: Iterable[str]) -> list[str]:
    """The known names that have this one as a word: `model_name` has `model`."""
    return [each for each in known if name.strip("-") in re.split("[-_]", each)]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: one that has it as a word (`model`), or is spelt most alike."""
    import difflib  # noqa: PLC0415  (only for a mistake)

    known = list(known)
    return next(iter(having_word(name, known) or difflib.get_close_matches(name, known, n=1)), None)


def _refused(
    method: str, record: str, taken: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> TypeError | None:
    """What is wrong with arguments that the record does not take, in the method's name; None if nothing is."""
    for name, value in kwargs.items():
        if name in taken.parameters:
            continue
        refused = f"{method}() got an unexpected keyword argument {name!r}"
        if name in SubmitOptions.__annotations__:
            return TypeError(f"{refused}: it is an option of submit({record}(...), {name}={repr(value)[:60]})")
        close = nearest(name, taken.parameters)
        return TypeError(f"{refused}; did you mean {close!r}?" if close else refused)
    try:
        taken.bind(*args, **kwargs)
    except TypeError as error:
        return TypeError(f"{method}(): {error}")
    return None
