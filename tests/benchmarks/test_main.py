import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import __main__ as main
from benchmarks import imports
from benchmarks.work.runs import REPOSITORY


def test_stored_errors_contain_no_directories(tmp_path: Path, monkeypatch: Any) -> None:
    """Directories in a stored error are replaced by names."""
    places = f"{REPOSITORY}/a.py, {tmp_path}/environments, {tempfile.gettempdir()}/benchmark-x_1y/video.mp4"

    def broken(_: Mapping[str, Path]) -> dict[str, Any]:
        raise OSError(places)

    monkeypatch.setattr(imports, "measure", broken)
    main._keep(tmp_path / "imports.json", imports, {})
    kept = json.loads((tmp_path / "imports.json").read_text())
    assert kept["data"]["error"] == "OSError: <repository>/a.py, <work>/environments, <work>/video.mp4"
