"""Beside its peers: all measurements, one after the other, and the report of them.

    python -m benchmarks                     # all parts, into benchmarks/RESULTS.md and RESULTS.svg
    python -m benchmarks work --work DIR     # one part; the report takes the others from DIR, where they were kept

Each client gets an environment of its own below the working directory. What got worse since the report that was
committed last is marked; then this ends with status 1.
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
        """Raw figures, as JSON can keep them."""
        ...

    def markdown(self, data: Mapping[str, Any]) -> str:
        """Its section of the report."""
        ...

    def goals(self, data: Mapping[str, Any]) -> list[Goal]:
        """What it can say about the goals: a row for each, also if `data` is `{"error": ...}`."""
        ...


def main() -> None:
    """Measures what the command line says, and writes the report."""
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
    """Marks in a report what got worse since it was committed last; says so, or None."""
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
    """What git says; nothing where there is none."""
    try:
        command = ["git", *words]
        said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return said.stdout if said.returncode == 0 else ""


def _part(name: str) -> Part | None:
    if importlib.util.find_spec(f"benchmarks.{name}") is None:
        print(f"there is no part {name}")
        return None
    return cast("Part", importlib.import_module(f"benchmarks.{name}"))


def _keep(path: Path, part: Part, pythons: Mapping[str, Path]) -> None:
    """Measures; the others go on if it fails."""
    print(f"{time.strftime('%H:%M:%S')} {path.stem}", flush=True)
    began = time.monotonic()
    try:
        data = part.measure(pythons)
    except Exception as error:  # noqa: BLE001  (whatever it is, the report tells it)
        traceback.print_exc()
        data = {"error": f"{type(error).__name__}: {error}"}
    about = {"measured": time.strftime("%Y-%m-%d"), "seconds": time.monotonic() - began}
    path.write_text(_without_places(json.dumps({**about, "data": data}), path.parent))


def _without_places(text: str, work: Path) -> str:
    """The same, with names for the directories of this machine: errors tell them, and they are nobody's business."""
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
