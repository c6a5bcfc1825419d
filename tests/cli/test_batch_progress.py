import io
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from rich.console import Console

from kling_async.batch.report_sums import Sums, sums_of
from kling_async.batch.result import RowResult, RowStatus
from kling_async.cli import batch_progress
from kling_async.cli.batch_end import End, again
from kling_async.cli.batch_live import BatchLive
from kling_async.cli.batch_state import Moment, place, seconds_left
from kling_async.cli.exit_codes import Exit
from kling_async.cli.output import Output
from kling_async.protocol.budget import Spending

from .test_progress import Terminal

WRONG = RowResult(id="clip\n1", line=3, status=RowStatus.FAILED, error="no\x1b[2J\nway: https://h/x?signature=1")


def moment(counts: Mapping[RowStatus, int], *, elapsed: float = 0.0, sums: Sums | None = None) -> Moment:
    """A batch with these rows."""
    return Moment(
        counts=counts,
        sums=sums or sums_of([]),
        spending=Spending("units", Decimal(60), Decimal("2.5"), Decimal(30)),
        elapsed=elapsed,
        left=90.0,
    )


# ---------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("elapsed", "ended", "to_make", "planned", "left"),
    [
        (0, 0, 100, 1000.0, 1000),  # the plan
        (400, 0, 100, 1000.0, 600),
        (2000, 0, 100, 1000.0, 0),
        (500, 50, 100, 1000.0, 500),  # as planned
        (1000, 50, 100, 1000.0, 916),  # twice as slow, and given most of the weight
        (10, 1, 2, None, 10),  # without a plan, what was seen
        (10, 0, 2, None, None),
        (10, 0, 0, 0.0, None),
    ],
)
def test_time_left(elapsed: float, ended: int, to_make: int, planned: float | None, left: float | None) -> None:
    """The time left comes from the plan at first, and increasingly from the measured rate."""
    found = seconds_left(elapsed, ended, to_make, planned)
    assert (None if found is None else int(found)) == left


def test_place_of_a_row() -> None:
    """A row is named by its line and id, if it has them."""
    assert [place(3, "cat"), place(3, None), place(None, "cat")] == ["line 3 (cat)", "line 3", "cat"]


def test_budget_in_words() -> None:
    """The rest of the budget and its reserved part are shown with the money spent."""
    dollars = Moment(
        counts={}, sums=sums_of([]), spending=Spending("usd", Decimal("8.4")), elapsed=0, left=None
    ).money()
    assert moment({}).money() == "nothing spent, 27.5 of 60 units left (2.5 reserved)"
    assert dollars == "nothing spent, $8.40 of $8.40 left"


# ------------------------------------------------------------------------------------------------------------ lines


def test_lines_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is a line when a tenth has ended since the last one, and after half a minute."""
    with batch_progress.shown(Output()) as display:
        for done, elapsed in [(0, 1), (0, 2), (5, 3), (10, 4), (10, 33), (10, 34), (11, 35)]:
            counts = {RowStatus.DONE: done, RowStatus.WAITING: 100 - done}
            display.moment(moment(counts, elapsed=float(elapsed)))
    captured = capsys.readouterr()
    assert [line.split()[0] for line in captured.err.splitlines()] == ["0:01", "0:04", "0:34"]
    money = "nothing spent, 27.5 of 60 units left (2.5 reserved)"
    assert captured.err.splitlines()[1] == f"   0:04  90 waiting, 10 done; {money}; about 1:30 left"
    assert captured.out == ""


def test_each_failure_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A row that is not done gets a line at once; external text in it cannot move the cursor or begin a line."""
    with batch_progress.shown(Output()) as display:
        display.row(WRONG)
        display.row(RowResult(id="a", status=RowStatus.DONE))
        display.row(RowResult(id="b", status=RowStatus.OVER_BUDGET, error="too much"))
    assert capsys.readouterr().err == "failed: line 3 (clip 1): no\\x1b[2J way: https://h/x?…\n"


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`--quiet` shows no progress."""
    with batch_progress.shown(Output(quiet=True)) as display:
        display.row(WRONG)
        display.moment(moment({RowStatus.WAITING: 1}))
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------------------------------------------------- display


@pytest.mark.parametrize("width", [40, 100])
def test_live_display_fits(width: int) -> None:
    """On a terminal of any size, each line of the display takes one line."""
    live = BatchLive(Output())
    live._console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    live.moment(moment({RowStatus.DONE: 118, RowStatus.FAILED: 9, RowStatus.RUNNING: 5, RowStatus.WAITING: 174}))
    for _ in range(9):
        live.row(WRONG)
    with live._console.capture() as captured:
        live._console.print(live.rendered())
    lines = captured.get().splitlines()
    assert len(lines) == 3 + 4  # the last four of what went wrong
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "127 of 306" in lines[0]
    assert "\x1b[2J" not in captured.get()


@pytest.mark.parametrize(("term", "moves"), [("xterm", True), ("dumb", False)])
def test_terminal(monkeypatch: pytest.MonkeyPatch, term: str, *, moves: bool) -> None:
    """A terminal that can move its cursor gets a live display, whose latest failed rows stay visible."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", term)
    with batch_progress.shown(Output()) as display:
        display.moment(moment({RowStatus.FAILED: 6}))
        for _ in range(6):
            display.row(WRONG)
    assert ("\x1b[" in terminal.getvalue()) is moves
    assert ("2 more rows that are not done; the report has them all" in terminal.getvalue()) is moves
    assert terminal.getvalue().endswith("failed: line 3 (clip 1): no\\x1b[2J way: https://h/x?…\n")


