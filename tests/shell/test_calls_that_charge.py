"""Calls without a task: one that charges is not repeated if it may have taken effect; others are."""

import asyncio
import errno
import logging
from decimal import Decimal
from typing import Any

import pytest

from kling_async import (
    AccountCosts,
    CallInDoubt,
    ClientClosed,
    ConnectionFailed,
    ContentRefused,
    InDoubt,
    InsufficientBalance,
    InvalidRequest,
    KlingClient,
    KlingError,
    RequestRefused,
    TextToSpeech,
)
from kling_async.emulator import Emulator
from tests.faults.other_service import FOREIGN
from tests.shell.conftest import ClientMaker
from tests.shell.stub import Answer, answer, refusal, script, serve
from tests.virtual_time import VirtualTimeLoop

pytestmark = pytest.mark.usefixtures("nothing_is_left")

SPOKEN = answer(
    200,
    {
        "code": 0,
        "data": {
            "task_id": "1",
            "task_status": "succeed",
            "task_result": {"audios": [{"id": "501", "url": "https://x.example/501.mp3", "duration": "1.5"}]},
            "final_unit_deduction": "0.05",
        },
    },
)
PACKS = answer(200, {"code": 0, "data": {"code": 0, "msg": "success"}})
HELLO = TextToSpeech("Hello", voice_id="calm_story1", voice_language="en")
COSTS = AccountCosts(1, end_time=2)

LOST: dict[str, Answer] = {
    "closed": None,
    "broken": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "garbage": b"garbage\r\n\r\n",
    "5000": refusal(500, 5000),
    "5001": refusal(503, 5001),
    "5002": refusal(504, 5002),
    "no sound": answer(200, {"code": 0, "data": {"task_status": "succeed"}}),
    "no data": answer(200, {"code": 0}),
    **FOREIGN,
}


@pytest.mark.parametrize("name", LOST)
async def test_a_lost_answer(make_client: ClientMaker, name: str) -> None:
    """A call whose response is not the service's is sent once; the error contains what may have been paid."""
    async with serve(script(LOST[name], SPOKEN)) as stub:
        with pytest.raises(CallInDoubt, match="may have been done, and be billed") as caught:
            await make_client(base_url=stub.base_url).submit(HELLO)
        await asyncio.sleep(600)
    assert len(stub.seen) == 1
    error = caught.value
    assert isinstance(error, InDoubt)
    assert (error.endpoint, error.estimate.units, error.reference) == ("audio/tts", Decimal("0.05"), None)
    assert 600 <= _wall() - error.sent_at.timestamp() < 602
    assert error.data == ({"task_status": "succeed"} if name == "no sound" else None)


def _wall() -> float:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop.wall()


@pytest.mark.parametrize("busy", [refusal(429, 1302), refusal(429, 1303)])
async def test_a_service_that_is_too_busy(make_client: ClientMaker, busy: Answer) -> None:
    """A transient refusal of the service, which has no effect, is retried."""
    async with serve(script(busy, busy, SPOKEN)) as stub:
        speech = await make_client(base_url=stub.base_url).submit(HELLO)
    assert (len(stub.seen), speech.final_unit_deduction) == (3, Decimal("0.05"))


@pytest.mark.parametrize(
    ("refused", "error"), [(refusal(429, 1102), InsufficientBalance), (refusal(400, 1201, "Voice"), RequestRefused)]
)
async def test_a_refusal(make_client: ClientMaker, refused: Answer, error: type[KlingError]) -> None:
    """A refusal of the service is final."""
    async with serve(script(refused, SPOKEN)) as stub:
        with pytest.raises(error):
            await make_client(base_url=stub.base_url).submit(HELLO)
    assert len(stub.seen) == 1


async def test_speech_that_failed(make_client: ClientMaker) -> None:
    """The service's report of failed speech is a response: nothing is in doubt."""
    failed = answer(200, {"code": 0, "data": {"task_status": "failed", "task_status_msg": "too loud"}})
    async with serve(script(failed, SPOKEN)) as stub:
        with pytest.raises(ContentRefused, match="too loud"):
            await make_client(base_url=stub.base_url).submit(HELLO)
    assert len(stub.seen) == 1


