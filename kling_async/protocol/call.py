"""Descriptions of endpoints that make no task: the answer to the call is the value."""

from collections.abc import Callable
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, runtime_checkable

import attrs

from kling_async.protocol.endpoint import Described

T_co = TypeVar("T_co", covariant=True)


class Call(Generic[T_co]):
    """A request to an endpoint that makes no task; `T_co` is the type of its value."""

    __slots__ = ()


@runtime_checkable
class HasFiles(Protocol):
    """A call's value with files that the client can save."""

    def with_saver(self, saver: Any) -> Self:
        """Returns a copy whose files `saver` saves."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class CallEndpoint(Described):
    """One endpoint that makes no task.

    Such a call has no id by which it could be looked up. A call that charges is sent again only if the service
    certainly did nothing; any other call is retried.

    Attributes:
        method: HTTP method; with `GET` the record's members are sent as the query.
        charges: whether each answer costs something.
        read: converts the `data` of an answer to the value; raises `BadResponse` if it cannot.
    """

    method: Literal["GET", "POST"]
    charges: bool = False
    read: Callable[[Any], Any]

    @property
    def has_effect(self) -> bool:
        """Whether the call may change something at the service, so that its repetition may get a different answer."""
        return self.method == "POST"


@attrs.frozen(kw_only=True, eq=False)
class ListEndpoint(CallEndpoint):
    """One endpoint that lists pages with `GET`; its record is a `Call[list[...]]` with a `page_size`.

    Attributes:
        read: converts the `data` of a page to its entries, each a tuple of its values.
        page_maximum: maximum number of entries in a page.
    """

    method: Literal["GET", "POST"] = "GET"
    page_maximum: int


@attrs.frozen
class CursorPage:
    """A page of a list with cursors.

    Attributes:
        entries: of the page.
        next_cursor: of the next page; None for the last page.
    """

    entries: tuple[Any, ...]
    next_cursor: str | None


@attrs.frozen(kw_only=True, eq=False)
class CursorListEndpoint(CallEndpoint):
    """One endpoint that lists pages with `POST`; each page contains the cursor of the next.

    Its record is a `Call[list[...]]`, which requests the first page; the following pages are requested by their cursors
    alone.

    Attributes:
        read: converts the `data` of an answer to a `CursorPage`.
    """

    method: Literal["GET", "POST"] = "POST"
    read: Callable[[Any], CursorPage]

    @property
    def has_effect(self) -> bool:
        """False: the call only reads."""
        return False
