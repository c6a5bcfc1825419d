"""The handle of one task: behaves like an asyncio future, and saves or streams the task's files."""

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
    """The journal's record of one piece of work."""

    @property
    def key(self) -> str | None:
        """The caller's key."""
        ...

    @property
    def save_to(self) -> str | None:
        """The path to save the files to."""
        ...

    @property
    def file_name(self) -> str | None:
        """The base name of its files in a directory; None to name them after their task."""
        ...

    @property
    def trace(self) -> str | None:
        """The trace context stored by the client that created the work."""
        ...

    @property
    def is_counted(self) -> bool:
        """Whether a client already knows what the task cost."""
        ...

    async def whole(self, target: str | PathLike[str] | None, *, watermark: bool) -> list[Path] | None:
        """Returns the paths of its files, if all are completely saved."""
        ...

    def began(self, target: str | PathLike[str]) -> bool:
        """Whether an earlier save of it to this file or directory was interrupted."""
        ...

    async def saving(self, place: "Target", task: Task, *, watermark: bool, overwrite: bool) -> bool:
        """Records that a save is about to begin; returns whether an earlier one may have left files of its own."""
        ...

    def not_its_own(self, place: "Target", task: Task) -> None:
        """Records that the file found where a save began belongs to something else."""
        ...

    async def read_again(self) -> None:
        """Reloads the record, to see what other clients have done with it."""
        ...

    async def saved(self, paths: list[Path], *, watermark: bool) -> None:
        """Records that all files are complete."""
        ...


