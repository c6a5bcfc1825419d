"""The aiohttp.web application over the account: routes and envelopes, without any decisions."""

import random
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.ledger import Ledger
from kling_async.emulator.faults.injection import Injector, drain_body, finish_headers
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

# A trailing slash is accepted, as at the service.
_SLASH: Final = "{slash:/?}"

# The path that queries and lists tasks of all endpoints.
_TASKS: Final = "/tasks"

# The answer of the host that serves the legacy generation only.
_NO_SUCH_PAGE: Final = "<!doctype html><html><head><title>404</title></head><body>Not Found</body></html>"

# Paths that need no credentials, whether they exist or not.
_NOT_OF_THE_SERVICE: Final = ("/_emulator", "/files/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Effect = Callable[[web.Request], Awaitable[Any]]


class Api:
    """The calls of the API: routes, credentials and envelopes around `Calls`.

    Args:
        calls: Applies the calls.
        account: The account.
        ledger: Its ledger.
        credentials: The accepted credentials.
        callbacks: Posts status changes.
        clock: Seconds since the epoch.
        guard: Refuses requests of other sites.
        rng: Generates request ids; not the account's generator, so that polling does not change later tasks.
        faults: The rules for faults.
        injector: Injects the faults.
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
        """Creates the application, which also serves result files and the page."""
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
        """Adds the routes of an endpoint."""
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
        """Adds the routes that query and list tasks of the current generation, and those that refuse unknown models."""
        router.add_get(_TASKS + _SLASH, self._call("query", _TASKS[1:], self._calls.tasks, current=True))
        router.add_post(_TASKS + _SLASH, self._call("list", _TASKS[1:], self._calls.task_page, current=True))
        for path in {each.path.rpartition("/")[0] for each in CURRENT}:
            handler = self._call("create", path[1:], self._calls.no_model, current=True)
            router.add_post(path + "/{model:[^/]+}" + _SLASH, handler)

    def _call(self, kind: CallKind, name: str, effect: Effect, *, current: bool = False) -> Handler:
        """Returns the handler of a call: it counts, authorises, takes effect and answers, unless a fault strikes.

        Args:
            kind: The kind of the call.
            name: The name of the endpoint.
            effect: Takes effect, and returns the `data` of the answer.
            current: Whether the call is of the current generation.
        """

        async def answer(request: web.Request) -> web.Response:
            if current and self._account.conditions.legacy_only:
                await drain_body(request, request_body.MAX_BODY_BYTES)
                return web.Response(text=_NO_SUCH_PAGE, status=404, content_type="text/html")
            try:
                self._authorize(request, current=current)
                data = await effect(request)
            except Refusal as refusal:
                await drain_body(request, request_body.MAX_BODY_BYTES)
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
        """Returns a handler that refuses a path, after checking the credentials."""

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
        """Returns the time of the service's clock."""
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
        """Answers unknown paths and methods as in the error table: both are 404."""
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
