"""Requests for a file, compared with nginx, which is also the host of the file."""

import asyncio
import contextlib
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.range_requests import DATE, ETAG, LENGTH, REQUESTS, Asked
from tests.shell.stub import Answer, Seen, serve, task_answer

from .conftest import Got, Page, Serve, on_aiohttp, on_asgi, page_of

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")

MADE = 1_600_000_000
MOVIE = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x01" + bytes(range(1, 247)) * 4
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors.log;
events {{ worker_connections 64; }}
http {{
  access_log off; types {{ video/mp4 mp4; }}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[str]:
    """Runs nginx; yields the address of the file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (folder / "files").mkdir()
    (folder / "files" / "f.mp4").write_bytes(MOVIE)
    os.utime(folder / "files" / "f.mp4", (MADE, MADE))
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port))
    command = (str(NGINX), "-p", str(folder), "-e", str(folder / "errors.log"), "-c", str(folder / "nginx.conf"))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}/f.mp4"
    finally:
        process.terminate()
        await process.wait()


def compared(got: Got) -> dict[str, str | None]:
    """Returns the headers that must be equal on both sides."""
    names = ["Content-Range", "ETag", "Last-Modified"] if got.status < 400 else ["Content-Range"]
    if got.status in {200, 206}:
        names += ["Content-Length", "Content-Type"]
    if got.status == 200:  # nginx does not repeat it in a part
        names.append("Accept-Ranges")
    return {name: got.headers.get(name) for name in names}


def filled(case: Asked, etag: str) -> dict[str, str]:
    """Returns the headers with the validators of the file."""
    date = formatdate(MADE, usegmt=True)
    named = {name.replace("-", "_"): value for name, value in case.headers.items()}
    return {name: value.replace(ETAG, etag).replace(DATE, date) for name, value in named.items()}


@pytest.mark.parametrize("way", [on_aiohttp, on_asgi], ids=lambda way: way.__name__)
async def test_requests_are_answered_as_nginx_answers_them(tmp_path: Path, way: Serve) -> None:
    """Status, headers and bytes equal those of nginx for the same file and request."""
    assert len(MOVIE) == LENGTH
    assert sum(case.like_nginx for case in REQUESTS) >= 20
    async with nginx(tmp_path) as file:

        def service(_seen: Seen) -> Answer:
            return task_answer(
                "succeed", task_id="9", task_result={"videos": [{"id": "v", "url": file, "duration": "5"}]}
            )

        async with serve(service) as stub, page_of(way, stub.base_url) as page:
            at_nginx = Page(file, page.session)
            etag = (await at_nginx.fetch()).headers["ETag"]
            for case in REQUESTS:
                headers = filled(case, etag)
                if sum(map(len, headers.values())) > 4000:
                    continue  # more than a server's line may hold
                response = await page.fetch(case.method, **headers)
                expected = b"" if case.span is None else MOVIE[case.span[0] : case.span[1] + 1]
                assert (str(case), response.status, response.body) == (str(case), case.status, expected)
                if case.like_nginx:
                    answer = await at_nginx.fetch(case.method, **headers)
                    assert (response.status, compared(response)) == (answer.status, compared(answer)), str(case)
                    assert response.status >= 400 or response.body == answer.body, str(case)
