"""Counts syncs of the disk during concurrent creates with `strace`, where it is installed."""

import collections
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.journal.pairs import COUNT
from benchmarks.work.runs import REPOSITORY, Stage, served

REPETITIONS: Final = 5
_CALL: Final = re.compile(r"(?P<time>\d+\.\d+) f(?:data)?sync\(\d+<(?P<path>[^>]*)>")


def measure(*, count: int = COUNT, repetitions: int = REPETITIONS) -> dict[str, Any]:
    """Counts syncs.

    Returns:
        The number of syncs of the journal and of other files, by kind of picture and run; `{"error": ...}` where
        processes cannot be traced.
    """
    if shutil.which("strace") is None:
        return {"error": "there is no strace"}
    runs: dict[str, list[dict[str, int]]] = collections.defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        for _ in range(repetitions):
            for picture in ("address", "bytes"):
                counted = _run(Path(directory), count, kept=picture == "bytes")
                if isinstance(counted, str):
                    return {"error": counted}
                runs[picture].append(counted)
    return {"count": count, "runs": runs}


def _run(directory: Path, count: int, *, kept: bool) -> dict[str, int] | str:
    """Returns the counts of one run, or the last line of the error."""
    with served(Stage(directory)) as site, tempfile.TemporaryDirectory(dir=directory) as place:
        trace, journal = Path(place) / "trace", Path(place) / "journal.sqlite"
        options = {"url": site["url"], "count": count, "journal": str(journal), "bytes": kept}
        command = ["strace", "-f", "--seccomp-bpf", "-y", "-ttt", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
        command += [sys.executable, "-m", "benchmarks.clients.creates", json.dumps(options)]
        ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if ended.returncode:
            return (ended.stderr.strip().splitlines() or ["no word"])[-1]
        span = json.loads(ended.stdout)
        return counts(trace.read_text(), str(journal), span["began"], span["ended"])


def counts(trace: str, journal: str, began: float, ended: float) -> dict[str, int]:
    """Returns the number of syncs in a span of time, of the journal (with its log) and of other files.

    Args:
        trace: Output of `strace -y -ttt`.
        journal: The path of the file.
        began: Seconds since 1970.
        ended: As `began`.
    """
    found = {"journal": 0, "other": 0}
    for call in _CALL.finditer(trace):
        if began <= float(call["time"]) <= ended:
            found["journal" if call["path"] in {journal, f"{journal}-wal"} else "other"] += 1
    return found
