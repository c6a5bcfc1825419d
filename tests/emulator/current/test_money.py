"""Prices of tasks of the current generation, and the two lists of deductions."""

import base64
import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator, mean_generation_seconds
from kling_async.emulator.service.answers import decimal_text
from tests.emulator.conftest import FAR, Answer, Caller, Clock
from tests.protocol.recorded_bodies import OTHERS, RECORDED

from .bodies import (
    ENDPOINTS,
    MOTION,
    MOTION_V2_6,
    O1,
    OMNI,
    TEXT_TURBO,
    TEXT_V2_5,
    TEXT_V2_6,
    TEXT_V3,
    TURBO,
    V2_5,
    V2_6,
    V3,
    Body,
    ended,
    is_refused,
    item,
    made,
    named,
    of,
    taken,
    task,
    words,
)

FIRST = item("first_frame")
VOICE = named("voice", "v")
LIKE = {"character_orientation": "video"}
WIDE = {"aspect_ratio": "16:9"}

# Path, contents, settings without resolution; units per second in 720p, 1080p and 4k, "" where there is none.
PRICES: list[tuple[str, tuple[Body | str, ...], dict[str, Any], str]] = [
    (TEXT_TURBO, (), {}, "0.8 1.0"),
    (TURBO, (FIRST,), {}, "0.8 1.0"),
    (TEXT_V3, (), {}, "0.6 0.8 3.0"),
    (TEXT_V3, (), {"audio": "native"}, "0.9 1.2 3.0"),
    (V3, (FIRST,), {}, "0.6 0.8 3.0"),
    (V3, (FIRST,), {"audio": "native"}, "0.9 1.2 3.0"),
    (MOTION, ("image", "video"), LIKE, "0.9 1.2"),
    (OMNI, ("prompt",), WIDE, "0.6 0.8 3.0"),
    (OMNI, ("prompt",), WIDE | {"audio": "native"}, "0.8 1.0 3.0"),
    (OMNI, ("prompt", "feature_video"), {}, "0.9 1.2 3.0"),
    (OMNI, ("prompt", "base_video"), {"audio": "original"}, "0.9 1.2 3.0"),
    (O1, ("prompt",), WIDE, "0.6 0.8"),
    (O1, ("prompt", "base_video"), {}, "0.9 1.2"),
    (TEXT_V2_6, (), {}, "0.3 0.5"),
    (TEXT_V2_6, (), {"audio": "native"}, " 1.0"),
    (V2_6, (FIRST,), {}, "0.3 0.5"),
    (V2_6, (FIRST,), {"audio": "native"}, " 1.0"),
    (V2_6, (FIRST, VOICE), {"audio": "native"}, " 1.2"),
    (MOTION_V2_6, ("image", "video"), LIKE, "0.5 0.8"),
    (TEXT_V2_5, (), {}, "0.3 0.5"),
    (V2_5, (FIRST,), {}, "0.3 0.5"),
]


@pytest.mark.parametrize(("path", "contents", "settings", "rates"), PRICES)
def test_prices_follow_the_table(
    path: str, contents: tuple[Body | str, ...], settings: dict[str, Any], rates: str
) -> None:
    """A clip costs its seconds times the price of one, by model, resolution, sound, voice and video."""
    has_duration = path not in {MOTION, MOTION_V2_6} and "base_video" not in contents
    for resolution, rate in zip(("720p", "1080p", "4k"), rates.split(" "), strict=False):
        if not rate:
            continue
        requested: dict[str, Any] = settings | {"resolution": resolution} | ({"duration": 10} if has_duration else {})
        body = of(*contents, **requested) if contents else words(**requested)
        units = Decimal(rate) * (10 if has_duration else 5)

        assert taken(path, body, strict=True).units == units
        assert ENDPOINTS[path].estimate(body) == units


