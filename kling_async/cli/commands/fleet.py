"""`kling-async fleet`: jobs on many machines."""

import asyncio
import functools
import os
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from kling_async.batch import check
from kling_async.batch.jobs import Jobs, read_jobs
from kling_async.batch.row import InvalidBatch, RowProblem
from kling_async.cli import record_options, runner
from kling_async.cli.batch_end import problem_data
from kling_async.cli.batch_options import fields_in_rows
from kling_async.cli.batch_state import one_line
from kling_async.cli.data import as_data
from kling_async.cli.endpoints import record
from kling_async.cli.exit_codes import Exit, UsageError
from kling_async.cli.fleet_options import DSN
from kling_async.cli.fleet_status import job_text, metrics_text, under_way, unfollowed, unsaved
from kling_async.cli.job import Job, Stage
from kling_async.cli.output import Output, columns_of_terminal, failure
from kling_async.cli.record_fields import option_names
from kling_async.cli.runner import Stop
from kling_async.io.postgres import driver
from kling_async.protocol.budget import Budget

if TYPE_CHECKING:
    from kling_async.fleet.metrics import QueueMetrics

_POLL_SECONDS: Final = 2.0

_GOES_ON: Final = {
    "init": "the queue may be as it was, or as it was to be; `kling-async fleet status` shows it",
    "status": "all jobs go on as they did",
}
"""Messages for interrupted commands: they cannot promise that nothing is billed, since workers may be running."""


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    options.dsn = options.dsn or os.environ.get(DSN)
    if not options.dsn:
        raise UsageError(f"which database? set {DSN}, or give --dsn", f"see `{options.parser.prog} --help`")
    if options.what == "submit":
        return _submit(options, output)
    job = Job(base_url=getattr(options, "base_url", None), goes_on=_GOES_ON.get(options.what))
    if options.what == "worker":
        job.stage = Stage.WORKING
    if options.what == "drain":
        return runner.run(job, output, functools.partial(_drain, options, output, job))
    work = {"init": _init, "worker": _work, "status": _status}[options.what]
    return runner.run(job, output, lambda stop: work(options, output, stop))


async def _init(options: Namespace, output: Output, stop: Stop) -> None:
    if options.assume is not None and options.budget is None:
        raise UsageError("--assume sets what a request takes of a budget: give --budget as well")
    fleet = _fleet()
    budget = None
    if options.budget is not None:
        unit, limit = options.budget
        amounts: dict[str, Any] = {unit: limit}
        budget = Budget(**amounts, assume=options.assume)
    init = fleet.Fleet.init(
        options.dsn,
        limit=options.limit,
        queue=options.queue,
        credentials=options.credentials,
        budget=budget,
        new_key=options.new_key,
    )
    await stop.or_result(init)
    async with fleet.Fleet(options.dsn, options.queue) as opened:
        (queue,) = _of((await stop.or_result(opened.metrics())).queues, options.queue)
    text = f"the queue {options.queue} is ready: {options.limit} at once per model"
    if queue.draining:
        text += f"; it stays drained: `kling-async fleet drain --queue {options.queue} --off` takes that back"
    output.result(text, text, {"queue": options.queue, "limit": options.limit, "draining": queue.draining})


def _submit(options: Namespace, output: Output) -> int:
    name = options.rows_for
    defaults = record_options.defaults_from(fields_in_rows(name), options)
    job = Job(options=option_names(record(name)))

    async def submitted(stop: Stop) -> Exit:
        jobs = read_jobs(options.jobs, endpoint=name.replace("-", "_"), defaults=defaults)
        job.options = {}  # from here on messages are about rows
        job.goes_on = (
            f"either all jobs are in the queue {options.queue}, to be made and billed, or none is; the same command "
            "again submits none twice"
        )
        return await stop.or_result(_submitted(options, output, jobs))

    return runner.run(job, output, submitted)


