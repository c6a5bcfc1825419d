"""Receives callbacks in any web framework: a coroutine, an ASGI application, and a handler for aiohttp."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import attrs

from kling_async.client import KlingClient
from kling_async.protocol.errors import BadResponse, ClientClosed, ConfigurationError
from kling_async.protocol.webhook import BODY_MAXIMUM, MessageIds, Refused, WebhookRules, is_packed, joined

if TYPE_CHECKING:
    from aiohttp import web

logger = logging.getLogger("kling_async")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@attrs.frozen
class WebhookAnswer:
    """The HTTP response to a callback.

    Attributes:
        status: the HTTP status: 200 if the callback was accepted, or contained nothing new.
        headers: to send; they do not include the length of the body.
        body: to send.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""


class CallbackReceiver:
    """Receives the service's callbacks for a client, so that waiters are notified at once.

    ```python
    receiver = CallbackReceiver(kling, secrets=[os.environ["KLING_WEBHOOK_SECRET"]])
    app.mount("/kling", receiver.asgi)                                # FastAPI, Starlette
    app.router.add_route("*", "/kling/{token}", receiver.aiohttp_handler)  # aiohttp
    ```

    Callbacks are signed by the scheme of Standard Webhooks once the account has a secret; the content of a signed
    callback is applied as it is. An unsigned one proves nothing: it makes the client poll the task, if it follows that
    task. Callbacks that are lost, repeated, late or out of order do no harm: the client keeps polling until it knows
    the end. A server's access log shows the address of a callback, including the token.

    Args:
        client: the client whose tasks the callbacks are about.
        secrets: of the account, `whsec_...`; several while they rotate. None means that no callback is signed.
        token: the token that the address of unsigned callbacks must contain, as a segment of its path or a value of
            its query. If the client's `callback_url` contains `{token}`, the default is the token generated for it.
        allow_unsigned: whether unsigned callbacks are accepted although there are secrets.
        clock: returns seconds since 1970; for tests.

    Raises:
        ConfigurationError: a value is invalid.
    """

    def __init__(
        self,
        client: KlingClient,
        secrets: Iterable[str] | None = None,
        *,
        token: str | None = None,
        allow_unsigned: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._callbacks = client.callbacks
        made = self._callbacks.token
        if token is not None and made is not None and token != made:
            raise ConfigurationError("the client's callback_url has {token}, which is made for it: give no other one")
        given = () if secrets is None else secrets
        self._rules = WebhookRules.of(given, made if token is None else token, allow_unsigned=allow_unsigned)
        if token is not None:
            self._callbacks.hide(token)
        self._ids = MessageIds()
        self._clock = clock

    async def handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | bytearray | memoryview
    ) -> WebhookAnswer:
        """Accepts or refuses a callback; sends no request to the service before it returns.

        Args:
            method: the HTTP method.
            target: path and query, as received.
            headers: names in any case.
            body: as received; if it is longer than 1 MiB, its beginning is enough.

        Raises:
            WrongEventLoop: the client belongs to another loop.
        """
        body = bytes(body)
        decision = self._rules.decide(method, target, headers, body, self._clock())
        if isinstance(decision, Refused):
            return _refused(decision)
        try:
            task = self._callbacks.read(body)
        except BadResponse:
            return _refused(Refused(400, "its body is no task"))
        except ClientClosed:
            return _refused(Refused(503, "the client is closed"))
        if decision.message_id is not None and not self._ids.is_new(decision.message_id):
            return WebhookAnswer(200)
        taken = False
        try:
            taken = task is None or await self._callbacks.take(task, body, signed=decision.message_id is not None)
        finally:
            if not taken and decision.message_id is not None:  # also when cancelled
                self._ids.forget(decision.message_id)
        if not taken:
            return _refused(Refused(503, "the journal cannot be written now"))
        return WebhookAnswer(200)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application: `app.mount("/kling", receiver.asgi)`."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            raise ValueError(f"this takes HTTP only, not {scope['type']}")
        headers = joined((_text(name), _text(value)) for name, value in scope["headers"])
        body = b"" if scope["method"] != "POST" or is_packed(headers) else await _body_of(headers, receive)
        if body is None:  # the sender has disconnected
            return
        query = scope.get("query_string", b"")
        target = _text(scope.get("raw_path") or scope["path"].encode()) + ("?" + _text(query) if query else "")
        answer = await self.handle(scope["method"], target, headers, body)
        fields = {**answer.headers, "content-length": str(len(answer.body))}
        start = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
        with contextlib.suppress(OSError):  # raised since ASGI 2.4 if the sender has disconnected
            await send({"type": "http.response.start", "status": answer.status, "headers": start})
            await send({"type": "http.response.body", "body": answer.body})

    async def aiohttp_handler(self, request: "web.Request") -> "web.Response":
        """A handler of aiohttp: `app.router.add_route("*", "/kling/{token}", receiver.aiohttp_handler)`."""
        from aiohttp import web  # noqa: PLC0415  (aiohttp's server is only needed here)

        body, packed = b"", is_packed(joined(request.headers.items()))
        if request.method == "POST" and not packed:
            try:
                while len(body) <= BODY_MAXIMUM and (chunk := await request.content.readany()):
                    body += chunk
            except (web.RequestPayloadError, ConnectionError):
                body = b""  # refused below, as it contains no task
        answer = await self.handle(request.method, request.raw_path, request.headers, body)
        response = web.Response(status=answer.status, headers=answer.headers or None, body=answer.body or None)
        if packed:  # aiohttp would decompress the rest of it, to continue with the next request
            response.force_close()
            await response.prepare(request)
            await response.write_eof()
            request.protocol.force_close()
        return response

    def __repr__(self) -> str:
        """The number of secrets, but no secret."""
        return f"<CallbackReceiver with {len(self._rules.keys)} secrets>"


def _refused(refusal: Refused) -> WebhookAnswer:
    logger.warning(
        "a callback was refused with %d: %s",
        refusal.status,
        refusal.reason,
        extra={"kling_event": "callback_refused", "kling_status": refusal.status},
    )
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if refusal.status == 405:
        headers["Allow"] = "POST"
    return WebhookAnswer(refusal.status, headers, refusal.reason.encode())


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


async def _body_of(headers: Mapping[str, str], receive: Receive) -> bytes | None:
    """Returns the body, or only its beginning if it is too long; None if the connection broke."""
    length = headers.get("content-length", "")
    if length.isdecimal() and len(length.lstrip("0")) > len(str(BODY_MAXIMUM)):
        return bytes(BODY_MAXIMUM + 1)
    body = bytearray()
    while len(body) <= BODY_MAXIMUM:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)
