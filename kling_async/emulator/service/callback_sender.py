"""Posts status changes to `callback_url` at their time."""

import asyncio
import heapq
import itertools
import json
import math
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.ledger import Callback, Ledger
from kling_async.emulator.account.task import EmulatedTask, Status
from kling_async.emulator.faults.rules import Call, Faults
from kling_async.emulator.results.links import Links

from .answers import called_back, milliseconds
from .current import answers
from .endpoint import CurrentEndpoint
from .webhooks import Webhooks

_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8"}
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)
# The clock may be a test's, which jumps; so no wait is longer than this, in real seconds.
_LONGEST_WAIT: Final = 0.05
_TEST_SECONDS: Final = 6.0


class CallbackSender:
    """Posts each change of a task's status after `submitted`, once, in the background; signed, if there are secrets.

    The body is the bare task without an envelope. Retries, timeouts and order are not documented: the emulator makes
    one attempt of at most 5 s, and slow receivers may see two changes out of order.

    Args:
        account: The account.
        ledger: Records the attempts.
        links: Makes links to result files.
        clock: Seconds since the epoch.
        faults: The rules for faults.
        webhooks: Signs the callbacks.
    """

    def __init__(
        self,
        *,
        account: AccountModel,
        ledger: Ledger,
        links: Links,
        clock: Callable[[], float],
        faults: Faults,
        webhooks: Webhooks,
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._links = links
        self._clock = clock
        self._faults = faults
        self._webhooks = webhooks
        self._tested_at = -math.inf
        self._held: dict[str, float] = {}
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, EmulatedTask]] = []
        self._session: aiohttp.ClientSession | None = None
        self._rounds: asyncio.Task[None] | None = None
        self._posts: set[asyncio.Task[None]] = set()

    def watch(self, task: EmulatedTask) -> None:
        """Posts the changes of a new task, if it has a `callback_url`."""
        if not task.request.callback_url:
            return
        for moment in (task.started_at, task.finished_at):
            heapq.heappush(self._due, (moment, next(self._numbers), task))
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._go(), name="emulator callbacks")

    async def close(self) -> None:
        """Drops all callbacks that have not been posted."""
        self._due.clear()
        running = [*self._posts, *([] if self._rounds is None else [self._rounds])]
        for job in running:
            job.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _go(self) -> None:
        while self._due:
            wait = self._due[0][0] - self._clock()
            if wait > 0:
                await asyncio.sleep(min(wait, _LONGEST_WAIT))
                continue
            moment, _, task = heapq.heappop(self._due)
            post = asyncio.create_task(self._post(task, moment), name=f"emulator callback {task.task_id}")
            self._posts.add(post)
            post.add_done_callback(self._posts.discard)

    async def _post(self, task: EmulatedTask, moment: float) -> None:
        """Posts a change, as often, as late and in the order that its fault requires."""
        call = Call(
            kind="callback",
            endpoint=task.endpoint.name,
            path=task.request.callback_url,
            key=task.task_id,
            status=task.status(moment),
            followed=moment < task.finished_at,
        )
        fault = self._faults.fault_for(call)
        if fault is not None and fault.wait:
            await asyncio.sleep(fault.wait)
        kind = None if fault is None else fault.kind
        if kind == "reordered":
            self._held[task.task_id] = moment
        if kind in {"reordered", "lost"}:
            return
        await self._deliver(task, moment)
        if kind == "doubled":
            await self._deliver(task, moment)
        if (held := self._held.pop(task.task_id, None)) is not None:
            await self._deliver(task, held)

    async def test(self, url: str) -> Callback:
        """Posts the console's test callback, of the current generation: a task that does not exist, just submitted.

        Raises:
            ValueError: If the last one was posted less than 6 s ago.
        """
        now = self._clock()
        if now < self._tested_at + _TEST_SECONDS:
            raise ValueError(f"a test callback can be posted every {_TEST_SECONDS:g} s")
        self._tested_at = now
        moment, task_id = milliseconds(now), str(int(now * 1000)).zfill(18)
        body = {"id": task_id, "status": "submitted", "outputs": [], "message": ""}
        return await self._send(task_id, "submitted", url, body | {"create_time": moment, "update_time": moment})

    async def _deliver(self, task: EmulatedTask, moment: float) -> None:
        conditions, link = self._account.conditions, self._links.maker(self._clock())
        if isinstance(task.endpoint, CurrentEndpoint):
            body = answers.shown(task, moment, link, conditions.clock_skew, mixed_words=conditions.mixed_words)
        else:
            body = called_back(task, moment, link, conditions.clock_skew)
        await self._send(task.task_id, task.status(moment), task.request.callback_url, body)

    async def _send(self, task_id: str, status: Status, url: str, body: dict[str, Any]) -> Callback:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        http_status, error = None, ""
        data = json.dumps(body).encode()
        now = self._clock() + self._account.conditions.clock_skew
        headers = {**_HEADERS, **self._webhooks.headers(f"{task_id} {status}", data, now)}
        try:
            async with self._session.post(url, data=data, headers=headers, allow_redirects=False) as answer:
                http_status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            error = f"{type(problem).__name__}: {problem}"
        callback = Callback(task_id=task_id, status=status, url=url, http_status=http_status, error=error)
        self._ledger.callbacks.append(callback)
        return callback
