from pathlib import Path

import aiohttp
import pytest

from kling_async.emulator import Emulator, Fault
from kling_async.emulator.service import app, catalog, endpoints

from .conftest import PATH, Answer, Caller, Clock

# Two endpoints of one family that answer at once: one is charged and makes a file, the other is a list.
NEW_FILE = """
from decimal import Decimal

import attrs

from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.endpoint import AcceptedRequest
from kling_async.emulator.service.synchronous import CallEndpoint


@attrs.frozen
class Hum:
    label: str

    def make(self):
        return f"hum {self.label}".encode()


@attrs.frozen
class Sound:
    size = (0, 0)
    files = {"plain": ".mp3"}

    def task_result(self, result_id, link):
        return {"audios": [{"id": result_id, "url": link("plain")}]}

    def placeholder(self, name, label):
        return Hum(label)


def hum(body, context):
    text = fields.required(body, "text", str, "hum")
    request = AcceptedRequest(
        units=Decimal("0.05"), prompt=text, watermark=False, external_task_id="", callback_url="", parameters=body,
        result=Sound(),
    )
    return context.make(request)


def heard(query, context):
    earlier = context.earlier("audios", query["id"])
    return earlier and [earlier.facts["id"], earlier.age]


ENDPOINTS = [
    CallEndpoint(path="/v1/audio/hum", members={"text": str}, answer=hum, units=Decimal("0.05")),
    CallEndpoint(path="/v1/audio/heard", answer=heard, kind="list"),
]
"""
HUM = "/v1/audio/hum"


@pytest.fixture
def _more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds a file to the folder of endpoints."""
    tmp_path.joinpath("hum_of_a_test.py").write_text(NEW_FILE)
    monkeypatch.setattr(endpoints, "__path__", [*endpoints.__path__, str(tmp_path)])
    monkeypatch.setattr(app, "FOUND", tuple(catalog._found()))


async def hum(caller: Caller, **body: object) -> Answer:
    """Calls the endpoint that costs units."""
    return await caller.request("POST", HUM, json={"text": "a"} | body, headers=caller.headers)


@pytest.mark.usefixtures("_more")
async def test_a_call_answers_at_once(clock: Clock) -> None:
    """The result of a call is available at once, charged, found by id, served and shown, but not queried or listed."""
    async with Emulator(clock=clock, render=False, balance=1) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        data = (await hum(caller)).body["data"]
        clock.advance(7)
        audio = data["task_result"]["audios"][0]
        file = await caller.request("GET", audio["url"])
        heard = [(await caller.get(f"/v1/audio/heard?id={key}")).body["data"] for key in (audio["id"], "1")]
        query, listed = await caller.get(f"{HUM}/{data['task_id']}"), await caller.get(HUM)
        refused = await hum(caller, text="")
        state = (await caller.request("GET", "/_emulator/state")).body

    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "0.05")
    assert (file.content, file.headers["content-type"]) == (f"hum {data['task_id']}".encode(), "audio/mpeg")
    assert heard == [[audio["id"], 7.0], None]
    assert [each.code for each in (query, listed, refused)] == [1203, 1202, 1201]
    assert (emulator.ledger.entries, emulator.ledger.charged) == ([], 0.05)
    assert [(each["endpoint"], each["status"], each["progress"]) for each in state["tasks"]] == [
        ("audio/hum", "succeed", 1.0)
    ]
    assert emulator.ledger.calls == {"audio/hum": 1, "audio/heard": 2}
    assert emulator.ledger.requests == {"call": 2, "file": 1, "list": 2, "unknown": 2}


@pytest.mark.usefixtures("_more")
async def test_an_answer_to_a_call_may_be_lost(clock: Clock) -> None:
    """A fault strikes a call before or after its effect, and the ledger counts the effects."""
    async with Emulator(clock=clock, render=False) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        emulator.faults.add(Fault.reset(), on="call", at=1)
        emulator.faults.add(Fault.reset(after_effect=True), on="call", at=2)
        emulator.faults.add(Fault.error(1302), on="call", when=lambda call: call.endpoint == "audio/hum", at=3)
        effects = []
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await hum(caller)
            effects.append(emulator.ledger.calls["audio/hum"])
        limited, good = await hum(caller), await hum(caller)
        await caller.create()

    assert effects == [0, 1]
    assert (limited.code, good.code) == (1302, 0)
    assert emulator.ledger.calls == {"audio/hum": 2}
    assert emulator.ledger.charged == 1.6


@pytest.mark.usefixtures("_more")
async def test_a_call_needs_its_pack(clock: Clock) -> None:
    """Calls that cost are refused first of all without their pack; free calls need none."""
    async with Emulator(clock=clock, balance={"image": 1}) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        lacking = await caller.request("POST", HUM, data=b"{", headers=caller.headers)
        free = await caller.get("/v1/audio/heard?id=1")

    assert (lacking.code, free.code) == (1102, 0)


@pytest.mark.usefixtures("_more")
async def test_a_call_may_be_retired(clock: Clock) -> None:
    """An endpoint without tasks can be retired, too, while others continue."""
    async with Emulator(clock=clock) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        emulator.account.retired = {"audio/hum": ["*"]}
        gone, other = await hum(caller), await caller.get(PATH)

    assert (gone.status, gone.message, other.code) == (404, "This API is no longer available", 0)