@pytest.mark.parametrize(
    ("path", "body", "units", "seconds"),
    [
        (TURBO, of(FIRST, duration=3), "2.4", 28),
        (OMNI, of("prompt", FIRST, duration=3), "1.8", 83),
        (OMNI, of("prompt", **WIDE), "3", None),
        (V2_5, of(FIRST), "1.5", 50),
    ],
)
def test_observed_bills(path: str, body: Body, units: str, seconds: int | None) -> None:
    """The emulator reproduces the four observed bills, and its times are close to the observed ones."""
    assert decimal_text(taken(path, body).units) == units
    if seconds is not None:
        assert mean_generation_seconds(path, body) == pytest.approx(seconds, rel=0.1)


def test_an_edit_is_as_long_as_its_video() -> None:
    """The requested seconds of an edited video are ignored: one that the account has not made counts as 5 s."""
    made = taken(OMNI, of("prompt", "base_video", duration=10))

    assert (made.duration, made.units) == (5, Decimal("4.5"))
    assert ENDPOINTS[OMNI].estimate(of("base_video", duration=10)) == Decimal("4.5")


@pytest.mark.parametrize("body", [{}, {"contents": 5}, {"contents": ["a", {"type": 5}]}, {"settings": {"audio": "x"}}])
def test_unchecked_requests_have_a_price(body: Body) -> None:
    """Price and time of an unchecked request are computed for any content, or there is none."""
    makes_sense = "settings" not in body
    for path in (OMNI, V3):
        assert (ENDPOINTS[path].estimate(body) > 0) is makes_sense
        assert (mean_generation_seconds(path, body) is not None) is makes_sense


