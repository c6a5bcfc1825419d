"""Runs all comparisons with peers, one after the other, and writes their report.

    python -m benchmarks                     # all parts, into benchmarks/RESULTS.md and RESULTS.svg
    python -m benchmarks work --work DIR     # one part; the report takes the others from DIR, where they were stored

Each client gets a separate virtual environment below the working directory. Figures that are worse than in the last
committed report are marked, and the exit status is then 1.
"""

import argparse
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, cast

from benchmarks import compare, environments, report
from benchmarks.figures import Goal
from benchmarks.work.runs import REPOSITORY

PARTS: Final = ("work", "growth", "schedule", "downloads", "imports", "kit")


class Part(Protocol):
    """One kind of measurement, a module of this package."""

    def measure(self, environments: Mapping[str, Path]) -> dict[str, Any]:
        """Returns raw figures as JSON data."""
        ...

    def markdown(self, data: Mapping[str, Any]) -> str:
        """Returns the section of the report."""
        ...

    def goals(self, data: Mapping[str, Any]) -> list[Goal]:
        """Returns the goals with their figures, also if `data` is `{"error": ...}`."""
        ...


def main() -> None:
    """Measures the parts given on the command line, and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Beside its peers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks"), help="for environments and raw figures")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where RESULTS.md goes")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    pythons = environments.make(work / "environments")
    for name in arguments.parts or PARTS:
        if (part := _part(name)) is not None:
            _keep(work / f"{name}.json", part, pythons)
    kept = {name: json.loads(path.read_text()) for name in PARTS if (path := work / f"{name}.json").exists()}
    sections = [_section(name, kept.get(name, {}).get("data", {"error": "it was not run"})) for name in PARTS]
    report.write(arguments.out, sections, kept, environments.versions(pythons))
    sys.exit(_compared(arguments.out / "RESULTS.md"))


def _compared(path: Path) -> str | None:
    """Marks figures in a report that are worse than in the last committed one; returns a message or None."""
    name = "benchmarks/RESULTS.md"
    before = _git("show", f"HEAD:{name}")
    if not before:
        print("there is no committed report to compare with")
        return None
    text, worse = compare.marked(path.read_text("utf-8"), before)
    commit = _git("log", "-1", "--format=%h of %cs", "--", name).strip()
    path.write_text(f"{text}\n{compare.section(worse, before, commit)}", "utf-8")
    return "\n".join(["worse than in the last committed run:", *worse]) if worse else None


def _git(*words: str) -> str:
    """Returns the output of git; empty if git fails or is not installed."""
    try:
        command = ["git", *words]
        ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return ran.stdout if ran.returncode == 0 else ""


def _part(name: str) -> Part | None:
    if importlib.util.find_spec(f"benchmarks.{name}") is None:
        print(f"there is no part {name}")
        return None
    return cast("Part", importlib.import_module(f"benchmarks.{name}"))


def _keep(path: Path, part: Part, pythons: Mapping[str, Path]) -> None:
    """Measures a part and stores its figures, or its error: the other parts run all the same."""
    print(f"{time.strftime('%H:%M:%S')} {path.stem}", flush=True)
    began = time.monotonic()
    try:
        data = part.measure(pythons)
    except Exception as error:  # noqa: BLE001  (the report contains any error)
        traceback.print_exc()
        data = {"error": f"{type(error).__name__}: {error}"}
    about = {"measured": time.strftime("%Y-%m-%d"), "seconds": time.monotonic() - began}
    path.write_text(_without_places(json.dumps({**about, "data": data}), path.parent))


def _without_places(text: str, work: Path) -> str:
    """Replaces directories of this machine, which errors contain, by placeholders."""
    text = re.sub(re.escape(tempfile.gettempdir()) + r"/benchmark-\w+", "<work>", text)
    return text.replace(str(work), "<work>").replace(str(REPOSITORY), "<repository>")


def _section(name: str, data: Mapping[str, Any]) -> report.Section:
    part = _part(name)
    if part is None:
        return report.Section(f"## {name}\n\nnot measured: it is missing\n", [])
    text = f"## {name}\n\nnot measured: {data['error']}\n" if "error" in data else part.markdown(data)
    return report.Section(text, part.goals(data))


if __name__ == "__main__":
    main()