# ---------------------------------------------------------------------------------------------------------- the end


def end(*statuses: RowStatus, interrupted: Exit | None = None) -> End:
    """The end of a batch with rows of these statuses."""
    results = [RowResult(id=str(number), status=status) for number, status in enumerate(statuses)]
    words = ["batch", "my jobs.jsonl", "--out", "out"]
    return End(results=results, out=Path("/out"), words=words, seconds=1.0, interrupted=interrupted)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], Exit.OK),
        ([RowStatus.DONE, RowStatus.INVALID], Exit.OK),
        ([RowStatus.DONE, RowStatus.FAILED], Exit.ERROR),
        ([RowStatus.UNKNOWN], Exit.ERROR),
        ([RowStatus.UNSAVED], Exit.ERROR),
        ([RowStatus.OVER_BUDGET], Exit.ERROR),
        ([RowStatus.WAITING], Exit.ERROR),
    ],
)
def test_exit_codes(statuses: list[RowStatus], code: Exit) -> None:
    """The code is 0 if all rows are done or skipped on request, 1 otherwise; the code of a signal takes precedence."""
    assert end(*statuses).code is code
    assert end(*statuses, interrupted=Exit.TERMINATED).code is Exit.TERMINATED


def test_how_to_go_on() -> None:
    """For rows that are not done, the commands to continue are printed."""
    same = "kling-async batch 'my jobs.jsonl' --out out"
    refused = RowResult(id="a", status=RowStatus.FAILED, attempts=1)
    failed = attrs.evolve(refused, task_id="1")
    assert [*end(RowStatus.DONE, RowStatus.INVALID).how_to_go_on()] == []
    assert [*end(RowStatus.UNKNOWN).how_to_go_on()] == [f"go on: {same}"]
    lost = RowResult(id="a", status=RowStatus.UNKNOWN, lost=True)
    assert [*attrs.evolve(end(), results=[lost]).how_to_go_on()] == []  # the same command does nothing more about it
    assert [*end(RowStatus.FAILED).how_to_go_on()] == []  # it was not sent, for example under the id of another row
    assert [*attrs.evolve(end(), results=[refused]).how_to_go_on()] == [
        f"what was refused is sent anew by the same command: {same}"
    ]
    assert [*attrs.evolve(end(), results=[failed]).how_to_go_on()] == [
        "make anew what failed: kling-async batch --retry-failed 'my jobs.jsonl' --out out"
    ]
    assert again(["batch", "a", "--retry-failed"], "--retry-failed") == "kling-async batch a --retry-failed"


def test_why_nothing_was_sent() -> None:
    """If the account refuses all rows, the reason is shown once."""
    waiting = [RowResult(id=str(number), status=RowStatus.WAITING, error="not sent: no money") for number in range(3)]
    assert next(attrs.evolve(end(), results=waiting).how_to_go_on()) == "not sent: no money"


def test_emulators_end_with_their_tasks() -> None:
    """Tasks end with their emulator, so no command to continue is printed."""
    emulated = attrs.evolve(end(RowStatus.RUNNING, RowStatus.WAITING), emulated=True)
    assert [*emulated.how_to_go_on()] == ["tasks of an emulator end with it: begin anew with another --out"]
    assert "cost    nothing spent\n" in emulated.text()


def test_terminal_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich, a terminal gets lines, and no error."""
    for name in ("batch_live", "progress_rich"):
        monkeypatch.delitem(sys.modules, f"kling_async.cli.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "rich", None)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with batch_progress.shown(Output()) as display:
        display.moment(attrs.evolve(moment({RowStatus.WAITING: 1}), spending=None, left=None))
    assert terminal.getvalue() == "   0:00  1 waiting; nothing spent\n"
