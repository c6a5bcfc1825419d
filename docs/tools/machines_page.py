"""The page of the state machines: pictures and tables of what `machines` finds."""

from collections.abc import Iterator


def pages() -> Iterator[tuple[str, str]]:
    """The page and its pictures."""
    yield "machines.md", "# State machines\n\nTo come.\n"
