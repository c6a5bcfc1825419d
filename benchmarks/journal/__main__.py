"""What the journal costs: runs all measurements, one after the other, and writes the page.

python -m benchmarks.journal            # all parts, into benchmarks/JOURNAL.md
python -m benchmarks.journal pairs      # one part; the page takes the others from --work, where they were stored
"""

from collections.abc import Callable
from typing import Final

from benchmarks import parts
from benchmarks.journal import intents, large, pairs, report, syncs

PARTS: Final[dict[str, Callable[[parts.Kept], parts.Figures]]] = {
    "pairs": lambda _: pairs.measure(),
    "syncs": lambda _: syncs.measure(),
    "large": lambda _: large.measure(),
    "intents": lambda _: intents.measure(),
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
    """Measures the parts given on the command line, and writes the page."""
    parts.run("journal", "What the journal costs.", PARTS, _page)


def _page(kept: parts.Kept) -> str:
    measured = max(part["date"] for part in kept.values())
    seconds = sum(part["seconds"] for part in kept.values())
    return report.page(kept, ABOUT | {"measured": measured, "seconds": seconds})


if __name__ == "__main__":
    main()
