"""`kling-async save`: the video of a task made before."""

from argparse import Namespace

from kling_async.cli import progress, report, running
from kling_async.cli.errand import Errand, Stage
from kling_async.cli.output import Output
from kling_async.cli.running import Stop
from kling_async.cli.saving import Stopwatch, place_for, saved, waited
from kling_async.client import KlingClient
from kling_async.protocol.polling.schedule import AimedPolling


def run(options: Namespace, output: Output) -> int:
    """Does it; tells the exit code."""
    errand = Errand(
        target=options.output,
        overwrite=options.overwrite,
        watermark=options.watermark,
        base_url=options.base_url,
        reference=options.reference,
        stage=Stage.ATTACHED,
    )
    return running.run(errand, output, lambda stop: _save(options, output, errand, stop))


async def _save(options: Namespace, output: Output, errand: Errand, stop: Stop) -> None:
    watch = Stopwatch()
    await stop.or_result(place_for(errand.target, overwrite=errand.overwrite))
    async with KlingClient(base_url=options.base_url, polling=AimedPolling(deadline=options.deadline)) as client:
        handle = client.attach(options.reference)
        with progress.shown(output) as display:
            display.status("looking for the task")
            task = await waited(handle, errand, display, stop)
            path = await saved(handle, errand, display, stop)
    done = report.Saved(
        task=task, path=path, size=path.stat().st_size, cost=report.cost_of(task), seconds=watch.seconds
    )
    output.result(done.text(), str(done.path), done.data())
