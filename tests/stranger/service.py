"""A service that makes a clip of a prompt, and serves it."""

import asyncio
import json

from aiohttp import web

from kling_async import Budget, BudgetExceeded, InvalidRequest, KlingClient, KlingError, TextToVideo
from kling_async.web import aiohttp_response

KLING = web.AppKey("KLING", KlingClient)


def application(kling: KlingClient) -> web.Application:
    """Creates the service.

    Args:
        kling: the client to use, which stays open.
    """
    app = web.Application()
    app[KLING] = kling
    app.router.add_post("/clips", submit)
    app.router.add_get("/clips/{reference}", video)
    return app


async def submit(request: web.Request) -> web.Response:
    """Submits a clip; 402 if the budget does not allow it, 422 if the request is invalid."""
    wanted = await request.json()
    try:
        handle = await request.app[KLING].submit(TextToVideo(wanted["prompt"], duration=wanted.get("duration", 5)))
    except BudgetExceeded as error:
        return web.json_response({"error": str(error)}, status=402)
    except InvalidRequest as error:
        return web.json_response({"problems": [problem.field for problem in error.problems]}, status=422)
    except KlingError as error:
        return web.json_response({"error": error.message}, status=503)
    return web.json_response({"reference": handle.reference}, status=202)


async def video(request: web.Request) -> web.StreamResponse:
    """Serves the clip once it is finished."""
    return await aiohttp_response(request.app[KLING].attach(request.match_info["reference"]), request)


async def main() -> None:
    """Runs the service, with the credentials of the environment."""
    async with KlingClient(budget=Budget(usd=5, per="day"), journal="clips.sqlite") as kling:
        runner = web.AppRunner(application(kling))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 8080).start()
        print(json.dumps({"address": "http://127.0.0.1:8080"}))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
