"""The effect of each API call on the account, and the `data` of their answers; routes and envelopes are elsewhere."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

import attrs
from aiohttp import web

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.ledger import Ledger
from kling_async.emulator.account.task import EmulatedTask, LinkMaker
from kling_async.emulator.faults.injection import Injector
from kling_async.emulator.results.image_store import ImageStore
from kling_async.emulator.results.links import Links

from . import request_body
from .answers import created, deletions_marked, queried
from .callback_sender import CallbackSender
from .checks import members
from .checks.paging import requested_page
from .current import answers, reading
from .endpoint import Body, CurrentEndpoint, Earlier, Endpoint, Origin, TaskEndpoint
from .errors import invalid
from .guard import Guard
from .own_files import OwnFiles
from .synchronous import CallContext, CallEndpoint


class Calls:
    """Applies calls. Each method returns the `data` of the answer, or raises `Refusal` and has no effect.

    Args:
        account: The account.
        ledger: Its ledger.
        links: Makes links to result files.
        callbacks: Posts status changes.
        worker: Parses large bodies, off the event loop.
        images: Stores submitted images, None to store none.
        own_files: Resolves the emulator's own links.
        clock: Seconds since the epoch.
        guard: Determines the address by which a request came.
        strict: Whether members that are not documented, and forbidden values, are refused.
        strict_types: Whether values in requests must have the documented JSON types.
        injector: Injects the faults.
    """

    def __init__(
        self,
        *,
        account: AccountModel,
        ledger: Ledger,
        links: Links,
        callbacks: CallbackSender,
        worker: Executor,
        images: ImageStore | None,
        own_files: OwnFiles,
        clock: Callable[[], float],
        guard: Guard,
        strict: bool,
        strict_types: bool,
        injector: Injector,
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._links = links
        self._callbacks = callbacks
        self._worker = worker
        self._images = images
        self._own_files = own_files
        self._clock = clock
        self._guard = guard
        self._strict = strict
        self._strict_types = strict_types or strict
        self._injector = injector
        self._opened_at = clock()

    def add_presets(self, endpoint: CallEndpoint) -> None:
        """Adds an endpoint's presets to the account."""
        endpoint.add_presets(self._account, self._opened_at)

    async def create(self, endpoint: TaskEndpoint, request: web.Request) -> dict[str, Any]:
        """Creates a task."""
        conditions = self._account.conditions
        self._account.require_balance(self._clock(), endpoint.pack)
        conditions.require_service(endpoint.name)
        body = await self._read(endpoint, request)
        if isinstance(endpoint, CurrentEndpoint):
            conditions.require_model(endpoint.model, is_documented=endpoint.is_documented)
            if self._strict:
                endpoint.check(body)
        conditions.require_service(endpoint.name, body.get("model_name"))
        self._account.require_balance(self._clock(), endpoint.pack, endpoint.estimate(body))
        loop = asyncio.get_running_loop()
        given = await self._submitted(body, endpoint, request)
        accepted = await loop.run_in_executor(self._worker, endpoint.accept, given)
        accepted = attrs.evolve(accepted, parameters=members.with_links(accepted.parameters, body))
        conditions.require_service(endpoint.name, accepted.model_name)  # the default one
        if self._images is not None:
            accepted = await loop.run_in_executor(self._worker, self._images.take, endpoint.pictures(given), accepted)
        await self._injector.hold()
        now = self._clock()
        accepted = endpoint.complete(accepted, self._earlier(request, now))
        if isinstance(endpoint, CurrentEndpoint) and conditions.forgets(endpoint.model):
            accepted = attrs.evolve(accepted, external_task_id="")
        task = self._account.create(now, endpoint, accepted)
        self._callbacks.watch(task)
        if isinstance(endpoint, CurrentEndpoint):
            return answers.created(task, conditions.clock_skew, mixed_words=conditions.mixed_words)
        return created(task, conditions.clock_skew)

    async def no_model(self, _request: web.Request) -> None:
        """Refuses a create with an unknown model."""
        self._account.require_balance(self._clock(), "video")
        raise invalid("model is not supported")

    async def direct(self, endpoint: CallEndpoint, request: web.Request) -> Any:
        """Applies a call that answers at once."""
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

    async def query(self, endpoint: Endpoint, request: web.Request) -> dict[str, Any]:
        """Returns a task of the legacy generation."""
        now = self._clock()
        task = self._account.find(endpoint, request.match_info["key"], now)
        return self._shown(task, now, self._link_maker(request, now))

    async def page(self, endpoint: Endpoint, request: web.Request) -> list[dict[str, Any]]:
        """Returns a page of the tasks of one legacy endpoint."""
        number, size = requested_page(request.query, endpoint.page_maximum)
        now = self._clock()
        link = self._link_maker(request, now)
        return [self._shown(task, now, link) for task in self._account.page(endpoint, number, size, now)]

    async def tasks(self, request: web.Request) -> list[dict[str, Any]]:
        """Returns tasks of both generations, by their ids."""
        now = self._clock()
        tasks = reading.by_ids(self._account, request.query, now, strict=self._strict)
        return self._all_shown(tasks, request, now)

    async def task_page(self, request: web.Request) -> dict[str, Any]:
        """Returns a page of the tasks of both generations."""
        body = await self._read(reading.LIST, request)
        now = self._clock()
        tasks, cursor = reading.page(self._account, body, now)
        answer: dict[str, Any] = {"result": self._all_shown(tasks, request, now)} if tasks else {}
        answer["count"] = len(tasks)
        return answer | ({"next_cursor": cursor} if cursor else {}) | {"has_more": bool(cursor)}

    def _all_shown(self, tasks: list[EmulatedTask], request: web.Request, now: float) -> list[dict[str, Any]]:
        show = partial(
            answers.shown,
            now=now,
            link=self._link_maker(request, now),
            skew=self._account.conditions.clock_skew,
            deleted=self._account.deleted,
            mixed_words=self._account.conditions.mixed_words,
        )
        return [show(task) for task in tasks]

    def _shown(self, task: EmulatedTask, now: float, link: LinkMaker) -> dict[str, Any]:
        data = queried(task, now, link, self._account.conditions.clock_skew)
        return deletions_marked(data, self._account.deleted)

    def _link_maker(self, request: web.Request, now: float) -> LinkMaker:
        # A client on another machine or in another container reaches the files by the same name as the API.
        return self._links.maker(now, self._guard.address(request))

    async def _read(self, origin: Origin, request: web.Request) -> Body:
        """Receives the body of a POST, and returns its documented members."""
        pieces = await request_body.receive(request)
        parse = partial(request_body.parse, pieces, origin.members, strict=self._strict_types, only_known=self._strict)
        return await asyncio.get_running_loop().run_in_executor(self._worker, parse)

    async def _submitted(self, body: Body, origin: Origin, request: web.Request) -> Body:
        return await self._own_files.submitted(body, origin, self._clock(), self._guard.address(request))

    def _earlier(self, request: web.Request, now: float) -> Earlier:
        address = self._guard.address(request)
        return partial(self._own_files.earlier, now=now, address=address, link=self._link_maker(request, now))
