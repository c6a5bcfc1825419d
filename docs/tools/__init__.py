"""What is made for the documentation out of the code, whenever it is built."""

from collections.abc import Iterable
from pathlib import Path

from docs.tools import errors_page, machines_page, reference, reports


def write_pages(to: Path) -> None:
    """Writes all pages that are made, into folders that git does not keep."""
    _write(to / "reference", reference.pages())
    _write(to / "made", [*reports.pages(), errors_page.page(), *machines_page.pages()])


def _write(folder: Path, pages: Iterable[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    texts = dict(pages)
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:  # what has not changed is not built again
            path.write_text(text, "utf-8")
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
