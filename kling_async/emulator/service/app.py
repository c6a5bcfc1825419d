"""The aiohttp.web application over the account: routes, envelopes, and nothing that decides."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final

import attrs
from aiohttp import web

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.ledger import Ledger
from kling_async.emulator.account.task import EmulatedTask, LinkMaker
from kling_async.emulator.faults.injection import Injector, finish_headers, take_the_rest
from kling_async.emulator.faults.kinds import CallKind
from kling_async.emulator.faults.rules import Faults
from kling_async.emulator.page.page import Page
from kling_async.emulator.results.file_server import FileServer
from kling_async.emulator.results.image_store import ImageStore
from kling_async.emulator.results.links import Links

from . import request_body
from .answers import created, deletions_marked, queried
from .auth import Credentials, check_authorization
from .callback_sender import CallbackSender
from .catalog import FOUND
from .checks import members
from .checks.paging import page_asked_for
from .control_api import add_control_api
from .endpoint import Body, Earlier, Endpoint, NotEmulated, Origin
from .errors import Refusal
from .guard import Guard
from .own_files import OwnFiles
from .synchronous import CallContext, CallEndpoint
from .webhooks import Webhooks

MAX_BODY_BYTES: Final = 100 * 2**20
"""A request's body; well above what the documented images can add up to."""

# A trailing slash is harmless, as at the service.
_SLASH: Final = "{slash:/?}"

