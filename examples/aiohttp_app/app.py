"""The aiohttp application: routes for the clips of `examples.web_service`."""

import asyncio
import contextlib
import errno
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from examples.web_service import options, requests
from examples.web_service.clips import RUNNING, Clips
from examples.web_service.requests import Person, Refusal
from examples.web_service.settings import PAGE, Settings, clips, drain
from kling_async import KlingError
from kling_async.web import EVENT_HEADERS, aiohttp_response

logger = logging.getLogger(__name__)

CLIPS: Final = web.AppKey("clips", Clips)
SETTINGS: Final = web.AppKey("settings", Settings)
BEGUN: Final = ContextVar[bool]("BEGUN")
"""Whether the response has begun; `web.RequestKey`, which is meant for this, is newer than aiohttp 3.13."""
NO_FORM: Final = (ValueError, RuntimeError, web.RequestPayloadError, HttpProcessingError)
"""Errors that aiohttp raises for bodies and parts that it cannot read."""
routes = web.RouteTableDef()


def person_of(request: web.Request) -> Person:
    """Returns the person of the request's session."""
    return Person(request.cookies.get(requests.COOKIE))


@routes.get("/")
async def page(request: web.Request) -> web.StreamResponse:
    """Returns the page, with a new session if the browser has none."""
    response = web.FileResponse(PAGE / "index.html")
    person, secure = person_of(request), request.secure or request.app[SETTINGS].is_https
    if person.is_new:
        response.set_cookie(
            requests.COOKIE, person.cookie, max_age=requests.SECONDS, httponly=True, samesite="Lax", secure=secure
        )
    return response


@routes.get("/api/options")
async def choices(_: web.Request) -> web.Response:
    """Returns the options of the form."""
    return web.json_response(options.for_page(RUNNING))


@routes.get("/api/price")
async def price(request: web.Request) -> web.Response:
    """Returns the price of a clip."""
    await request.app[CLIPS].check(request.query, options.ANY_PICTURE)
    return web.json_response(options.price_of(options.request_of(request.query)))


@routes.post("/api/clips")
async def post(request: web.Request) -> web.Response:
    """Accepts a picture and a form; does not read the body before the post is allowed."""
    requests.refuse_other_sites(request.headers, request.app[SETTINGS].host)
    person, key = person_of(request), request.headers.get("Idempotency-Key")
    requests.refuse_strangers(person)
    if (repeated := await request.app[CLIPS].repeated(person.name, key)) is not None:
        return web.json_response(repeated.as_json(), status=HTTPStatus.CREATED)
    async with request.app[CLIPS].place(person.name, key) as place:
        requests.refuse_large(request.content_length)
        with TemporaryFile() as file:
            try:
                fields, size = await form_of(request, file)
            except NO_FORM:
                raise requests.no_form() from None
            shown = await request.app[CLIPS].add(place, fields, file if size else None)
    return web.json_response(shown.as_json(), status=HTTPStatus.CREATED)


async def form_of(request: web.Request, file: IO[bytes]) -> tuple[dict[str, str], int]:
    """Reads a form up to the maximum size; returns its texts, and the number of bytes of the picture in the file.

    Raises:
        Refusal: the body is too large, or of another type.
        ValueError: the body is not a valid form; the other errors of `NO_FORM` mean the same.
    """
    requests.refuse_other_types(request.headers.get("Content-Type", ""))
    texts: dict[str | None, bytearray] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise ValueError("a part has parts")  # noqa: TRY004  (as aiohttp raises for other bad bodies)
        is_file = part.filename is not None
        if part.name in texts or is_file != (part.name == "picture"):
            raise ValueError("a part comes twice, or is no file or text as it should be")
        text = texts[part.name] = bytearray()
        while chunk := await part.read_chunk():
            requests.refuse_large(request.content.total_bytes)
            if is_file:
                await asyncio.to_thread(file.write, chunk)
            elif part.name in options.FIELDS:
                text += chunk
    if not texts:
        raise ValueError("nothing is in it")
    size = file.tell()
    file.seek(0)
    return {name: texts[name].decode("utf-8", "replace") for name in options.FIELDS if name in texts}, size


@routes.get("/api/clips")
async def listed(request: web.Request) -> web.Response:
    """Returns all clips of the person."""
    shown = await request.app[CLIPS].of(person_of(request).name)
    return web.json_response({"clips": [each.as_json() for each in shown]})


