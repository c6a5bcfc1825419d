from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator

from .conftest import FAR, Caller, Clock


async def test_an_account_may_lack_one_pack(clock: Clock) -> None:
    """Without a pack of a kind, calls paid from it are refused, and the list of packs does not contain it."""
    async with Emulator(balance={"image": 5}, clock=clock) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        created, costs = await caller.create(), await caller.get("/account/costs?start_time=0&end_time=1")

    (pack,) = costs.body["data"]["resource_pack_subscribe_infos"]
    assert (created.status, created.code, pack["total_quantity"]) == (429, 1102, 5.0)
    with pytest.raises(ValueError, match="packs are called video, image, try-on, not sound"):
        Emulator(balance={"sound": 5})  # type: ignore[dict-item]  # what is refused


async def test_slots_in_use_are_counted(caller: Caller, clock: Clock) -> None:
    """The number of slots in use is reported by kind of pack, over all models, while tasks run."""
    await caller.create()
    await caller.create(model_name="kling-v3")

    async def slots(kind: str) -> Any:
        return (await caller.get(f"/account/concurrency?budget_type={kind}")).body["data"]

    assert [await slots("video"), await slots("image")] == [2, 0]
    clock.advance(FAR)
    assert await slots("video") == 0
    assert (await caller.get("/account/concurrency")).code == 1201


async def test_models_and_endpoints_may_be_retired(caller: Caller) -> None:
    """Retired models are refused with 404/1203 without a charge, on that endpoint only; older tasks remain."""
    old = (await caller.create(model_name="kling-v1")).body["data"]["task_id"]
    account = caller.emulator.account

    account.retired = {"image2video": ["kling-v1", "kling-v1-5"]}
    gone = [await caller.create(model_name="kling-v1-5", cfg_scale="x"), await caller.create(model_name=None)]
    alive = [await caller.create(), await caller.task(old)]
    account.change({"retired": {"image2video": ["*"]}})
    closed = await caller.create()

    assert [(each.status, each.code, each.message) for each in gone] == [(404, 1203, "The model is discontinued")] * 2
    assert (alive[0].code, alive[1]["task_id"]) == (0, old)
    assert (closed.status, closed.code, closed.message) == (404, 1203, "This API is no longer available")
    assert caller.emulator.ledger.created == 2
