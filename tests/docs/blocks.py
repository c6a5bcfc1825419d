"""The code blocks of the documentation's pages."""

import re
from pathlib import Path
from typing import Final, NamedTuple

DOCS: Final = Path(__file__).parents[2] / "docs"
MADE: Final = {"made", "reference"}
"""Folders of pages that are made of the code and of reports."""
PAGES: Final = sorted(page for page in DOCS.rglob("*.md") if page.relative_to(DOCS).parts[0] not in MADE)
_FENCE: Final = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A piece of code on a page.

    Attributes:
        line: of the page, on which it begins.
        kind: its language.
        code: without the fences.
    """

    line: int
    kind: str
    code: str


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in order; one whose language begins with a brace is a directive, not code."""
    text = page.read_text("utf-8")
    found = [Block(text[: each.start()].count("\n") + 2, each[1], each[2]) for each in _FENCE.finditer(text)]
    return [block for block in found if not block.kind.startswith("{")]


def name_of(page: Path) -> str:
    """The name of a page in test ids."""
    return str(page.relative_to(DOCS))
