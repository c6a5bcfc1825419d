import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.emulator import Call, Fault, Faults
from kling_async.emulator.faults.kinds import CALL_KINDS, SUITS
from tests.emulator.conftest import PATH, Caller

RESET = Fault.reset()

ONE_OF_EACH = [
    Fault.reset(after_effect=True),
    Fault.reset(share=0.5),
    Fault.error(1302, message="slower", after_effect=True),
    Fault.gateway(504).delayed(60),
    Fault.gateway(302, location="/login", after_effect=True),
    Fault.foreign({"code": "task_not_exist", "data": None}, status=400, headers={"Server": None}, after_effect=True),
    Fault.foreign("half of {", headers={"Content-Type": "application/json"}).delayed(1),
    Fault.reshaped({"/data": None}, without=("/code", "/data/*/id"), where={"/code": 0}).with_headers({"Date": None}),
    Fault.surplus(),
    Fault.other_headers({"ETag": None, "Content-Type": "text/plain"}, status=203),
    Fault.undated(),
    Fault.dated(-3600),
    Fault.delay(6, after_effect=True),
    Fault.stall(share=0.25, seconds=30).delayed(1),
    Fault.truncated(0),
    Fault.truncated().with_headers({"ETag": 'W/"1"'}).delayed(2),
    Fault.wrong_length(-5),
    Fault.slow(100.5),
    Fault.changed(if_range=False),
    Fault.no_ranges(),
    Fault.expired(),
    Fault.missing(),
    Fault.redirected(307),
    Fault.gzipped(1000),
    Fault.lost(),
    Fault.doubled(),
    Fault.reordered(),
]


def calls_with_a_fault(faults: Faults, kinds: list[Any]) -> list[int]:
    """Returns the numbers of the calls, from 1, to which a fault happens."""
    return [number for number, kind in enumerate(kinds, 1) if faults.fault_for(Call(kind=kind)) is not None]


@pytest.mark.parametrize(
    ("conditions", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"at": 3}, [3]),
        ({"at": (1, 4)}, [1, 4]),
        ({"at": range(2, 6)}, [2, 3, 4, 5]),
        ({"every": 3}, [3, 6]),
        ({"times": 2}, [1, 2]),
        ({"every": 2, "times": 2}, [2, 4]),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"when": lambda call: call.number > 5}, [6, 7, 8]),
        ({"when": lambda call: call.number > 5, "at": 2}, [7]),
    ],
)
def test_when_a_fault_happens(conditions: dict[str, Any], numbers: list[int]) -> None:
    """A fault happens to the calls that meet all conditions, numbered from 1."""
    faults = Faults()
    faults.add(RESET, on="query", **conditions)

    assert calls_with_a_fault(faults, ["query"] * 8) == numbers
    assert faults.injected == Counter({("query", "reset"): len(numbers)})


def test_kinds_are_counted_separately() -> None:
    """A call of another kind neither has the fault nor counts."""
    faults = Faults()
    faults.add(RESET, on="create", at=2)
    faults.add(RESET, on=("query", "list"), at=3)

    assert calls_with_a_fault(faults, ["create", "query", "list", "query", "create", "create"]) == [4, 5]
    assert faults.calls == {"create": 3, "query": 2, "list": 1}


def test_calls_count_from_when_a_rule_is_added() -> None:
    """`at=1` is the next call, after any number of earlier calls."""
    faults = Faults()
    calls_with_a_fault(faults, ["query"] * 5)
    faults.add(RESET, on="query", at=1)

    assert calls_with_a_fault(faults, ["query"] * 3) == [1]


def test_a_probability_is_seeded() -> None:
    """A probability selects its share of calls, the same with the same seed, and others with another one."""
    hits = []
    for seed in (1, 1, 2):
        faults = Faults()
        faults.add(RESET, on="query", probability=0.2, seed=seed)
        hits.append(calls_with_a_fault(faults, ["query"] * 1000))

    assert 150 < len(hits[0]) < 250
    assert hits[0] == hits[1] != hits[2]


def test_draws_do_not_depend_on_other_rules() -> None:
    """A rule selects the same calls whether or not an earlier rule takes some of them."""
    alone, both = Faults(), Faults()
    both.add(RESET, on="query", every=2)
    for faults in (alone, both):
        faults.add(RESET, on="query", probability=0.2)

    assert set(calls_with_a_fault(both, ["query"] * 100)) == set(calls_with_a_fault(alone, ["query"] * 100)) | set(
        range(2, 101, 2)
    )


def test_a_call_has_one_fault() -> None:
    """If two rules match a call, the first applies, and the second is not counted."""
    faults = Faults()
    faults.add(Fault.error(1302), on="query", at=1)
    faults.add(RESET, on="query", times=1)

    kinds = [fault.kind for _ in range(3) if (fault := faults.fault_for(Call(kind="query")))]

    assert kinds == ["error", "reset"]


def test_a_function_may_decide() -> None:
    """A function is evaluated for each call, and returns its fault or none."""
    faults = Faults()
    faults.add(lambda call: Fault.error(5000) if call.kind == "list" and call.number == 2 else None)

    assert calls_with_a_fault(faults, ["query", "list", "query", "list", "list"]) == [4]


