"""The plan and the result of a batch as text and JSON. Pure functions of values."""

import shlex
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.batch.plan import Plan
from kling_async.batch.report_sums import sums_of
from kling_async.batch.report_text import time_text
from kling_async.batch.result import RowResult, RowStatus
from kling_async.batch.row import RowProblem
from kling_async.cli.batch_state import UNDER_WAY, counted, is_left_out, money_data, money_text, one_line
from kling_async.cli.data import as_data
from kling_async.cli.exit_codes import Exit
from kling_async.cli.output import dollars, number, units_of

REPORT: Final = "report.html"
RETRY: Final = "--retry-failed"
_SENT: Final = {RowStatus.RUNNING, RowStatus.SAVING, RowStatus.UNSAVED, RowStatus.UNKNOWN}
_OPEN: Final = {RowStatus.WAITING, *_SENT}

# ----------------------------------------------------------------------------------------------------- beforehand


def problem_data(problem: RowProblem) -> dict[str, Any]:
    """Returns a problem of a row as JSON data."""
    return {
        "event": "problem",
        "line": problem.line,
        "id": problem.id,
        "field": problem.problem.field,
        "message": problem.problem.message,
    }


def problems_text(problems: Sequence[RowProblem]) -> str:
    """Returns the number of problems, and the option that skips their rows."""
    rows = len({(problem.line, problem.id) for problem in problems})
    counts = f"{len(problems)} problem{'s' * (len(problems) > 1)} in {rows} row{'s' * (rows > 1)}"
    return f"{counts}; nothing was sent. --skip-invalid goes on without {'these rows' if rows > 1 else 'this row'}"


def plan_text(
    plan: Plan, budget: tuple[str, Decimal] | None, concurrency: int | None, assume: Decimal | None = None
) -> str:
    """Returns the plan with its price.

    Args:
        plan: of the batch.
        budget: of the batch, with its unit.
        concurrency: tasks at once per model; None on an emulator, whose tasks do not take as long as the service's.
        assume: amount of the budget that a row of unknown price reserves.
    """
    done = f", {plan.done} of them sent before" if plan.done else ""
    lines = [f"{plan.rows} row{'s' * (plan.rows != 1)}{done}; {plan.to_make} to make"]
    if plan.to_make:
        takes = f", about {time_text(plan.seconds)} with {concurrency} at once per model" if concurrency else ""
        lines[0] += f": {_price(plan)}{takes}"
    if len(plan.shares) > 1:
        lines += [
            f"  {share.rows} {share.endpoint} {share.model}".rstrip() + f": {units_of(share.pack, share.units)}"
            for share in plan.shares
        ]
    if plan.to_make and plan.unpriced:
        share = "--assume sets what such a row takes" if assume is None else f"each takes {number(assume)}"
        more = "" if budget is None else f"; {share} of the budget"
        lines.append(f"the price of {plan.unpriced} of them is not known{more}")
    if budget is not None and (plan.units if budget[0] == "units" else plan.usd) > budget[1]:
        lines.append(f"the budget of {amount(budget)} is not enough for all: rows beyond it are not sent")
    return "\n".join(lines)


def plan_data(plan: Plan) -> dict[str, Any]:
    """Returns the plan as JSON data."""
    return {"event": "plan", **as_data(plan)}


def amount(budget: tuple[str, Decimal]) -> str:
    """Returns a budget as text."""
    unit, limit = budget
    return dollars(limit) if unit == "usd" else f"{number(limit)} units"


def _price(plan: Plan) -> str:
    packs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for share in plan.shares:
        packs[share.pack] += share.units
    priced = [units_of(pack, units) for pack, units in packs.items() if units] or ["0 units"]
    return f"about {', '.join([*priced, dollars(plan.usd)])} (price table)"


# --------------------------------------------------------------------------------------------------------- the end


