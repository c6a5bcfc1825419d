"""Faults and settings over HTTP, for an emulator in another process; without credentials.

`/_emulator/faults`:

    POST {"on": "create", "at": 1, "fault": {"kind": "reset", "after_effect": true}}    adds a rule
    POST {"on": "query", "every": 3, "fault": {"kind": "error", "code": 1302}}
    POST {"on": ["query", "list"], "probability": 0.2, "seed": 7, "fault": {"kind": "gateway", "status": 504}}
    POST {"on": "query", "fault": {"kind": "foreign", "body": {"detail": "no"}, "status": 404}}
    POST {"on": "query", "fault": {"kind": "reshaped", "changes": {"/data/task_result/videos/0/id": null}}}
    GET                                                                                 shows rules and counts
    DELETE                                                                              removes all of them

The members are the arguments of `Faults.add`; those of `fault` are the arguments of the class method of `Fault` named
by its kind. Any kind also accepts `wait`, the seconds before the fault strikes, and `headers`, which replace the
answer's own: {"kind": "truncated", "headers": {"ETag": null}}.

`/_emulator/account`:

    POST {"limit": 5}                                       changes settings, the attributes of `Account`
    POST {"occupied": [{"slots": 2, "model": "kling-v3"}]}
    POST {"retired": {"ENDPOINT": ["kling-v1"]}}
    POST {"forgetful": ["*"], "opened": ["MODEL"]}
    GET                                                     shows them
    DELETE                                                  restores the defaults

`/_emulator/webhooks`:

    POST {"secrets": ["whsec_...", "whsec_..."]}            signs callbacks with all of them; two during a rotation
    POST {"secrets": []}                                    stops signing
    GET                                                     shows the number of secrets

`/_emulator/webhooks/test`:

    POST {"url": "http://127.0.0.1:8000/kling"}             posts the console's test callback, once in 6 s

Bodies are JSON, with `Content-Type: application/json`, which no web page of another site can send. Each request is
answered like a GET; or with 400, 413 or 415 and {"error": "why"}, and changes nothing.
"""

import json
from collections.abc import Awaitable, Callable

import attrs
from aiohttp import web

from kling_async.emulator.account.conditions import Account
from kling_async.emulator.faults.rules import Faults

from .callback_sender import CallbackSender
from .webhooks import Webhooks

_FAULTS = "/_emulator/faults"
_ACCOUNT = "/_emulator/account"
_WEBHOOKS = "/_emulator/webhooks"


def add_control_api(
    router: web.UrlDispatcher, faults: Faults, account: Account, webhooks: Webhooks, callbacks: CallbackSender
) -> None:
    """Adds the routes.

    Args:
        router: The application's router.
        faults: Changed by `/_emulator/faults`.
        account: Changed by `/_emulator/account`.
        webhooks: The secrets, changed by `/_emulator/webhooks`.
        callbacks: Posts the test callback.
    """

    async def show_faults(_request: web.Request) -> web.Response:
        return web.json_response(faults.as_json())

    async def show_account(_request: web.Request) -> web.Response:
        return web.json_response(account.as_json())

    async def clear_faults(request: web.Request) -> web.Response:
        faults.clear()
        return await show_faults(request)

    async def reset_account(request: web.Request) -> web.Response:
        account.change(attrs.asdict(Account()))
        return await show_account(request)

    async def show_webhooks(_request: web.Request) -> web.Response:
        return web.json_response(webhooks.as_json())

    urls: list[str] = []

    def take_url(value: object) -> None:
        url = value.get("url") if isinstance(value, dict) else None
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise ValueError('expected {"url": "http://..."}')
        urls.append(url)

    async def post_test(_request: web.Request) -> web.Response:
        try:
            callback = await callbacks.test(urls.pop())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=429)
        return web.json_response({"http_status": callback.http_status, "error": callback.error})

    router.add_get(_WEBHOOKS, show_webhooks)
    router.add_post(_WEBHOOKS, _changing(webhooks.change, show_webhooks))
    router.add_post(f"{_WEBHOOKS}/test", _changing(take_url, post_test))
    router.add_get(_FAULTS, show_faults)
    router.add_post(_FAULTS, _changing(faults.add_json, show_faults))
    router.add_delete(_FAULTS, clear_faults)
    router.add_get(_ACCOUNT, show_account)
    router.add_post(_ACCOUNT, _changing(account.change, show_account))
    router.add_delete(_ACCOUNT, reset_account)


def _changing(
    change: Callable[[object], None], show: Callable[[web.Request], Awaitable[web.Response]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return web.json_response({"error": "Content-Type must be application/json"}, status=415)
        try:
            change(json.loads(await request.read()))
        except (ValueError, RecursionError) as error:  # also raised by the JSON parser
            return web.json_response({"error": str(error)}, status=400)
        except (ConnectionError, web.RequestPayloadError):
            return web.json_response({"error": "the body is incomplete"}, status=400)
        except web.HTTPRequestEntityTooLarge as error:
            return web.json_response({"error": error.text}, status=error.status)
        return await show(request)

    return handle