async def test_a_function_receives_the_call(caller: Caller) -> None:
    """A call has its kind, number, method, path, headers in lower case, and the requested id."""
    calls: list[Call] = []
    caller.emulator.faults.add(calls.append)

    await caller.create()
    await caller.get(f"{PATH}/mine")
    await caller.get(f"{PATH}?pageNum=1")

    assert [(call.kind, call.number, call.method, call.path, call.key) for call in calls] == [
        ("create", 1, "POST", PATH, ""),
        ("query", 1, "GET", f"{PATH}/mine", "mine"),
        ("list", 1, "GET", PATH, ""),
    ]
    assert calls[0].headers["authorization"] == caller.headers["Authorization"]


def test_a_function_must_return_a_possible_fault() -> None:
    """A function that returns a fault that cannot happen to the call is an error."""
    faults = Faults()
    faults.add(lambda _: Fault.lost(), on="create")

    with pytest.raises(ValueError, match="lost cannot happen to a call of kind create"):
        faults.fault_for(Call(kind="create"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (1303, r"write Fault.error\(1303\)"),
        ("reset", "'reset' is no fault"),
        (None, "None is no fault"),
        (Fault.error, "error is not called"),
        (Fault, "Fault is not called"),
    ],
)
def test_a_value_that_is_not_a_fault_is_refused(fault: Any, words: str) -> None:
    """A value that is neither a fault nor a function raises an error at once, with a suggestion."""
    faults = Faults()
    with pytest.raises(TypeError, match=words):
        faults.add(fault, on="create")
    assert faults.rules == []


def test_a_function_must_return_faults() -> None:
    """A function that returns something else raises an error at the call."""
    faults = Faults()

    def wrong(_: Call) -> Any:
        return 1303

    faults.add(wrong, on="create")
    with pytest.raises(TypeError, match="gives a Fault or None, not 1303"):
        faults.fault_for(Call(kind="create"))


def test_clear_removes_all_rules() -> None:
    """After `clear` there are no faults, but the earlier ones are still counted."""
    faults = Faults()
    faults.add(RESET)
    calls_with_a_fault(faults, ["query"])
    faults.clear()

    assert calls_with_a_fault(faults, ["query"] * 5) == []
    assert faults.injected.total() == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"on": "file", "fault": Fault.error(1302)},
        {"on": "create", "fault": Fault.expired()},
        {"on": ("create", "callback"), "fault": RESET},
        {"on": "unknown", "fault": RESET},
        {"on": (), "fault": RESET},
        {"at": 0},
        {"at": (1, -1)},
        {"at": True},
        {"every": 0},
        {"times": 0},
        {"probability": 1.5},
        {"probability": float("nan")},
        {"probability": "often"},
    ],
)
def test_impossible_rules_raise_at_once(arguments: dict[str, Any]) -> None:
    """A rule that could never do anything is a ValueError."""
    faults = Faults()
    conditions = {name: value for name, value in arguments.items() if name != "fault"}
    with pytest.raises(ValueError, match=r"."):
        faults.add(arguments.get("fault", RESET), **conditions)

    assert faults.rules == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fault.error(1104),
        lambda: Fault.gateway(0),
        lambda: Fault.gateway(103),
        lambda: Fault.foreign(status=600),
        lambda: Fault.foreign(float),
        lambda: Fault.foreign(headers={"A": "1\r\nB: 2"}),
        lambda: Fault.reshaped({"data": 1}),
        lambda: Fault.reshaped(without=("",)),
        lambda: Fault.reshaped(where={"data": 1}),
        lambda: Fault.redirected(0),
        lambda: Fault.slow(0.5),
        lambda: Fault.gzipped(-1),
        lambda: Fault.truncated(1.5),
    ],
)
def test_impossible_faults_raise_at_once(make: Any) -> None:
    """A fault with an invalid code, status, share or pointer is an error."""
    with pytest.raises((ValueError, TypeError), match=r"."):
        make()


@pytest.mark.parametrize("fault", ONE_OF_EACH, ids=lambda fault: fault.kind)
def test_a_fault_is_the_same_in_json(fault: Fault) -> None:
    """The JSON of a fault makes the same fault again."""
    assert Fault.from_json(json.loads(json.dumps(fault.as_json()))) == fault
    assert isinstance(hash(fault), int)


def test_the_list_of_faults_is_complete() -> None:
    """The list above has a fault of each kind, and each kind of call can have a fault."""
    assert {fault.kind for fault in ONE_OF_EACH} == SUITS.keys()
    assert set().union(*SUITS.values()) == set(CALL_KINDS)


VALUES = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(VALUES, lambda each: st.dictionaries(st.text(), each), max_leaves=5))
def test_invalid_json_rules_raise(value: object) -> None:
    """Invalid JSON is a ValueError, and adds no rule."""
    faults = Faults()
    with pytest.raises(ValueError, match=r"."):
        faults.add_json({"fault": value})

    assert faults.rules == []