class Client(Protocol):
    """The methods of the client that a handle calls."""

    def start_watching(self, reference: Reference, *, work: Work | None) -> TaskWatch:
        """Starts following an attached task, or returns the existing watch; `work` is the journal's record of it."""
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
        """Saves the handle's files; `several` is whether the path must be a directory."""
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
    """A handle to one task: await it for the finished `Task`, or `save` its file.

    A handle can be awaited any number of times by any number of waiters. It works in `asyncio.gather`, `wait_for`,
    `as_completed` and `wait`, and by `wait()` in a `TaskGroup`. A waiter's timeout or cancellation ends that wait, not
    the task. Handles cannot be pickled; keep `reference` to continue in another process.

    Client methods such as `image_to_video`, `submit` and `attach` return handles.
    """

    __slots__ = (
        "_callbacks",
        "_change_waiters",
        "_client",
        "_end",
        "_loop",
        "_reference",
        "_waiters",
        "_watch",
        "place",
        "work",
    )

    def __init__(
        self, client: Client, reference: Reference, watch: TaskWatch | None = None, work: Work | None = None
    ) -> None:
        self.work = work
        self._client = client
        self._reference = reference
        self._watch = watch
        self._loop = None if watch is None else asyncio.get_running_loop()
        self._end: asyncio.Future[Task] | None = None
        """The result of awaiting, created on first use after the end: before that nothing needs it."""
        self._callbacks: list[tuple[Callback, contextvars.Context]] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._change_waiters: list[asyncio.Future[None]] | None = None
        """Waiters for the next status change; None until the first one."""
        self.place: int | None = None

    # --------------------------------------------------------------------------------- current state

    @property
    def reference(self) -> str:
        """Text that identifies the task permanently, in any process: `image2video:<task id>`."""
        return str(self._watch.reference if self._watch else self._reference)

    @property
    def task_id(self) -> str | None:
        """The service's id; None until an attached handle has received a status."""
        return self._last.task_id if self._last else None

    @property
    def external_task_id(self) -> str | None:
        """The caller's own id, or the generated one; None until an attached handle has received a status."""
        return self._last.external_task_id if self._last else None

    @property
    def key(self) -> str | None:
        """The caller's `key` of the work, if the client's journal has one."""
        return self.work.key if self.work else None

    @property
    def save_to(self) -> str | None:
        """Where `save()` without a path puts the files: the `save_to` of `submit`, as an absolute path."""
        return self.work.save_to if self.work else None

    @property
    def status(self) -> TaskStatus | None:
        """The last known status; None until an attached handle has received one."""
        return self._last.status if self._last else None

    @property
    def progress(self) -> Progress:
        """Estimated progress and remaining time, from the durations of earlier tasks; sends no request."""
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
        """Refuses to be pickled: a handle is bound to its client's event loop."""
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
            TaskFailed: the task failed at the service.
            TaskTimeout: the task had not finished by the deadline; its outcome is unknown, not failed.
            TaskNotFound: the service has no such task.
            ClientClosed: the client was closed meanwhile.
            asyncio.CancelledError: `cancel()` was called.
            KlingError: another permanent error of the service.
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
        """Returns the finished task.

        Raises:
            asyncio.InvalidStateError: the end is not known yet.
            KlingError: as `wait`.
        """
        return self._settled().result()

    def exception(self) -> BaseException | None:
        """Returns the error that awaiting would raise, or None.

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
        """Raises `CancelledError` in this handle's waiters at once.

        The service cannot cancel tasks: the task continues there and is billed. Its slot is released when the service
        has finished the task. `attach(handle.reference)` returns a new handle to it.

        Returns:
            False if the end was already known.
        """
        if self.done():
            return False
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._end.cancel(msg)
        self._notify_end(self._loop)
        return True

    def add_done_callback(self, fn: Callback, *, context: contextvars.Context | None = None) -> None:
        """Schedules `fn(handle)` to be called on the event loop once the end is known."""
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
        """Removes all callbacks added with `add_done_callback(fn)`; returns how many there were."""
        callbacks = self._callbacks or []
        kept = [(callback, context) for callback, context in callbacks if callback != fn]
        self._callbacks = kept or None
        self._leave_if_idle()
        return len(callbacks) - len(kept)

    # ---------------------------------------------------------------------------- updates and files

    async def updates(self) -> AsyncGenerator[Task, None]:
        """Yields one snapshot per status, from the first known to the last.

        Raises:
            KlingError: as `wait`, except that a failed task is yielded as the last snapshot, not raised.
        """
        self._start()
        yielded = 0
        while True:
            while self._watch is not None and yielded < len(self._watch.snapshots):
                yielded += 1
                yield self._watch.snapshots[yielded - 1]
            if self.done():
                break
            if self._change_waiters is None:
                self._change_waiters = []
            waiter = self._wait_among(self._change_waiters)
            try:
                await waiter
            finally:
                self._left(self._change_waiters, waiter)
        if self.cancelled() or not isinstance(self.exception(), TaskFailed):
            self.result()

    async def save(
        self, path: str | PathLike[str] | None = None, *, watermark: bool = False, overwrite: bool = False
    ) -> Path:
        """Waits for the end, then streams the result to disk; the file only appears once it is complete.

        An interrupted download leaves `NAME.part`; saving again resumes it, in any process. If the journal has the
        files as saved, their path is returned at once, without a request to the service.

        Args:
            path: a file, or a directory (an existing one, or text that ends in a separator); None for the `save_to` of
                `submit`. In a directory the file is named after its task and type: `<task_id>.mp4`, `.png` or `.mp3`,
                or `<task_id>-watermark.mp4`. Further files of the task get `-2`, `-3`. With a key it is named after
                the key: `<key>.mp4`, `<key>.watermark.mp4`, `<key>.2.png`. If a task has several results, the suffix
                of a file path selects one: for a video with sound, `.mp3` and `.wav` select the sound; for sound,
                `.wav` selects the WAV, if there is one.
            watermark: saves the watermarked variant, if `watermark_info` requested one.
            overwrite: replaces an existing file, once the new one is complete.

        Returns:
            The path of the (first) file.

        Raises:
            TargetExists: the file exists, and `overwrite` is False; raised before waiting.
            TargetError: the path cannot be written to; raised before waiting where possible.
            SaveInProgress: another save is writing to the same file.
            DownloadError: the result could not be fetched completely, or is not a file (voices, elements).
            KlingError: as `wait`.
        """
        return (await self._client.save_all(self, path, watermark=watermark, overwrite=overwrite))[0]

    async def save_all(
        self, directory: str | PathLike[str], *, watermark: bool = False, overwrite: bool = False
    ) -> list[Path]:
        """Waits for the end, then saves every file of the task: all pictures, a video and its sound as MP3 and WAV.

        As with `save`, each file only appears once it is complete; files are named as there.

        Args:
            directory: created if it does not exist.
            watermark: saves the watermarked variants, if `watermark_info` requested them.
            overwrite: replaces existing files, each once the new one is complete.

        Returns:
            The paths of the files: videos, pictures, sound, each in the service's order.

        Raises:
            TargetError: the directory cannot be written to; raised before waiting where possible.
            KlingError: as `save`.
        """
        return await self._client.save_all(self, directory, watermark=watermark, overwrite=overwrite, several=True)

    def stream(self, *, watermark: bool = False) -> AsyncGenerator[bytes, None]:
        """Waits for the end, then yields the bytes of the (first) file, for a `StreamingResponse`.

        If the connection breaks, the download resumes where it stopped. Streams do not count towards `downloads`.

        Raises:
            DownloadError: the result could not be fetched completely, or is not a file (voices, elements).
            KlingError: as `wait`.
        """
        return self._client.stream(self, watermark=watermark)

    def open(
        self, *, method: str = "GET", headers: Mapping[str, str] | None = None, watermark: bool = False
    ) -> "AbstractAsyncContextManager[OpenFile]":
        """Waits for the end, then answers an HTTP request for the (first) file, so that a browser can play and seek.

        ```python
        async with handle.open(method=request.method, headers=request.headers) as video:
            response = web.StreamResponse(status=video.status, headers=video.headers)
            await response.prepare(request)
            async for chunk in video:
                await response.write(chunk)
        ```

        `kling_async.web` has responses for aiohttp, ASGI and FastAPI. `Range`, `If-Range`, `If-Match`,
        `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since` are evaluated as in RFC 9110; a request for
        several ranges gets the whole file. Only the requested bytes are fetched from the file host, as fast as the
        caller consumes them. If the connection to the host breaks, it is resumed within the same response. Leaving the
        block ends the download at once. It does not count towards `downloads`.

        Args:
            method: GET, or HEAD for a response without a body.
            headers: those of the request; names in any case.
            watermark: the watermarked variant, if `watermark_info` requested one.

        Raises:
            InvalidRequest: another method.
            DownloadError: the result cannot be fetched, or is not a file (voices, elements). The first bytes are
                available when the block begins; if the rest cannot be fetched, iterating raises this.
            KlingError: as `wait`.
        """
        return self._client.open_file(self, method=method, headers=headers or {}, watermark=watermark)

    # ----------------------------------------------------------------------------- called by the poller

    def changed(self, _task: Task, /) -> None:
        """Wakes the waiters for changes; the new status is in the watch."""
        _wake(self._change_waiters or ())

    def ended(self, _end: Task | KlingError, /) -> None:
        """Wakes all waiters and schedules the callbacks; the end is in the watch."""
        if self._loop is not None:
            self._notify_end(self._loop)

    def _notify_end(self, loop: asyncio.AbstractEventLoop) -> None:
        callbacks, self._callbacks = self._callbacks or [], None
        for fn, context in callbacks:
            loop.call_soon(fn, self, context=context)
        _wake(self._waiters)
        _wake(self._change_waiters or ())
        self._waiters, self._change_waiters = [], None
        self._leave_if_idle()

    # ---------------------------------------------------------------------------------------- the watch

    def _start(self) -> asyncio.AbstractEventLoop:
        """Starts following the task of an attached handle on its first wait."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._watch = self._client.start_watching(self._reference, work=self.work)
            self._loop = loop
        if self._loop is not loop:
            raise WrongEventLoop("this handle belongs to another event loop; attach(reference) on a client of this one")
        return loop

    def begin(self) -> WorkEvents | None:
        """Starts following the task, as awaiting does, and returns its events; None if cancelled before that."""
        self._start()
        return self._watch.events if self._watch is not None else None

    def _wait_among(self, waiters: "list[asyncio.Future[None]]") -> "asyncio.Future[None]":
        """Returns a new future for one wait, so that cancelling one waiter cancels no other.

        The caller awaits it directly: that takes a fraction of the memory of `asyncio.shield`, or of a coroutine, for
        as long as the task runs.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listen()
        waiters.append(waiter)
        return waiter

    def _left(self, waiters: "list[asyncio.Future[None]] | None", waiter: "asyncio.Future[None]") -> None:
        """Removes a waiter that has finished; at the end, `_notify_end` removes all together."""
        if waiters is not None and not self.done():
            waiters.remove(waiter)
            self._leave_if_idle()

    def _listen(self) -> None:
        if self._watch is not None and self.place is None:
            self._watch.join(self)

    def _leave_if_idle(self) -> None:
        """Leaves the watch when nothing waits for this handle: web pages open and close handles by the thousands."""
        idle = not (self._waiters or self._change_waiters or self._callbacks)
        if idle and self._watch is not None and self.place is not None:
            self._watch.leave(self)

    def _known(self) -> "asyncio.Future[Task] | None":
        """Returns the end, if it is known, from the watch, which does not notify a handle without waiters."""
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
