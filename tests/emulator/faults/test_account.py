import asyncio
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import jwt
import pytest

from kling_async.emulator import Account, Emulator, Fault
from tests.emulator.conftest import FAR, PATH, Caller
from tests.emulator.test_server import Receiver

from .conftest import now


async def codes(caller: Caller, count: int, **parameters: Any) -> list[int]:
    """Creates tasks one after the other, and returns the codes of the answers."""
    return [(await caller.create(**parameters)).code for _ in range(count)]


async def test_a_lower_limit_than_configured(caller: Caller) -> None:
    """The account runs fewer tasks than configured, and the limit may change while it runs."""
    caller.emulator.account.limit = 2
    lower = await codes(caller, 3)
    caller.emulator.account.limit = 3
    raised = await codes(caller, 2)
    caller.emulator.account.limit = 1
    lowered = await codes(caller, 1)
    await asyncio.sleep(FAR)

    assert (lower, raised, lowered) == ([0, 0, 1303], [0, 1303], [1303])
    assert await codes(caller, 2) == [0, 1303]
    assert caller.emulator.ledger.peak() == 3


async def test_a_limit_of_one_model(caller: Caller) -> None:
    """A model may have a different limit, above or below that of the others."""
    caller.emulator.account.limit = 1
    caller.emulator.account.limits["kling-v3"] = 2
    caller.emulator.account.limits["kling-v1"] = 0

    assert await codes(caller, 2) == [0, 1303]
    assert await codes(caller, 3, model_name="kling-v3") == [0, 0, 1303]
    assert await codes(caller, 1, model_name="kling-v1") == [1303]


async def test_others_take_slots(caller: Caller) -> None:
    """Another user's tasks take slots of a model for a period."""
    account = caller.emulator.account
    account.limit = 3
    account.occupy(1)
    account.occupy(2, model="kling-v2-6", since=now() + 100, until=now() + FAR + 200)
    account.occupy(3, model="kling-v3")

    assert await codes(caller, 3) == [0, 0, 1303]
    assert await codes(caller, 1, model_name="kling-v3") == [1303]
    await asyncio.sleep(FAR)
    assert await codes(caller, 1) == [1303]
    await asyncio.sleep(300)
    assert await codes(caller, 3) == [0, 0, 1303]
    account.occupied.clear()
    assert await codes(caller, 2) == [0, 1303]


async def test_a_new_task_is_not_shown_at_once(caller: Caller) -> None:
    """Queries and lists find a new task only after a while; meanwhile a second create with its id is refused."""
    caller.emulator.account.visible_after = 10
    old = (await caller.create(external_task_id="old")).body["data"]["task_id"]
    await asyncio.sleep(11)
    new = (await caller.create(external_task_id="new")).body["data"]["task_id"]

    early = [await caller.get(f"{PATH}/{key}") for key in (new, "new")]
    listed = [task["task_id"] for task in (await caller.get(PATH)).body["data"]]
    second = await caller.create(external_task_id="new")
    await asyncio.sleep(10)
    late = [task["task_id"] for task in (await caller.get(PATH)).body["data"]]

    assert [(answer.status, answer.code) for answer in early] == [(400, 1201)] * 2
    assert listed == [old]
    assert second.message == "External_task_id new already exists"
    assert late == [new, old]
    assert (await caller.task("new"))["task_id"] == new


async def test_an_account_that_refuses_no_duplicates(caller: Caller) -> None:
    """If external ids need not be unique, a second create creates, and charges for, a second task."""
    caller.emulator.account.unique_ids = False
    first, second = [(await caller.create(external_task_id="mine")).body["data"] for _ in range(2)]

    assert first["task_id"] != second["task_id"]
    assert (await caller.task("mine"))["task_id"] == second["task_id"]
    assert (caller.emulator.ledger.created, caller.emulator.ledger.charged) == (2, 3.0)
    caller.emulator.account.unique_ids = True
    assert (await caller.create(external_task_id="mine")).code == 1201


