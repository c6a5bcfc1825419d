"""`python -m benchmarks.callbacks`: measures what callbacks cost, and writes benchmarks/CALLBACKS.md."""

import argparse
import time
from pathlib import Path

from benchmarks.callbacks import pairs, report


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.callbacks", description="What callbacks cost.")
    parser.add_argument("--pairs", type=int, default=pairs.PAIRS)
    parser.add_argument("--count", type=int, default=pairs.COUNT, help="of callbacks in each")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "CALLBACKS.md", help="the page")
    arguments = parser.parse_args()
    began = time.monotonic()
    data = pairs.measure(count=arguments.count, pairs=arguments.pairs)
    about = {
        "measured": time.strftime("%Y-%m-%d"),
        "seconds": time.monotonic() - began,
        "connections": pairs.CONNECTIONS,
    }
    arguments.out.write_text(report.page(data, about), "utf-8")


if __name__ == "__main__":
    main()
