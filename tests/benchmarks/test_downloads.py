"""The benchmark of downloads runs, on a small scale."""

import json
import sys
from pathlib import Path

from benchmarks import downloads


def test_the_measurement_runs() -> None:
    """Each client gets all files; the figures are JSON data with the expected values."""
    python = Path(sys.executable)
    measured = downloads.measure({"kling_async": python}, file_bytes=2_000_000, files={32: 2}, repetitions=1)
    data = json.loads(json.dumps(measured))
    text = downloads.markdown(data)
    assert text.startswith("## Downloads\n")
    assert "kling_async" in text
    found = {goal.name: goal.excess is not None for goal in downloads.goals(data)}
    assert len(found) == 5
    assert found["the same, beside a loop by hand that keeps nothing"]
    assert found["downloads, 32 at once: worst loop lag"]
    assert found["downloads, 32 at once: throughput beside curl and sync"] == ("curl" in data["runs"]["32"])
    assert not found["downloads, 1 at once: worst loop lag"]
