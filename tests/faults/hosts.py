"""Rules 9 to 12: files and their hosts, on a server that is not the emulator."""

import asyncio
import contextlib
import errno
import gzip
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from unittest import mock

from kling_async import ImageToVideo, KlingError
from tests.faults.ends import End, other
from tests.faults.other_service import VIDEO
from tests.faults.stage import IMAGE
from tests.shell.file_host import chunked, range_start, rest, with_length
from tests.shell.stub import Answer, Seen, answer
from tests.shell.test_odd_files import ODD, PLAIN, TEXTS

FileAnswer = Callable[[Seen], Answer]

COMPLETE: Final = {**ODD, **PLAIN}
TYPES: Final = ("text/plain", "text/html; charset=utf-8", "application/json", "application/xml", "image/png", "")
STATUSES: Final = (200, 201, 203, 226)
MONDAY: Final = "Mon, 23 Nov 2026 10:00:00 GMT"
LATER: Final = "Mon, 23 Nov 2026 10:00:05 GMT"


def in_turn(*answers: Answer | FileAnswer) -> FileAnswer:
    """One answer after the other; the last one is repeated."""
    left = list(answers)

    def respond(seen: Seen) -> Answer:
        one = left.pop(0) if len(left) > 1 else left[0]
        return one(seen) if callable(one) else one

    return respond


async def a_file(directory: Path, file: Callable[[], FileAnswer], content: bytes = VIDEO) -> End:
    """A task's file is sent in this way."""
    async with other(directory) as play:
        play.service.file = file()
        return await play.one(content=content)


def complete(body: bytes) -> FileAnswer:
    """Sends all bytes, with an announced length."""
    return in_turn(with_length(body))


def unmeasured(body: bytes) -> FileAnswer:
    """Sends all bytes, without a length."""
    return in_turn(chunked(body))


def typed(kind: str, status: int) -> FileAnswer:
    """The video with a wrong type, with any status that has a body."""
    return in_turn(answer(status, VIDEO, Content_Type=kind))


TEXT: Final[dict[str, Callable[[], FileAnswer]]] = {
    f"{name}, {'with' if make is with_length else 'without'} a length": lambda body=body, make=make: in_turn(make(body))  # type: ignore[misc]  # mypy infers nothing for a default of a lambda
    for name, body in TEXTS.items()
    for make in (with_length, chunked)
}

# ---------------------------------------------------------------------------------------------- a save ends


