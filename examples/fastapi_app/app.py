"""The FastAPI application: routes for the clips of `examples.web_service`."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.web_service import options, requests
from examples.web_service.clips import RUNNING, Clips
from examples.web_service.requests import Person, Refusal
from examples.web_service.settings import PAGE, Settings, clips, drain
from kling_async import KlingError
from kling_async.web import EVENT_HEADERS
from kling_async.web.starlette import TaskResponse

logger = logging.getLogger(__name__)
api = APIRouter()

DISCARD_SECONDS = 5.0
"""Seconds for which the rest of a body that is not needed is read."""


def clips_of(request: Request) -> Clips:
    """Returns the clips of the application."""
    found: Clips = request.app.state.clips
    return found


def person_of(request: Request) -> Person:
    """Returns the person of the request's session."""
    return Person(request.cookies.get(requests.COOKIE))


TheClips = Annotated[Clips, Depends(clips_of)]
User = Annotated[Person, Depends(person_of)]


@api.get("/")
async def page(request: Request, person: User) -> Response:
    """Returns the page, with a new session if the browser has none."""
    response = FileResponse(PAGE / "index.html")
    secure = request.scope["scheme"] == "https" or request.app.state.settings.is_https
    if person.is_new:
        response.set_cookie(requests.COOKIE, person.cookie, requests.SECONDS, httponly=True, secure=secure)
    return response


@api.get("/api/options")
async def choices() -> dict[str, Any]:
    """Returns the options of the form."""
    return options.for_page(RUNNING)


@api.get("/api/price")
async def price(request: Request, clips: TheClips) -> dict[str, str | None]:
    """Returns the price of a clip."""
    await clips.check(request.query_params, options.ANY_PICTURE)
    return options.price_of(options.request_of(request.query_params))


@api.post("/api/clips", status_code=HTTPStatus.CREATED)
async def post(request: Request, person: User, clips: TheClips) -> dict[str, Any]:
    """Accepts a picture and a form; uses nothing of the body before the post is allowed."""
    upload = Upload(request)
    try:
        requests.refuse_other_sites(request.headers, request.app.state.settings.host)
        requests.refuse_strangers(person)
        key = request.headers.get("idempotency-key")
        if (repeated := await clips.repeated(person.name, key)) is not None:
            await upload.discard()
            return repeated.as_json()
        async with clips.place(person.name, key) as place:
            requests.refuse_large(request.headers.get("content-length"))
            requests.refuse_other_types(request.headers.get("content-type", ""))
            body = Request(request.scope, upload.receive)
            async with body.form(max_files=1, max_fields=20, max_part_size=requests.TEXT_BYTES) as form:
                files = {name for name, value in form.items() if isinstance(value, UploadFile)}
                if not form or len(form) != len(form.multi_items()) or files != {"picture"} & set(form):
                    raise requests.no_form()
                picture = form.get("picture")
                file = picture.file if isinstance(picture, UploadFile) and picture.size else None
                return (await clips.add(place, form, file)).as_json()
    except Exception:
        await upload.discard()
        raise


class Upload:
    """The body of a request, which is refused if it is too large, whatever its headers claim."""

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self._received = 0
        self._ended = "expect" in request.headers
        """Whether nothing more comes; a client that expects `100 Continue` sends nothing before it is received."""

    async def receive(self) -> Message:
        """Receives the next part.

        Raises:
            Refusal: the body is too large.
        """
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        requests.refuse_large(self._received)
        return message

    async def discard(self) -> None:
        """Reads the rest of a body that is not needed, for some seconds.

        The server closes a connection with unread bytes by a reset, after which a browser that is still sending loses
        the response.
        """
        with contextlib.suppress(TimeoutError, Refusal):
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self._ended:
                    await self.receive()


@api.get("/api/clips")
async def listed(person: User, clips: TheClips) -> dict[str, Any]:
    """Returns all clips of the person."""
    return {"clips": [shown.as_json() for shown in await clips.of(person.name)]}


