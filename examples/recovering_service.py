"""A service that continues its unfinished work after it was stopped or killed.

    python examples/recovering_service.py DIRECTORY [PORT]
    curl -X PUT localhost:8080/clips/order-4711 -H 'Content-Type: application/json' -d '{"prompt": "a cat"}'
    curl localhost:8080/clips/order-4711

The name in the URL is the key of the work: the same PUT again, before or after a crash, creates no second clip.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from kling_async import InvalidRequest, KeyConflict, KlingClient, TaskHandle, TextToVideo

KLING = web.AppKey("kling", KlingClient)
OUT = web.AppKey("out", Path)
SAVING = web.AppKey("saving", set)


async def kling(app: web.Application) -> AsyncIterator[None]:
    """Keeps the client open while the service runs; first resumes the unfinished work of earlier processes."""
    async with KlingClient(journal=app[OUT] / "journal.sqlite") as app[KLING]:
        async for handle in app[KLING].recover():
            save(app, handle)
        yield
        for saving in app[SAVING]:
            saving.cancel()
        await asyncio.gather(*app[SAVING], return_exceptions=True)  # the next process resumes them


def save(app: web.Application, handle: TaskHandle) -> None:
    """Saves the result in the background; the journal has the path."""
    saving = asyncio.create_task(handle.save())
    app[SAVING].add(saving)
    saving.add_done_callback(app[SAVING].discard)
    saving.add_done_callback(lambda done: done.cancelled() or done.exception())  # the error is in the journal


async def put(request: web.Request) -> web.Response:
    """Submits a clip, once for each name."""
    members, app = await request.json(), request.app
    try:
        clip = TextToVideo(**members)
        handle = await app[KLING].submit(clip, key=request.match_info["name"], save_to=f"{app[OUT]}/")
    except (TypeError, InvalidRequest) as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    except KeyConflict as error:
        raise web.HTTPConflict(text=str(error)) from None
    save(app, handle)
    return web.json_response({"reference": handle.reference}, status=202)


async def get(request: web.Request) -> web.Response:
    """Returns the state of a clip."""
    found = [entry async for entry in request.app[KLING].journal.entries(key=request.match_info["name"])]
    if not found:
        raise web.HTTPNotFound
    last = found[-1]
    files = [file.path for file in last.files]
    return web.json_response({"state": last.state, "status": last.status, "files": files, "error": last.error})


def app(directory: str) -> web.Application:
    """Creates the web application."""
    made = web.Application()
    made[OUT], made[SAVING] = Path(directory), set()
    made[OUT].mkdir(parents=True, exist_ok=True)
    made.cleanup_ctx.append(kling)
    made.router.add_put("/clips/{name}", put)
    made.router.add_get("/clips/{name}", get)
    return made


if __name__ == "__main__":
    match sys.argv[1:]:
        case [directory]:
            web.run_app(app(directory), host="127.0.0.1", port=8080)
        case [directory, port]:
            web.run_app(app(directory), host="127.0.0.1", port=int(port))
        case _:
            sys.exit(__doc__)
