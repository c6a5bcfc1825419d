"""A service whose tasks are all done, and the host of their files: PATH BYTES; prints its address.

It implements the protocol as far as saving needs it, and sends the file by `sendfile`, which takes little CPU.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from aiohttp import web


def box(kind: bytes, length: int) -> bytes:
    """Returns the header of an MP4 box of `length` bytes."""
    return length.to_bytes(4) + kind


def write_movie(path: Path, size: int) -> None:
    """Writes a file with the boxes of a video and a repeated pattern for frames."""
    head = box(b"ftyp", 16) + b"isom\0\0\0\1" + box(b"moov", 108) + bytes(100)
    frames = size - len(head)
    pattern = bytes(range(256)) * 256
    body = pattern * (frames // len(pattern) + 1)
    path.write_bytes(head + box(b"mdat", frames) + body[: frames - 8])


def application(movie: Path) -> web.Application:
    """Returns an app with queries, the file, and an empty list, so that each task is queried singly."""

    def envelope(data: Any) -> web.Response:
        return web.json_response({"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})

    async def query(request: web.Request) -> web.Response:
        task_id = request.match_info["task_id"]
        video = {"id": task_id, "url": f"{request.url.origin()}/{task_id}.mp4", "duration": "5"}
        return envelope({"task_id": task_id, "task_status": "succeed", "task_result": {"videos": [video]}})

    async def page(_: web.Request) -> web.Response:
        return envelope([])

    async def file(_: web.Request) -> web.FileResponse:
        return web.FileResponse(movie)

    app = web.Application()
    app.router.add_get("/v1/videos/image2video/{task_id}", query)
    app.router.add_get("/v1/videos/image2video", page)
    app.router.add_get("/{name}.mp4", file)
    return app


async def main(path: str, size: str) -> None:
    """Serves until it is killed."""
    movie = Path(path)
    write_movie(movie, int(size))
    runner = web.AppRunner(application(movie), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
