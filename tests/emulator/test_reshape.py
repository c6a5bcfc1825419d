import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.emulator.faults.reshape import found, reshaped, steps

BODY = {"code": 0, "data": [{"id": "1", "videos": [{"id": "a"}]}, {"id": "2"}], "a/b": {"~": 1}}


@pytest.mark.parametrize(
    ("changes", "without", "result"),
    [
        ({}, (), BODY),
        ({"/code": "0"}, (), BODY | {"code": "0"}),
        ({"/new": None}, (), BODY | {"new": None}),
        ({"": [1]}, (), [1]),
        ({"/a~1b/~0": 2}, (), BODY | {"a/b": {"~": 2}}),
        ({"/data/*/id": 5}, (), BODY | {"data": [{"id": 5, "videos": [{"id": "a"}]}, {"id": 5}]}),
        ({"/data/0/videos/0/id": None}, (), BODY | {"data": [{"id": "1", "videos": [{"id": None}]}, {"id": "2"}]}),
        ({"/data/1": None, "/data/-": "x"}, (), BODY | {"data": [BODY["data"][0], None, "x"]}),  # type: ignore[index]  # a list is there
        ({"/data": None}, (), BODY | {"data": None}),
        ({"/data": None}, ("/data",), {"code": 0, "a/b": {"~": 1}}),
        ({}, ("/data/*",), BODY | {"data": []}),
        ({}, ("/data/*/videos", "/a~1b"), {"code": 0, "data": [{"id": "1"}, {"id": "2"}]}),
        ({"/nothing/here": 1, "/data/7": 1, "/data/x": 1, "/code/x": 1, "/data/*/no/x": 1}, ("/no", "/data/-"), BODY),
    ],
)
def test_changes(changes: dict[str, Any], without: tuple[str, ...], result: Any) -> None:
    """A value is set or removed at a pointer; a pointer without a match changes nothing."""
    assert reshaped(copy.deepcopy(BODY), changes, without) == result


@pytest.mark.parametrize(
    ("pointer", "values"),
    [("", [BODY]), ("/code", [0]), ("/data/*/id", ["1", "2"]), ("/data/*/videos/*/id", ["a"]), ("/data/2", [])],
)
def test_matches(pointer: str, values: list[Any]) -> None:
    """A pointer matches no value, one or, with `*`, several."""
    assert found(BODY, pointer) == values


@pytest.mark.parametrize("pointer", ["data", "data/x", 5, None])
def test_an_invalid_pointer(pointer: object) -> None:
    """A pointer that is not empty begins with a slash."""
    with pytest.raises(ValueError, match="pointer"):
        steps(pointer)


_values = st.recursive(
    st.none() | st.integers(), lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from("ab*"), each)
)


@given(_values, st.lists(st.sampled_from(["", "a", "b", "*", "0", "1", "-"]), min_size=1, max_size=4))
def test_any_pointer_fits_any_value(value: Any, path: list[str]) -> None:
    """For any pointer and value, changes and removals do not fail, and removed values are not found."""
    pointer = "".join(f"/{step}" for step in path)

    reshaped(copy.deepcopy(value), {pointer: 1}, ())
    left = reshaped(value, {}, (pointer,))

    assert path[-1].isdecimal() or not found(left, pointer)
