"""Generates clips in the background, with retries, and resumes those that earlier processes left unfinished."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from decimal import Decimal
from typing import Any, Final

from examples.web_service.clip import Clip, Shown
from kling_async import (
    AccountError,
    AuthenticationError,
    BudgetExceeded,
    ClientClosed,
    ContentRefused,
    EntryState,
    InvalidRequest,
    KlingClient,
    KlingError,
    PermissionRefused,
    RequestRefused,
    TaskFailed,
    TaskHandle,
    TaskNotFound,
    estimate,
)

logger = logging.getLogger(__name__)

_REFUSALS: Final = (
    AccountError,
    AuthenticationError,
    ContentRefused,
    InvalidRequest,
    PermissionRefused,
    RequestRefused,
)
"""Permanent errors, which are not retried; after any other error of the service, the clip is tried again."""
_LONGEST_PAUSE: Final = 60.0


class Maker:
    """Generates the clips of one process.

    Args:
        kling: the process's client, with a journal.
    """

    def __init__(self, kling: KlingClient) -> None:
        self.at_work: dict[str, str] = {}
        """Ids of unfinished clips, with their persons."""
        self._kling = kling
        self.in_line: dict[str, Decimal] = {}
        """Prices of the clips that may not have reserved them in the budget yet."""
        self._handles: dict[str, TaskHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, clip_id: str) -> TaskHandle | None:
        """Returns the task of a clip; None if this process does not generate it, or it has no task yet."""
        return self._handles.get(clip_id)

    @contextlib.asynccontextmanager
    async def going_on(self, known: Sequence[Shown]) -> AsyncIterator[None]:
        """Resumes unfinished clips of earlier processes; at exit, leaves unfinished ones to the next process."""
        self._in_background(self._go_on(known))
        try:
            yield
        finally:
            await self._kling.close()  # waits for creates that are being sent; the rest resumes at the next start
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _go_on(self, known: Sequence[Shown]) -> None:
        """Resumes clips that were never sent, since their process ended before, and those in the journal."""
        clips = {each.clip.id: each.clip for each in known}
        for each in known:
            if each.status == "waiting":
                self.begin(each.clip)
        with contextlib.suppress(ClientClosed):
            async for handle in self._kling.recover():
                if handle.key in clips:
                    self.begin(clips[handle.key], handle)
            for key, entry in (await self._kling.journal.last_of(list(clips))).items():
                if entry.state is EntryState.INTENT:  # the look-up failed
                    self.begin(clips[key])

    def begin(self, clip: Clip, handle: TaskHandle | None = None) -> None:
        """Starts generating a clip, unless this process already does.

        Args:
            clip: stored on disk.
            handle: of its task, if it has one.
        """
        if clip.id not in self.at_work:
            self.at_work[clip.id] = clip.person
            self.in_line[clip.id] = estimate(clip.request).units or Decimal(0)
            self._in_background(self._make(clip, handle))

    async def _make(self, clip: Clip, handle: TaskHandle | None) -> None:
        pause = 1.0
        try:
            while not await self._made(clip, handle):
                handle = None
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self.in_line.pop(clip.id, None)
            self._handles.pop(clip.id, None)
            del self.at_work[clip.id]

    async def _made(self, clip: Clip, handle: TaskHandle | None) -> bool:
        """Tries to generate a clip; returns whether it is finished, or failed permanently."""
        try:
            if handle is None:
                handle = await self._kling.submit(clip.request, key=clip.id, save_to=clip.video)
            self.in_line.pop(clip.id, None)
            self._handles[clip.id] = handle
            await handle.save()
        except (TaskFailed, ClientClosed):
            pass  # the outcome is in the journal
        except TaskNotFound as error:
            await asyncio.to_thread(clip.fail, "unknown", f"It may be billed: {error.message}")
        except BudgetExceeded:
            await asyncio.to_thread(clip.fail, "failed", "The budget of the day was used up when its turn came.")
        except _REFUSALS as error:
            await asyncio.to_thread(clip.fail, "failed", error.message)
        except KlingError as error:
            logger.warning("clip %s is tried again: %s", clip.id, error)
            return False
        return True

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("left to the next start", exc_info=error)