@attrs.frozen(kw_only=True)
class End:
    """How a batch ended.

    Attributes:
        results: of all rows.
        out: directory of files and report, absolute.
        words: of the command line.
        seconds: that it took.
        interrupted: exit code of the signal that interrupted it; None where it ran to its end.
        emulated: whether it ran on an emulator, which ended with it.
    """

    results: Sequence[RowResult]
    out: Path
    words: Sequence[str]
    seconds: float
    interrupted: Exit | None = None
    emulated: bool = False

    @property
    def code(self) -> Exit:
        """The exit code; rows that were skipped on purpose are no error."""
        if self.interrupted is not None:
            return self.interrupted
        return (
            Exit.OK if all(each.status is RowStatus.DONE or is_left_out(each) for each in self.results) else Exit.ERROR
        )

    def text(self) -> str:
        """Returns text for people."""
        sums = sums_of(self.results)
        cost = money_text(sums) + f", and {sums.unpriced} of unknown price" * bool(sums.unpriced)
        if self.emulated and any(sums.units.values()):
            cost = f"would have cost {cost}; nothing was paid"
        report = self.out / REPORT
        rows = [
            ("rows", counted(Counter(result.status for result in self.results)) or "none"),
            ("cost", cost),
            ("took", time_text(self.seconds)),
            *([("report", report.as_uri())] if report.exists() else []),
        ]
        return "\n".join(f"{name:<6}  {value}" for name, value in rows)

    def data(self) -> dict[str, Any]:
        """Returns JSON data."""
        sums, counts = sums_of(self.results), Counter(result.status for result in self.results)
        report = self.out / REPORT
        return {
            "event": "end",
            "ok": self.code is Exit.OK,
            "exit_code": int(self.code),
            "counts": {status.value: counts[status] for status in RowStatus},
            **money_data(sums),
            "emulated": self.emulated,
            "seconds": round(self.seconds, 3),
            "report": str(report) if report.exists() else None,
            "command": self._command(),
        }

    def how_to_go_on(self) -> Iterator[str]:
        """Yields a line for each way to continue with rows that are not done."""
        yield from sorted({one_line(each.error) for each in self.results if each.status is RowStatus.WAITING} - {""})
        if self.emulated and self._is_open(_SENT):
            yield "tasks of an emulator end with it: begin anew with another --out"
            return
        if self._is_open():
            yield f"go on: {again(self.words)}"
        elif self._failed(made=False):
            yield f"what was refused is sent anew by the same command: {again(self.words)}"
        if self._failed(made=True):
            yield f"make anew what failed: {again(self.words, RETRY)}"
        if any(result.status is RowStatus.OVER_BUDGET for result in self.results):
            yield "what is over the budget waits for a larger one: the same command with another --budget"
        if any(result.status is RowStatus.INVALID and not is_left_out(result) for result in self.results):
            yield "with --assume, rows of unknown price are sent as well: it sets what each takes of the budget"

    def _command(self) -> str | None:
        """Returns the command to run next; None where there is none."""
        if self.emulated and self._is_open(_SENT):
            return None
        if self._failed(made=True) and not self._is_open():
            return again(self.words, RETRY)
        return again(self.words) if self._is_open() or self._failed(made=False) else None

    def _is_open(self, statuses: Container[RowStatus] = _OPEN) -> bool:
        """Whether there are rows that the same command would continue with."""
        return any(result.status in statuses and not result.lost for result in self.results)

    def _failed(self, *, made: bool) -> bool:
        """Whether rows failed after a task was made (`made`), or because the service refused the create."""
        failed = [each for each in self.results if each.status is RowStatus.FAILED and each.attempts]
        return any((each.task_id is not None) is made for each in failed)


def left_text(counts: Mapping[RowStatus, int], *, emulated: bool) -> str:
    """Returns what continues at the service after a second signal."""
    running = sum(counts.get(status, 0) for status in UNDER_WAY)
    if not running or emulated:
        return "interrupted"
    return f"interrupted: {running} tasks may go on at the service, and are billed"


def again(words: Sequence[str], option: str = "") -> str:
    """Returns the same command, with `option` added unless it is there already."""
    command, *rest = words
    more = [option] if option and option not in rest else []
    return shlex.join(["kling-async", command, *more, *rest])