@routes.get("/api/clips/{id}")
async def one(request: web.Request) -> web.Response:
    """Returns one clip of the person."""
    shown = await request.app[CLIPS].find(person_of(request).name, request.match_info["id"])
    return web.json_response(shown.as_json())


@routes.get("/api/clips/{id}/events", allow_head=False)
async def events(request: web.Request) -> web.StreamResponse:
    """Streams the progress of a clip."""
    person, clip_id = person_of(request).name, request.match_info["id"]
    await request.app[CLIPS].find(person, clip_id)
    response = web.StreamResponse(headers=EVENT_HEADERS)
    await response.prepare(request)
    async with contextlib.aclosing(request.app[CLIPS].events(person, clip_id)) as stream:
        async for event in stream:
            await response.write(event)
    return response


@routes.get("/api/clips/{id}/video")
async def video(request: web.Request) -> web.StreamResponse:
    """Serves the video; the browser fetches the ranges that it plays."""
    found = await request.app[CLIPS].video(person_of(request).name, request.match_info["id"])
    return web.FileResponse(found) if isinstance(found, Path) else await aiohttp_response(found, request)


@routes.get("/api/clips/{id}/picture")
async def picture(request: web.Request) -> web.StreamResponse:
    """Serves the picture, as it was uploaded."""
    clip = (await request.app[CLIPS].find(person_of(request).name, request.match_info["id"])).clip
    kind = await asyncio.to_thread(lambda: clip.picture_type)
    return web.FileResponse(clip.picture, headers={"Content-Type": kind, **requests.PICTURE_HEADERS})


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    """Returns whether this process accepts requests."""
    if request.app[CLIPS].closing.is_set():
        return web.json_response({"status": "stopping"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return web.json_response({"status": "ok", "unfinished": await request.app[CLIPS].unfinished()})


@routes.post("/kling/{token}")
async def callback(request: web.Request) -> web.StreamResponse:
    """Receives the service's callbacks."""
    receiver = request.app[CLIPS].callbacks
    if receiver is None:
        raise web.HTTPNotFound
    return await receiver.aiohttp_handler(request)


# ------------------------------------------------------------------------------------ around the routes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers errors in the format that the page expects."""
    BEGUN.set(False)  # requests of one connection share the context
    try:
        return await handler(request)
    except Refusal as error:
        return web.json_response(error.body, status=error.status)
    except web.HTTPException as error:
        error.headers.popall("Content-Type", None)
        return web.json_response({"message": error.reason}, status=error.status, headers=error.headers)
    except (KlingError, OSError) as error:
        if isinstance(error, ConnectionError) and not isinstance(error, KlingError):
            return web.Response(status=HTTPStatus.BAD_REQUEST)  # the client has disconnected
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # such a file cannot exist
            return web.json_response({"message": "Not Found"}, status=HTTPStatus.NOT_FOUND)
        if BEGUN.get():
            raise  # aiohttp closes the connection
        logger.exception("answered with 503")
        return web.json_response({"message": requests.TROUBLE}, status=HTTPStatus.SERVICE_UNAVAILABLE)


async def with_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Adds the common headers to a response; closes the connection if the request's body cannot be read."""
    BEGUN.set(True)
    if request.content.exception() is not None:
        request.content.feed_eof()  # else the server reads on, and reports an internal error
        response.force_close()
        response.headers["Connection"] = "close"
    for name, value in requests.HEADERS.items():
        response.headers.setdefault(name, value)


async def running(app: web.Application) -> AsyncIterator[None]:
    """Keeps the clips open while the application runs; handles signals before the server, to end open streams."""
    async with clips(app[SETTINGS]) as app[CLIPS]:
        loop, closing = asyncio.get_running_loop(), app[CLIPS].closing
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(
                NotImplementedError, RuntimeError, ValueError
            ):  # unsupported, or not in main thread
                loop.add_signal_handler(number, drain, closing, end)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def end() -> None:
    """Ends `run_app`."""
    raise web.GracefulExit


async def shut_down(app: web.Application) -> None:
    """Ends open streams, which the server would wait for."""
    app[CLIPS].closing.set()


def application(settings: Settings) -> web.Application:
    """Creates the application."""
    app = web.Application(middlewares=[refusing])
    app[SETTINGS] = settings
    app.add_routes(routes)
    app.router.add_static("/static", PAGE)
    app.on_response_prepare.append(with_headers)
    app.on_shutdown.append(shut_down)
    app.cleanup_ctx.append(running)
    return app
