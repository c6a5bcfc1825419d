import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.journal import __main__ as journal
from benchmarks.journal import intents, large, pairs, report, syncs

ABOUT = journal.ABOUT | {"measured": "2026-01-01", "seconds": 1.5}


def _half(cpu: float, stall: float = 10.0, **other: Any) -> dict[str, Any]:
    whole = {"errors": [], "ended": 3, "count": 3, "requests": 2.0, "memory_mb": 50.0}
    return whole | {"cpu_ms": cpu, "stall_ms": stall} | other


def _paired(*pairs: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    waiting = [{"without": without, "kept": kept, "load": 0.5} for without, kept in pairs]
    return {"pairs": {"count": 500, "kinds": {"waiting": waiting, "saving": []}}}


def _goals(data: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {key: (goal.measured, goal.met) for key, goal in zip(report.GOALS, report.goals(data), strict=True)}


def test_a_ratio_is_the_median_of_the_pairs() -> None:
    """Each run is compared with its pair, not with the median of all."""
    data = _paired((_half(1.0), _half(1.1)), (_half(2.0), _half(2.4)), (_half(1.0), _half(1.0, stall=30.0)))
    found = _goals(data)
    assert found["cpu"] == ("1.10 (1.00 to 1.20) x (1.10 (1.00 to 2.40) ms against 1.00 (1.00 to 2.00) ms)", True)
    assert found["stall"] == ("1.00 (1.00 to 3.00) x (10.00 (10.00 to 30.00) ms against 10.00 ms)", True)


def test_a_pair_with_a_run_that_is_not_whole_does_not_count() -> None:
    """A pair with an incomplete run is excluded, and the page reports the error."""
    data = _paired((_half(1.0), _half(1.3)), (_half(1.0), _half(0.1, ended=2)), (_half(9.0), {"error": "broken"}))
    assert _goals(data)["cpu"] == ("1.30 x (1.30 ms against 1.00 ms)", False)
    assert "created and waited for** (1 pairs of 3 whole)" in report.page(data, ABOUT)


def test_missing_measurements_are_reported() -> None:
    """A goal whose benchmark failed is reported as not measured, and not met."""
    data = {name: {"error": f"no {name}", "seconds": 1.0} for name in journal.PARTS}
    assert _goals(data) == dict.fromkeys(report.GOALS, ("not measured", False))
    assert "not measured: syncs: no syncs" in report.page(data, ABOUT)


def test_syncs_are_counted_by_file_and_time() -> None:
    """Syncs of the journal and its log are counted separately from others, within the span only."""
    trace = """
12 100.500000 fsync(7</home/j.sqlite-wal>) = 0
12 101.000000 fdatasync(7</home/j.sqlite-wal>) = 0
13 101.200000 fsync(9</home/j.sqlite>) = 0
14 101.300000 fsync(11</home/j.sqlite.files/a-0> <unfinished ...>
12 101.400000 fdatasync(7</home/j.sqlite-wal> <unfinished ...>
12 101.450000 <... fdatasync resumed>) = 0
12 103.000000 fsync(7</home/j.sqlite-wal>) = 0
"""
    assert syncs.counts(trace, "/home/j.sqlite", 101.0, 102.0) == {"journal": 3, "other": 1}


def test_a_filled_journal_is_weighed(tmp_path: Path) -> None:
    """The size of an entry is that of the file less the text of its request; a picture counts as its path."""
    addresses = large.fill(tmp_path / "a.sqlite", 20)
    paths = large.fill(tmp_path / "p.sqlite", 20, by_path=True)
    assert addresses["kept"] == addresses["given"]
    mark = '{"kling_async.file":{"path":,"sha256":"","kind":"Image"}}' + 64 * "0"
    assert paths["kept"] - paths["given"] == 20 * len(mark)
    assert addresses["bytes"] == (tmp_path / "a.sqlite").stat().st_size


@pytest.mark.slow
def test_all_parts_run_and_make_a_page(tmp_path: Path) -> None:
    """All benchmarks run at a tiny size, and each measurable goal has its figure."""
    data = {
        "pairs": pairs.measure(count=3, pairs=1, span=(0.1, 0.3), beat=0.1),
        "syncs": syncs.measure(count=3, repetitions=1),
        "large": large.measure(sizes=(20, 40), weighed=20, openings=2, keys=3),
        "intents": intents.measure(processes=(2,), count=3, apart=0.001),
    }
    measured = {name for name, (text, _) in _goals(data).items() if text != "not measured"}
    assert measured >= set(report.GOALS) - {"syncs"}
    assert "syncs" in measured or shutil.which("strace") is None or "error" in data["syncs"]
    text = report.page(data, ABOUT)
    assert "| of that until all are created, ms |" in text
    assert "| 2 | " in text
    assert str(tmp_path.parent) not in text
