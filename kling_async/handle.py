"""The handle of one task: a future in the asyncio sense, and the way to its file."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from kling_async.io.task_watch import TaskWatch
from kling_async.io.work_events import WorkEvents
from kling_async.protocol.errors import KlingError, TaskFailed, WrongEventLoop
from kling_async.protocol.polling.progress import Progress
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task, TaskStatus

if TYPE_CHECKING:
    from kling_async.io.open_file import OpenFile
    from kling_async.io.target import Target

Callback = Callable[["TaskHandle"], object]


class Work(Protocol):
    """A piece of work in a journal."""

    @property
    def key(self) -> str | None:
        """The caller's name of it."""
        ...

    @property
    def save_to(self) -> str | None:
        """Where its files go."""
        ...

    @property
    def file_name(self) -> str | None:
        """What its files are called after in a directory; None for their task."""
        ...

    @property
    def trace(self) -> str | None:
        """What the client that made it put there, by its tracing."""
        ...

    @property
    def is_counted(self) -> bool:
        """Whether a client has heard what it cost."""
        ...

    async def whole(self, target: str | PathLike[str] | None, *, watermark: bool) -> list[Path] | None:
        """Where its files are, if they are saved whole."""
        ...

    def began(self, target: str | PathLike[str]) -> bool:
        """Whether an earlier save of it to this file or directory broke off."""
        ...

    async def saving(self, place: "Target", task: Task, *, watermark: bool, overwrite: bool) -> bool:
        """Files are about to be saved; tells whether there are some already that may be its own."""
        ...

    def not_its_own(self, place: "Target", task: Task) -> None:
        """What is there, where a save began, is something else's."""
        ...

    async def read_again(self) -> None:
        """Learns what other clients have done with it since this one read it."""
        ...

    async def saved(self, paths: list[Path], *, watermark: bool) -> None:
        """All files are whole."""
        ...


