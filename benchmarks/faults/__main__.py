"""Measures reliability: prints the outcome of each fault as tables in Markdown.

    python -m benchmarks.faults            # a few minutes
    python -m benchmarks.faults --write    # and writes FAULTS.md, and some rows into README.md

Each row runs the client against a server over real connections, on an event loop whose clock jumps. The peers' figures
were measured once, and are data here.
"""

import argparse
import logging
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.faults.current import CURRENT
from benchmarks.faults.earlier import ALL_AT_ONCE, EARLIER, MEASURED
from benchmarks.faults.row import HEAD, Measured, Row
from benchmarks.faults.rules import RULES

README: Final = Path(__file__).parents[2] / "README.md"
FAULTS: Final = Path(__file__).parents[1] / "FAULTS.md"
SECTION: Final = re.compile(r"(?<=<!-- faults -->\n).*?(?=<!-- /faults -->)", re.DOTALL)
ROWS: Final[tuple[Row, ...]] = (*sorted((*RULES, *CURRENT, *EARLIER), key=lambda row: row.rule), ALL_AT_ONCE)
PAGE: Final = """\
# The outcome of each fault

Written by `nox -s faults -- --write`: each figure is that of the run. A row may have many inputs; if one of them does
not end as required, the row contains **no**, and the command fails. Nothing was run against the live service.

- **Servers.** Rows of the rules 1 to 7 and 9 to 16 run on a server of raw bytes that is not the emulator and
  **refuses no duplicates**: a create that is sent twice is paid twice there. Rows with "emulator", and those of the
  rules 8, 17, 18 and 19, run on the emulator, which refuses duplicates.
- **paid** is the number of tasks that each input cost, **saved** the number of whole files that it left: their bytes
  are compared with the server's. In rows about calls that cost nothing, both are 0, and measured.
- **seconds** are simulated seconds until the caller has the file or the error, or real ones in rows with "real
  seconds". In the emulator's rows they count to the very end, with the 600 s after which the caller looks again for a
  task in doubt.
- **then saved** means: later, after the fault had passed, by `attach(error.reference).save(...)`.
- What is not detected: a file host that announces fewer bytes than it has is believed. The file is published as
  announced, with a warning, unless the further bytes arrive in time to be noticed. In the row of 1,000 tasks no host
  does that.

{table}
## Beside peers

Clients of similar services (klingai from its source), measured once, on {measured}, with tasks of 1 s, each against a
local server with its protocol. Only rows that were measured for them are listed.

{peers}"""


def measured(rows: Sequence[Row]) -> list[Measured]:
    """Measures row by row."""
    done = []
    for row in rows:
        began = time.perf_counter()
        done.append(Measured.of(row))
        took = time.perf_counter() - began
        print(f"{'FAIL' if done[-1].missed else 'ok  '} {took:6.1f} s  {row.rule:2} {row.done}", file=sys.stderr)
    return done


def table(done: Iterable[Measured]) -> str:
    """Returns the rows in Markdown."""
    return HEAD + "".join(each.line for each in done)


def beside_peers(done: Iterable[Measured]) -> str:
    """Returns the rows that were measured for peers, too."""
    head = f"| what is done | kling_async | peers ({MEASURED}) |\n|---|---|---|\n"
    lines = [
        f"| {each.row.done} | {each.paid} paid, {each.saved} saved: {each.came} | {each.row.peers} |\n"
        for each in done
        if each.row.peers
    ]
    return head + "".join(lines)


def main() -> int:
    """Measures row by row; returns 0 if all rows hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write FAULTS.md, and some of its rows into README.md")
    parser.add_argument("--rule", type=int, help="measure the rows of one rule; nothing is written")
    options = parser.parse_args()
    logging.getLogger("kling_async").setLevel(logging.CRITICAL)
    done = measured([row for row in ROWS if options.rule in {None, row.rule}])
    print(table(done))
    if options.rule is None:
        print(beside_peers(done))
    if options.write and options.rule is None:
        page = PAGE.format(table=table(done), peers=beside_peers(done), measured=MEASURED)
        FAULTS.write_text(page, encoding="utf-8")
        text = README.read_text(encoding="utf-8")
        sold = table(each for each in done if each.row.sells)
        README.write_text(SECTION.sub(lambda _: sold, text), encoding="utf-8")
    return 1 if any(each.missed for each in done) else 0


if __name__ == "__main__":
    raise SystemExit(main())
