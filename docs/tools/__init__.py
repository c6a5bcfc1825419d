"""Generates pages of the documentation from the code, on each build."""

from collections.abc import Iterable
from pathlib import Path

from docs.tools import errors_page, machines_page, reference, reports


def write_pages(to: Path) -> None:
    """Writes all generated pages, into folders that git ignores."""
    _write(to / "reference", reference.pages())
    _write(to / "made", [*reports.pages(), errors_page.page(), *machines_page.pages()])


def _write(folder: Path, pages: Iterable[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    texts = dict(pages)
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:  # Sphinx does not rebuild unchanged files
            path.write_text(text, "utf-8")
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
