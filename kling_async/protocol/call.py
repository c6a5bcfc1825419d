"""What is known of an endpoint that makes no task: it is called, and its answer is the value."""

from collections.abc import Callable
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, runtime_checkable

import attrs

from kling_async.protocol.endpoint import Described

T_co = TypeVar("T_co", covariant=True)


class Call(Generic[T_co]):
    """What a client submits to an endpoint that makes no task; its type says what is awaited."""

    __slots__ = ()


@runtime_checkable
class HasFiles(Protocol):
    """A value of a call whose files the client can save."""

    def with_saver(self, saver: Any) -> Self:
        """The same, with what saves them."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class CallEndpoint(Described):
    """One endpoint that makes no task.

    Such a call has no id by which it could be found again. One that charges is sent a second time only where the
    service did nothing for sure; any other is repeated.

    Attributes:
        method: of HTTP; with `GET` the members of the record are the query.
        charges: whether each answer costs something.
        read: makes the value of the `data` of an answer; raises `BadResponse` where it is not to be read.
    """

    method: Literal["GET", "POST"]
    charges: bool = False
    read: Callable[[Any], Any]

    @property
    def has_effect(self) -> bool:
        """Whether it may change something, so that a second answer to it may differ from the first."""
        return self.method == "POST"


@attrs.frozen(kw_only=True, eq=False)
class ListEndpoint(CallEndpoint):
    """One endpoint whose list comes page by page, with `GET`; its record is a `Call[list[...]]` with a `page_size`.

    Attributes:
        read: makes the entries of the `data` of a page, each a tuple of what it holds.
        page_maximum: most entries that a page can have.
    """

    method: Literal["GET", "POST"] = "GET"
    page_maximum: int


@attrs.frozen
class CursorPage:
    """A page of a list that goes on by a cursor.

    Attributes:
        entries: of the page.
        next_cursor: names the next page; None for the last one.
    """

    entries: tuple[Any, ...]
    next_cursor: str | None


@attrs.frozen(kw_only=True, eq=False)
class CursorListEndpoint(CallEndpoint):
    """One endpoint whose list comes page by page, with `POST`, each page naming the next by a cursor.

    Its record is a `Call[list[...]]`, which asks for the first page; those after it are asked for by the cursor alone.

    Attributes:
        read: makes the `CursorPage` of the `data` of an answer.
    """

    method: Literal["GET", "POST"] = "POST"
    read: Callable[[Any], CursorPage]

    @property
    def has_effect(self) -> bool:
        """It reads."""
        return False
