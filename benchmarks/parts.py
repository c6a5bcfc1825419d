"""A benchmark of several parts: runs them, stores their raw figures, and writes the page."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

Figures = dict[str, Any]
"""Raw figures of a part as JSON data, with the `date` and the duration in `seconds` of the measurement."""
Kept = Mapping[str, Figures]
"""Stored figures of the last run of each part, by name."""

_PAGES: Final = Path(__file__).parent


def run(name: str, about: str, parts: Mapping[str, Callable[[Kept], Figures]], page: Callable[[Kept], str]) -> None:
    """Runs the parts given on the command line, and writes the page.

    Args:
        name: of the benchmark; in capitals that of its page.
        about: description in one sentence.
        parts: functions by name, in order; each gets the stored figures of all parts.
        page: makes the page from all stored figures.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks"), help="for raw figures")
    parser.add_argument("--out", type=Path, default=_PAGES / f"{name.upper()}.md", help="the page")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    arguments.work.mkdir(parents=True, exist_ok=True)
    paths = {part: arguments.work / f"{name}-{part}.json" for part in parts}
    for part in arguments.parts or parts:
        print(f"{time.strftime('%H:%M:%S')} {part}", flush=True)
        began = time.monotonic()
        figures = parts[part](_kept(paths))
        figures |= {"date": time.strftime("%Y-%m-%d"), "seconds": time.monotonic() - began}
        paths[part].write_text(json.dumps(figures), "utf-8")
    arguments.out.write_text(page(_kept(paths)), "utf-8")


class _Kept(dict[str, Figures]):
    def __missing__(self, part: str) -> NoReturn:
        sys.exit(f"the figures of {part} are not there: run that part, too")


def _kept(paths: Mapping[str, Path]) -> Kept:
    return _Kept({part: json.loads(path.read_text("utf-8")) for part, path in paths.items() if path.exists()})