# What asks for no credentials, whatever is there.
_NOT_OF_THE_SERVICE: Final = ("/_emulator", "/files/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Effect = Callable[[web.Request], Awaitable[Any]]


class Api:
    """The calls of the API. Each one is an effect on the account that returns the `data` of the answer.

    Args:
        account: The account.
        ledger: Its books.
        credentials: What `Authorization` is checked against.
        links: Makes links to result files.
        callbacks: Posts status changes.
        worker: Where large bodies are read, off the event loop.
        images: Where images are kept, None to keep none.
        own_files: Knows where the emulator's own links lead.
        clock: Seconds since the epoch.
        guard: Knows which sites are answered.
        strict: Whether values in requests must have the documented JSON types.
        rng: Where request ids are drawn from; not the account's, so that polling does not change what happens.
        faults: What goes wrong.
        webhooks: The secrets that sign callbacks.
    """

    def __init__(
        self,
        *,
        account: AccountModel,
        ledger: Ledger,
        credentials: Credentials,
        links: Links,
        callbacks: CallbackSender,
        worker: Executor,
        images: ImageStore | None,
        own_files: OwnFiles,
        clock: Callable[[], float],
        guard: Guard,
        strict: bool,
        rng: random.Random,
        faults: Faults,
        webhooks: Webhooks,
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._credentials = credentials
        self._links = links
        self._callbacks = callbacks
        self._worker = worker
        self._images = images
        self._own_files = own_files
        self._clock = clock
        self._guard = guard
        self._strict = strict
        self._rng = rng
        self._faults = faults
        self._webhooks = webhooks
        self._injector = Injector(faults)
        self._opened_at = clock()

    def application(self, files: FileServer, page: Page) -> web.Application:
        """Make the application, which serves result files and the page for people too."""
        app = web.Application(middlewares=[self._answer_unknown, self._guard.middleware])
        app.on_response_prepare.append(self._finish_headers)
        app.on_shutdown.append(self._injector.close)
        for each in FOUND:
            self._add(app.router, each)
        app.router.add_get("/files/{task_id}/{file}/{name}", self._file(files))
        app.router.add_get("/_emulator/ledger", self._show_ledger)
        app.router.add_get("/_emulator/files/{task_id}/{file}/{name}", files.show)
        page.add_to(app.router)
        add_control_api(app.router, self._faults, self._account.conditions, self._webhooks, self._callbacks)
        return app

    def _add(self, router: web.UrlDispatcher, found: Endpoint | CallEndpoint | NotEmulated) -> None:
        """Add the routes of what the folder of endpoints has."""
        path = found.path
        if isinstance(found, NotEmulated):
            handler = self._refusing(Refusal(1203, f"this emulator does not emulate {path}, nor what is below it"))
            router.add_route("*", path + _SLASH, handler)
            router.add_route("*", path + "/{rest:.+}", handler)
        elif isinstance(found, CallEndpoint):
            found.add_presets(self._account, self._opened_at)
            handler = self._call(found.kind, found.name, partial(self._direct, found))
            router.add_route(found.method, path + _SLASH, handler)
        else:
            name = found.name
            router.add_post(path + _SLASH, self._call("create", name, partial(self._create, found)))
            router.add_get(path + _SLASH, self._call("list", name, partial(self._list, found)))
            router.add_get(path + "/{key:[^/]+}" + _SLASH, self._call("query", name, partial(self._query, found)))

    def _call(self, kind: CallKind, name: str, effect: Effect) -> Handler:
        """Put together what each call goes through: count, authorise, take effect, answer, unless a fault strikes."""

        async def answer(request: web.Request) -> web.Response:
            try:
                self._authorize(request)
                data = await effect(request)
            except Refusal as refusal:
                await take_the_rest(request, MAX_BODY_BYTES)
                return self._refuse(refusal)
            return web.json_response(self._envelope(0, "SUCCEED") | {"data": data})

        async def handle(request: web.Request) -> web.StreamResponse:
            self._ledger.requests[kind] += 1
            return await self._injector.api(kind, name, request, answer, self._refuse)

        return handle

    def _authorize(self, request: web.Request) -> None:
        check_authorization(request.headers.get("Authorization"), self._credentials, self._wire_time())

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

    async def _create(self, endpoint: Endpoint, request: web.Request) -> dict[str, Any]:
        self._account.require_balance(self._clock(), endpoint.pack)
        self._account.conditions.require_service(endpoint.name)
        body = await self._read(endpoint, request)
        self._account.conditions.require_service(endpoint.name, body.get("model_name"))
        self._account.require_balance(self._clock(), endpoint.pack, endpoint.estimate(body))
        loop = asyncio.get_running_loop()
        given = await self._submitted(body, endpoint, request)
        accepted = await loop.run_in_executor(self._worker, endpoint.accept, given)
        accepted = attrs.evolve(accepted, parameters=members.with_links(accepted.parameters, body))
        self._account.conditions.require_service(endpoint.name, accepted.model_name)  # the default one
        if self._images is not None:
            accepted = await loop.run_in_executor(self._worker, self._images.take, endpoint.pictures(given), accepted)
        await self._injector.hold()
        now = self._clock()
        accepted = endpoint.complete(accepted, self._earlier(request, now))
        task = self._account.create(now, endpoint, accepted)
        self._callbacks.watch(task)
        return created(task, self._account.conditions.clock_skew)

    async def _direct(self, endpoint: CallEndpoint, request: web.Request) -> Any:
        """Let a call take effect that answers at once."""
        if endpoint.units:
            self._account.require_balance(self._clock(), endpoint.pack, endpoint.units)
        self._account.conditions.require_service(endpoint.name)
        body: Body = dict(request.query)
        if request.method == "POST":
            body = await self._submitted(await self._read(endpoint, request), endpoint, request)
        await self._injector.hold()
        now = self._clock()
        self._account.settle(now)
        context = CallContext(
            account=self._account,
            origin=endpoint,
            now=now,
            opened_at=self._opened_at,
            skew=self._account.conditions.clock_skew,
            link=self._link_maker(request, now),
            earlier=self._earlier(request, now),
        )
        data = endpoint.answer(body, context)
        self._ledger.calls[endpoint.name] += 1
        return data

    async def _read(self, origin: Origin, request: web.Request) -> Body:
        """Receive the body of a POST, and give its documented members."""
        if request.content_type != "application/json":
            raise Refusal(1200, "Content-Type must be application/json")
        parse = partial(request_body.parse, await _body(request), origin.members, strict=self._strict)
        return await asyncio.get_running_loop().run_in_executor(self._worker, parse)

    async def _submitted(self, body: Body, origin: Origin, request: web.Request) -> Body:
        return await self._own_files.submitted(body, origin, self._clock(), self._guard.address(request))

    def _earlier(self, request: web.Request, now: float) -> Earlier:
        address = self._guard.address(request)
        return partial(self._own_files.earlier, now=now, address=address, link=self._link_maker(request, now))

    async def _query(self, endpoint: Endpoint, request: web.Request) -> dict[str, Any]:
        now = self._clock()
        task = self._account.find(endpoint, request.match_info["key"], now)
        return self._shown(task, now, self._link_maker(request, now))

    def _shown(self, task: EmulatedTask, now: float, link: LinkMaker) -> dict[str, Any]:
        data = queried(task, now, link, self._account.conditions.clock_skew)
        return deletions_marked(data, self._account.deleted)

    def _link_maker(self, request: web.Request, now: float) -> LinkMaker:
        # Whoever reaches the API by a name reaches the files by it, too, from another machine or container as well.
        return self._links.maker(now, self._guard.address(request))

    async def _list(self, endpoint: Endpoint, request: web.Request) -> list[dict[str, Any]]:
        number, size = page_asked_for(request.query, endpoint.page_maximum)
        now = self._clock()
        link = self._link_maker(request, now)
        return [self._shown(task, now, link) for task in self._account.page(endpoint, number, size, now)]

    async def _show_ledger(self, _request: web.Request) -> web.Response:
        self._ledger.requests["ledger"] += 1
        return web.json_response(self._ledger.as_json())


async def _body(request: web.Request) -> list[bytes]:
    """Receive a body in pieces, which are put together off the event loop."""
    pieces: list[bytes] = []
    size = request.content_length or 0
    received = 0
    while size <= MAX_BODY_BYTES:
        try:
            piece = await request.content.readany()
        except (ConnectionError, web.RequestPayloadError):
            raise Refusal(1200, "request body is incomplete") from None
        if not piece:
            return pieces
        pieces.append(piece)
        received += len(piece)
        size = max(size, received)
    raise Refusal(1200, "request body is too large")
