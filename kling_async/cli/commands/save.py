"""`kling-async save`: waits for an existing task and saves its files; `generate` uses the same functions."""

import time
from argparse import Namespace
from pathlib import Path
from typing import Final

import attrs

from kling_async.cli import endpoints, progress, runner
from kling_async.cli.exit_codes import UsageError
from kling_async.cli.job import Job, Stage
from kling_async.cli.output import Output
from kling_async.cli.places import place_for
from kling_async.cli.progress import Progress
from kling_async.cli.results import Result, cost_of
from kling_async.cli.runner import Stop
from kling_async.cli.service import polling
from kling_async.client import KlingClient
from kling_async.handle import TaskHandle
from kling_async.protocol.result_files import files_of
from kling_async.protocol.tasks import Task

_HINT: Final = "see `kling-async save --help`"


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    reference = endpoints.reference(options.reference)
    kept = endpoints.is_kept(reference)
    if kept and options.output is not None:
        raise UsageError(f"the result of {reference} is no file: leave out -o", _HINT)
    if not kept and options.output is None:
        raise UsageError("needed as well: -o FILE", _HINT)
    job = Job(
        target=options.output or "",
        overwrite=options.overwrite,
        watermark=options.watermark,
        base_url=options.base_url,
        reference=reference,
        stage=Stage.ATTACHED,
    )
    return runner.run(job, output, lambda stop: _save(options, output, job, stop))


async def _save(options: Namespace, output: Output, job: Job, stop: Stop) -> None:
    watch = Stopwatch()
    if job.target:
        place = await stop.or_result(place_for(job.target, overwrite=job.overwrite, watermark=job.watermark))
        job.is_directory = place.is_directory
    async with KlingClient(base_url=options.base_url, polling=polling(options)) as client:
        handle = client.attach(job.reference or "")
        with progress.shown(output) as display:
            display.status("looking for the task")
            task = await wait_for_end(handle, job, display, stop)
            paths = await save_results(handle, job, display, stop) if job.target else []
    note_unsaved_files(task, paths, job, output)
    done = Result(task=task, paths=paths, cost=cost_of(task), seconds=watch.seconds)
    output.result(done.text(), done.short(), done.data())


def note_unsaved_files(task: Task, paths: list[Path], job: Job, output: Output) -> None:
    """Shows how to get the other files of a task of which one was saved."""
    left = len(files_of(task)) - len(paths)
    if paths and left > 0 and not output.quiet:
        command = attrs.evolve(job, target="out/", is_directory=True, overwrite=False, watermark=False).save_command()
        how = f"a directory gets all: {command or '-o out/'}"
        output.note(f"the task has {left} more file{'s' * (left > 1)}; {how}")


async def wait_for_end(handle: TaskHandle, job: Job, display: Progress, stop: Stop) -> Task:
    """Waits for a task to end, and shows each status.

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


async def save_results(handle: TaskHandle, job: Job, display: Progress, stop: Stop) -> list[Path]:
    """Saves the job's results: in a directory every file of the task, else one file.

    Raises:
        KlingError: as `TaskHandle.save`.
        Stopped: by a signal; the part that was downloaded is kept.
    """
    display.status("saving")
    if job.is_directory:
        return await stop.or_result(handle.save_all(job.target, watermark=job.watermark, overwrite=job.overwrite))
    return [await stop.or_result(handle.save(job.target, watermark=job.watermark, overwrite=job.overwrite))]


class Stopwatch:
    """Measures seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        return time.monotonic() - self._began
