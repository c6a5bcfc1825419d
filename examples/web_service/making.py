"""Makes clips in the background, however often that takes, and goes on with what other processes left."""

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
"""What trying again does not help; whatever else goes wrong with the service, a clip is made once that is over."""
_LONGEST_PAUSE: Final = 60.0


class Maker:
    """What one process makes.

    Args:
        kling: its client, with a journal.
    """

    def __init__(self, kling: KlingClient) -> None:
        self.at_work: dict[str, str] = {}
        """Ids of unfinished clips, and whose they are."""
        self._kling = kling
        self.in_line: dict[str, Decimal] = {}
        """What those cost that may not have reserved it in the budget yet."""
        self._handles: dict[str, TaskHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, clip_id: str) -> TaskHandle | None:
        """The task of a clip that is made here; None where it is not, or has none yet."""
        return self._handles.get(clip_id)

    @contextlib.asynccontextmanager
    async def going_on(self, known: Sequence[Shown]) -> AsyncIterator[None]:
        """Goes on with all that earlier processes left, and leaves to the next one what is not finished."""
        self._in_background(self._go_on(known))
        try:
            yield
        finally:
            await self._kling.close()  # what is being sent is brought to its end, all else goes on at the next start
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _go_on(self, known: Sequence[Shown]) -> None:
        """With what nobody has sent, since its process ended before, and with what the journal has."""
        clips = {each.clip.id: each.clip for each in known}
        for each in known:
            if each.status == "waiting":
                self.begin(each.clip)
        with contextlib.suppress(ClientClosed):
            async for handle in self._kling.recover():
                if handle.key in clips:
                    self.begin(clips[handle.key], handle)
            for key, entry in (await self._kling.journal.last_of(list(clips))).items():
                if entry.state is EntryState.INTENT:  # the service could not be asked about it
                    self.begin(clips[key])

    def begin(self, clip: Clip, handle: TaskHandle | None = None) -> None:
        """Makes a clip from now on, unless that goes on already.

        Args:
            clip: it is on disk.
            handle: of its task, where there is one.
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
        """Whether a clip has come to its end."""
        try:
            if handle is None:
                handle = await self._kling.submit(clip.request, key=clip.id, save_to=clip.video)
            self.in_line.pop(clip.id, None)
            self._handles[clip.id] = handle
            await handle.save()
        except (TaskFailed, ClientClosed):
            pass  # the journal has it
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
