"""The page at the emulator's root: the account and its tasks, updated by a small script."""

import functools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.ledger import Ledger
from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.results.image_store import ImageStore
from kling_async.emulator.results.rendering.spec import BY_URL, TOO_LARGE
from kling_async.emulator.service.answers import decimal_text
from kling_async.emulator.service.endpoint import PACKS

_SHOWN: Final = 60
_NAME: Final = re.compile("[0-9a-f]{64}")
_STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}

# Users' input is shown as text only; should that fail, the browser still neither runs nor loads anything foreign.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Page:
    """Serves the page, its static files, and the state that it shows.

    Args:
        account: The account.
        ledger: Its ledger; viewing the page adds nothing to it.
        images: The submitted images, None if they are not stored.
        clock: Seconds since the epoch.
        notice: A sentence for the top of the page, or "".
    """

    def __init__(
        self,
        *,
        account: AccountModel,
        ledger: Ledger,
        images: ImageStore | None,
        clock: Callable[[], float],
        notice: str,
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._images = images
        self._clock = clock
        self._notice = notice

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Adds the routes."""
        router.add_get("/", self._document)
        router.add_get("/_emulator/{name:page[.](?:css|js)|icon[.]svg}", self._static)
        router.add_get("/_emulator/state", self._state)
        router.add_get("/_emulator/images/{name}", self._image)

    async def _document(self, _request: web.Request) -> web.Response:
        return web.Response(text=_read("page.html"), content_type="text/html", headers=_HEADERS)

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.Response(text=_read(name), content_type=_STATIC[name], headers=_HEADERS)

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(self.state(), headers=_HEADERS)

    async def _image(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = self._images.path(name) if self._images and _NAME.fullmatch(name) else None
        if path is None or not path.is_file():
            raise web.HTTPNotFound
        with path.open("rb") as file:
            kind = "image/png" if file.read(4) == b"\x89PNG" else "image/jpeg"
        headers = _HEADERS | {"Content-Type": kind, "Cache-Control": "max-age=86400, immutable"}
        return web.FileResponse(path, headers=headers)

    def state(self) -> dict[str, Any]:
        """Returns the state that the page shows, as plain JSON values."""
        now = self._clock()
        account, ledger = self._account, self._ledger
        account.settle(now)
        running: Counter[str] = Counter()
        for task in account.tasks:
            if task.finished_at > now:
                running[task.line] += task.request.slots
        callbacks: dict[str, list[dict[str, Any]]] = {}
        for each in ledger.callbacks:
            note = {"status": each.status, "url": each.url, "http_status": each.http_status, "error": each.error}
            callbacks.setdefault(each.task_id, []).append(note)
        delivered = {entry.task_id: entry.delivered for entry in ledger.entries[-_SHOWN:]}
        made = sorted([*account.tasks, *account.made_at_once], key=lambda task: task.created_at)
        return {
            "notice": self._notice,
            "account": {
                "balance": decimal_text(account.balance()),
                "charged": decimal_text(account.charged["video"]),
                "other_packs": {
                    pack: {"balance": decimal_text(account.balance(pack)), "charged": decimal_text(charged)}
                    for pack in PACKS
                    if pack != "video" and (charged := account.charged[pack])
                },
                "concurrency": account.concurrency,
                "running": dict(running),
                "created": ledger.created,
                "delivered": ledger.delivered,
                "requests": dict(ledger.requests),
                "refused": {str(code): count for code, count in ledger.refused.items()},
            },
            "tasks": [
                _shown(task, now)
                | {"callbacks": callbacks.get(task.task_id, []), "delivered": delivered.get(task.task_id, 0)}
                for task in reversed(made[-_SHOWN:])
            ],
            "older": max(len(made) - _SHOWN, 0),
        }


def _shown(task: EmulatedTask, now: float) -> dict[str, Any]:
    request, status = task.request, task.status(now)
    width, height = request.result.size
    files = request.result.files.items() if status == "succeed" else ()
    return {
        "task_id": task.task_id,
        "external_task_id": request.external_task_id,
        "endpoint": task.endpoint.name.removesuffix(f"/{request.model_name}"),
        "model_name": request.model_name,
        "mode": request.mode,
        "seconds": request.duration,
        "prompt": request.prompt,
        "status": status,
        "message": task.failure if status == "failed" else "",
        "age": max(now - task.created_at, 0.0),
        "progress": task.progress(now),
        "units": decimal_text(task.units(now)),
        "width": width,
        "height": height,
        "images": {
            field: f"/_emulator/images/{name}"
            for field, name in request.images.items()
            if name not in {BY_URL, TOO_LARGE}
        },
        "files": {name: f"/_emulator/files/{task.task_id}/{name}/{task.result_id}{suffix}" for name, suffix in files},
        "parameters": {
            name: value
            for name, value in request.parameters.items()
            if name not in {"prompt", "model_name", "mode", "duration", "external_task_id"}
        },
    }


@functools.cache
def _read(name: str) -> str:
    return Path(__file__).with_name("static").joinpath(name).read_text(encoding="utf-8")
