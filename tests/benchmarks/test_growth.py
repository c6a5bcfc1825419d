import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks import growth
from benchmarks.work.runs import Stage

HERE = {"aiohttp": Path(sys.executable), "kling_async": Path(sys.executable)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Five tasks in flight for a fraction of a second, by each client."""
    stage = Stage(tmp_path_factory.mktemp("growth"), shortest=0.1, longest=0.3, held=True, timeout=30)
    stage.video()
    cases = {name: attrs.evolve(case, beat=0.1, warm_up=2) for name, case in growth.CASES.items()}
    with ThreadPoolExecutor() as pool:
        figures = pool.map(lambda case: growth.run(case, 5, HERE, stage, at_once=2), cases.values())
        return {name: [of_case] for name, of_case in zip(cases, figures, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("name", growth.CASES)
def test_tasks_are_waited_for(runs: dict[str, list[dict[str, Any]]], name: str) -> None:
    """Each task is created once, its end is seen after it happened, and the figures are complete."""
    [figures] = runs[name]
    assert (figures.get("error"), figures["errors"]) == (None, [])
    assert (figures["tasks"], figures["kinds"]["create"]) == (5, 5)
    assert 0 < figures["lag_mean"] <= figures["lag_worst"] < figures["wall"]
    assert min(figures[key] for key in ("create_ms", "wait_ms", "memory_mb", "stall_ms", "server_cpu", "probe_ms")) > 0
    assert figures["task_kb"] >= 0


@pytest.mark.slow
def test_the_report_has_figures_and_failures(runs: dict[str, list[dict[str, Any]]]) -> None:
    """The tables have a row per client, the goal has a verdict, and failures are shown."""
    broken = {"floor-list": [{"error": "broken"}]}
    data = {"runs": {"100": runs, str(growth.MOST): runs | broken}}
    text = growth.markdown(data)
    assert text.startswith("## Growth\n")
    assert "| tasks in flight | 100 | 10,000 |" in text
    assert re.search(r"Up to [1-9]\d* runs\nwent on", text)
    assert "- kling_async, 10 s: 1.0 x for a create, 1.0 x for waiting" in text
    assert "- aiohttp by hand, listing, 10000 tasks: 1 errors, the first: broken" in text
    [goal] = growth.goals(data)
    assert goal.goal == "below 4 KB"
    assert goal.met == (runs["kling-beat"][0]["task_kb"] < growth.MEMORY_GOAL)
    assert [goal.measured for goal in growth.goals({"runs": {}})] == ["not measured"]


def test_what_is_not_installed_is_missing(tmp_path: Path) -> None:
    """A client that is not installed is reported, and the others are measured."""
    assert growth.run(growth.CASES["floor"], 5, {}, Stage(tmp_path)) == {"error": "not installed"}
