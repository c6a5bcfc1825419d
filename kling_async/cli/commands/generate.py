"""`kling-async generate` and the commands of endpoints that make tasks: from a request to its result."""

import asyncio
import functools
import signal
from argparse import Namespace
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.cli import endpoints, progress, record_options, runner, service
from kling_async.cli.commands.save import Stopwatch, note_unsaved_files, save_results, wait_for_end
from kling_async.cli.job import Job, Stage
from kling_async.cli.option_values import stdin_bytes
from kling_async.cli.output import Output
from kling_async.cli.places import places, watermarked
from kling_async.cli.progress import Progress
from kling_async.cli.record_fields import option_names
from kling_async.cli.results import Result, cost_of
from kling_async.cli.runner import Stop, Stopped
from kling_async.client import KlingClient
from kling_async.handle import TaskHandle
from kling_async.protocol.errors import ClientClosed, CreateInDoubt
from kling_async.protocol.records import Intent

SETTLES_AT_ONCE: Final = 0.3
"""Seconds after which a message reports that an interrupted create is still being looked up."""


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    record = endpoints.record(options.endpoint)
    request = record_options.request_from(record, options, stdin_bytes)
    job = Job(
        target=options.output or "",
        overwrite=options.overwrite,
        base_url=options.base_url,
        emulated=options.emulator,
        options=option_names(record),
    )
    return runner.run(job, output, lambda stop: _Generation(options, request, output, job, stop).run())


@attrs.frozen
class _Generation:
    """One task, from the options to its files.

    Attributes:
        options: of the command line.
        request: to submit.
        output: gets results and messages.
        job: kept up to date.
        stop: signals to the command.
    """

    options: Namespace
    request: Any
    output: Output
    job: Job
    stop: Stop

    async def run(self) -> None:
        """Submits, waits, saves and prints the result."""
        watch = Stopwatch()
        marks: list[Path] = []
        place = await self.stop.or_result(places(self.options, self.request))
        self.job.is_directory = place is not None and place.is_directory
        with progress.shown(self.output, self._expected()) as display:
            async with service.client_for(
                self.options, self.request, functools.partial(self._sending, display)
            ) as client:
                handle = await self._submitted(client)
                task = await wait_for_end(handle, self.job, display, self.stop)
                paths = await save_results(handle, self.job, display, self.stop) if self.job.target else []
                if self.options.watermark and paths:
                    marks = await self._saved_watermarks(handle, paths[0], display)
        note_unsaved_files(task, paths, self.job, self.output)
        done = Result(
            task=task,
            paths=paths,
            watermark_paths=marks,
            cost=cost_of(task, self.request),
            seconds=watch.seconds,
            emulated=self.options.emulator,
        )
        self.output.result(done.text(), done.short(), done.data())

    def _expected(self) -> float:
        if self.options.emulator:
            return service.EMULATED_SECONDS
        return endpoints.typical_seconds(self.request)

    async def _sending(self, display: Progress, intent: Intent) -> None:
        """Shows the reference after all checks, before the first byte of the create is sent, so that it is not lost."""
        self.job.reference = intent.reference
        self.job.stage = Stage.CREATING
        display.status("submitting", "\n  ".join(filter(None, [self._about(), intent.reference])))

    async def _submitted(self, client: KlingClient) -> TaskHandle:
        """Submits the request; if a signal interrupts it, finds out whether the task exists.

        Raises:
            KlingError: as `KlingClient.submit`.
            Stopped: by a signal; the job has the stage that was reached.
        """
        submit = client.submit(self.request, strict=self.options.strict, if_exists=self.options.if_exists)
        try:
            handle = await self.stop.or_result(submit, lambda: self._settle(client))
        except ClientClosed:
            self.job.stage = Stage.UNSENT
            raise Stopped(self.stop.number or signal.SIGINT) from None
        except CreateInDoubt:
            if self.stop.number is None:
                raise
            raise Stopped(self.stop.number) from None
        self.job.reference = handle.reference
        self.job.stage = Stage.ACCEPTED
        if self.stop.number is not None:
            raise Stopped(self.stop.number)
        return handle

    async def _settle(self, client: KlingClient) -> None:
        """Closes the client, which looks up a create under way."""
        closing = asyncio.get_running_loop().create_task(client.close())
        done, _ = await asyncio.wait({closing}, timeout=SETTLES_AT_ONCE)
        if not done:
            self.output.note("finding out whether the service has the task: 10 s at most; Ctrl-C again leaves at once")
        await closing

    async def _saved_watermarks(self, handle: TaskHandle, path: Path, display: Progress) -> list[Path]:
        """Saves the watermarked variants as well."""
        self.job.watermark = True
        # In a directory the names of the variants differ already.
        if path == Path(self.job.target):
            self.job.target = watermarked(self.job.target)
        return await save_results(handle, self.job, display, self.stop)

    def _about(self) -> str:
        """Returns a description of the request, with its price."""
        cost = cost_of(None, self.request)
        price = f"about {cost.units_text() or '0 units'}" if cost.units is not None else ""
        return ", ".join(filter(None, [description_of(self.request), price]))


def description_of(request: Any) -> str:
    """Returns what the price depends on: model, mode, resolution, seconds, number of results."""
    words = [str(getattr(request, name, None) or "") for name in ("model_name", "mode", "resolution")]
    if (duration := getattr(request, "duration", None)) is not None:
        words.append(f"{duration} s")
    if (several := endpoints.results_of(request)) > 1:
        words.append(f"{several} times")
    return " ".join(filter(None, words))
