import io
import sys

import pytest
from rich.console import Console

from kling_async.cli import progress, progress_rich
from kling_async.cli.output import Output
from kling_async.cli.progress_rich import Live


def test_bar_never_claims_to_be_done() -> None:
    """The bar is linear in time at first, then ever slower, and never full."""
    steps = [progress_rich.fraction(elapsed, 100.0) for elapsed in range(0, 2000, 10)]
    assert steps[5] == 0.5
    assert steps == sorted(steps)
    assert max(steps) < 1


def test_times() -> None:
    """Times are formatted as on a clock."""
    assert [progress_rich.clock_time(seconds) for seconds in (0, 65.9, 3723)] == ["0:00", "1:05", "1:02:03"]
    assert progress_rich.times(5, 164) == "0:05 / about 2:44"
    assert progress_rich.times(5, None) == "0:05"


@pytest.mark.parametrize(("columns", "width"), [(200, 40), (50, 16), (41, 0), (10, 0)])
def test_bar_fits_the_terminal(columns: int, width: int) -> None:
    """The bar takes the free width, and is omitted where that is too small."""
    assert width == progress_rich.bar_width(columns, others=30)


def test_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Each status is a line on stderr with the seconds since the beginning."""
    with progress.shown(Output()) as display:
        display.status("submitted")
        display.status("submitting", "kling-v2-6")
    captured = capsys.readouterr()
    assert captured.err == "    0.0 s  submitted\n    0.0 s  submitting  kling-v2-6\n"
    assert not captured.out


@pytest.mark.parametrize("output", [Output(json=True), Output(quiet=True)])
def test_no_progress_with_json_or_quiet(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` and `--quiet` show no progress."""
    with progress.shown(output) as display:
        display.status("submitted")
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_terminal_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich, a terminal gets lines, and no error."""
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "kling_async.cli.progress_rich")
    monkeypatch.setitem(sys.modules, "rich", None)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown(Output(), 10.0) as display:
        display.status("submitted")
    assert terminal.getvalue() == "    0.0 s  submitted\n"


@pytest.mark.parametrize(("term", "moves"), [("xterm", True), ("dumb", False)])
def test_terminal_with_rich(monkeypatch: pytest.MonkeyPatch, term: str, *, moves: bool) -> None:
    """A terminal that can move its cursor gets a live line, which is removed at the end."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", term)
    with progress.shown(Output(), 10.0) as display:
        display.status("submitted", "a detail")
    assert ("\x1b[" in terminal.getvalue()) is moves
    assert "a detail" in terminal.getvalue()


@pytest.mark.parametrize("width", [20, 40, 100])
def test_live_line_is_one_line(width: int) -> None:
    """On a terminal of any size, the display is one line with status and time."""
    live = Live(Output(), 164.0)
    live._console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    live.status("processing")
    with live._console.capture() as captured:
        live._console.print(live.rendered())
    [line] = captured.get().splitlines()
    assert len(line.rstrip()) <= width
    assert "process" in line
