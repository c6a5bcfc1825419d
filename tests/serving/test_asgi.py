"""The ASGI application beside servers and middleware of all kinds: how they tell that a browser has left."""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from kling_async import KlingClient, Polling
from kling_async.web import asgi_response
from tests.shell.conftest import wall
from tests.shell.stub import serve

from .conftest import QUICK
from .range_host import FILE, RangeHost

pytestmark = pytest.mark.usefixtures("nothing_is_left")

Message = MutableMapping[str, Any]
WAITS = Polling(deadline=30)


async def asked(
    receive: Callable[[], Message], refuses: Callable[[Message], bool] = lambda _: False, host: RangeHost | None = None
) -> list[Message]:
    """What the application sends to one GET.

    Args:
        receive: what the server tells, at once.
        refuses: whether the server says by an error that a message cannot be sent.
        host: of the task and its file.
    """
    sent: list[Message] = []

    async def told() -> Message:
        return receive()

    async def send(message: Message) -> None:
        if refuses(message):
            raise OSError("the connection is closed")
        sent.append(message)

    host = host or RangeHost()
    async with (
        serve(host) as stub,
        KlingClient(base_url=stub.base_url, api_key="k", retry=QUICK, polling=WAITS, clock=wall()) as kling,
    ):
        host.base = stub.base_url
        app = asgi_response(kling.attach("image2video:9"))
        await app({"type": "http", "method": "GET", "headers": []}, told, send)
    await asyncio.sleep(0.1)  # the stub's handlers end a moment after their connections
    return sent


def replays(most: int, **message: Any) -> Callable[[], Message]:
    """Answers at once each time with the same; more than so many times means that the loop is kept from all else."""
    count = 0

    def receive() -> Message:
        nonlocal count
        count += 1
        assert count <= most, "it is asked again and again"
        return {"type": "http.request", "body": b"x", **message}

    return receive


@pytest.mark.parametrize("message", [{}, {"more_body": False}])
async def test_a_body_that_is_replayed_for_ever_stops_nothing(message: dict[str, Any]) -> None:
    """Middleware that has read the body may give it at once whenever it is asked: the answer comes all the same."""
    sent = await asked(replays(10**4, **message))
    assert (sent[0]["status"], b"".join(part["body"] for part in sent[1:])) == (200, FILE)


async def test_a_body_that_is_replayed_lets_the_loop_rest() -> None:
    """While a task is waited for, nothing turns without a pause: else no time would pass here."""
    host = RangeHost()
    host.task = {"status": "processing", "task_id": "9"}
    sent = await asked(replays(10**4), host=host)
    assert sent[0]["status"] == 504


async def test_a_body_without_an_end_stops_nothing() -> None:
    """A receiver that never says that the body has ended is asked on, and all else goes on as well."""
    sent = await asked(replays(10**6, more_body=True))
    assert (sent[0]["status"], b"".join(part["body"] for part in sent[1:])) == (200, FILE)


async def test_what_fails_while_it_is_asked_is_not_hidden() -> None:
    """An error of the server's, or of middleware, is not taken for a browser that has left."""

    def receive() -> Message:
        raise LookupError("no message is left")

    with pytest.raises(LookupError, match="no message is left"):
        await asked(receive)


@pytest.mark.parametrize("refused", ["http.response.start", "http.response.body"])
async def test_a_server_may_tell_by_an_error_that_the_browser_has_left(refused: str) -> None:
    """ASGI 2.4: `send` raises an OSError then; it ends there, as with every browser that leaves."""
    sent = await asked(replays(10**4), lambda message: message["type"] == refused)
    assert [message["type"] for message in sent] == ["http.response.start"][: refused != "http.response.start"]