@api.get("/api/clips/{clip_id}")
async def one(clip_id: str, person: User, clips: TheClips) -> dict[str, Any]:
    """Returns one clip of the person."""
    return (await clips.find(person.name, clip_id)).as_json()


@api.get("/api/clips/{clip_id}/events")
async def events(clip_id: str, person: User, clips: TheClips) -> Response:
    """Streams the progress of a clip."""
    await clips.find(person.name, clip_id)
    return StreamingResponse(clips.events(person.name, clip_id), headers=EVENT_HEADERS)


@api.api_route("/api/clips/{clip_id}/video", methods=["GET", "HEAD"])
async def video(clip_id: str, person: User, clips: TheClips) -> Response:
    """Serves the video; the browser fetches the ranges that it plays."""
    found = await clips.video(person.name, clip_id)
    return FileResponse(found, media_type="video/mp4") if isinstance(found, Path) else TaskResponse(found)


@api.get("/api/clips/{clip_id}/picture")
async def picture(clip_id: str, person: User, clips: TheClips) -> Response:
    """Serves the picture, as it was uploaded."""
    clip = (await clips.find(person.name, clip_id)).clip
    kind = await asyncio.to_thread(lambda: clip.picture_type)
    return FileResponse(clip.picture, media_type=kind, headers=requests.PICTURE_HEADERS)


@api.get("/health")
async def health(clips: TheClips) -> Response:
    """Returns whether this process accepts requests."""
    if clips.closing.is_set():
        return JSONResponse({"status": "stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)
    return JSONResponse({"status": "ok", "unfinished": await clips.unfinished()})


# ------------------------------------------------------------------------------------ around the routes


async def refused(_: Request, error: Exception) -> Response:
    """Returns an error in the format that the page expects."""
    match error:
        case Refusal():
            return JSONResponse(error.body, error.status)
        case HTTPException():
            return JSONResponse({"message": error.detail}, error.status_code, error.headers)
        case ClientDisconnect():
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # the client has disconnected
        case _:
            logger.error("answered with 503", exc_info=error)
            return JSONResponse({"message": requests.TROUBLE}, HTTPStatus.SERVICE_UNAVAILABLE)


def with_headers(app: ASGIApp) -> ASGIApp:
    """Wraps an application to add the common headers to each response."""
    headers = [(name.lower().encode(), value.encode()) for name, value in requests.HEADERS.items()]

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] += [each for each in headers if each[0] not in present]
            await send(message)

        await app(scope, receive, send_more)

    return wrapped


@contextlib.contextmanager
def draining_on_signals(closing: asyncio.Event) -> Iterator[None]:
    """Handles signals before the server does, which would wait for open streams before it ends the application."""
    loop = asyncio.get_running_loop()
    before: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def on_signal(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(drain, closing, lambda: before[number](number, frame))

    for number in (signal.SIGINT, signal.SIGTERM):
        if callable(handler := signal.getsignal(number)):
            before[number] = handler
            signal.signal(number, on_signal)
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def application(settings: Settings | None = None) -> FastAPI:
    """Creates the application; by default with settings from the environment, for `uvicorn --factory`."""
    chosen = settings or Settings.from_environment()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with clips(chosen) as app.state.clips:
            with draining_on_signals(app.state.clips.closing):
                yield

    async def callbacks(scope: Scope, receive: Receive, send: Send) -> None:
        receiver = app.state.clips.callbacks
        await (Response(status_code=404) if receiver is None else receiver.asgi)(scope, receive, send)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.state.settings = chosen
    app.include_router(api)
    app.mount("/kling", callbacks)
    app.mount("/static", StaticFiles(directory=PAGE))
    app.add_middleware(with_headers)
    for kind in (Refusal, HTTPException, ClientDisconnect, KlingError, OSError):
        app.add_exception_handler(kind, refused)
    return app
