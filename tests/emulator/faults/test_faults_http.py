from typing import Any

import pytest

from kling_async.emulator import Fault
from tests.emulator.conftest import PATH, Caller

from .conftest import raw_create

FAULTS = "/_emulator/faults"
ACCOUNT = "/_emulator/account"


async def test_a_fault_is_added(caller: Caller) -> None:
    """A rule in JSON does what the same rule does in Python, without credentials."""
    rule = {"on": "create", "at": 1, "fault": {"kind": "reset", "after_effect": True}}

    answer = await caller.request("POST", FAULTS, json=rule)

    assert answer.status == 200
    assert (await raw_create(caller)).end == "reset"
    assert caller.emulator.ledger.created == 1
    assert (await caller.create()).code == 0


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": {"kind": "error", "code": 1302, "message": "slower"}, "on": ["query", "list"], "every": 2},
        {"fault": {"kind": "delay", "wait": 6}, "probability": 0.25, "seed": 3, "times": 2, "on": "create"},
        {"fault": {"kind": "gateway", "status": 504, "wait": 60, "after_effect": True}, "at": [1, 2], "on": "create"},
        {"fault": {"kind": "stall", "share": 0.5, "seconds": 30}, "on": "file"},
        {"fault": {"kind": "foreign", "body": {"detail": "x"}, "status": 402, "headers": {"A": "b"}}, "on": "list"},
        {"fault": {"kind": "reshaped", "changes": {"/data": None}, "without": ["/code"]}, "on": "query"},
        {"fault": {"kind": "truncated", "headers": {"ETag": None}}, "on": "file"},
    ],
)
async def test_rules_are_shown_with_all_arguments(caller: Caller, rule: dict[str, Any]) -> None:
    """The JSON of a rule has all its arguments."""
    await caller.request("POST", FAULTS, json=rule)

    (shown,) = (await caller.request("GET", FAULTS)).body["rules"]

    assert Fault.from_json(shown["fault"]) == Fault.from_json(rule["fault"])
    assert shown["on"] == ([rule["on"]] if isinstance(rule["on"], str) else sorted(rule["on"]))
    assert {name: shown[name] for name in rule if name not in {"fault", "on"}} == {
        name: value for name, value in rule.items() if name not in {"fault", "on"}
    }


async def test_faults_and_calls_are_counted(caller: Caller) -> None:
    """Injected faults and calls are counted by kind; Python functions are shown as "a function"."""
    caller.emulator.faults.add(Fault.error(1302), on="list", at=2, when=lambda _: True)
    caller.emulator.faults.add(lambda _: None)
    for _ in range(3):
        await caller.get(PATH)

    shown = (await caller.request("GET", FAULTS)).body

    assert (shown["injected"], shown["calls"]) == ({"list error": 1}, {"list": 3})
    assert [rule["injected"] for rule in shown["rules"]] == [1, 0]
    assert [rule["when"] for rule in shown["rules"]] == ["a function", None]
    assert shown["rules"][1]["fault"] == "a function"


