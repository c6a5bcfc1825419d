"""Saves and streams the results of tasks: paths are reserved before anything is paid, files appear only complete."""

import asyncio
import contextlib
import functools
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kling_async.handle import TaskHandle
from kling_async.io import refusals, threads
from kling_async.io.events import Events, emit_saved
from kling_async.protocol.errors import DownloadError, TargetError, TargetExists
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task

if TYPE_CHECKING:
    from kling_async.io.download import Downloads
    from kling_async.io.open_file import OpenFile
    from kling_async.io.target import Target


KEPT_SECONDS: Final = 60.0
"""Seconds for which a finished task is cached when its file is opened: only its file addresses still change, and they
are refreshed when they expire."""
KEPT_TASKS: Final = 1024


class Saving:
    """The saves of one client.

    Args:
        downloads: returns the client's downloads.
        get_task: queries a task again when its file addresses have expired.
        events: of the client.
    """

    def __init__(
        self,
        downloads: "Callable[[], Awaitable[Downloads]]",
        get_task: Callable[[str], Awaitable[Task]],
        events: Events,
    ) -> None:
        self._downloads = downloads
        self._events = events
        self._get_task = get_task
        self._ended: dict[str, tuple[float, Task]] = {}
        """Cached finished tasks by their references, with the loop time at which they were received."""
        self._queries: dict[str, asyncio.Task[Task]] = {}
        """Queries under way, by the references of their tasks."""

    @contextlib.asynccontextmanager
    async def place_for(
        self, request: object, path: str | PathLike[str], name: str | None, *, watermark: bool, overwrite: bool
    ) -> "AsyncIterator[Target]":
        """Reserves the path for a request's result.

        Args:
            request: the request record.
            path: a file; with a name, or for several results, a directory.
            name: base name of the files in a directory; None to name them after their task.
            watermark: whether to save the watermarked variants.
            overwrite: whether files may exist.

        Raises:
            DownloadError: the result is not a file.
            TargetError: the path cannot be written to.
            TargetExists: the file exists.
            SaveInProgress: another save is writing there.
        """
        endpoint = refusals.endpoint_that_takes(request)
        several = True if endpoint.slots_of(request) > 1 else None if name is not None else False
        reserved = (await self._downloads()).reserve(
            path,
            None,
            watermark=watermark,
            overwrite=overwrite,
            kind=endpoint.result,
            several=several,
            name=name,
        )
        async with reserved as place:
            yield place

    async def save_all(
        self,
        handle: TaskHandle,
        path: str | PathLike[str] | None,
        *,
        watermark: bool,
        overwrite: bool,
        several: bool | None = None,
    ) -> list[Path]:
        """Saves a handle's files.

        Raises:
            KlingError: as `TaskHandle.save` and `TaskHandle.save_all`, which call this.
        """
        await self._downloads()  # imports the download modules in a thread
        if several and path is not None:
            from kling_async.io.target import text_of  # noqa: PLC0415  (imported above, in a thread)

            path = f"{text_of(path)}/"  # a trailing separator: the directory is created
        wanted, path, work = path, path if path is not None else handle.save_to, handle.work
        if path is None:
            raise TargetError("expected a path to save to: give one here, or save_to=... to submit")
        try:
            return await self._save(handle, wanted, path, watermark=watermark, overwrite=overwrite, several=several)
        except TargetExists:
            if work is None or overwrite:
                raise
            await work.read_again()  # another client may have saved the file since the handle was created
            if (whole := await work.whole(wanted, watermark=watermark)) is not None:
                return whole
            if not work.began(path):
                raise
        return await self._save(handle, wanted, path, watermark=watermark, overwrite=overwrite, several=several)

    async def _save(
        self,
        handle: TaskHandle,
        wanted: str | PathLike[str] | None,
        path: str | PathLike[str],
        *,
        watermark: bool,
        overwrite: bool,
        several: bool | None,
    ) -> list[Path]:
        """As `save_all`, by the current state of the work's record."""
        work, downloads = handle.work, await self._downloads()
        if work is not None and not overwrite and (whole := await work.whole(wanted, watermark=watermark)) is not None:
            return whole
        reserved = downloads.reserve(
            path,
            handle.task_id,
            watermark=watermark,
            overwrite=overwrite or (work is not None and work.began(path)),
            kind=refusals.endpoint_of_reference(Reference.parse(handle.reference)).result,
            several=several,
            name=work.file_name if work is not None else None,
        )
        try:
            async with reserved as place:
                return await self.save_at(place, handle, watermark=watermark, overwrite=overwrite)
        except DownloadError as error:
            error.about(handle.reference)
            raise

    async def save_at(self, place: "Target", handle: TaskHandle, *, watermark: bool, overwrite: bool) -> list[Path]:
        """Waits for the end of a handle's task, and saves its files to a reserved path.

        Raises:
            KlingError: as `TaskHandle.save`.
        """
        work_events = handle.begin() or self._events.of(
            Reference.parse(handle.reference).endpoint, task_id=handle.task_id
        )
        work_events.saving(watermark=watermark)
        loop = asyncio.get_running_loop()
        begun: float | None = None
        try:
            task = await handle.wait()
            begun = loop.time()
            paths = await self._saved(place, handle, task, watermark=watermark, overwrite=overwrite)
        except BaseException as error:
            work_events.not_saved(error, None if begun is None else loop.time() - begun)
            raise
        await emit_saved(work_events, paths, begun)
        return paths

    async def _saved(
        self, place: "Target", handle: TaskHandle, task: Task, *, watermark: bool, overwrite: bool
    ) -> list[Path]:
        refresh = functools.partial(self._get_task, task.reference)
        work, downloads, begun = handle.work, await self._downloads(), False
        try:
            if work is not None:
                begun = await work.saving(place, task, watermark=watermark, overwrite=overwrite)
            if begun:
                paths = await downloads.save_again(task, place, refresh, watermark=watermark)
            else:
                paths = await downloads.save(task, place, refresh, watermark=watermark, overwrite=overwrite)
        except TargetExists:
            if work is None:
                raise
            await work.read_again()  # another client may have saved the task while this one waited for it
            if not overwrite and (whole := await work.whole(place.path, watermark=watermark)) is not None:
                return whole
            if begun:  # else the next save compares its bytes
                work.not_its_own(place, task)
            raise
        if work is not None:
            await work.saved(paths, watermark=watermark)
        return paths

    @contextlib.asynccontextmanager
    async def open_file(
        self, handle: TaskHandle, *, method: str, headers: Mapping[str, str], watermark: bool
    ) -> "AsyncIterator[OpenFile]":
        """Answers a request for a handle's first file.

        Raises:
            KlingError: as `TaskHandle.open`, which calls this.
        """
        await threads.imported("kling_async.io.open_file")
        from kling_async.io import open_file  # noqa: PLC0415  (on first use, as all download modules)

        open_file.check_method(method)
        task = await self._finished(handle)
        refresh = functools.partial(self._query_once, task.reference)
        downloads = await self._downloads()
        opened = open_file.opened(downloads, task, refresh, method=method, headers=headers, watermark=watermark)
        async with opened as file:
            yield file

    async def _finished(self, handle: TaskHandle) -> Task:
        """Returns the finished task, cached: a browser sends several requests for one file, each with a new handle."""
        now = asyncio.get_running_loop().time()
        received_at, ended = self._ended.get(handle.reference, (-math.inf, None))
        if ended is not None and now < received_at + KEPT_SECONDS and not handle.done():
            return ended
        task = await handle.wait()
        self._keep(task)
        return task

    def _keep(self, task: Task) -> None:
        self._ended.pop(task.reference, None)
        self._ended[task.reference] = asyncio.get_running_loop().time(), task
        if len(self._ended) > KEPT_TASKS:
            del self._ended[next(iter(self._ended))]

    async def _query_once(self, reference: str) -> Task:
        """Queries a task again; concurrent callers share one query."""
        query = self._queries.get(reference)
        if query is None:
            query = asyncio.ensure_future(self._get_task(reference))
            self._queries[reference] = query
            query.add_done_callback(functools.partial(self._query_done, reference))
        return await asyncio.shield(query)

    def _query_done(self, reference: str, query: "asyncio.Task[Task]") -> None:
        del self._queries[reference]
        if not query.cancelled() and query.exception() is None:
            self._keep(query.result())

    async def close(self) -> None:
        """Cancels the queries under way."""
        queries = list(self._queries.values())
        for query in queries:
            query.cancel()
        await asyncio.gather(*queries, return_exceptions=True)

    async def stream(self, handle: TaskHandle, *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """Streams a handle's first file.

        Raises:
            KlingError: as `TaskHandle.stream`, which calls this.
        """
        task = await handle.wait()
        refresh = functools.partial(self._get_task, task.reference)
        downloads = await self._downloads()
        async with contextlib.aclosing(downloads.stream(task, refresh, watermark=watermark)) as chunks:
            async for chunk in chunks:
                yield chunk
