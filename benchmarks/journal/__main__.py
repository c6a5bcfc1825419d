"""What the journal costs: all measurements, one after the other, and the page of them.

python -m benchmarks.journal            # all parts, into benchmarks/JOURNAL.md
python -m benchmarks.journal pairs      # one part; the page takes the others from --work, where they were kept
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.journal import intents, large, pairs, report, syncs

PARTS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "pairs": pairs.measure,
    "syncs": syncs.measure,
    "large": large.measure,
    "intents": intents.measure,
}
ABOUT: Final = {
    "shortest": pairs.SHORTEST,
    "longest": pairs.LONGEST,
    "beat": pairs.BEAT,
    "count": pairs.COUNT,
    "together": large.TOGETHER,
    "unfinished": large.UNFINISHED,
}


def main() -> None:
    """Measures what the command line says, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description="What the journal costs.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks"), help="for raw figures")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "JOURNAL.md", help="the page")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in arguments.parts or PARTS:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        began = time.monotonic()
        data = PARTS[name]() | {"seconds": time.monotonic() - began}
        _kept(arguments.work, name).write_text(json.dumps(data))
    paths = {name: path for name in PARTS if (path := _kept(arguments.work, name)).exists()}
    data = {name: json.loads(path.read_text()) for name, path in paths.items()}
    about = ABOUT | {"measured": time.strftime("%Y-%m-%d"), "seconds": sum(part["seconds"] for part in data.values())}
    arguments.out.write_text(report.page(data, about), "utf-8")


def _kept(work: Path, name: str) -> Path:
    return work / f"journal-{name}.json"


if __name__ == "__main__":
    main()
