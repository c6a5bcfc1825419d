"""Runs the same work without and with a journal, one pair after the other."""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks import growth
from benchmarks.work import runs
from benchmarks.work.runs import Case, Stage

COUNT: Final = 500
BEAT: Final = 3.0
WARM_UP: Final = 20
SHORTEST: Final = 2.0
LONGEST: Final = 6.0
PAIRS: Final = 7
DIGESTS: Final = 100
PYTHON: Final[Mapping[str, Path]] = {"here": Path(sys.executable)}


@attrs.frozen
class Kind:
    """A kind of work, done without and with a journal.

    Attributes:
        name: In the report.
        without: Function of `benchmarks.clients.journal` without a journal.
        kept: Function with a journal.
        saves: Whether each task's file is saved.
    """

    name: str
    without: str
    kept: str
    saves: bool


KINDS: Final = {
    "waiting": Kind("created and waited for", "waiting", "waiting_kept", saves=False),
    "saving": Kind("the same, and a file of 1 MiB saved", "saving", "saving_kept", saves=True),
}


def measure(
    *, count: int = COUNT, pairs: int = PAIRS, span: tuple[float, float] = (SHORTEST, LONGEST), beat: float = BEAT
) -> dict[str, Any]:
    """Runs all pairs, with the two halves in alternating order.

    Returns:
        The pairs of each kind: the figures without and with the journal, and the load of the machine before.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in KINDS}
    for number in range(pairs):
        for name, kind in KINDS.items():
            load = os.getloadavg()[0]
            both = {}
            for half in (kind.without, kind.kept)[:: 1 if number % 2 else -1]:
                both[half] = _run(kind, half, count, span, beat)
            found[name].append({"without": both[kind.without], "kept": both[kind.kept], "load": load})
    return {"count": count, "kinds": found, "digest": _digest_seconds()}


def _digest_seconds() -> float:
    """Returns the CPU seconds of the digest of a saved file, which only the journal needs."""
    data = bytes(runs.FILE_BYTES)
    began = time.process_time()
    for _ in range(DIGESTS):
        hashlib.sha256(data).digest()
    return (time.process_time() - began) / DIGESTS


def _run(kind: Kind, half: str, count: int, span: tuple[float, float], beat: float) -> dict[str, Any]:
    case = Case(half, "here", f"journal:{half}", beat, min(WARM_UP, count))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        stage = Stage(Path(directory), shortest=span[0], longest=span[1], held=not kind.saves)
        if kind.saves:
            return runs.run(case, count, PYTHON, stage)
        stage.video()
        return growth.run(case, count, PYTHON, stage, at_once=count)