@pytest.mark.parametrize("call", [HELLO, COSTS])
async def test_refused_connections_are_retried(
    make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch, call: Any
) -> None:
    """A connection that is refused before the first byte is retried, also for a call that charges."""
    async with serve(lambda _: SPOKEN if call is HELLO else PACKS) as stub:
        loop = asyncio.get_running_loop()
        connect, left = loop.create_connection, [1, 2]

        async def refusing(*args: Any, **kwargs: Any) -> Any:
            if left:
                left.pop()
                kwargs["sock"].close()
                raise OSError(errno.ECONNREFUSED, "refused")
            return await connect(*args, **kwargs)

        monkeypatch.setattr(loop, "create_connection", refusing)
        await make_client(base_url=stub.base_url).submit(call)
    assert (len(stub.seen), left) == (1, [])


async def test_nothing_is_in_doubt_without_a_connection(make_client: ClientMaker) -> None:
    """If no connection is ever made, the error says so, and nothing may have been paid."""
    client = make_client(base_url="http://127.0.0.1:9")
    with pytest.raises(ConnectionFailed) as caught:
        await client.submit(HELLO)
    assert not caught.value.sent


@pytest.mark.parametrize("name", ["closed", "garbage", "5000", "page 502"])
async def test_free_calls_are_retried(make_client: ClientMaker, name: str) -> None:
    """A read is retried until it is answered."""
    async with serve(script(LOST[name], LOST[name], PACKS)) as stub:
        assert await make_client(base_url=stub.base_url).submit(COSTS) == ()
    assert [seen.path for seen in stub.seen] == ["/account/costs?start_time=1&end_time=2"] * 3


async def test_a_read_that_is_refused(make_client: ClientMaker) -> None:
    """A refusal ends a read at once."""
    async with serve(script(refusal(400, 1201), PACKS)) as stub:
        with pytest.raises(RequestRefused):
            await make_client(base_url=stub.base_url).submit(COSTS)
    assert len(stub.seen) == 1


async def test_all_problems_at_once(client: KlingClient, emulator: Emulator) -> None:
    """All violations of the documentation are reported before anything is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.text_to_speech("", voice_id="", voice_language="english", voice_speed=3)  # type: ignore[arg-type]  # wrong on purpose
    assert [problem.field for problem in caught.value.problems] == [
        "text",
        "voice_id",
        "voice_language",
        "voice_speed",
    ]
    assert not emulator.ledger.requests


@pytest.mark.parametrize("options", [{"strict": False}, {"deadline": 5}, {"if_exists": "adopt"}])
async def test_task_options_are_refused(client: KlingClient, options: dict[str, Any]) -> None:
    """An option that has no effect on a call is refused."""
    with pytest.raises(TypeError, match="a TextToSpeech makes no task and takes no options"):
        await client.submit(HELLO, **options)


async def test_a_cancelled_caller(make_client: ClientMaker, caplog: pytest.LogCaptureFixture) -> None:
    """A call cancelled after it was sent may have taken effect, which is logged; one not sent is not logged."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(late, "127.0.0.1", 0)
    async with server:
        client = make_client(base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        calling = asyncio.ensure_future(client.submit(HELLO))
        calling.cancel()
        await asyncio.wait([calling])
        assert "may have been done" not in caplog.text
        calling = asyncio.ensure_future(client.submit(HELLO))
        await asyncio.sleep(1)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.__dict__["kling_event"] == "call_cancelled"
    assert "audio/tts" in record.getMessage()


async def test_closing_the_client(make_client: ClientMaker) -> None:
    """A running call ends in doubt when the client is closed; a later call is refused."""

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    async with server:
        client = make_client(base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        calling = asyncio.ensure_future(client.submit(HELLO))
        await asyncio.sleep(1)
        await client.close()
        with pytest.raises(CallInDoubt):
            await calling
        with pytest.raises(ClientClosed):
            await client.submit(HELLO)


async def test_no_secret_shows(make_client: ClientMaker) -> None:
    """A key that the service echoes is in no message."""
    secret = "secret-key-that-nobody-may-see-0123456789"
    async with serve(lambda seen: refusal(502, 777, f"{seen.headers['authorization']}")) as stub:
        with pytest.raises(CallInDoubt) as caught:
            await make_client(base_url=stub.base_url, api_key=secret).submit(HELLO)
    assert secret not in f"{caught.value!s}{caught.value!r}"
