"""What can go wrong with one call: values, made by `Fault.reset()`, `Fault.error(1302)` and their like."""

from collections.abc import Callable
from typing import Any, Final, Literal, Self, get_args

import attrs
from attrs.validators import and_, ge, instance_of, le, optional

from .errors import HTTP_STATUS

CallKind = Literal["create", "query", "list", "account", "file", "callback"]
"""What a call is for; "callback" is one that the emulator makes itself."""

FaultKind = Literal[
    "reset",
    "error",
    "gateway",
    "delay",
    "stall",
    "truncated",
    "wrong_length",
    "changed",
    "no_ranges",
    "expired",
    "lost",
    "doubled",
    "reordered",
]

CALL_KINDS: Final[tuple[CallKind, ...]] = get_args(CallKind)

_API: Final[frozenset[CallKind]] = frozenset({"create", "query", "list", "account"})
_FILE: Final[frozenset[CallKind]] = frozenset({"file"})
_CALLBACK: Final[frozenset[CallKind]] = frozenset({"callback"})

SUITS: Final[dict[FaultKind, frozenset[CallKind]]] = {
    "reset": _API | _FILE,
    "error": _API,
    "gateway": _API | _FILE,
    "delay": _API | _FILE | _CALLBACK,
    "stall": _API | _FILE,
    "truncated": _API | _FILE,
    "wrong_length": _API | _FILE,
    "changed": _FILE,
    "no_ranges": _FILE,
    "expired": _FILE,
    "lost": _CALLBACK,
    "doubled": _CALLBACK,
    "reordered": _CALLBACK,
}
"""Which calls each fault can happen to."""

# A client with any time limit at all is gone long before.
_LONG: Final = 3600.0

_Check = Callable[[Any, Any, Any], Any]
_seconds: Final[_Check] = and_(instance_of((int, float)), ge(0))
_share: Final[_Check] = and_(instance_of((int, float)), ge(0), le(1))


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that goes wrong with one call. It is made by a class method named as its kind.

    Attributes:
        kind: What goes wrong.
        after_effect: Whether the call takes effect first, for example a task is created and charged.
        wait: Seconds that pass before the fault strikes. Without `after_effect` they pass before the effect, too.
        code: Of an error.
        message: The same.
        status: HTTP status of a gateway's page.
        share: How much of the body goes out before the fault strikes, from 0 to 1; None: not even the headers.
        seconds: How long a stall lasts; then the connection is dropped.
        by: Bytes by which the announced length is too large or, negative, too small.
        if_range: Whether a changed entity is told apart by `If-Range`.
    """

    kind: FaultKind
    after_effect: bool = attrs.field(default=False, validator=instance_of(bool))
    wait: float = attrs.field(default=0.0, validator=_seconds)
    code: int = attrs.field(default=0, validator=instance_of(int))
    message: str = attrs.field(default="", validator=instance_of(str))
    status: int = attrs.field(default=0, validator=instance_of(int))
    share: float | None = attrs.field(default=None, validator=optional(_share))
    seconds: float = attrs.field(default=0.0, validator=_seconds)
    by: int = attrs.field(default=0, validator=instance_of(int))
    if_range: bool = attrs.field(default=True, validator=instance_of(bool))

    @classmethod
    def reset(cls, *, after_effect: bool = False, share: float | None = None) -> Self:
        """Reset the connection (RST), in place of an answer or, with `share`, in the middle of it."""
        return cls(kind="reset", after_effect=after_effect or share is not None, share=share)

    @classmethod
    def error(cls, code: int, *, message: str = "", after_effect: bool = False) -> Self:
        """Answer with an error of the table, with its HTTP status."""
        if code not in HTTP_STATUS:
            raise ValueError(f"there is no error code {code!r}")
        return cls(kind="error", code=code, message=message or f"injected error {code}", after_effect=after_effect)

    @classmethod
    def gateway(cls, status: int = 502, *, after_effect: bool = False) -> Self:
        """Answer with a page in HTML, as a gateway does; the status may be 200."""
        if status != 200 and not 400 <= status <= 599:
            raise ValueError(f"a gateway's page has status 200, or one from 400 to 599, not {status}")
        return cls(kind="gateway", status=status, after_effect=after_effect)

    @classmethod
    def delay(cls, wait: float, *, after_effect: bool = False) -> Self:
        """Answer as always, but late. An effect that was delayed happens even if the client has gone by then."""
        return cls(kind="delay", wait=wait, after_effect=after_effect)

    @classmethod
    def stall(cls, *, share: float = 0.0, seconds: float = _LONG) -> Self:
        """Send the headers and a share of the body, then nothing, and drop the connection in the end."""
        return cls(kind="stall", after_effect=True, share=share, seconds=seconds)

    @classmethod
    def truncated(cls, share: float = 0.5) -> Self:
        """Send a share of the body to a clean end: nothing on the wire says that more belongs to it."""
        return cls(kind="truncated", after_effect=True, share=share)

    @classmethod
    def wrong_length(cls, by: int = 1000) -> Self:
        """Announce more bytes than come, and close; or fewer (negative), so that the last ones are missing."""
        return cls(kind="wrong_length", after_effect=True, by=by)

    @classmethod
    def changed(cls, *, if_range: bool = True) -> Self:
        """Serve another file from now on, with another ETag; `if_range=False` ignores that the client could tell."""
        return cls(kind="changed", if_range=if_range)

    @classmethod
    def no_ranges(cls) -> Self:
        """Send the whole file, whatever range is asked for."""
        return cls(kind="no_ranges")

    @classmethod
    def expired(cls) -> Self:
        """Refuse a link as an expired one, 403 in XML."""
        return cls(kind="expired")

    @classmethod
    def lost(cls) -> Self:
        """Do not post a callback."""
        return cls(kind="lost")

    @classmethod
    def doubled(cls) -> Self:
        """Post a callback twice."""
        return cls(kind="doubled")

    @classmethod
    def reordered(cls) -> Self:
        """Post a callback right after the next one of its task; the last one of a task keeps its place."""
        return cls(kind="reordered")

    def delayed(self, wait: float) -> Self:
        """Give the same fault, which strikes after so many seconds: `Fault.gateway(504).delayed(60)`."""
        return attrs.evolve(self, wait=wait)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a fault: its kind, and the arguments of the class method that has its name, `wait` with any of them.

        Args:
            value: For example {"kind": "error", "code": 1302, "wait": 2}.

        Raises:
            ValueError: If it is no fault.
        """
        if not isinstance(value, dict) or value.get("kind") not in list(SUITS):
            raise ValueError(f"a fault is an object with a kind, one of {', '.join(SUITS)}")
        arguments = {name: argument for name, argument in value.items() if name != "kind"}
        make: Callable[..., Self] = getattr(cls, value["kind"])
        try:
            if value["kind"] == "delay":
                return make(**arguments)
            wait = arguments.pop("wait", 0.0)
            return make(**arguments).delayed(wait)
        except TypeError as error:
            raise ValueError(f"a fault of kind {value['kind']} cannot be made of {arguments}") from error

    def as_json(self) -> dict[str, Any]:
        """Give what `from_json` reads."""
        given = {
            each.name: getattr(self, each.name)
            for each in attrs.fields(type(self))
            if getattr(self, each.name) != each.default
        }
        if self.share is not None or self.kind == "wrong_length":
            given.pop("after_effect", None)  # it cannot be otherwise
        return given
