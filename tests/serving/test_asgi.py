"""The ASGI application with servers and middleware of all kinds, and how they signal that a browser has left."""

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


async def sent_by_app(
    receive: Callable[[], Message], refuses: Callable[[Message], bool] = lambda _: False, host: RangeHost | None = None
) -> list[Message]:
    """Returns the messages that the application sends for one GET.

    Args:
        receive: returns the message of the server, without waiting.
        refuses: whether sending a message raises an error.
        host: the host of the task and its file.
    """
    sent: list[Message] = []

    async def receive_async() -> Message:
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
        await app({"type": "http", "method": "GET", "headers": []}, receive_async, send)
    await asyncio.sleep(0.1)  # the stub's handlers end a moment after their connections
    return sent


def replays(most: int, **message: Any) -> Callable[[], Message]:
    """Returns a `receive` that repeats one message, and fails after `most` calls: the loop is then blocked."""
    count = 0

    def receive() -> Message:
        nonlocal count
        count += 1
        assert count <= most, "the loop is blocked"
        return {"type": "http.request", "body": b"x", **message}

    return receive


@pytest.mark.parametrize("message", [{}, {"more_body": False}])
async def test_a_body_that_is_replayed_for_ever_stops_nothing(message: dict[str, Any]) -> None:
    """Middleware that has read the body may replay it on every call: the response is complete."""
    sent = await sent_by_app(replays(10**4, **message))
    assert (sent[0]["status"], b"".join(part["body"] for part in sent[1:])) == (200, FILE)


async def test_a_body_that_is_replayed_lets_the_loop_rest() -> None:
    """Waiting for a task does not spin; otherwise no time would pass here."""
    host = RangeHost()
    host.task = {"status": "processing", "task_id": "9"}
    sent = await sent_by_app(replays(10**4), host=host)
    assert sent[0]["status"] == 504


async def test_a_body_without_an_end_stops_nothing() -> None:
    """A `receive` that never ends the body is called on, and does not block anything else."""
    sent = await sent_by_app(replays(10**6, more_body=True))
    assert (sent[0]["status"], b"".join(part["body"] for part in sent[1:])) == (200, FILE)


async def test_an_error_of_receive_is_not_hidden() -> None:
    """An error of the server or of middleware is not taken for a browser that has left."""

    def receive() -> Message:
        raise LookupError("no message is left")

    with pytest.raises(LookupError, match="no message is left"):
        await sent_by_app(receive)


@pytest.mark.parametrize("refused", ["http.response.start", "http.response.body"])
async def test_a_server_may_signal_by_an_error_that_the_browser_has_left(refused: str) -> None:
    """ASGI 2.4: `send` then raises an OSError, which ends the response as usual."""
    sent = await sent_by_app(replays(10**4), lambda message: message["type"] == refused)
    assert [message["type"] for message in sent] == ["http.response.start"][: refused != "http.response.start"]
