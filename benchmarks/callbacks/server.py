"""One process that gets callbacks: a receiver whose client follows tasks, or a handler that only reads the body.

    python -m benchmarks.callbacks.server receiver TASKS
    python -m benchmarks.callbacks.server bare

It prints its port, and for each line of standard input the figures since the last one, as JSON.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.callbacks.messages import SECRET
from benchmarks.clients.__main__ import TimedSelector
from kling_async import KlingClient, Polling, Task, TaskHandle, TaskStatus
from kling_async.protocol.reference import Reference
from kling_async.web import CallbackReceiver

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SELDOM = Polling(first=3600, maximum=3600)


async def bare(request: web.Request) -> web.Response:
    """Reads the body."""
    await request.read()
    return web.Response()


async def main(turns: TimedSelector, kind: str, *arguments: str) -> None:
    """Serves until standard input ends."""
    if kind == "bare":
        await serve(turns, bare, [])
        return
    async with KlingClient(api_key="benchmark", callback_url="http://127.0.0.1:9/", polling=SELDOM) as kling:
        handles = [followed(kling, str(number)) for number in range(1, 1 + int(arguments[0]))]
        await serve(turns, CallbackReceiver(kling, [SECRET]).aiohttp_handler, handles)


def followed(kling: KlingClient, task_id: str) -> TaskHandle:
    """Returns the handle of a task as if it had just been created, without a create request."""
    reference = Reference("text2video", task_id)
    created = Task(task_id=task_id, status=TaskStatus.SUBMITTED, endpoint=reference.endpoint)
    watch = kling._poller.follow(  # noqa: SLF001  (creates are measured elsewhere)
        reference, created=created, calls_back=True, on_end=lambda: None
    )
    return TaskHandle(kling, reference, watch)


def resident() -> int:
    """Returns the bytes of resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def serve(turns: TimedSelector, handler: Handler, handles: list[TaskHandle]) -> None:
    """Serves, and prints figures for each line of standard input."""
    waiting = [asyncio.ensure_future(handle.wait()) for handle in handles]
    await asyncio.sleep(0)  # lets all of them begin
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    turns.worst, cpu = 0.0, time.process_time()
    while await asyncio.to_thread(sys.stdin.readline):
        figures: dict[str, Any] = {
            "cpu": time.process_time() - cpu,
            "stall": turns.worst,
            "resident": resident(),
            "ended": sum(each.done() for each in waiting),
        }
        print(json.dumps(figures), flush=True)
        turns.worst, cpu = 0.0, time.process_time()
    await runner.cleanup()


if __name__ == "__main__":
    selector = TimedSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as loop:
        loop.run(main(selector, *sys.argv[1:]))
