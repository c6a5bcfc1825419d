"""`kling-async generate` and the endpoints' own commands: from a request to a file."""

import asyncio
import contextlib
import functools
import secrets
import signal
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.cli import endpoints, progress, record_options, report, runner
from kling_async.cli.commands.save import Stopwatch, polling, save_result, target_for, wait_for_end
from kling_async.cli.job import Job, Stage
from kling_async.cli.option_values import stdin_bytes
from kling_async.cli.output import Output, number
from kling_async.cli.progress import Progress
from kling_async.cli.runner import Stop, Stopped
from kling_async.client import KlingClient
from kling_async.handle import TaskHandle
from kling_async.io.submission import OnIntent
from kling_async.protocol.errors import ClientClosed, CreateInDoubt
from kling_async.protocol.polling.schedule import Polling
from kling_async.protocol.records import Intent
from kling_async.protocol.wire.codec import to_wire

EMULATED_SECONDS: Final = 6.0
"""Seconds that a video takes with `--emulator`: enough to see what happens, little enough to watch it."""

SETTLES_AT_ONCE: Final = 0.3
"""Seconds after which a message says that an interrupted create is still being looked up."""


def run(options: Namespace, output: Output) -> int:
    """Carries the command out; returns the exit code."""
    request = record_options.request_from(endpoints.record(options.endpoint), options, stdin_bytes)
    job = Job(target=options.output, overwrite=options.overwrite, base_url=options.base_url, emulated=options.emulator)
    return runner.run(job, output, lambda stop: _Generation(options, request, output, job, stop).run())


@attrs.frozen
class _Generation:
    """One video, from the options to the file.

    Attributes:
        options: as they were given.
        request: what to make.
        output: where results and messages go.
        job: kept up to date.
        stop: the wish to end.
    """

    options: Namespace
    request: Any
    output: Output
    job: Job
    stop: Stop

    async def run(self) -> None:
        """Submits, waits, saves and prints the result."""
        watch = Stopwatch()
        await self.stop.or_result(_places(self.job.target, self.options))
        with progress.shown(self.output, self._expected()) as display:
            async with _client(self.options, self.request, functools.partial(self._sending, display)) as client:
                handle = await self._submitted(client)
                task = await wait_for_end(handle, self.job, display, self.stop)
                path = await save_result(handle, self.job, display, self.stop)
                watermark_path = await self._saved_watermark(handle, path, display) if self.options.watermark else None
        done = report.Saved(
            task=task,
            path=path,
            size=path.stat().st_size,
            cost=report.cost_of(task, self.request),
            seconds=watch.seconds,
            emulated=self.options.emulator,
            watermark_path=watermark_path,
        )
        self.output.result(done.text(), str(done.path), done.data())

    def _expected(self) -> float:
        if self.options.emulator:
            return EMULATED_SECONDS
        return endpoints.typical_seconds(self.request)

    async def _sending(self, display: Progress, intent: Intent) -> None:
        """All is checked, and the first byte is about to go out: the reference is shown while it cannot be lost."""
        self.job.reference = intent.reference
        self.job.stage = Stage.CREATING
        display.status("submitting", "\n  ".join(filter(None, [self._about(), intent.reference])))

    async def _submitted(self, client: KlingClient) -> TaskHandle:
        """Submits, and finds out what became of it if a signal comes meanwhile.

        Raises:
            KlingError: as `KlingClient.submit`.
            Stopped: by a signal; the job says how far it came.
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
        """Closes the client: it finds out what it can about a create under way."""
        closing = asyncio.get_running_loop().create_task(client.close())
        done, _ = await asyncio.wait({closing}, timeout=SETTLES_AT_ONCE)
        if not done:
            self.output.note("finding out whether the service has the task: 10 s at most; Ctrl-C again leaves at once")
        await closing

    async def _saved_watermark(self, handle: TaskHandle, path: Path, display: Progress) -> Path:
        """Saves the watermarked video besides."""
        self.job.watermark = True
        # In a directory both have names of their own.
        if path == Path(self.job.target):
            self.job.target = watermarked(self.job.target)
        return await save_result(handle, self.job, display, self.stop)

    def _about(self) -> str:
        """What is submitted, and at which price."""
        duration = getattr(self.request, "duration", None)
        words = [getattr(self.request, name, None) for name in ("model_name", "mode")]
        words += [f"{duration} s"] if duration is not None else []
        cost = report.cost_of(None, self.request)
        price = f", about {number(cost.units)} units" if cost.units is not None else ""
        return f"{' '.join(word for word in words if word)}{price}"


def watermarked(target: str) -> str:
    """Where the watermarked video goes, beside the other: `cat-watermark.mp4`."""
    path = Path(target)
    return str(path.with_name(f"{path.stem}-watermark{path.suffix}"))


async def _places(target: str, options: Namespace) -> None:
    """Looks at all places before anything is paid."""
    place = await target_for(target, overwrite=options.overwrite)
    if options.watermark and not place.is_directory:
        await target_for(watermarked(target), overwrite=options.overwrite)


@contextlib.asynccontextmanager
async def _client(options: Namespace, request: Any, on_intent: OnIntent) -> AsyncIterator[KlingClient]:
    """A client of the service, or of an emulator that lives as long as the command."""
    if not options.emulator:
        when = polling(options)
        async with KlingClient(base_url=options.base_url, polling=when, on_intent=on_intent) as client:
            yield client
        return
    from kling_async.emulator import Emulator  # noqa: PLC0415  (half of aiohttp.web; only with --emulator)

    # Another one each time: with the same task ids, a second video in a directory would have the first one's name.
    seed = secrets.randbits(32)
    often = Polling(first=0.2, factor=1.2, maximum=0.4, deadline=options.deadline)
    when = often if options.poll is None else polling(options)
    async with (
        Emulator(speed=emulator_speed(request), seed=seed) as emulator,
        KlingClient(base_url=emulator.base_url, api_key=emulator.api_key, polling=when, on_intent=on_intent) as client,
    ):
        yield client


def emulator_speed(request: Any) -> float:
    """How fast an emulator has to be for a video to take `EMULATED_SECONDS`, whatever is asked for."""
    from kling_async.emulator import mean_generation_seconds  # noqa: PLC0415  (as above)

    mean = mean_generation_seconds(endpoints.path(request), to_wire(request))
    return (mean or endpoints.typical_seconds(request)) / EMULATED_SECONDS