async def _submitted(options: Namespace, output: Output, jobs: Jobs) -> Exit:
    fleet = _fleet()
    given = [fleet.NewJob(row.request, row.id, save_to=options.save_to, priority=options.priority) for row in jobs.rows]
    problems = [*jobs.problems, *await check.problems_of(jobs.rows, time.time())]
    if problems:
        return _refused(output, problems)
    async with fleet.Fleet(options.dsn, options.queue) as opened:
        try:
            submitted = await opened.submit_all(given)
        except InvalidBatch as error:
            lines = {row.id: row.line for row in jobs.rows}
            return _refused(
                output,
                [
                    RowProblem(line=lines.get(each.id or ""), id=each.id, problem=each.problem)
                    for each in error.problems
                ],
            )
    states: dict[str, int] = {}
    for each in submitted:
        states[each.state.value] = states.get(each.state.value, 0) + 1
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    text = f"{len(submitted)} job{'s' * (len(submitted) != 1)} in the queue {options.queue}: {counted}"
    output.result(text, text, {"queue": options.queue, "jobs": len(submitted), "states": states})
    return Exit.OK


def _refused(output: Output, problems: Sequence[RowProblem]) -> Exit:
    for problem in problems:
        output.note(one_line(str(problem)))
    message = f"{len(problems)} problem{'s' * (len(problems) != 1)} in the jobs; nothing was submitted"
    data = [{name: value for name, value in problem_data(each).items() if name != "event"} for each in problems]
    output.failed(message, failure(Exit.USAGE, "InvalidBatch", message, problems=data))
    return Exit.USAGE


async def _work(options: Namespace, _output: Output, stop: Stop) -> None:
    worker = _fleet().Worker(
        options.dsn, out=options.out, grace=options.grace, heartbeat=options.heartbeat, base_url=options.base_url
    )

    async def end() -> None:
        worker.stop()

    await stop.or_result(worker.run(), end)


async def _status(options: Namespace, output: Output, stop: Stop) -> int | None:
    name = "default" if options.queue is None else options.queue
    async with _fleet().Fleet(options.dsn, name) as fleet:
        if options.key is None:
            metrics = await stop.or_result(fleet.metrics())
            if options.queue is not None:
                metrics = attrs.evolve(metrics, queues=_of(metrics.queues, name))
            text = metrics_text(metrics, columns_of_terminal())
            output.result(text, text, as_data(metrics))
            return None
        job = await stop.or_result(fleet.status(options.key))
    if job is None:
        message = f"the queue {name} has no job {options.key!r}"
        output.failed(f"error: {message}", failure(Exit.USAGE, "FleetError", message))
        return Exit.USAGE
    output.result(job_text(job), job.state.value, as_data(job))
    return None


async def _drain(options: Namespace, output: Output, job: Job, stop: Stop) -> None:
    queue = options.queue
    off = f"`kling-async fleet drain --queue {queue} --off`"
    job.goes_on = f"the queue {queue} may be drained already, or not yet; what was sent goes on, and is billed"
    if options.off:
        job.goes_on = f"the queue {queue} may begin new jobs again already, which are billed"
    async with _fleet().Fleet(options.dsn, queue) as fleet:
        await stop.or_result(fleet.drain(on=not options.off))
        if options.off:
            text = f"the queue {queue} begins new jobs again"
            output.result(text, text, {"queue": queue, "draining": False})
            return
        stays = f"the queue {queue} stays drained ({off} takes that back)"
        job.goes_on = f"{stays}; what was sent goes on, and is billed"
        output.note(f"the queue {queue} begins nothing new; --off takes that back")
        warned = ""
        while running := under_way(metrics := await stop.or_result(fleet.metrics()), queue):
            warning = unfollowed(metrics, queue)
            job.goes_on = f"{stays}; {running} under way go on, and are billed" + f"; {warning}" * bool(warning)
            if warning and not warned:
                output.note(f"warning: {running} under way, but {warning}")
            elif not output.quiet:
                output.note(f"{running} under way")
            warned = warning
            await stop.or_result(asyncio.sleep(_POLL_SECONDS))
    text = f"the queue {queue} is drained: nothing is under way"
    if left := unsaved(metrics, queue):
        text += f", and {left} {'result is' if left == 1 else 'results are'} made, and not saved yet"
    output.result(text, text, {"queue": queue, "draining": True, "unsaved": left})


def _of(queues: Sequence["QueueMetrics"], name: str) -> tuple["QueueMetrics"]:
    """Returns the queue of this name.

    Raises:
        FleetError: there is none.
    """
    from kling_async.fleet.queues import missing  # noqa: PLC0415  (needs the extra)

    for queue in queues:
        if queue.name == name:
            return (queue,)
    raise missing(name, [queue.name for queue in queues])


def _fleet() -> Any:
    """Returns the module that needs the extra.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    driver()
    from kling_async import fleet  # noqa: PLC0415  (as above)

    return fleet
