"""Waits for a task and saves its video: what `generate` and `save` have in common."""

import time
from functools import partial
from pathlib import Path

from kling_async.cli.errand import Errand, Stage
from kling_async.cli.progress import Progress
from kling_async.cli.running import Stop
from kling_async.handle import TaskHandle
from kling_async.io.target import Target, check_target
from kling_async.io.threads import in_thread
from kling_async.protocol.tasks import Task


async def place_for(target: str, *, overwrite: bool) -> Target:
    """Looks at the place to save to before anything is paid or waited for.

    Raises:
        TargetError: it cannot be used.
    """
    return await in_thread(partial(check_target, target, overwrite=overwrite))


async def waited(handle: TaskHandle, errand: Errand, progress: Progress, stop: Stop) -> Task:
    """Waits for the end of a task, and tells each status.

    Raises:
        KlingError: as `TaskHandle.wait`.
        Stopped: by a signal.
    """

    async def follow() -> Task:
        async for task in handle.updates():
            errand.reference = task.reference
            errand.stage = Stage.ACCEPTED
            progress.status(task.status.value)
        return await handle.wait()

    task = await stop.or_result(follow())
    errand.stage = Stage.MADE
    return task


async def saved(handle: TaskHandle, errand: Errand, progress: Progress, stop: Stop) -> Path:
    """Saves the video that the errand asks for.

    Raises:
        KlingError: as `TaskHandle.save`.
        Stopped: by a signal; what came is kept.
    """
    progress.status("saving")
    save = handle.save(errand.target, watermark=errand.watermark, overwrite=errand.overwrite)
    return await stop.or_result(save)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How many."""
        return time.monotonic() - self._began
