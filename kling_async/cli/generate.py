"""`kling-async generate`: from an image to a file."""

import asyncio
import contextlib
import functools
import secrets
import signal
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import attrs

from kling_async.cli import pace, progress, report, running
from kling_async.cli.errand import Errand, Stage
from kling_async.cli.output import Output
from kling_async.cli.parameters import parameters, stdin_bytes
from kling_async.cli.progress import Progress
from kling_async.cli.running import Stop, Stopped
from kling_async.cli.saving import Stopwatch, place_for, saved, waited
from kling_async.client import KlingClient
from kling_async.handle import TaskHandle
from kling_async.io.submission import OnIntent
from kling_async.protocol.endpoints import ImageToVideo
from kling_async.protocol.errors import ClientClosed, CreateInDoubt
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.records import Intent

EMULATED_SECONDS: Final = 6.0
"""Seconds that a video takes with `--emulator`: enough to see what happens, little enough to watch it."""

SETTLES_AT_ONCE: Final = 0.3
"""Seconds after which it is said that an interrupted create is being found out about."""


def run(options: Namespace, output: Output) -> int:
    """Does it; tells the exit code."""
    request = ImageToVideo(**parameters(options, stdin_bytes))
    errand = Errand(
        target=options.output, overwrite=options.overwrite, base_url=options.base_url, emulated=options.emulator
    )
    return running.run(errand, output, lambda stop: _Generation(options, request, output, errand, stop).run())


@attrs.frozen
class _Generation:
    """One video, from the options to the file.

    Attributes:
        options: as they were given.
        request: what to make.
        output: where it is told.
        errand: kept up to date.
        stop: the wish to end.
    """

    options: Namespace
    request: ImageToVideo
    output: Output
    errand: Errand
    stop: Stop

    async def run(self) -> None:
        """Makes it, saves it and tells."""
        watch = Stopwatch()
        await self.stop.or_result(_places(self.errand.target, self.options))
        with progress.shown(self.output, self._expected()) as display:
            async with _client(self.options, self.request, functools.partial(self._sending, display)) as client:
                handle = await self._submitted(client)
                task = await waited(handle, self.errand, display, self.stop)
                path = await saved(handle, self.errand, display, self.stop)
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
        return pace.expected_seconds(self.request.mode, _seconds(self.request))

    async def _sending(self, display: Progress, intent: Intent) -> None:
        """All is checked, and the first byte is about to go out: the reference is shown while it cannot be lost."""
        self.errand.reference = intent.reference
        self.errand.stage = Stage.CREATING
        display.status("submitting", f"{self._about()}\n  {intent.reference}")

    async def _submitted(self, client: KlingClient) -> TaskHandle:
        """Submits, and finds out what became of it if a signal comes meanwhile.

        Raises:
            KlingError: as `KlingClient.submit`.
            Stopped: by a signal; the errand says how far it came.
        """
        submit = client.submit(self.request, strict=self.options.strict, if_exists=self.options.if_exists)
        try:
            handle = await self.stop.or_result(submit, lambda: self._settle(client))
        except ClientClosed:
            self.errand.stage = Stage.UNSENT
            raise Stopped(self.stop.number or signal.SIGINT) from None
        except CreateInDoubt:
            if self.stop.number is None:
                raise
            raise Stopped(self.stop.number) from None
        self.errand.reference = handle.reference
        self.errand.stage = Stage.ACCEPTED
        if self.stop.number is not None:
            raise Stopped(self.stop.number)
        return handle

    async def _settle(self, client: KlingClient) -> None:
        """Closes the client: it finds out what it can about a create under way, and then tells."""
        closing = asyncio.get_running_loop().create_task(client.close())
        done, _ = await asyncio.wait({closing}, timeout=SETTLES_AT_ONCE)
        if not done:
            self.output.note("finding out whether the service has the task: 10 s at most; Ctrl-C again leaves at once")
        await closing

    async def _saved_watermark(self, handle: TaskHandle, path: Path, display: Progress) -> Path:
        """Saves the watermarked video besides."""
        self.errand.watermark = True
        # In a directory both have names of their own.
        if path == Path(self.errand.target):
            self.errand.target = watermarked(self.errand.target)
        return await saved(handle, self.errand, display, self.stop)

    def _about(self) -> str:
        """What is submitted, and at which price."""
        words = [self.request.model_name, self.request.mode, f"{self.request.duration} s"]
        cost = report.cost_of(None, self.request)
        price = f", about {report.number(cost.units)} units" if cost.units is not None else ""
        return f"{' '.join(word for word in words if word)}{price}"


def watermarked(target: str) -> str:
    """Where the watermarked video goes, beside the other: `cat-watermark.mp4`."""
    path = Path(target)
    return str(path.with_name(f"{path.stem}-watermark{path.suffix}"))


async def _places(target: str, options: Namespace) -> None:
    """Looks at all places before anything is paid."""
    place = await place_for(target, overwrite=options.overwrite)
    if options.watermark and not place.is_directory:
        await place_for(watermarked(target), overwrite=options.overwrite)


def _seconds(request: ImageToVideo) -> int:
    # What is no duration is refused by the checks, which come later.
    return request.duration if isinstance(request.duration, int) and request.duration > 0 else 5


@contextlib.asynccontextmanager
async def _client(options: Namespace, request: ImageToVideo, on_intent: OnIntent) -> AsyncIterator[KlingClient]:
    """A client of the service, or of an emulator that lives as long as the command."""
    if not options.emulator:
        aimed = AimedPolling(deadline=options.deadline)
        async with KlingClient(base_url=options.base_url, polling=aimed, on_intent=on_intent) as client:
            yield client
        return
    from kling_async.emulator import Emulator  # noqa: PLC0415  (half of aiohttp.web; only with --emulator)

    # Another one each time: with the same task ids, a second video in a directory would have the first one's name.
    seed = secrets.randbits(32)
    polling = Polling(first=0.2, factor=1.2, maximum=0.4, deadline=options.deadline)
    async with (
        Emulator(speed=emulator_speed(request), seed=seed) as emulator,
        KlingClient(
            base_url=emulator.base_url, api_key=emulator.api_key, polling=polling, on_intent=on_intent
        ) as client,
    ):
        yield client


def emulator_speed(request: ImageToVideo) -> float:
    """How fast an emulator has to be for a video to take `EMULATED_SECONDS`, whatever is asked for."""
    from kling_async.emulator.service.catalog import MODELS, MODES, mean_generation_seconds  # noqa: PLC0415  (as above)

    model, mode = request.model_name, request.mode or "std"
    known = model in MODELS and mode in MODES
    usual = mean_generation_seconds(model, mode, _seconds(request)) if known else pace.SECONDS_USUALLY
    return usual / EMULATED_SECONDS
