"""`kling-async batch`: runs all jobs of a file; may be killed and run again at any time."""

import asyncio
import contextlib
import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.batch.batch import JOURNAL, Batch
from kling_async.batch.plan import Plan
from kling_async.batch.report_sums import sums_of
from kling_async.batch.result import RowStatus
from kling_async.batch.row import RowProblem
from kling_async.batch.schema import row_schema
from kling_async.cli import batch_progress, record_options, report, runner, service
from kling_async.cli.batch_end import End, again, left_text, plan_data, plan_text, problem_data, problems_text
from kling_async.cli.batch_options import endpoint_that_makes, fields_in_rows
from kling_async.cli.batch_progress import BatchProgress
from kling_async.cli.batch_state import UNDER_WAY, Moment, one_line, seconds_left
from kling_async.cli.commands.save import Stopwatch
from kling_async.cli.endpoints import record
from kling_async.cli.exit_codes import Exit, UsageError
from kling_async.cli.job import Job
from kling_async.cli.output import Output, failure
from kling_async.cli.record_fields import option_names
from kling_async.cli.runner import Stop, Stopped
from kling_async.client import KlingClient
from kling_async.io.target import absolute
from kling_async.protocol.budget import Budget
from kling_async.protocol.errors import KlingError, TargetError

EMULATED_JOURNAL: Final = "emulator.sqlite"
"""Name of the journal of an emulator's tasks: they must not be mistaken for tasks of the service."""


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    if options.schema is not None:
        return _print_schema(options.schema, output)
    hint = f"see `{options.parser.prog} --help`"
    missing = [name for name, value in (("JOBS", options.jobs), ("--out DIR", options.out)) if not value]
    if missing:
        raise UsageError(f"needed as well: {', '.join(missing)}", hint)
    if options.jobs == "-":
        raise UsageError("a batch reads no standard input, which is gone when it is run again: give a file", hint)
    if options.assume is not None and options.budget is None:
        raise UsageError("--assume sets what a row takes of a budget: give --budget as well", hint)
    name = options.rows_for
    defaults = record_options.defaults_from(fields_in_rows(name), options)
    try:
        out = Path(absolute(options.out))
    except TargetError as error:
        raise UsageError(f"--out {error}", hint) from None
    batch = Batch(
        options.jobs,
        out=out,
        journal=_journal(options, out),
        endpoint=name.replace("-", "_"),
        defaults=defaults,
        retry_failed=options.retry_failed,
        skip_invalid=options.skip_invalid,
        watermark=options.watermark,
    )
    job = Job(base_url=options.base_url, emulated=options.emulator, options=option_names(record(name)))
    return runner.run(job, output, lambda stop: _Command(options, output, job, stop, batch).run())


def _print_schema(name: str, output: Output) -> Exit:
    schema = row_schema(endpoint_that_makes(name).replace("-", "_"))
    if output.json:
        output.event(schema)
    else:
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        output.result(text, text, {})
    return Exit.OK


def _journal(options: Namespace, out: Path) -> Path:
    """Returns the path of the batch's journal.

    Raises:
        UsageError: the directory cannot be used.
    """
    exists, is_directory = _exists(out), os.path.isdir(out)  # noqa: PTH112  (as in `_exists`)
    if exists and not is_directory:
        raise UsageError(f"--out {options.out} is a file; give a directory, which may be a new one")
    real, emulated = out / JOURNAL, out / EMULATED_JOURNAL
    if options.emulator and options.journal:
        raise UsageError("--emulator takes no --journal: the emulator's tasks end with the command")
    if options.emulator and _exists(real):
        raise UsageError(f"{options.out} holds what the service made; give another --out for the emulator")
    if not options.emulator and _exists(emulated):
        raise UsageError(f"{options.out} holds what an emulator made; give another --out, or delete the directory")
    if options.emulator:
        return emulated
    return Path(options.journal) if options.journal else real


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  (Path.exists raises without permission, or where the name is too long)


