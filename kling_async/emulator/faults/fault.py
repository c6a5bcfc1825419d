"""Faults of one call: values made by `Fault.reset()`, `Fault.error(1302)` and so on."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

import attrs
from attrs.validators import and_, deep_mapping, ge, in_, instance_of, le, matches_re, optional

from kling_async.emulator.service.errors import HTTP_STATUS

from .kinds import ALTERED, SUITS, FaultKind
from .reshape import steps

# Arguments that any fault accepts in JSON, except where its own class method has them.
_MODIFIERS: Final[dict[str, frozenset[FaultKind]]] = {
    "wait": frozenset({"delay"}),
    "headers": frozenset({"foreign", "other_headers"}),
}

# A client with any timeout disconnects long before.
_LONG: Final = 3600.0

_Check = Callable[[Any, Any, Any], Any]
_seconds: Final[_Check] = and_(instance_of((int, float)), ge(0))
_share: Final[_Check] = and_(instance_of((int, float)), ge(0), le(1))
_rate: Final[_Check] = and_(instance_of((int, float)), ge(1))
_status: Final[_Check] = and_(instance_of(int), in_({0, *range(200, 600)}))
_headers: Final[_Check] = deep_mapping(
    and_(instance_of(str), matches_re(r"[A-Za-z0-9-]+")),
    optional(and_(instance_of(str), matches_re(r"[^\r\n\0]*"))),
    instance_of(dict),
)


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _pointers(_fault: object, _attribute: object, value: Any) -> None:
    if not isinstance(value, (Mapping, tuple)):
        raise TypeError(f"values by pointer are needed, not {value!r}")
    for pointer in value:
        steps(pointer)


def _removable(_fault: object, _attribute: object, value: tuple[str, ...]) -> None:
    if "" in value:
        raise ValueError('"" is the whole answer, which cannot be removed')


def _json(_fault: object, _attribute: object, value: object) -> None:
    json.dumps(value)  # raises TypeError or ValueError


@attrs.frozen(kw_only=True)
class Fault:
    """One fault of one call, made by the class method named after its kind.

    Attributes:
        kind: The kind of fault.
        after_effect: Whether the call takes effect first, for example a task is created and charged.
        wait: Seconds before the fault strikes; without `after_effect`, also before the effect.
        headers: Headers that replace the answer's own, by name; None removes one.
        code: The code of an error.
        message: The message of an error.
        status: HTTP status of a page, a foreign body or a redirect; of `other_headers`, 0 to keep the true one.
        body: The body of an answer that is not the service's: a string as it is, anything else as JSON.
        changes: New values in the answer, by JSON pointer.
        without: Pointers to members and items removed from the answer.
        where: Values, by pointer, that the true answer must have to be changed.
        share: How much of the body is sent before the fault strikes, from 0 to 1; None: not even the headers.
        seconds: How long a stall lasts; then the connection is dropped.
        by: Bytes by which the announced length is too large or, negative, too small; seconds by which the date is
            late or, negative, early; zeros appended to a compressed file.
        rate: Bytes per second.
        if_range: Whether `If-Range` is honoured once the file has changed.
    """

    kind: FaultKind
    after_effect: bool = attrs.field(default=False, validator=instance_of(bool))
    wait: float = attrs.field(default=0.0, validator=_seconds)
    headers: Mapping[str, str | None] | None = attrs.field(default=None, validator=optional(_headers), hash=False)
    code: int = attrs.field(default=0, validator=instance_of(int))
    message: str = attrs.field(default="", validator=instance_of(str))
    status: int = attrs.field(default=0, validator=_status)
    body: Any = attrs.field(default="", validator=_json, hash=False)
    changes: Mapping[str, Any] | None = attrs.field(default=None, validator=[_json, optional(_pointers)], hash=False)
    without: tuple[str, ...] = attrs.field(default=(), converter=_texts, validator=[_pointers, _removable])
    where: Mapping[str, Any] | None = attrs.field(default=None, validator=[_json, optional(_pointers)], hash=False)
    share: float | None = attrs.field(default=None, validator=optional(_share))
    seconds: float = attrs.field(default=0.0, validator=_seconds)
    by: int = attrs.field(default=0, validator=instance_of(int))
    rate: float | None = attrs.field(default=None, validator=optional(_rate))
    if_range: bool = attrs.field(default=True, validator=instance_of(bool))

    @classmethod
    def reset(cls, *, after_effect: bool = False, share: float | None = None) -> Self:
        """Resets the connection (RST), in place of an answer or, with `share`, in the middle of it."""
        return cls(kind="reset", after_effect=after_effect or share is not None, share=share)

    @classmethod
    def error(cls, code: int, *, message: str = "", after_effect: bool = False) -> Self:
        """Answers with an error of the service's error table and its HTTP status."""
        if code not in HTTP_STATUS:
            raise ValueError(f"there is no error code {code!r}")
        return cls(kind="error", code=code, message=message or f"injected error {code}", after_effect=after_effect)

    @classmethod
    def gateway(cls, status: int = 502, *, location: str = "", after_effect: bool = False) -> Self:
        """Answers with an HTML page, as a gateway or a login page does.

        Args:
            status: From 200 to 599.
            location: The target of a redirect, "" for no `Location` header.
            after_effect: Whether the call takes effect first.
        """
        headers = {"Location": location} if location else None
        return cls(kind="gateway", status=_http_status(status), headers=headers, after_effect=after_effect)

    @classmethod
    def foreign(
        cls,
        body: Any = "",
        *,
        status: int = 200,
        headers: Mapping[str, str | None] | None = None,
        after_effect: bool = False,
    ) -> Self:
        """Answers with a body that is not the service's: a reseller's envelope, a gateway's error, half of a JSON text.

        Args:
            body: A string, sent as it is (text/plain); anything else is sent as JSON (application/json).
            status: From 200 to 599.
            headers: Additional or replacing headers: {"Content-Type": "application/problem+json"}.
            after_effect: Whether the call takes effect first.
        """
        return cls(kind="foreign", body=body, status=_http_status(status), headers=headers, after_effect=after_effect)

    @classmethod
    def reshaped(
        cls,
        changes: Mapping[str, Any] | None = None,
        *,
        without: Iterable[str] = (),
        where: Mapping[str, Any] | None = None,
    ) -> Self:
        """Sends the true answer, even if it is a refusal, with changes at JSON pointers.

        For example a video without an id, and tasks in a list with the other generation's name of a status::

            Fault.reshaped(without=("/data/task_result/videos/0/id",))
            Fault.reshaped({"/data/*/task_status": "succeeded"}, where={"/data/*/task_status": "succeed"})

        Args:
            changes: New values by pointer. `*` matches each item of an array; the last step may be a new member, or `-`
                to append to an array; "" is the whole answer. A pointer without a match changes nothing.
            without: Pointers to members and items to remove, after the changes.
            where: The answer is changed only if it has all of these values, {"/data/task_status": "succeed"}; with
                `*`, one matching item is enough.
        """
        return cls(kind="reshaped", changes=changes, without=without, where=where, after_effect=True)

    @classmethod
    def surplus(cls) -> Self:
        """Sends the answer twice: the next request on the same connection receives the second one as its answer."""
        return cls(kind="surplus", after_effect=True)

    @classmethod
    def other_headers(cls, headers: Mapping[str, str | None], *, status: int = 0) -> Self:
        """Answers normally except for some headers, and optionally the HTTP status.

        For example a file with a wrong type, or without a strong validator::

            Fault.other_headers({"Content-Type": "text/plain"})
            Fault.other_headers({"ETag": 'W/"1"'}), Fault.other_headers({"ETag": None, "Last-Modified": None})

        Args:
            headers: By name; None removes one.
            status: From 200 to 599, 0 to keep the true one.
        """
        return cls(kind="other_headers", headers=headers, status=status, after_effect=True)

    @classmethod
    def undated(cls) -> Self:
        """Answers without a `Date` header."""
        return cls(kind="undated", headers={"Date": None}, after_effect=True)

    @classmethod
    def dated(cls, by: int) -> Self:
        """Answers with a `Date` that is `by` seconds late or, negative, early; other times are correct."""
        return cls(kind="dated", by=by, after_effect=True)

    @classmethod
    def delay(cls, wait: float, *, after_effect: bool = False) -> Self:
        """Answers normally, but late. A delayed effect happens even if the client has disconnected by then."""
        return cls(kind="delay", wait=wait, after_effect=after_effect)

    @classmethod
    def stall(cls, *, share: float = 0.0, seconds: float = _LONG) -> Self:
        """Sends the headers and a share of the body, then nothing, and finally drops the connection."""
        return cls(kind="stall", after_effect=True, share=share, seconds=seconds)

    @classmethod
    def truncated(cls, share: float = 0.5) -> Self:
        """Sends a share of the body and ends cleanly: nothing on the wire shows that the body is incomplete."""
        return cls(kind="truncated", after_effect=True, share=share)

    @classmethod
    def wrong_length(cls, by: int = 1000) -> Self:
        """Announces more bytes than it sends, and closes; or fewer (negative), so that the last ones are missing."""
        return cls(kind="wrong_length", after_effect=True, by=by)

    @classmethod
    def slow(cls, rate: float) -> Self:
        """Sends a file at `rate` bytes per second, 1 or more."""
        return cls(kind="slow", rate=rate)

    @classmethod
    def changed(cls, *, if_range: bool = True) -> Self:
        """Serves another file from now on, with another ETag; `if_range=False` ignores the client's `If-Range`."""
        return cls(kind="changed", if_range=if_range)

    @classmethod
    def no_ranges(cls) -> Self:
        """Sends the whole file, ignoring `Range`."""
        return cls(kind="no_ranges")

    @classmethod
    def expired(cls) -> Self:
        """Refuses a link as expired, with 403 in XML."""
        return cls(kind="expired")

    @classmethod
    def missing(cls) -> Self:
        """Answers that the file does not exist, 404 in XML: with `times=2` it exists at the third try."""
        return cls(kind="missing")

    @classmethod
    def redirected(cls, status: int = 302) -> Self:
        """Redirects to another address of the file, whose signature covers path and query exactly as sent.

        Any other spelling is refused with 403, for example "%7E" in place of "~". It is not redirected again.
        """
        return cls(kind="redirected", status=_http_status(status))

    @classmethod
    def gzipped(cls, by: int = 0) -> Self:
        """Serves the file compressed, whatever the client accepts; length, ETag and ranges are of the compressed bytes.

        Args:
            by: Zeros appended before compression; they grow a thousandfold at the client.
        """
        if by < 0:
            raise ValueError(f"there cannot be {by} zeros behind a file")
        return cls(kind="gzipped", by=by)

    @classmethod
    def lost(cls) -> Self:
        """Does not post a callback."""
        return cls(kind="lost")

    @classmethod
    def doubled(cls) -> Self:
        """Posts a callback twice."""
        return cls(kind="doubled")

    @classmethod
    def reordered(cls) -> Self:
        """Posts a callback right after the next one of its task; the last one of a task is not moved."""
        return cls(kind="reordered")

    def delayed(self, wait: float) -> Self:
        """Returns the same fault, striking after `wait` seconds: `Fault.gateway(504).delayed(60)`."""
        return attrs.evolve(self, wait=wait)

    def with_headers(self, headers: Mapping[str, str | None]) -> Self:
        """Returns the same fault with other headers in its answer: `Fault.truncated().with_headers({"ETag": None})`.

        Args:
            headers: By name; None removes one.
        """
        return attrs.evolve(self, headers={**(self.headers or {}), **headers})

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Parses a fault: its kind, and the arguments of the class method of that name.

        Any kind accepts `wait` (seconds before it strikes) and `headers` (an object).

        Args:
            value: For example {"kind": "error", "code": 1302, "wait": 2}.

        Raises:
            ValueError: If the value is not a fault.
        """
        if not isinstance(value, dict) or value.get("kind") not in list(SUITS):
            raise ValueError(f"a fault is an object with a kind, one of {', '.join(SUITS)}")
        kind = value["kind"]
        arguments = {name: argument for name, argument in value.items() if name != "kind"}
        make: Callable[..., Self] = getattr(cls, kind)
        modifiers = {
            name: arguments.pop(name)
            for name, own in _MODIFIERS.items()
            if kind not in own and arguments.get(name) is not None
        }
        try:
            fault = make(**arguments)
            if "headers" in modifiers:
                fault = fault.with_headers(modifiers["headers"])
            return fault.delayed(modifiers.get("wait", fault.wait))
        except TypeError as error:
            raise ValueError(f"a fault of kind {kind} cannot be made of {arguments}") from error

    def as_json(self) -> dict[str, Any]:
        """Returns the JSON that `from_json` parses."""
        given = {
            each.name: getattr(self, each.name)
            for each in attrs.fields(type(self))
            if getattr(self, each.name) != each.default
        }
        if self.share is not None or self.kind in ALTERED:
            given.pop("after_effect", None)  # implied
        return given


def _http_status(status: int) -> int:
    """Rejects 0, which elsewhere means no status."""
    if status == 0:
        raise ValueError("an HTTP status is from 200 to 599")
    return status
