"""How a fleet scales: claims measured, then whole fleets simulated by what was measured, and the page of both.

python -m benchmarks.fleet            # both, into benchmarks/FLEET.md
python -m benchmarks.fleet simulated  # one part; the page takes the other from --work, where it was kept
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.fleet import claims, report, scenarios


def main() -> None:
    """Measures and simulates what the command line says, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description="How a fleet scales.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="of measured, simulated; both by default")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks"), help="for raw figures")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "FLEET.md", help="the page")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    parts = arguments.parts or ["measured", "simulated"]
    if "measured" in parts:
        _keep(arguments.work, "measured", claims.measure)
    measured = _kept(arguments.work, "measured")
    if "simulated" in parts:
        _keep(arguments.work, "simulated", lambda: scenarios.simulate(measured))
    arguments.out.write_text(report.page(measured, _kept(arguments.work, "simulated")), "utf-8")


def _keep(work: Path, name: str, part: Any) -> None:
    print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
    began = time.monotonic()
    data = part() | {"date": time.strftime("%Y-%m-%d")} | {"seconds": time.monotonic() - began}
    (work / f"fleet-{name}.json").write_text(json.dumps(data))


def _kept(work: Path, name: str) -> Any:
    return json.loads((work / f"fleet-{name}.json").read_text())


if __name__ == "__main__":
    main()