@attrs.frozen
class _Command:
    """One batch, from its jobs to its report.

    Attributes:
        options: of the command line.
        output: gets results and messages.
        job: context for error messages.
        stop: signals to the command.
        batch: to run.
    """

    options: Namespace
    output: Output
    job: Job
    stop: Stop
    batch: Batch
    watch: Stopwatch = attrs.field(factory=Stopwatch)

    async def run(self) -> Exit:
        """Checks, plans and runs the batch, and reports its end."""
        try:
            plan = await self._planned()
            if isinstance(plan, Exit):
                return plan
            if self.options.dry_run:
                text = self._plan_text(plan)
                self.output.result(f"{text}\nnothing was sent", text, plan_data(plan))
                return Exit.OK
            if not self.output.quiet:
                self.output.note(self._plan_text(plan))
            self.output.event(plan_data(plan))
            return await self._made(plan)
        except Stopped as stopped:
            ending = report.of_stop(stopped.number, self.job)
        except KlingError as error:
            ending = report.of_error(error, self.job)
        begun = self.batch.counts.keys() - {RowStatus.WAITING, RowStatus.INVALID}
        command = again(self.options.words) if begun else None
        text = f"{ending.text}\n  go on: {command}" if command else ending.text
        self.output.failed(text, {"event": "end", **ending.data, "command": command})
        return ending.code

    # ------------------------------------------------------------------------------------- before it begins

    async def _planned(self) -> Plan | Exit:
        """Returns the plan, or an exit code after reporting problems of the rows."""
        problems = await self.stop.or_result(self.batch.load())
        self.job.options = {}  # from here on messages are about rows
        self._show(problems)
        if problems and not self.options.skip_invalid:
            message = problems_text(problems)
            self.output.failed(message, {"event": "end", **failure(Exit.USAGE, "InvalidBatch", message)})
            return Exit.USAGE
        return await self.stop.or_result(self.batch.plan(self.options.concurrency))

    def _show(self, problems: tuple[RowProblem, ...]) -> None:
        for problem in problems:
            self.output.event(problem_data(problem))
            self.output.note(one_line(str(problem)))

    def _plan_text(self, plan: Plan) -> str:
        at_once = None if self._emulated else self.options.concurrency
        return plan_text(plan, self.options.budget, at_once, self.options.assume)

    # ------------------------------------------------------------------------------------- while it runs

    async def _made(self, plan: Plan) -> Exit:
        """Makes all rows; after a signal it waits for running tasks, after a second one it does not."""
        left = False
        self.job.goes_on = f"what was sent may go on at the service, and is billed; go on: {again(self.options.words)}"
        try:
            async with service.batch_client(self.options, self._requests(), _budget(self.options)) as client:
                await self._run(client, plan)
        except asyncio.CancelledError:  # the second signal, which cancels creates too: the journal has them
            left = True
        return self._end(left=left)

    async def _run(self, client: KlingClient, plan: Plan) -> None:
        loop = asyncio.get_running_loop()
        with batch_progress.shown(self.output) as display:
            helpers = [loop.create_task(self._shown(client, plan, display)), loop.create_task(self._stopped())]
            try:
                async with contextlib.aclosing(self.batch.run(client)) as results:
                    async for result in results:
                        display.row(result)
            finally:
                for task in helpers:
                    task.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)

    async def _shown(self, client: KlingClient, plan: Plan, display: BatchProgress) -> None:
        """Updates the display until it is cancelled."""
        while True:
            await asyncio.sleep(batch_progress.BEAT)
            display.moment(await self._moment(client, plan))

    def _requests(self) -> list[Any]:
        return [result.row.request for result in self.batch.results if result.row is not None]

    async def _moment(self, client: KlingClient, plan: Plan) -> Moment:
        counts = self.batch.counts
        spending = None
        if self.options.budget is not None:
            with contextlib.suppress(KlingError):  # the display must not fail the batch
                spending = await client.spending()
        unfinished = sum(counts[status] for status in (*UNDER_WAY, RowStatus.WAITING))
        ended = max(0, plan.to_make - unfinished)
        return Moment(
            counts=counts,
            sums=sums_of(self.batch.results),
            spending=spending,
            elapsed=self.watch.seconds,
            left=seconds_left(self.watch.seconds, ended, plan.to_make, None if self._emulated else plan.seconds),
        )

    async def _stopped(self) -> None:
        """Waits for a signal, and then stops the batch from sending anything more."""
        await self.stop.requested()
        self.batch.stop()
        running = sum(self.batch.counts[status] for status in UNDER_WAY)
        command = again(self.options.words)
        pending = f"{running} that run" if running else "what is just being sent"
        message = f"no new tasks; waiting for {pending}. Ctrl-C again leaves at once"
        self.output.note(f"{message}\ngo on later: {command}")
        self.output.event({"event": "stopping", "running": running, "command": command})

    # ----------------------------------------------------------------------------------------- at its end

    def _end(self, *, left: bool) -> Exit:
        end = End(
            results=self.batch.results,
            out=self.batch.out,
            words=self.options.words,
            seconds=self.watch.seconds,
            interrupted=None if self.stop.number is None else report.exit_of(self.stop.number),
            emulated=self._emulated,
        )
        self.output.result(end.text(), end.text(), end.data())
        if left:
            self.output.note(left_text(self.batch.counts, emulated=self._emulated))
        for line in end.how_to_go_on():
            self.output.note(line)
        return end.code

    @property
    def _emulated(self) -> bool:
        return bool(self.options.emulator)


def _budget(options: Namespace) -> Budget | None:
    if options.budget is None:
        return None
    unit, limit = options.budget
    # One name for both units: spending in one still counts when a later run gives its budget in the other.
    amounts: dict[str, Any] = {unit: limit}
    return Budget(**amounts, assume=options.assume, change=True)
