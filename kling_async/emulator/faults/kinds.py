"""Kinds of calls, kinds of faults, and which faults each call can have."""

from typing import Final, Literal, get_args

CallKind = Literal["create", "query", "list", "call", "account", "file", "callback"]
"""The kind of a call; "call" is a POST that answers at once, "callback" is a request sent by the emulator."""

FaultKind = Literal[
    "reset",
    "error",
    "gateway",
    "foreign",
    "reshaped",
    "surplus",
    "other_headers",
    "undated",
    "dated",
    "delay",
    "stall",
    "truncated",
    "wrong_length",
    "slow",
    "changed",
    "no_ranges",
    "expired",
    "missing",
    "redirected",
    "gzipped",
    "lost",
    "doubled",
    "reordered",
]

CALL_KINDS: Final[tuple[CallKind, ...]] = get_args(CallKind)

_API: Final[frozenset[CallKind]] = frozenset({"create", "query", "list", "call", "account"})
_FILE: Final[frozenset[CallKind]] = frozenset({"file"})
_CALLBACK: Final[frozenset[CallKind]] = frozenset({"callback"})

SUITS: Final[dict[FaultKind, frozenset[CallKind]]] = {
    "reset": _API | _FILE,
    "error": _API,
    "gateway": _API | _FILE,
    "foreign": _API | _FILE,
    "reshaped": _API,
    "surplus": _API,
    "other_headers": _API | _FILE,
    "undated": _API | _FILE,
    "dated": _API | _FILE,
    "delay": _API | _FILE | _CALLBACK,
    "stall": _API | _FILE,
    "truncated": _API | _FILE,
    "wrong_length": _API | _FILE,
    "slow": _FILE,
    "changed": _FILE,
    "no_ranges": _FILE,
    "expired": _FILE,
    "missing": _FILE,
    "redirected": _FILE,
    "gzipped": _FILE,
    "lost": _CALLBACK,
    "doubled": _CALLBACK,
    "reordered": _CALLBACK,
}
"""The kinds of calls that each fault can happen to."""

ALTERED: Final[frozenset[FaultKind]] = frozenset(
    {"reshaped", "surplus", "other_headers", "undated", "dated", "stall", "truncated", "wrong_length"}
)
"""Faults that always strike after the effect, because they alter the true answer."""
