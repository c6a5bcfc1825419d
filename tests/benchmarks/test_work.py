import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, work
from benchmarks.__main__ import PARTS
from benchmarks.work.mp4 import mp4
from benchmarks.work.plan import PLAN, label
from benchmarks.work.runs import FILE_BYTES, Case, Stage, run
from kling_async.protocol.media.mp4 import shape_of
from kling_async.protocol.media.shape import Shape

HERE = {"here": Path(sys.executable)}
CASES = {
    "floor": Case("floor", "here", "floor:single", beat=0.1),
    "floor-list": Case("floor", "here", "floor:listing", beat=0.1),
    "kling-3": Case("kling_async", "here", "kling:opened", beat=0.1),
    "kling-learned": Case("kling_async", "here", "kling:opened", beat=0.1, warm_up=3),
    "luma": Case("lumaai", "here", "no_such_client:opened"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Three tasks of a fraction of a second, by each client."""
    stage = Stage(tmp_path_factory.mktemp("work"), shortest=0.1, longest=0.3, timeout=30)
    stage.video()
    with ThreadPoolExecutor() as pool:
        return dict(zip(CASES, pool.map(lambda case: run(case, 3, HERE, stage), CASES.values()), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["floor", "floor-list", "kling-3", "kling-learned"])
def test_the_work_is_done(runs: dict[str, dict[str, Any]], name: str) -> None:
    """Each task is created once and saved whole, and its cost is measured."""
    figures = runs[name]
    assert (figures.get("error"), figures["errors"]) == (None, [])
    assert (figures["whole"], figures["tasks"], figures["kinds"]["create"], figures["kinds"]["file"]) == (3, 3, 3, 3)
    assert 0 < figures["lag_mean"] <= figures["lag_worst"] < figures["wall"]
    assert figures["requests"] == sum(figures["kinds"].values()) / 3
    assert (
        min(figures[name] for name in ("cpu_ms", "memory_mb", "stall_ms", "over_ideal", "server_cpu", "probe_ms")) > 0
    )


@pytest.mark.slow
def test_failed_clients_are_reported(runs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """A client that fails is reported with its last line of output, or as not installed."""
    assert runs["luma"]["error"].endswith("No module named 'benchmarks.clients.no_such_client'")
    assert run(CASES["floor"], 3, {}, Stage(tmp_path)) == {"error": "not installed"}


@pytest.mark.slow
def test_the_report_has_goals_figures_and_failures(runs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Each client has a row, each goal a verdict, and failures are shown."""
    data = {"runs": {"500": {name: [figures, figures] for name, figures in runs.items()}}}
    section = report.Section(work.markdown(data), work.goals(data))
    kept = {"other": {"data": {}, "measured": "2026-01-01", "seconds": 1.5}}
    report.write(tmp_path, [section], kept, {"floor": {"aiohttp": "3.14.5"}})
    text = (tmp_path / "RESULTS.md").read_text()
    assert "| aiohttp by hand, a GET per task | " in text
    assert "- lumaai, a loop of 3 s: 2 errors, the first: ModuleNotFoundError" in text
    assert len(section.goals) == 7
    assert all(goal.name in text and goal.measured in text for goal in section.goals)


@pytest.mark.parametrize("name", PARTS)
def test_a_goal_does_not_vanish_where_its_part_failed(name: str) -> None:
    """A goal whose benchmark failed is reported as not measured, and not met."""
    goals = importlib.import_module(f"benchmarks.{name}").goals({"error": "broken"})
    assert goals
    assert {(goal.measured, goal.met) for goal in goals} == {("not measured", False)}


@pytest.mark.slow
def test_runs_that_are_not_whole_do_not_count(runs: dict[str, dict[str, Any]]) -> None:
    """Incomplete runs count neither in figures nor in pairs of consecutive runs."""
    floor, ours = runs["floor"] | {"cpu_ms": 4.0}, runs["kling-3"] | {"cpu_ms": 2.0}
    torn, slow = ours | {"cpu_ms": 0.1, "whole": 2}, floor | {"cpu_ms": 400.0}
    data = {"runs": {"500": {"floor": [slow, floor], "kling-3": [torn, ours]}}}
    text = work.markdown(data)
    assert "| kling_async, 3 s (1 of 2 runs whole) | 2.0 | " in text
    assert "| 2.5 (2.0 to 3.0) |" in text
    found = {goal.name: goal for goal in work.goals(data)}
    assert found["CPU per task, 500 tasks, every 3 s"].measured.startswith("0.50 x (2.00 ms against ")
    assert found["the same, beside the loop that lists"].measured == "not measured"
    learned = found["mean lag after learning from 50 of the kind, 500 tasks"]
    assert (learned.measured, learned.met) == ("not measured", False)


def test_concurrent_runs_are_marked() -> None:
    """A star marks a client that was measured beside others; the busiest is measured alone."""
    assert label("kling-3", 500) == "kling_async, 3 s"
    assert label("kling", 500) == "kling_async as shipped *"
    assert all(names == ["fal"] for _, names in PLAN if "fal" in names)


def test_the_file_is_a_video_of_its_size() -> None:
    """The file is a whole video of the given size."""
    video = mp4(FILE_BYTES)
    assert len(video) == FILE_BYTES
    assert shape_of(len(video), lambda offset, count: video[offset : offset + count]) is Shape.WHOLE