async def test_the_list_in_any_order(caller: Caller) -> None:
    """A seed shuffles the list: it is not sorted by time, and its pages contain each task once."""
    ids = [(await caller.create()).body["data"]["task_id"] for _ in range(12)]
    orders = []
    for seed in (1, 1, 2):
        caller.emulator.account.list_seed = seed
        pages = [(await caller.get(f"{PATH}?pageNum={number}&pageSize=5")).body["data"] for number in (1, 2, 3)]
        assert [len(page) for page in pages] == [5, 5, 2]
        orders.append([task["task_id"] for page in pages for task in page])

    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert set(order) == set(ids)
        assert order not in (ids, ids[::-1])


async def test_a_page_of_the_list_is_hit(caller: Caller) -> None:
    """Faults happen to pages of the list as to other calls."""
    caller.emulator.faults.add(Fault.gateway(502), on="list", at=2)

    statuses = [(await caller.get(f"{PATH}?pageNum={number}")).status for number in (1, 2, 3)]

    assert statuses == [200, 502, 200]


@pytest.mark.parametrize(("skew", "code"), [(-60, 1003), (-4, 0), (0, 0), (4000, 1004)])
async def test_the_clock_of_the_service_may_be_skewed(caller: Caller, skew: float, code: int) -> None:
    """A skew affects the check of a token and the `Date` header, from which it can be computed."""
    emulator = caller.emulator
    emulator.account.clock_skew = skew
    claims = {"iss": emulator.access_key, "exp": int(now()) + 1800, "nbf": int(now()) - 5}
    caller.headers = {"Authorization": f"Bearer {jwt.encode(claims, emulator.secret_key, 'HS256')}"}

    answer = await caller.get(PATH)

    assert answer.code == code
    assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - now() - skew) < 2


async def test_a_skew_affects_times_on_the_wire(caller: Caller) -> None:
    """Create, query, list and callback contain the service's times; running tasks and the ledger are unaffected."""
    caller.emulator.account.clock_skew = 3600
    async with Receiver() as receiver:
        created = (await caller.create(callback_url=receiver.url)).body["data"]
        queried = await caller.task(created["task_id"])
        (listed,) = (await caller.get(PATH)).body["data"]
        _, posted = await asyncio.wait_for(receiver.received.get(), FAR)

    entry = caller.emulator.ledger.entries[0]
    times = {each["created_at"] for each in (created, queried, listed, posted)}
    assert times == {int((entry.created_at + 3600) * 1000)}
    assert queried["task_status"] == "submitted"
    assert posted["updated_at"] > created["updated_at"]


@pytest.mark.parametrize(
    "change",
    [
        {"limit": -1},
        {"limit": "5"},
        {"visible_after": -1},
        {"list_seed": 0.5},
        {"unique_ids": 0},
        {"clock_skew": "x"},
        {"limits": {"x": -1}},
    ],
)
def test_impossible_settings_raise_at_once(change: dict[str, Any]) -> None:
    """A setting of a wrong type is an error, both as an attribute and in JSON."""
    account = Account()
    ((name, value),) = change.items()

    with pytest.raises((ValueError, TypeError)):
        setattr(account, name, value)
    with pytest.raises(ValueError, match=r"."):
        account.change({"limit": 1, **change})

    assert account == Account()


@pytest.fixture
async def others() -> AsyncIterator[tuple[Caller, Caller]]:
    """Yields two clients of one account that runs 3 tasks although configured for 5."""
    async with Emulator(render=False, clock=now, speed=1.0) as running, aiohttp.ClientSession() as session:
        running.account.limit = 3
        yield Caller(running, session), Caller(running, session)


async def test_two_clients_share_the_account(others: tuple[Caller, Caller]) -> None:
    """The tasks of one client take slots from the other."""
    assert await codes(others[0], 2) == [0, 0]
    assert await codes(others[1], 2) == [0, 1303]