async def test_faults_are_cleared(caller: Caller) -> None:
    """DELETE removes all rules, and the counts remain."""
    await caller.request("POST", FAULTS, json={"on": "list", "fault": {"kind": "gateway"}})
    assert (await caller.get(PATH)).status == 502

    cleared = (await caller.request("DELETE", FAULTS)).body

    assert (cleared["rules"], cleared["injected"]) == ([], {"list gateway": 1})
    assert (await caller.get(PATH)).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (FAULTS, "no JSON"),
        (FAULTS, b"\xff\xfe"),
        pytest.param(FAULTS, "[" * 100_000, id="deep"),
        (FAULTS, "[]"),
        (FAULTS, "{}"),
        (FAULTS, '{"fault": {"kind": "from_json"}}'),
        (FAULTS, '{"fault": {"kind": ["reset"]}}'),
        (FAULTS, '{"fault": {"kind": "reset", "share": 2}}'),
        (FAULTS, '{"fault": {"kind": "reset", "share": "x"}}'),
        (FAULTS, '{"fault": {"kind": "error"}}'),
        (FAULTS, '{"fault": {"kind": "error", "code": [1]}}'),
        (FAULTS, '{"fault": {"kind": "gateway", "status": "502"}}'),
        (FAULTS, '{"fault": {"kind": "reset", "unknown": 1}}'),
        (FAULTS, '{"fault": {"kind": "reset"}, "unknown": 1}'),
        (FAULTS, '{"fault": {"kind": "reset", "headers": 5}}'),
        (FAULTS, '{"fault": {"kind": "reset", "wait": "x"}}'),
        (FAULTS, '{"fault": {"kind": "other_headers"}}'),
        (FAULTS, '{"fault": {"kind": "other_headers", "headers": {"A": 1}}}'),
        (FAULTS, '{"fault": {"kind": "other_headers", "headers": {"A b": "1"}}}'),
        (FAULTS, '{"fault": {"kind": "foreign", "status": 100}}'),
        (FAULTS, '{"fault": {"kind": "reshaped", "changes": {"data": 1}}}'),
        (FAULTS, '{"fault": {"kind": "reshaped", "changes": ["/data"]}}'),
        (FAULTS, '{"fault": {"kind": "reshaped", "without": 5}}'),
        (FAULTS, '{"fault": {"kind": "reshaped", "without": "/data"}}'),
        (FAULTS, '{"fault": {"kind": "reset"}, "on": "file", "at": "x"}'),
        (FAULTS, '{"fault": {"kind": "reset"}, "on": 5}'),
        (FAULTS, '{"fault": {"kind": "reset"}, "on": [[]]}'),
        (FAULTS, '{"fault": {"kind": "lost"}, "on": "create"}'),
        (ACCOUNT, "5"),
        (ACCOUNT, '{"unknown": 1}'),
        (ACCOUNT, '{"limit": 1, "visible_after": -1}'),
        (ACCOUNT, '{"limits": 5}'),
        (ACCOUNT, '{"occupied": 5}'),
        (ACCOUNT, '{"occupied": [5]}'),
        (ACCOUNT, '{"occupied": [{"slots": -1}]}'),
        (ACCOUNT, '{"occupied": [{"slots": 1, "unknown": 1}]}'),
    ],
)
async def test_invalid_input_is_refused(caller: Caller, path: str, body: str | bytes) -> None:
    """Invalid input is 400 with a reason, and changes nothing."""
    before = (await caller.request("GET", path)).body

    answer = await caller.request("POST", path, data=body, headers={"Content-Type": "application/json"})

    assert (answer.status, set(answer.body)) == (400, {"error"})
    assert answer.body["error"]
    assert (await caller.request("GET", path)).body == before


async def test_the_account_is_changed(caller: Caller) -> None:
    """Settings of the account are shown, changed one by one, and reset."""
    first = (await caller.request("GET", ACCOUNT)).body
    settings: dict[str, Any] = {"limit": 5, "limits": {"kling-v3": 2}, "visible_after": 10}
    settings |= {"unique_ids": False, "list_seed": 3, "clock_skew": -40, "retired": {"some": ["kling-v1"]}}
    settings |= {"legacy_only": True, "opened": ["kling-9"], "forgetful": ["*"], "mixed_words": True, "pays": "USD"}
    settings |= {"legacy_ids": "refused"}
    for name, value in settings.items():
        await caller.request("POST", ACCOUNT, json={name: value})
    occupied = [{"slots": 1, "model": "kling-v3", "since": None, "until": 2e9}]

    changed = (await caller.request("POST", ACCOUNT, json={"occupied": occupied})).body

    assert changed == settings | {"occupied": occupied}
    assert caller.emulator.account.limit == 5
    assert caller.emulator.account.occupied[0].slots == 1
    assert (await caller.request("DELETE", ACCOUNT)).body == first


@pytest.mark.parametrize("path", [FAULTS, ACCOUNT])
@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "multipart/form-data", "x"],
)
async def test_content_types_other_than_json_are_refused(caller: Caller, path: str, kind: str) -> None:
    """Other content types than JSON are refused with 415: a page of another site can only send those."""
    before = (await caller.request("GET", path)).body

    answer = await caller.request("POST", path, data=b'{"limit": 1}', headers={"Content-Type": kind})

    assert (answer.status, set(answer.body)) == (415, {"error"})
    assert (await caller.request("GET", path)).body == before


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=no"])
async def test_the_character_set_of_json_is_ignored(caller: Caller, kind: str) -> None:
    """A character set is ignored: the encoding of JSON is detected from its bytes."""
    answer = await caller.request("POST", ACCOUNT, data=b'{"limit": 1}', headers={"Content-Type": kind})

    assert (answer.status, caller.emulator.account.limit) == (200, 1)
