"""The services, all in one process on loopback; it ends when its standard input does.

    python -m benchmarks.work.server '{"file": "video.mp4", "shortest": 8, "longest": 16, "held": false, ...}'

Prints a line of JSON with its addresses. It uses little CPU: answers are cached as bytes, files are sent by sendfile.
"""

import asyncio
import json
import re
import ssl
import sys
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from benchmarks.work import dialects
from benchmarks.work.world import AccountModel

ID: Final = re.compile(r"\b\d{18}\b")
BACKLOG: Final = 4096


class Server:
    """Answers for all services.

    Args:
        world: State of the account.
        file: Video of each task.
    """

    def __init__(self, world: AccountModel, file: Path) -> None:
        self._world = world
        self._file = file
        self.site = dialects.Site("", "")

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers any request."""
        path = request.rel_url.path
        if path.startswith("/_"):
            return self._about(path, request)
        task_id = ID.search(path)
        known = ID.sub("{}", path)
        if known in dialects.FILES:
            self._world.requests["file"] += 1
            return web.FileResponse(self._file, headers={"Content-Type": "video/mp4"})
        body = await request.read() if request.method == "POST" else b""
        if request.method == "POST" and known in dialects.CREATES:
            return self._create(known, body)
        if task_id is not None and known in dialects.QUERIES:
            return self._query(known, task_id[0])
        if known == dialects.KLING_TASKS:
            query = request.rel_url.query
            return self._list(int(query.get("pageNum", 1)), int(query.get("pageSize", 30)))
        self._world.requests["unknown"] += 1
        return web.Response(status=404, text=f"no route for {request.method} {path}")

    def _about(self, path: str, request: web.BaseRequest) -> web.Response:
        match path:
            case "/_round":
                self._world.begin(int(request.rel_url.query["count"]))
                return web.Response()
            case "/_release":
                self._world.release(float(request.rel_url.query["scale"]))
                return web.Response()
            case "/_figures":
                return web.json_response(self._world.figures())
            case _:
                return web.Response()

    def _create(self, path: str, body: bytes) -> web.Response:
        external_id = json.loads(body).get("external_task_id") if path == dialects.KLING_TASKS else None
        return self._body(path, dialects.CREATES[path], self._world.create(external_id).id)

    def _query(self, known: str, task_id: str) -> web.Response:
        return self._body(known, dialects.QUERIES[known], task_id)

    def _body(self, path: str, route: dialects.Route, task_id: str) -> web.Response:
        self._world.requests[route.kind] += 1
        body = route.body(self._world.by_id[task_id], self.site)
        if path.startswith(dialects.KLING_TASKS):
            body = dialects.kling_envelope(body)
        return _json(body)

    def _list(self, page: int, size: int) -> web.Response:
        self._world.requests["list"] += 1
        newest = self._world.tasks[::-1][(page - 1) * size : page * size]
        bodies = b",".join(dialects.KLING_LIST.body(task, self.site) for task in newest)
        return _json(dialects.kling_envelope(b"[" + bodies + b"]"))


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


async def serve(*, file: str, shortest: float, longest: float, held: bool, certificate: str | None) -> None:
    """Serves until standard input ends.

    Args:
        file: The path of the video.
        shortest: Seconds of the shortest task.
        longest: Seconds of the longest task.
        held: Whether tasks begin only when they are released.
        certificate: The path of a certificate with its key, for TLS too.
    """
    server = Server(AccountModel(shortest, longest, held=held), Path(file))
    runner = web.ServerRunner(web.Server(server.answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG).start()
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG, ssl_context=context).start()
    ports = [address[1] for address in runner.addresses]
    server.site = dialects.Site(f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[-1]}")
    print(json.dumps({"url": server.site.url, "tls": f"127.0.0.1:{ports[-1]}"}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    """Serves with the options of the command line."""
    options: dict[str, Any] = json.loads(sys.argv[1])
    asyncio.run(serve(**options))


if __name__ == "__main__":
    main()