def cuts(places: Iterator[int], **headers: Any) -> FileAnswer:
    """The connection is cut at these positions in turn; ranges are not supported."""
    return lambda _: with_length(VIDEO, cut=next(places) * len(VIDEO) // 100, **headers)


def steps(count: int) -> FileAnswer:
    """Each connection sends one of several parts, and continues where the last one ended."""

    def respond(seen: Seen) -> Answer:
        raw = rest(VIDEO)(seen)
        return raw[: len(raw) - max(len(VIDEO) - range_start(seen) - len(VIDEO) // count - 1, 0)]

    return respond


def _new_etags() -> FileAnswer:
    numbers, places = itertools.count(), itertools.cycle([45, 75, 15, 60])
    return lambda _: with_length(VIDEO, cut=next(places) * len(VIDEO) // 100, ETag=f'"{next(numbers)}"')


def _shorter() -> FileAnswer:
    ends = itertools.count(3000)
    return lambda _: chunked(VIDEO[: next(ends)])


CUT: Final[dict[str, Callable[[], FileAnswer]]] = {
    "once, strong ETag": lambda: in_turn(with_length(VIDEO, cut=3000, ETag='"a"'), rest(VIDEO)),
    "once, no ETag": lambda: in_turn(with_length(VIDEO, cut=3000), with_length(VIDEO)),
    "once, weak ETag and Last-Modified": lambda: in_turn(
        with_length(VIDEO, cut=3000, ETag='W/"a"', Last_Modified=MONDAY, Date=LATER),
        rest(VIDEO, 'W/"a"', Last_Modified=MONDAY),
    ),
    "in 50 places, strong ETag": lambda: steps(50),
    "a clean end without a length": lambda: in_turn(chunked(VIDEO[:3000]), chunked(VIDEO)),
    "another file at the second try": lambda: in_turn(with_length(VIDEO, cut=3000, ETag='"b"'), rest(VIDEO, '"a"')),
    "a length that is too large": lambda: in_turn(
        with_length(VIDEO, cut=len(VIDEO), ETag='"a"', Content_Length=str(len(VIDEO) + 1000)),
        answer(416, b"", Content_Range=f"bytes */{len(VIDEO)}"),
    ),
    "packed at rest": lambda: in_turn(with_length(gzip.compress(VIDEO), Content_Encoding="gzip", ETag='"p"')),
    "packed and cut": lambda: in_turn(
        with_length(gzip.compress(VIDEO), cut=1000, Content_Encoding="gzip", ETag='"p"'),
        with_length(gzip.compress(VIDEO), Content_Encoding="gzip", ETag='"p"'),
    ),
}
ENDLESS: Final[dict[str, Callable[[], FileAnswer]]] = {
    "varying places, no ETag": lambda: cuts(itertools.cycle([45, 75, 15, 60])),
    "varying places, weak ETag": lambda: cuts(itertools.cycle([45, 75, 15, 60]), ETag='W/"weak"'),
    "varying places, a new ETag each time": _new_etags,
    "another length each time, clean ends": _shorter,
    "nothing at all": lambda: in_turn(with_length(b"")),
    "503 for ever": lambda: in_turn(answer(503)),
    "a connection that closes": lambda: in_turn(None),
}
BOMBS: Final[dict[str, Callable[[], FileAnswer]]] = {
    "with a length": lambda: in_turn(with_length(gzip.compress(VIDEO + bytes(2**26)), Content_Encoding="gzip")),
    "without": lambda: in_turn(chunked(gzip.compress(VIDEO + bytes(2**26)), Content_Encoding="gzip")),
}


async def crawling(directory: Path) -> End:
    """A file host gives 500 bytes in a second."""
    async with other(directory) as play, _crawler(500) as url:
        video = {"id": "v", "url": f"{url}/f.mp4"}

        async def later() -> None:
            play.service.strange.update(task_status="succeed", task_result={"videos": [video]})

        return await play.one(then=later)


@contextlib.asynccontextmanager
async def _crawler(rate: int) -> AsyncIterator[str]:
    body = VIDEO * (1 + 400_000 // len(VIDEO))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            for begin in range(0, len(body), rate):
                writer.write(body[begin : begin + rate])
                await writer.drain()
                await asyncio.sleep(1)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.sleep(1)


# ------------------------------------------------------------------------------------------------ addresses

SIGNED: Final = '/files/a%2Fb%20c/x.mp4?Expires=1&Signature=x~y-z_+/=%2f%2F&q=a+b|"{}'


def redirected(status: int) -> FileAnswer:
    """A redirect to a signed address, which is valid only exactly as spelled."""

    def respond(seen: Seen) -> Answer:
        if seen.path == SIGNED:
            return with_length(VIDEO)
        return answer(403) if "Signature" in seen.path else answer(status, b"moved", Location=SIGNED)

    return respond


ADDRESSES: Final[dict[str, Callable[[], FileAnswer]]] = {
    **{f"{status} to a signed address": lambda s=status: redirected(s) for status in (301, 302, 303, 307, 308)},  # type: ignore[misc]  # mypy infers nothing for a default of a lambda
    **{
        f"{status}, then the file": lambda s=status: in_turn(answer(s), with_length(VIDEO))  # type: ignore[misc]  # as above
        for status in (400, 401, 403, 410)
    },
    "404 five times, then the file": lambda: in_turn(*[answer(404)] * 5, with_length(VIDEO)),
}
REFUSING: Final[dict[str, Callable[[], FileAnswer]]] = {
    "403 for ever": lambda: in_turn(answer(403)),
    "a redirect to itself": lambda: lambda seen: answer(302, b"", Location=seen.path),
    "a redirect to ftp:": lambda: in_turn(answer(302, b"", Location="ftp://h/x")),
    "a redirect to file:": lambda: in_turn(answer(302, b"", Location="file:///etc/passwd")),
}


async def no_videos_yet(directory: Path) -> End:
    """A task is reported as finished three times before its videos are listed."""
    async with other(directory, takes=0) as play:
        early = answer(200, {"code": 0, "data": {"task_id": "1000", "task_status": "succeed", "task_result": {}}})
        play.service.creates.append(early)
        play.service.looks.extend([early] * 3)
        return await play.one()


async def another_scheme(directory: Path, url: str) -> End:
    """A result's URL cannot be fetched, and is corrected later."""
    async with other(directory) as play:
        play.service.strange.update(task_status="succeed", task_result={"videos": [{"id": "v", "url": url}]})
        return await play.one()


# -------------------------------------------------------------------------------------------------- targets


def _proc(_: Path) -> str:
    return "/proc/x.mp4"


def _missing(directory: Path) -> str:
    return f"{directory}/missing/x.mp4"


def _a_directory(directory: Path) -> str:
    return str(directory)


def _half_a_letter(directory: Path) -> str:
    return f"{directory}/\ud800.mp4"


def _linked(directory: Path) -> str:
    (directory / "theirs").write_text("precious")
    (directory / "x.mp4.part").symlink_to(directory / "theirs")
    return f"{directory}/x.mp4"


def _plain(directory: Path) -> str:
    return f"{directory}/x.mp4"


TARGETS: Final[dict[str, tuple[Callable[[Path], str], tuple[str, int] | None]]] = {
    "/proc": (_proc, None),
    "a directory that is not there": (_missing, None),
    "a directory": (_a_directory, None),
    "half a letter in its name": (_half_a_letter, None),
    "a link in place of its part": (_linked, None),
    "a read-only file system": (_plain, ("open", errno.EROFS)),
    "no permission": (_plain, ("open", errno.EACCES)),
    "a full disk": (_plain, ("write", errno.ENOSPC)),
    "a full quota": (_plain, ("write", errno.EDQUOT)),
}


async def bad_target(directory: Path, place: Callable[[Path], str], lacks: tuple[str, int] | None) -> End:
    """A video is requested that could not be saved."""

    def refused(*_: object, **__: object) -> int:
        assert lacks
        raise OSError(lacks[1], os.strerror(lacks[1]))

    async with other(directory) as play:
        broken = mock.patch(f"kling_async.io.target.os.{lacks[0]}", refused) if lacks else contextlib.nullcontext()
        with broken:
            try:
                await play.client().generate(ImageToVideo(image=IMAGE), place(directory))
            except KlingError as error:
                return play.ending(f"`{type(error).__name__}`; {len(play.stub.seen)} requests", str(error))
        return play.ending("saved", saved=1)