async def test_an_account_without_enough_units(clock: Clock) -> None:
    """Without units for the whole clip nothing is created, as recorded."""
    async with (
        Emulator(clock=clock, speed=1.0, render=False, balance=10) as emulator,
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(emulator, session)
        await made(caller, TEXT_V3, words(resolution="4k", duration=3))
        answer = await caller.post(TEXT_TURBO, words(duration=3))

    recorded = RECORDED["error_1102_no_balance"]
    assert (answer.status, answer.code) == (recorded["_meta"]["http_status"], recorded["body"]["code"])
    assert answer.message == recorded["body"]["message"]
    assert (emulator.ledger.created, emulator.ledger.charged) == (1, 9)


# ---------------------------------------------------------------------------------------------------- bills


async def test_units_and_money(caller: Caller, clock: Clock) -> None:
    """A bill is in units of a pack, or in money at list price, as recorded; `pays` switches it from then on."""
    bills = []
    for pays in ("unit", "USD", "CNY"):
        await caller.request("POST", "/_emulator/account", json={"pays": pays})
        bills.append((await ended(caller, clock, V3, of(FIRST)))["billing"])

    units, dollars, yuan = (bill for (bill,) in bills)
    assert units == {"charge_type": "unit", "amount": "3", "package_type": "video"}
    assert dollars == OTHERS["new_billing_cash"]["body"]["data"][0]["billing"][0]
    assert (yuan["amount"], yuan["currency"]) == ("3", "CNY")


async def test_legacy_tasks_are_billed_likewise(caller: Caller, clock: Clock) -> None:
    """Money shows in the answers of both generations; the units of pictures are worth less."""
    caller.emulator.account.pays = "USD"
    legacy = (await caller.create()).body["data"]["task_id"]
    picture = (await caller.post("/v1/images/generations", {"model_name": "kling-v3", "prompt": "a cat"})).body["data"]
    clock.advance(FAR)
    deductions = {name: each for name, each in (await caller.task(legacy)).items() if name.startswith("final")}

    assert deductions == {
        "final_unit_deduction": "0",
        "final_balance_deduction": {"quota": "0.21", "list_price": "0.21"},
    }
    bills = [(await task(caller, each))["billing"][0]["amount"] for each in (legacy, picture["task_id"])]
    assert bills == ["0.21", "0.028"]


# ---------------------------------------------------------------------------------------------------- lists

PACKAGE = "/account/billing/package"
BALANCE = "/account/billing/balance"


def forged(**changes: Any) -> str:
    """Returns a forged cursor."""
    values = {"start": 0, "end": 1, "limit": 5, "filters": {}, "last": ""} | changes
    return base64.b64encode(json.dumps(values).encode()).decode()


async def listed(caller: Caller, path: str, **body: Any) -> Any:
    """Returns a page of deductions; of all times by default."""
    requested = body if "cursor" in body else {"start_time": 0, "end_time": 2_000_000_000_000} | body
    answer = await caller.post(path, requested)
    assert answer.code == 0, answer.message
    return answer.body["data"]


async def test_what_packs_paid(caller: Caller, clock: Clock) -> None:
    """Succeeded tasks are listed, newest first, with the remaining units; a video has the recorded members."""
    first = await ended(caller, clock, TURBO, of(FIRST, duration=3))
    await ended(caller, clock, TEXT_TURBO, words("forbidden"))
    second = await ended(caller, clock, OMNI, of("prompt", "feature_video", resolution="4k"))
    await caller.post("/v1/images/generations", {"model_name": "kling-v3", "prompt": "a cat"})
    clock.advance(FAR)
    await made(caller, TEXT_TURBO, words())  # has not succeeded yet
    data = await listed(caller, PACKAGE)
    picture, omni, turbo = data["result"]["detail"]

    recorded = OTHERS["account_billing_package_ok"]["body"]["data"]
    assert (data.keys(), data["result"]["count"]) == (recorded.keys(), 3)
    assert turbo == recorded["result"]["detail"][0] | {
        "package_id": "0" * 32,
        "task_id": first["id"],
        "api_key_name": "emulator",
        "deduction_time": str(first["update_time"]),
        "unit_before_deduction": 10_000.0,
        "unit_after_deduction": 9_997.6,
    }
    assert (omni["task_id"], omni["unit_before_deduction"], omni["unit_after_deduction"]) == (
        second["id"],
        9_997.6,
        9_982.6,
    )
    assert (omni["product_function"], omni["resolution"], omni["refer_video_input"]) == ("Omni Video", "4k", True)
    assert (picture["product_type"], picture["unit_before_deduction"], "resolution" in picture) == ("image", 1e4, False)


async def test_what_money_paid(caller: Caller, clock: Clock) -> None:
    """Deductions in money are in the other list, with the recorded members; legacy tasks, too."""
    await ended(caller, clock, TURBO, of(FIRST, duration=3))
    caller.emulator.account.pays = "USD"
    shown = await ended(caller, clock, TURBO, of(FIRST, duration=3))
    await caller.create(mode="pro", sound="on")
    clock.advance(FAR)
    legacy, turbo = (await listed(caller, BALANCE))["result"]["detail"]

    assert turbo == OTHERS["account_billing_balance_ok"]["body"]["data"]["result"]["detail"][0] | {
        "task_id": shown["id"],
        "api_key_name": "emulator",
        "deduction_time": str(shown["update_time"]),
        "balance_before_deduction": 1400.0,
        "balance_after_deduction": 1399.664,
    }
    assert (legacy["product_function"], legacy["resolution"], legacy["video_sound"]) == (
        "Image to Video",
        "1080p",
        "native",
    )
    assert (await listed(caller, PACKAGE))["result"]["count"] == 1


async def test_sound_and_voice_on_the_bill(caller: Caller, clock: Clock) -> None:
    """The bill distinguishes native sound, that of a video, and none; and contains whether there is a voice."""
    for path, body in (
        (V2_6, of(FIRST, VOICE, audio="native", resolution="1080p")),
        (MOTION, of("image", "video", **LIKE)),
        (V3, of(FIRST)),
    ):
        await ended(caller, clock, path, body)
    details = (await listed(caller, PACKAGE))["result"]["detail"][::-1]

    assert [each["video_sound"] for each in details] == ["native", "original", "off"]
    assert [each["voice_control"] for each in details] == [True, False, False]
    assert [each["product_function"] for each in details] == ["Image to Video", "Motion Control", "Image to Video"]


async def test_pages_of_deductions(caller: Caller, clock: Clock) -> None:
    """With a cursor all other members are ignored; new deductions are on no later page."""
    ids = [(await ended(caller, clock, TEXT_TURBO, words(duration=3)))["id"] for _ in range(5)]
    filters = [{"key": "product_type", "values": ["video"]}]
    pages = [await listed(caller, PACKAGE, limit=2, filters=filters)]
    await ended(caller, clock, TEXT_TURBO, words())
    while pages[-1]["has_more"]:
        pages.append(await listed(caller, PACKAGE, cursor=pages[-1]["next_cursor"], limit=9, filters="x"))

    assert [each["task_id"] for one in pages for each in one["result"]["detail"]] == ids[::-1]
    assert [one["result"]["count"] for one in pages] == [2, 2, 1]
    assert ["next_cursor" in one for one in pages] == [True, True, False]


async def test_deductions_by_time_and_pack(caller: Caller, clock: Clock) -> None:
    """Only deductions of the requested period, packs and keys are listed."""
    await ended(caller, clock, TEXT_TURBO, words())
    moment = int(clock() * 1000)
    await ended(caller, clock, TEXT_TURBO, words())

    async def count(**body: Any) -> int:
        number: int = (await listed(caller, PACKAGE, **body))["result"]["count"]
        return number

    def only(key: str, *values: str) -> dict[str, Any]:
        return {"filters": [{"key": key, "values": [*values]}]}

    pack = (await caller.get("/account/costs?start_time=0&end_time=1")).body["data"]["resource_pack_subscribe_infos"][0]
    assert [await count(start_time=moment), await count(end_time=moment), await count()] == [1, 1, 2]
    assert await count(**only("package_name", pack["resource_pack_name"], "another")) == 2
    assert await count(**only("package_id", pack["resource_pack_id"])) == 2
    assert await count(**only("package_id", "1")) == 0
    assert await count(**only("api_key_name", "another")) == 0
    assert await count(**only("product_type", "image", "try-on")) == 0


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (PACKAGE, {}, "start_time can not be null"),
        (BALANCE, {"start_time": 1}, "end_time can not be null"),
        (BALANCE, {"start_time": 1, "end_time": 1}, "start_time must be earlier"),
        (BALANCE, {"start_time": 1, "end_time": 2, "limit": 501}, "limit must be between 1 and 500"),
        (BALANCE, {"start_time": 1, "end_time": 2, "filters": [{"key": "package_id", "values": []}]}, "key value"),
        (PACKAGE, {"start_time": 1, "end_time": 2, "filters": [{"key": "x", "values": []}]}, "key value 'x'"),
        (PACKAGE, {"start_time": 1, "end_time": 2, "filters": [{"values": []}]}, "is not supported here"),
        (
            PACKAGE,
            {
                "start_time": 1,
                "end_time": 2,
                "filters": [{"key": "package_id", "values": ["1"]}, {"key": "package_name", "values": ["1"]}],
            },
            "package_name is not supported here",
        ),
        (PACKAGE, {"cursor": "nonsense"}, "cursor is invalid"),
        (PACKAGE, {"cursor": "e30="}, "cursor is invalid"),
        (PACKAGE, {"cursor": forged(filters={"product_type": 5})}, "cursor is invalid"),
        (PACKAGE, {"cursor": forged(limit=10**9)}, "cursor is invalid"),
    ],
)
async def test_invalid_lists_are_refused(caller: Caller, path: str, body: Body, message: str) -> None:
    """Lists with a body that the documentation does not allow are refused."""
    assert is_refused(await caller.post(path, body), message)


async def test_deductions_need_an_api_key(caller: Caller, token: Any) -> None:
    """A token is refused; and the lists are POSTs."""
    for path in (PACKAGE, BALANCE):
        refused: Answer = await caller.request("POST", path, json={}, headers={"Authorization": f"Bearer {token()}"})
        assert (refused.status, refused.code, "AK/SK" in refused.message) == (401, 1002, True)
        assert (await caller.get(path)).status == 404
