"""The aiohttp.web application over the account: routes, envelopes, and nothing that decides."""

import random
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.ledger import Ledger
from kling_async.emulator.faults.injection import Injector, finish_headers, take_the_rest
from kling_async.emulator.faults.kinds import CallKind
from kling_async.emulator.faults.rules import Faults
from kling_async.emulator.page.page import Page
from kling_async.emulator.results.file_server import FileServer

from . import request_body
from .auth import Credentials, check_api_key, check_authorization
from .callback_sender import CallbackSender
from .calls import Calls
from .catalog import CURRENT, FOUND, Emulated
from .control_api import add_control_api
from .endpoint import CurrentEndpoint, NotEmulated
from .errors import Refusal
from .guard import Guard
from .synchronous import CallEndpoint
from .webhooks import Webhooks

# A trailing slash is harmless, as at the service.
_SLASH: Final = "{slash:/?}"

# Where tasks of all endpoints are asked for.
_TASKS: Final = "/tasks"

# What the host answers that serves the legacy generation only.
_NO_SUCH_PAGE: Final = "<!doctype html><html><head><title>404</title></head><body>Not Found</body></html>"

# What asks for no credentials, whatever is there.
_NOT_OF_THE_SERVICE: Final = ("/_emulator", "/files/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Effect = Callable[[web.Request], Awaitable[Any]]


class Api:
    """The calls of the API: routes, credentials and envelopes around what they do.

    Args:
        calls: What calls do.
        account: The account.
        ledger: Its books.
        credentials: What `Authorization` is checked against.
        callbacks: Posts status changes.
        clock: Seconds since the epoch.
        guard: Knows which sites are answered.
        rng: Where request ids are drawn from; not the account's, so that polling does not change what happens.
        faults: What goes wrong.
        injector: Makes it happen.
        webhooks: The secrets that sign callbacks.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        account: AccountModel,
        ledger: Ledger,
        credentials: Credentials,
        callbacks: CallbackSender,
        clock: Callable[[], float],
        guard: Guard,
        rng: random.Random,
        faults: Faults,
        injector: Injector,
        webhooks: Webhooks,
    ) -> None:
        self._calls = calls
        self._account = account
        self._ledger = ledger
        self._credentials = credentials
        self._callbacks = callbacks
        self._clock = clock
        self._guard = guard
        self._rng = rng
        self._faults = faults
        self._injector = injector
        self._webhooks = webhooks

    def application(self, files: FileServer, page: Page) -> web.Application:
        """Make the application, which serves result files and the page for people too."""
        app = web.Application(middlewares=[self._answer_unknown, self._guard.middleware])
        app.on_response_prepare.append(self._finish_headers)
        app.on_shutdown.append(self._injector.close)
        for each in FOUND:
            self._add(app.router, each)
        self._add_current(app.router)
        app.router.add_get("/files/{task_id}/{file}/{name}", self._file(files))
        app.router.add_get("/_emulator/ledger", self._show_ledger)
        app.router.add_get("/_emulator/files/{task_id}/{file}/{name}", files.show)
        page.add_to(app.router)
        add_control_api(app.router, self._faults, self._account.conditions, self._webhooks, self._callbacks)
        return app

    def _add(self, router: web.UrlDispatcher, found: Emulated) -> None:
        """Add the routes of what the folder of endpoints has."""
        path = found.path
        if isinstance(found, NotEmulated):
            handler = self._refusing(Refusal(1203, f"this emulator does not emulate {path}, nor what is below it"))
            router.add_route("*", path + _SLASH, handler)
            router.add_route("*", path + "/{rest:.+}", handler)
        elif isinstance(found, CallEndpoint):
            self._calls.add_presets(found)
            direct = partial(self._calls.direct, found)
            handler = self._call(found.kind, found.name, direct, current=found.is_current)
            router.add_route(found.method, path + _SLASH, handler)
        elif isinstance(found, CurrentEndpoint):
            handler = self._call("create", found.name, partial(self._calls.create, found), current=True)
            for each in (path, found.alias) if found.alias else (path,):
                router.add_post(each + _SLASH, handler)
        else:
            calls, name = self._calls, found.name
            router.add_post(path + _SLASH, self._call("create", name, partial(calls.create, found)))
            router.add_get(path + _SLASH, self._call("list", name, partial(calls.page, found)))
            router.add_get(path + "/{key:[^/]+}" + _SLASH, self._call("query", name, partial(calls.query, found)))

    def _add_current(self, router: web.UrlDispatcher) -> None:
        """Add where tasks of the current generation are asked for, and what refuses models that are none."""
        router.add_get(_TASKS + _SLASH, self._call("query", _TASKS[1:], self._calls.tasks, current=True))
        router.add_post(_TASKS + _SLASH, self._call("list", _TASKS[1:], self._calls.task_page, current=True))
        for path in {each.path.rpartition("/")[0] for each in CURRENT}:
            handler = self._call("create", path[1:], self._calls.no_model, current=True)
            router.add_post(path + "/{model:[^/]+}" + _SLASH, handler)

    def _call(self, kind: CallKind, name: str, effect: Effect, *, current: bool = False) -> Handler:
        """Put together what each call goes through: count, authorise, take effect, answer, unless a fault strikes.

        Args:
            kind: What it is for.
            name: Of the endpoint.
            effect: Gives the `data` of the answer.
            current: Whether it is one of the current generation.
        """

        async def answer(request: web.Request) -> web.Response:
            if current and self._account.conditions.legacy_only:
                await take_the_rest(request, request_body.MAX_BODY_BYTES)
                return web.Response(text=_NO_SUCH_PAGE, status=404, content_type="text/html")
            try:
                self._authorize(request, current=current)
                data = await effect(request)
            except Refusal as refusal:
                await take_the_rest(request, request_body.MAX_BODY_BYTES)
                return self._refuse(refusal)
            return web.json_response(self._envelope(0, "SUCCEED") | {"data": data})

        async def handle(request: web.Request) -> web.StreamResponse:
            self._ledger.requests[kind] += 1
            return await self._injector.api(kind, name, request, answer, self._refuse)

        return handle

    def _authorize(self, request: web.Request, *, current: bool = False) -> None:
        header = request.headers.get("Authorization")
        if current:
            check_api_key(header, self._credentials)
        else:
            check_authorization(header, self._credentials, self._wire_time())

    def _refusing(self, refusal: Refusal) -> Handler:
        """Refuse an unknown path, after the credentials are checked."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self._ledger.requests["unknown"] += 1
            try:
                if not request.path.startswith(_NOT_OF_THE_SERVICE):
                    self._authorize(request)
            except Refusal as unauthorized:
                return self._refuse(unauthorized)
            return self._refuse(refusal)

        return handle

    def _file(self, files: FileServer) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._injector.file(request, files.handle)

        return handle

    def _wire_time(self) -> float:
        """Give the time that the service believes it is."""
        return self._clock() + self._account.conditions.clock_skew

    def _envelope(self, code: int, message: str) -> dict[str, Any]:
        request_id = uuid.UUID(int=self._rng.getrandbits(128), version=4)
        return {"code": code, "message": message, "request_id": str(request_id)}

    def _refuse(self, refusal: Refusal) -> web.Response:
        self._ledger.refused[refusal.code] += 1
        body = self._envelope(refusal.code, refusal.message)
        if refusal.anonymous:
            del body["request_id"]
        return web.json_response(body, status=refusal.http_status)

    @web.middleware
    async def _answer_unknown(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Word what the router refuses as the error table does: both are 404."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            refusal = Refusal(1203, f"The requested resource {request.path} does not exist")
        except web.HTTPMethodNotAllowed:
            refusal = Refusal(1202, f"The method {request.method} is invalid")
        return await self._refusing(refusal)(request)

    async def _finish_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        finish_headers(response, self._wire_time())

    async def _show_ledger(self, _request: web.Request) -> web.Response:
        self._ledger.requests["ledger"] += 1
        return web.json_response(self._ledger.as_json())