class Client(Protocol):
    """What a handle needs of its client."""

    def start_watching(self, reference: Reference, *, work: Work | None) -> TaskWatch:
        """Begins to follow an attached task, or joins the watch that there is; `work` is what the journal has of it."""
        ...

    async def save_all(
        self,
        handle: "TaskHandle",
        path: str | PathLike[str] | None,
        *,
        watermark: bool,
        overwrite: bool,
        several: bool | None = None,
    ) -> list[Path]:
        """Saves the handle's files; `several` tells whether the path must be a directory."""
        ...

    def stream(self, handle: "TaskHandle", *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """Streams the handle's first file."""
        ...

    def open_file(
        self, handle: "TaskHandle", *, method: str, headers: Mapping[str, str], watermark: bool
    ) -> "AbstractAsyncContextManager[OpenFile]":
        """Answers a request for the handle's first file."""
        ...


class TaskHandle:
    """One task: await it for the finished `Task`, `save` it for the file.

    A handle can be awaited any number of times by any number of waiters. It works in `asyncio.gather`, `wait_for`,
    `as_completed` and `wait`, and by `wait()` in a `TaskGroup`. A waiter's timeout or cancellation ends that wait, not
    the task. Keep `reference` to go on in another process: handles cannot be pickled.

    Handles come from the client's methods, such as `image_to_video`, from `submit` and `attach`.
    """

    __slots__ = ("_callbacks", "_client", "_end", "_loop", "_news", "_reference", "_waiters", "_watch", "place", "work")

    def __init__(
        self, client: Client, reference: Reference, watch: TaskWatch | None = None, work: Work | None = None
    ) -> None:
        self.work = work
        self._client = client
        self._reference = reference
        self._watch = watch
        self._loop = None if watch is None else asyncio.get_running_loop()
        self._end: asyncio.Future[Task] | None = None
        """What awaiting gives, made when it is known and asked for: most of a task's time nobody can use it."""
        self._callbacks: list[tuple[Callback, contextvars.Context]] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._news: list[asyncio.Future[None]] | None = None
        """Who waits for the next change, once somebody did."""
        self.place: int | None = None

    # --------------------------------------------------------------------------------- what is known

    @property
    def reference(self) -> str:
        """Text that names the task for ever, in any process: `image2video:<task id>`."""
        return str(self._watch.reference if self._watch else self._reference)

    @property
    def task_id(self) -> str | None:
        """The service's id; None as long as an attached handle has heard nothing."""
        return self._last.task_id if self._last else None

    @property
    def external_task_id(self) -> str | None:
        """The caller's own id, or the one made for the task; None as long as an attached handle has heard nothing."""
        return self._last.external_task_id if self._last else None

    @property
    def key(self) -> str | None:
        """The caller's name of the work, where the client's journal has one."""
        return self.work.key if self.work else None

    @property
    def save_to(self) -> str | None:
        """Where `save()` puts the files if it is told nothing else: the `save_to` of `submit`, by its whole path."""
        return self.work.save_to if self.work else None

    @property
    def status(self) -> TaskStatus | None:
        """The status last heard; None as long as an attached handle has heard nothing."""
        return self._last.status if self._last else None

    @property
    def progress(self) -> Progress:
        """How far the task is, and how long it still takes, by how long such tasks took before; asks nobody."""
        if self._watch is None or self._loop is None:
            return Progress(0.0, None)
        return self._watch.progress(self._loop.time())

    @property
    def _last(self) -> Task | None:
        return self._watch.snapshots[-1] if self._watch and self._watch.snapshots else None

    def __repr__(self) -> str:
        """Reference and status."""
        state = "cancelled" if self.cancelled() else self.status.value if self.status else "attached"
        return f"<TaskHandle {self.reference} {state}>"

    def __reduce__(self) -> NoReturn:
        """Refuses: a handle lives on its client's loop."""
        raise TypeError("a TaskHandle cannot be pickled; keep handle.reference and use client.attach(reference)")

    # ----------------------------------------------------------------------------------- as a future

    def __await__(self) -> Generator[Any, None, Task]:
        """Waits for the end of the task."""
        return self.wait().__await__()

    async def wait(self) -> Task:
        """Waits for the end of the task; the same as awaiting the handle, for a `TaskGroup`.

        Returns:
            The finished task.

        Raises:
            TaskFailed: the service could not make it.
            TaskTimeout: not finished by the deadline; unknown, not failed.
            TaskNotFound: the service does not know the reference.
            ClientClosed: the client was closed meanwhile.
            asyncio.CancelledError: `cancel()` was called.
            KlingError: another error of the service that waiting does not cure.
        """
        self._start()
        if not self.done():
            waiter = self._wait_among(self._waiters)
            try:
                await waiter
            finally:
                self._left(self._waiters, waiter)
        return self.result()

    def done(self) -> bool:
        """Whether the end is known, or `cancel()` was called."""
        return self._known() is not None

    def result(self) -> Task:
        """The finished task.

        Raises:
            asyncio.InvalidStateError: the end is not known yet.
            KlingError: as `wait`.
        """
        return self._settled().result()

    def exception(self) -> BaseException | None:
        """The error that awaiting would raise, or None.

        Raises:
            asyncio.InvalidStateError: the end is not known yet.
            asyncio.CancelledError: `cancel()` was called.
        """
        return self._settled().exception()

    def cancelled(self) -> bool:
        """Whether `cancel()` ended the handle."""
        known = self._known()
        return known is not None and known.cancelled()

    def cancel(self, msg: Any | None = None) -> bool:
        """Gives this handle's waiters `CancelledError` at once.

        The service has no cancel: the task goes on there, and is billed. Its slot comes back when the service is done
        with it. `attach(handle.reference)` waits for it again.

        Returns:
            False if the end was known already.
        """
        if self.done():
            return False
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._end.cancel(msg)
        self._tell_end(self._loop)
        return True

    def add_done_callback(self, fn: Callback, *, context: contextvars.Context | None = None) -> None:
        """Calls `fn(handle)` soon after the end."""
        context = contextvars.copy_context() if context is None else context
        loop = self._start()
        if self.done():
            loop.call_soon(fn, self, context=context)
            return
        self._listen()
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append((fn, context))

    def remove_done_callback(self, fn: Callback) -> int:
        """Takes back all `add_done_callback(fn)`; tells how many."""
        callbacks = self._callbacks or []
        kept = [(callback, context) for callback, context in callbacks if callback != fn]
        self._callbacks = kept or None
        self._leave_if_idle()
        return len(callbacks) - len(kept)

    # ------------------------------------------------------------------------------------- on the way

    async def updates(self) -> AsyncGenerator[Task, None]:
        """One snapshot per status, from the first known to the last.

        Raises:
            KlingError: as `wait`, except that a failed task is the last snapshot, and not raised.
        """
        self._start()
        given = 0
        while True:
            while self._watch is not None and given < len(self._watch.snapshots):
                given += 1
                yield self._watch.snapshots[given - 1]
            if self.done():
                break
            if self._news is None:
                self._news = []
            news = self._wait_among(self._news)
            try:
                await news
            finally:
                self._left(self._news, news)
        if self.cancelled() or not isinstance(self.exception(), TaskFailed):
            self.result()

    async def save(
        self, path: str | PathLike[str] | None = None, *, watermark: bool = False, overwrite: bool = False
    ) -> Path:
        """Waits for the end, then streams the result to disk: the file is whole, or not there.

        What a broken download leaves is `NAME.part`; saving again goes on from there, in any process.

        What a journal knows to be saved whole is given at once, without a question to the service.

        Args:
            path: where to; None for the `save_to` of `submit`. A file, or a directory (an existing one, or text that
                ends in a separator): there the file is called after its task and what it is, `<task_id>.mp4`,
                `.png` or `.mp3`, or `<task_id>-watermark.mp4`. Further files of the task get `-2`, `-3`. With a key it
                is called after that: `<key>.mp4`, `<key>.watermark.mp4`, `<key>.2.png`. Where a task has several
                things, the name of a file decides: of a video with its sound, `.mp3` and `.wav` mean the sound; of
                sound, `.wav` means the WAV, if there is one.
            watermark: the watermarked variant, if `watermark_info` asked for one.
            overwrite: replaces an existing file, once the new one is whole.

        Returns:
            Where the (first) file is.

        Raises:
            TargetExists: there is a file, and `overwrite` is False; said before waiting.
            TargetError: the place cannot be written to; said before waiting where that can be known.
            SaveInProgress: another save writes to the same file.
            DownloadError: the result could not be fetched whole, or is no file (voices, elements).
            KlingError: as `wait`.
        """
        return (await self._client.save_all(self, path, watermark=watermark, overwrite=overwrite))[0]

    async def save_all(
        self, directory: str | PathLike[str], *, watermark: bool = False, overwrite: bool = False
    ) -> list[Path]:
        """Waits for the end, then saves every file of the task: all pictures, a video and its sound as MP3 and WAV.

        Each is whole or not there, as with `save`, and is called as there.

        Args:
            directory: where they go; made where there is none.
            watermark: the watermarked variants, if `watermark_info` asked for them.
            overwrite: replaces existing files, each once the new one is whole.

        Returns:
            Where they are: videos, pictures, sound, each in the service's order.

        Raises:
            TargetError: the directory cannot be written to; said before waiting where that can be known.
            KlingError: as `save`.
        """
        return await self._client.save_all(self, directory, watermark=watermark, overwrite=overwrite, several=True)

    def stream(self, *, watermark: bool = False) -> AsyncGenerator[bytes, None]:
        """Waits for the end, then gives the bytes of the (first) file, for a `StreamingResponse`.

        A connection that breaks is resumed where it stopped. No place among the downloads is taken.

        Raises:
            DownloadError: the result could not be fetched whole, or is no file (voices, elements).
            KlingError: as `wait`.
        """
        return self._client.stream(self, watermark=watermark)

    def open(
        self, *, method: str = "GET", headers: Mapping[str, str] | None = None, watermark: bool = False
    ) -> "AbstractAsyncContextManager[OpenFile]":
        """Waits for the end, then answers a request for the (first) file, so that a browser can play and seek.

        ```python
        async with handle.open(method=request.method, headers=request.headers) as video:
            response = web.StreamResponse(status=video.status, headers=video.headers)
            await response.prepare(request)
            async for chunk in video:
                await response.write(chunk)
        ```

        `kling_async.web` has this for aiohttp, ASGI and FastAPI. `Range`, `If-Range`, `If-Match`, `If-None-Match`,
        `If-Modified-Since` and `If-Unmodified-Since` count, as RFC 9110 says; several ranges at once are answered with
        the whole file. Only what is asked for is fetched from
        the file host, as fast as the caller takes it. A connection to the host that breaks is resumed within the same
        answer. Leaving the block ends it at once. No place among the downloads is taken.

        Args:
            method: GET, or HEAD for an answer without a body.
            headers: those of the request; names in any case.
            watermark: the watermarked variant, if `watermark_info` asked for one.

        Raises:
            InvalidRequest: another method.
            DownloadError: the result cannot be fetched, or is no file (voices, elements). The first bytes are there
                when the block begins; where the rest cannot be fetched, iterating raises it.
            KlingError: as `wait`.
        """
        return self._client.open_file(self, method=method, headers=headers or {}, watermark=watermark)

    # ----------------------------------------------------------------------------- called by the poller

    def changed(self, _task: Task, /) -> None:
        """The task has a new status, which the watch keeps."""
        _wake(self._news or ())

    def ended(self, _end: Task | KlingError, /) -> None:
        """There is nothing more to come; the watch keeps what came."""
        if self._loop is not None:
            self._tell_end(self._loop)

    def _tell_end(self, loop: asyncio.AbstractEventLoop) -> None:
        callbacks, self._callbacks = self._callbacks or [], None
        for fn, context in callbacks:
            loop.call_soon(fn, self, context=context)
        _wake(self._waiters)
        _wake(self._news or ())
        self._waiters, self._news = [], None
        self._leave_if_idle()

    # ---------------------------------------------------------------------------------------- the watch

    def _start(self) -> asyncio.AbstractEventLoop:
        """An attached handle is cold: the first wait starts it."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._watch = self._client.start_watching(self._reference, work=self.work)
            self._loop = loop
        if self._loop is not loop:
            raise WrongEventLoop("this handle belongs to another event loop; attach(reference) on a client of this one")
        return loop

    def begin(self) -> WorkEvents | None:
        """Follows the task as awaiting does, and gives its events; None where `cancel()` came before that."""
        self._start()
        return self._watch.events if self._watch is not None else None

    def _wait_among(self, waiters: "list[asyncio.Future[None]]") -> "asyncio.Future[None]":
        """A future of its own for each wait, so that cancelling one waiter cancels no other.

        Awaited in place: it takes a fraction of what `asyncio.shield` keeps, or a coroutine, for as long as the task
        runs.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listen()
        waiters.append(waiter)
        return waiter

    def _left(self, waiters: "list[asyncio.Future[None]] | None", waiter: "asyncio.Future[None]") -> None:
        """A wait is over; those that the end ended are taken out together."""
        if waiters is not None and not self.done():
            waiters.remove(waiter)
            self._leave_if_idle()

    def _listen(self) -> None:
        if self._watch is not None and self.place is None:
            self._watch.join(self)

    def _leave_if_idle(self) -> None:
        """The watch keeps only handles that have somebody to tell: pages open and leave by thousands."""
        idle = not (self._waiters or self._news or self._callbacks)
        if idle and self._watch is not None and self.place is not None:
            self._watch.leave(self)

    def _known(self) -> "asyncio.Future[Task] | None":
        """The end, if it is known; the watch is asked, since it does not tell a handle that nobody waits for."""
        end = self._watch.end if self._watch is not None else None
        if self._end is None and self._loop is not None and end is not None:
            known: asyncio.Future[Task] = self._loop.create_future()
            if isinstance(end, Task):
                known.set_result(end)
            else:
                known.set_exception(end)
                known.exception()  # a failure that is never awaited is in the log, not an unraisable error
            self._end = known
        return self._end

    def _settled(self) -> "asyncio.Future[Task]":
        known = self._known()
        if known is None:
            cold = "the task was attached and nobody has awaited it yet"
            raise asyncio.InvalidStateError(cold if self._loop is None else "the end of the task is not known yet")
        return known


def _wake(waiters: "Iterable[asyncio.Future[None]]") -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
