"""Every endpoint reports any invalid value of any parameter by its field, and shows no secret."""

import math
from pathlib import PurePath
from typing import Any

import attrs
import pytest

from kling_async.protocol.catalog import all_calls, all_endpoints
from kling_async.protocol.endpoint import Described

SIGNED = "https://user:PASSWORD@files.example/clip.mp4?SIGNATURE"
ODD: list[Any] = [
    None, 0, -1, True, 1.5, math.nan, 2**70, 10**5000, 1j, "", " ", "\ud800", "5" * 3000, SIGNED, b"x", bytearray(b"x"),
    memoryview(b"x"), object(), int, PurePath("x"), {}, {"nope": 1}, {1: 2}, {1}, [], [None], [{}], [[]],
    [0], [object()], [{"nope": 1}], [SIGNED],
]  # fmt: skip
ENDPOINTS: dict[str, Described] = {each.path: each for each in (*all_endpoints(), *all_calls())}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_any_value_is_checked(name: str) -> None:
    """Any value of any parameter gives problems with fields of the record, never an exception, and shows no secret."""
    record = ENDPOINTS[name].record
    fields = attrs.fields_dict(record)
    needed: dict[str, Any] = {each: None for each, field in fields.items() if field.default is attrs.NOTHING}
    for field, known in fields.items():
        for value in ODD:
            request = record(**{**needed, field: value})
            shown = repr(request) if "instead_of" in known.metadata else ""
            for problem in ENDPOINTS[name].problems(request, {}):
                assert problem.field.partition(".")[0].partition("[")[0] in fields
                assert 0 < len(problem.message) < 500
                shown += problem.message
            assert "SIGNATURE" not in shown
            assert "PASSWORD" not in shown


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_invalid_alternative_is_refused(name: str) -> None:
    """An alternative to another member that is no result of an earlier request is refused by its field."""
    record = ENDPOINTS[name].record
    fields = attrs.fields_dict(record)
    needed: dict[str, Any] = {each: None for each, field in fields.items() if field.default is attrs.NOTHING}
    for field in (each for each, known in fields.items() if "instead_of" in known.metadata):
        for value in (0, True, "", SIGNED, [], {}, object()):
            problems = ENDPOINTS[name].problems(record(**{**needed, field: value}), {})
            assert field in [problem.field for problem in problems]
