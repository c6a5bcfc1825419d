from pathlib import Path

import pytest

from benchmarks import imports


@pytest.mark.slow
def test_imports_are_measured(tmp_path: Path) -> None:
    """The benchmark reports its figures, and peers that are not installed or fail."""
    data = imports.measure({"openai": tmp_path / "python"}, rounds=1, pairs=1)
    assert [len(data["import"][name]) for name in ("aiohttp", "kling_async", imports.BARE)] == [1, 1, 1]
    assert data["missing"] == ["runwayml", "lumaai", "fal", "openai"]
    text = imports.markdown(data)
    assert text.startswith("## Import and first client\n")
    assert all(f"\n| {name} | " in text for name in imports.MODULES)
    assert [goal.goal for goal in imports.goals(data)] == ["at most 1.15"]
