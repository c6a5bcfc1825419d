"""File hosts with scripted responses, and a service that returns the file's URL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from kling_async import Retry, TaskHandle
from kling_async.io import threads
from kling_async.io.download import Downloads
from kling_async.io.target import check_target
from kling_async.io.transport import Transport
from kling_async.protocol.results import Video
from kling_async.protocol.tasks import Task, TaskStatus
from tests.repeatable import same_draws
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import Answer, Seen, answer, serve, task_answer

MOVIE = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x01\x00\x00\x00\x0cmoovabcd\x00\x20\x00\x00mdat" + bytes(2**21 - 8)


def whole(directory: Path) -> list[str]:
    """Returns the names of the files in a directory."""
    return sorted(path.name for path in directory.iterdir())


FileAnswer = Answer | Callable[[int], bytes]
"""Raw bytes, or a function that makes them from the start of the requested range."""


def service(url: str, *files: FileAnswer, again: str | None = None) -> "Respond":
    """Answers queries with one video, and downloads with these responses in turn, repeating the last one."""
    return Respond(url, list(files), again)


class Respond:
    """A service with one finished task, and the host of its file."""

    def __init__(self, url: str, files: list[FileAnswer], again: str | None) -> None:
        self.url, self.files, self.again = url, files, again
        self.queries = 0
        self.ranges: list[str | None] = []
        self.base = ""

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        if seen.path.startswith("/v1/"):
            self.queries += 1
            path = self.again if self.again and self.queries > 1 else self.url
            videos = [{"id": "v", "url": self.base + path, "duration": "5"}]
            return task_answer("succeed", task_id="9", task_result={"videos": videos})
        self.ranges.append(seen.headers.get("range"))
        answer = self.files.pop(0) if len(self.files) > 1 else self.files[0]
        return answer(range_start(seen)) if callable(answer) else answer


def range_start(seen: Seen) -> int:
    """Returns the start of the requested range."""
    return int(seen.headers.get("range", "bytes=0-")[6:-1])


def movie(begin: int = 0, end: int | None = None, *, etag: str = '"a"', **headers: str) -> bytes:
    """The file, or the requested rest of it; `end` cuts the connection there."""
    full = {"Content_Type": "video/mp4", "ETag": etag, "Content_Length": str(len(MOVIE) - begin), **headers}
    if begin:
        full["Content_Range"] = f"bytes {begin}-{len(MOVIE) - 1}/{len(MOVIE)}"
    return answer(206 if begin else 200, MOVIE[begin:end], **full)


async def save(make_client: ClientMaker, respond: Respond, target: Path, **options: object) -> Path:
    """Saves the task's video to the target, with a new client."""
    async with serve(respond) as stub:
        respond.base = stub.base_url
        client = make_client(base_url=stub.base_url, **options)
        handle: TaskHandle = client.attach("image2video:9")
        return await handle.save(target)


# ------------------------------------------------------------------------------------------ without a client


def video(url: str | None, watermark_url: str | None = None) -> Video:
    """One result."""
    return Video(id="v", url=url, watermark_url=watermark_url)  # type: ignore[arg-type, unused-ignore]  # it may be left out


def finished(*videos: Video, updated_at: datetime | None = None, watermark: bool = False) -> Task:
    """A task that succeeded."""
    return Task(
        endpoint="image2video",
        task_id="9",
        status=TaskStatus.SUCCEED,
        videos=tuple(videos),
        updated_at=updated_at,
        watermark=watermark,
    )


class FileHost:
    """Answers requests for the file in turn, repeating the last answer.

    Attributes:
        seen: requests in their order.
        tasks: the service's responses to further queries, in turn, repeating the last one; None for the same task.
        refreshes: how often it was.
        base: scheme, host and port.
    """

    def __init__(self, *answers: Answer | Callable[[Seen], Answer], tasks: Sequence[Task] = ()) -> None:
        self._answers = list(answers)
        self.tasks = list(tasks)
        self.seen: list[Seen] = []
        self.refreshes = 0
        self.base = ""

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        self.seen.append(seen)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer(seen) if callable(answer) else answer

    @property
    def ranges(self) -> list[str | None]:
        """The requested ranges of the file."""
        return [seen.headers.get("range") for seen in self.seen]

    async def save(self, target: Path, task: Task | None = None, *, watermark: bool = False, **options: Any) -> Path:
        """Saves the task's videos; by default the one at `/f`."""
        async with self.downloads(**options) as downloads:
            task = task if task is not None else finished(video(f"{self.base}/f"))
            place = check_target(str(target), overwrite=False)
            refresh = self.refresh(task)
            return (await downloads.save(task, place, refresh, watermark=watermark, overwrite=False))[0]

    async def stream(self, **options: Any) -> bytes:
        """The bytes of a stream of the video."""
        async with self.downloads(**options) as downloads:
            task = finished(video(f"{self.base}/f"))
            stream = downloads.stream(task, self.refresh(task), watermark=False)
            return b"".join([chunk async for chunk in stream])

    def refresh(self, task: Task) -> Callable[[], "asyncio.Future[Task]"]:
        """Returns the next response of the service to a query."""

        def refresh() -> "asyncio.Future[Task]":
            self.refreshes += 1
            again = self.tasks.pop(0) if len(self.tasks) > 1 else (self.tasks or [task])[0]
            future = asyncio.get_running_loop().create_future()
            future.set_result(again)
            return future

        return refresh

    @contextlib.asynccontextmanager
    async def downloads(
        self, *, retry: Retry | None = None, session: aiohttp.ClientSession | None = None
    ) -> AsyncIterator[Downloads]:
        """The downloads of a client, while this host runs."""
        loop = asyncio.get_running_loop()
        async with serve(self) as stub:
            self.base = stub.base_url
            transport = Transport(stub.base_url, session)
            threads.enter(loop)
            try:
                yield Downloads(transport, 2, retry or Retry(), same_draws(1).random, wall())
            finally:
                await transport.close()
                threads.leave(loop)
        for _ in range(5):
            await asyncio.sleep(0.01)  # the host's handlers end a moment after their connections


def chunked(body: bytes, **headers: str) -> bytes:
    """Returns a chunked response without a length; it ends cleanly."""
    fields = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked", "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    pieces = [body[begin : begin + 2**16] for begin in range(0, len(body), 2**16)]
    sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + sent


def with_length(body: bytes, *, cut: int | None = None, **headers: Any) -> bytes:
    """Returns a response with a `Content-Length`; `cut` breaks the connection there."""
    full = answer(200, body, **{"Content_Type": "video/mp4", **headers})
    return full if cut is None else full[: len(full) - len(body) + cut]


def rest(body: bytes, etag: str = '"a"', **headers: Any) -> Callable[[Seen], bytes]:
    """Answers with the requested range, or with the whole body."""

    def respond(seen: Seen) -> bytes:
        begin = range_start(seen)
        if not begin:
            return with_length(body, ETag=etag, **headers)
        return answer(
            206, body[begin:], ETag=etag, Content_Range=f"bytes {begin}-{len(body) - 1}/{len(body)}", **headers
        )

    return respond
