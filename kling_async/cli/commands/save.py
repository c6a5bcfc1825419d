"""`kling-async save`: waits for a task made before and saves its video; `generate` does the same with its own."""

import functools
import time
from argparse import Namespace
from pathlib import Path

from kling_async.cli import progress, report, runner
from kling_async.cli.job import Job, Stage
from kling_async.cli.output import Output
from kling_async.cli.progress import Progress
from kling_async.cli.runner import Stop
from kling_async.client import KlingClient
from kling_async.handle import TaskHandle
from kling_async.io.target import Target, check_target
from kling_async.io.threads import in_thread
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.tasks import Task


def run(options: Namespace, output: Output) -> int:
    """Carries the command out; returns the exit code."""
    job = Job(
        target=options.output,
        overwrite=options.overwrite,
        watermark=options.watermark,
        base_url=options.base_url,
        reference=options.reference,
        stage=Stage.ATTACHED,
    )
    return runner.run(job, output, lambda stop: _save(options, output, job, stop))


async def _save(options: Namespace, output: Output, job: Job, stop: Stop) -> None:
    watch = Stopwatch()
    await stop.or_result(target_for(job.target, overwrite=job.overwrite))
    async with KlingClient(base_url=options.base_url, polling=polling(options)) as client:
        handle = client.attach(options.reference)
        with progress.shown(output) as display:
            display.status("looking for the task")
            task = await wait_for_end(handle, job, display, stop)
            path = await save_result(handle, job, display, stop)
    done = report.Saved(
        task=task, path=path, size=path.stat().st_size, cost=report.cost_of(task), seconds=watch.seconds
    )
    output.result(done.text(), str(done.path), done.data())


def polling(options: Namespace) -> Polling | AimedPolling:
    """When to ask for the task: on a fixed beat with `--poll`, else when a result can be expected.

    Raises:
        ConfigurationError: the beat is too short.
    """
    if options.poll is None:
        return AimedPolling(deadline=options.deadline)
    return Polling(first=options.poll, maximum=options.poll, deadline=options.deadline)


async def target_for(path: str, *, overwrite: bool) -> Target:
    """Looks at the place to save to before anything is paid or waited for.

    Raises:
        TargetError: it cannot be used.
    """
    return await in_thread(functools.partial(check_target, path, overwrite=overwrite))


async def wait_for_end(handle: TaskHandle, job: Job, display: Progress, stop: Stop) -> Task:
    """Waits for the end of a task, and shows each status.

    Raises:
        KlingError: as `TaskHandle.wait`.
        Stopped: by a signal.
    """

    async def follow() -> Task:
        async for task in handle.updates():
            job.reference = task.reference
            job.stage = Stage.ACCEPTED
            display.status(task.status.value)
        return await handle.wait()

    task = await stop.or_result(follow())
    job.stage = Stage.MADE
    return task


async def save_result(handle: TaskHandle, job: Job, display: Progress, stop: Stop) -> Path:
    """Saves what the job asks for.

    Raises:
        KlingError: as `TaskHandle.save`.
        Stopped: by a signal; what came is kept.
    """
    display.status("saving")
    return await stop.or_result(handle.save(job.target, watermark=job.watermark, overwrite=job.overwrite))


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How many."""
        return time.monotonic() - self._began
