"""How a fleet scales: claims and workers measured, then whole fleets simulated by that, and the page of all.

python -m benchmarks.fleet            # all parts, into benchmarks/FLEET.md
python -m benchmarks.fleet simulated  # one part; the page takes the others from --work, where they were kept
"""

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.fleet import claims, report, scenarios, workers

PARTS: Final[dict[str, Callable[[Callable[[str], Any]], dict[str, Any]]]] = {
    "claims": lambda _: claims.measure(),
    "workers": lambda _: workers.measure(),
    "simulated": lambda kept: scenarios.simulate(kept("claims")),
}
"""What is done, with what was kept of other parts."""


def main() -> None:
    """Measures and simulates what the command line says, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description="How a fleet scales.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks"), help="for raw figures")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "FLEET.md", help="the page")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in arguments.parts or PARTS:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        began = time.monotonic()
        data = PARTS[name](functools.partial(_kept, arguments.work))
        data |= {"date": time.strftime("%Y-%m-%d"), "seconds": time.monotonic() - began}
        (arguments.work / f"fleet-{name}.json").write_text(json.dumps(data))
    arguments.out.write_text(report.page(*(_kept(arguments.work, name) for name in PARTS)), "utf-8")


def _kept(work: Path, name: str) -> Any:
    return json.loads((work / f"fleet-{name}.json").read_text())


if __name__ == "__main__":
    main()
