"""Values that raise on access, are endless, or are no values cause problems, and never an exception."""

import itertools
import math
from typing import Any, Final

import attrs
import pytest

from kling_async import current
from kling_async.protocol.catalog import all_calls, all_endpoints
from kling_async.protocol.endpoint import Described
from kling_async.protocol.rules.files import files_of


class Hostile(Exception):
    """The exception that such values raise."""


def odd(base: type, *names: str) -> type[Any]:
    """A class whose methods of these names raise."""

    def fail(*_given: object) -> None:
        raise Hostile

    return type("Odd", (base,), dict.fromkeys(names, fail))


def not_there() -> Any:
    """An unbound proxy: even reading its class raises."""

    def fail(_self: object) -> type:
        raise Hostile

    return type("NotThere", (), {"__class__": property(fail)})()


def within(kind: type, times: int) -> Any:
    """A value nested in this many lists or tuples."""
    value = kind()
    for _ in range(times):
        value = kind([value])
    return value


def endless() -> list[Any]:
    """A list and a dict that contain only themselves, growing tenfold with each level."""
    many: list[Any] = []
    many.extend([many] * 10)
    named: dict[str, Any] = {}
    named["a"] = named
    return [many, named]


def released() -> memoryview:
    """A released view."""
    view = memoryview(b"x")
    view.release()
    return view


COMPARED: Final = ("__eq__", "__ne__", "__hash__")
TEXT: Final = (*COMPARED, "__len__", "__bool__", "__str__", "__format__", "strip", "lower", "startswith", "encode")
HOSTILE: Final[dict[str, Any]] = {
    "object": odd(object, *COMPARED)(),
    "no truth": odd(object, "__bool__", "__len__")(),
    "iterable": odd(object, "__iter__")(),
    "text": odd(str, *TEXT)("5s"),
    "empty text": odd(str, *COMPARED, "__len__")(""),
    "whole": odd(int, *COMPARED, "__lt__", "__gt__", "__le__", "__ge__", "__abs__", "__index__")(5),
    "number": odd(float, *COMPARED, "is_integer")(5.0),
    "dict": odd(dict, *COMPARED, "__iter__", "keys", "items", "__getitem__", "__contains__", "__len__")({"url": "x"}),
    "list": odd(list, *COMPARED, "__iter__", "__len__")([1]),
    "tuple": odd(tuple, *COMPARED, "__iter__", "__len__")((1,)),
    "bytes": odd(bytes, *COMPARED, "__len__")(b"x"),
    "of lists": [odd(object, *COMPARED)()],
    "not there": not_there(),
    **dict(zip(("many of itself", "itself"), endless(), strict=True)),
    "deep lists": within(list, 20_000),
    "deep tuples": within(tuple, 20_000),
    "released": released(),
    "sets": [{1}, frozenset({2})],
    "infinite": [math.inf, -math.inf, math.nan],
    "huge": 10**5000,
    "tiny": -(10**5000),
    "surrogates": {"\ud800": "\ud800"},
    "keys": {None: 1, 5: 2, (1,): 3},
    "a class": object,
    "of nothing": iter(()),
}
EACH: Final = pytest.mark.parametrize("name", HOSTILE)
NEVER_SENT: Final = sorted(HOSTILE.keys() - {"text", "empty text", "whole", "number", "list", "tuple", "of nothing"})
"""All but those that are legal values in disguise."""

V3: Final = "/image-to-video/kling-3.0"
MEMBERS: Final = [
    *(((where,)) for where in ("prompt", "contents", "settings", "options", "else")),
    *(("settings", name) for name in ("duration", "audio", "multi_shot", "resolution", "else")),
    *(("options", name) for name in ("callback_url", "watermark_info", "external_task_id")),
]
ITEMS: Final = [
    (kind, member) for kind in ("prompt", "first_frame", "element", "video") for member in ("type", "url", "text", "id")
]


def places(value: Any) -> list[Any]:
    """Bodies with this value in different places."""
    found: list[Any] = [value, {"contents": [value]}]
    found += [{where[0]: value if len(where) == 1 else {where[1]: value}} for where in MEMBERS]
    found += [{"contents": [{"type": "prompt", "text": "a"}, {"type": kind, name: value}]} for kind, name in ITEMS]
    return found


@EACH
def test_bodies(name: str) -> None:
    """Any value anywhere in a handwritten body, or instead of it, is valid or a problem."""
    value = HOSTILE[name]
    for path, body in itertools.product((V3, "/text-to-video/kling-3.0", "/omni-video/kling-9"), places(value)):
        assert all(0 < len(str(problem)) < 500 for problem in current.problems(path, body))
    assert current.problems(value, {})


@pytest.mark.parametrize("name", NEVER_SENT)
def test_values_that_are_not_json(name: str) -> None:
    """Values that JSON does not have are refused anywhere, also for unknown models."""
    for where in ("duration", "else"):
        problems = current.problems("/image-to-video/kling-9", {"settings": {where: HOSTILE[name]}})
        assert not all(problem.only_warns for problem in problems)


ENDPOINTS: Final[dict[str, Described]] = {each.path: each for each in (*all_endpoints(), *all_calls())}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_records(path: str) -> None:
    """A record takes any value of any parameter, and reports its problems."""
    endpoint = ENDPOINTS[path]
    fields = attrs.fields_dict(endpoint.record)
    needed: dict[str, Any] = {each: None for each, field in fields.items() if field.default is attrs.NOTHING}
    for field, value in itertools.product(fields, HOSTILE.values()):
        request = endpoint.record(**{**needed, field: value})
        files_of(request)
        assert all(0 < len(str(problem)) < 500 for problem in endpoint.problems(request, {}))


def test_lists_without_an_end() -> None:
    """An endless list is refused without iterating over it."""
    forever: Any = itertools.count()
    request = current.OmniVideo("a cat", model="kling-3.0-omni", aspect_ratio="1:1", elements=forever)
    problems = ENDPOINTS["/omni-video"].problems(request, {})
    assert [str(problem) for problem in problems] == ["elements: expected a list, got more than 1000 items"]
