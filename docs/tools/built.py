"""Checks the built pages: `python -m docs.tools.built FOLDER`.

Pages may load nothing from other sites, and each link within the pages must have a target.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

LOADS: Final = {
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed", "track", "input"), "src"),
    **dict.fromkeys(("use", "image"), "href"),
    "object": "data",
}
"""Elements that load something, with the attribute of the URL; `link` and `srcset` are handled separately."""
LINK_RELATIONS: Final = frozenset({"next", "prev", "index", "search", "author", "help", "canonical", "alternate"})
"""Relations of `link` that browsers do not load."""
_STYLE_LOADS: Final = re.compile(r"""(?:url\(|@import(?! url))\s*["']?([^"')\s;]+)""")
_SVG_LOADS: Final = re.compile(r"""(?:href=["'](?!#|data:)|@import|url\(["']?(?!#|data:))""")
_SCRIPT_LOADS: Final = re.compile(r"""(?:import|fetch|importScripts)\s*\(?\s*["'](https?:)?//""")


class _Page(HTMLParser):
    """The URLs that a page loads, its links, and the anchors within it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects the URLs and names of an element."""
        values = {name: value or "" for name, value in attrs}
        self.names |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and not LINK_RELATIONS & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        if LOADS.get(tag) in values:
            self.loads.append(values[LOADS[tag]])
        if tag in {"use", "image"} and "xlink:href" in values:
            self.loads.append(values["xlink:href"])
        self.loads += [each.split()[0] for each in values.get("srcset", "").split(",") if each.strip()]
        self.loads += _STYLE_LOADS.findall(values.get("style", ""))
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        """Collects the URLs of a style element."""
        if self._in_style:
            self.loads += _STYLE_LOADS.findall(data)

    def handle_endtag(self, tag: str) -> None:
        """Ends a style element."""
        self._in_style &= tag != "style"


def problems_of(folder: Path) -> list[str]:
    """Returns the problems of the pages in a folder, each with its file."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}
    found = [] if pages else [f"{folder}: there are no pages"]
    for path, page in pages.items():
        name = path.relative_to(folder)
        found += [f"{name}: loads {each}" for each in page.loads if is_elsewhere(each)]
        for link in [*page.links, *page.loads]:
            if not urlsplit(link).scheme and not is_elsewhere(link) and (why := _leads_nowhere(path, link, pages)):
                found.append(f"{name}: {link} {why}")
    for path in sorted(folder.rglob("*.css")):
        loads = _STYLE_LOADS.findall(path.read_text("utf-8"))
        found += [f"{path.relative_to(folder)}: loads {each}" for each in loads if is_elsewhere(each)]
    for path in sorted({*folder.rglob("*.js"), *folder.rglob("*.svg")}):
        text = path.read_text("utf-8", errors="replace")
        pattern = _SCRIPT_LOADS if path.suffix == ".js" else _SVG_LOADS
        found += [f"{path.relative_to(folder)}: loads from elsewhere"] * bool(pattern.search(text))
    return found


def is_elsewhere(address: str) -> bool:
    """Whether a URL is neither one of the pages nor inline data."""
    return address.startswith("//") or urlsplit(address).scheme not in {"", "data"}


def _leads_nowhere(path: Path, link: str, pages: dict[Path, _Page]) -> str:
    """Returns why a link within the pages has no target; empty if it has one."""
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "is not there"
    page = next((page for each, page in pages.items() if each.resolve() == target), None)
    if page is not None and parts.fragment and unquote(parts.fragment) not in {*page.names, "top"}:
        return "has no such place"
    return ""


def main(folder: str) -> None:
    """Prints the problems, and exits with an error if there are any."""
    if problems := problems_of(Path(folder)):
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main(sys.argv[1])
