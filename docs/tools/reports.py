"""Includes pages from elsewhere in the repository, and redirects links to files there to the generated pages."""

import ast
import os.path
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
REPORTS: Final = {
    "ENDPOINTS.md": "endpoints.md",
    "benchmarks/FAULTS.md": "faults.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "benchmarks/JOURNAL.md": "journal-costs.md",
    "benchmarks/CALLBACKS.md": "callback-costs.md",
    "benchmarks/FLEET.md": "fleet-scale.md",
    "benchmarks/MUTATIONS.md": "mutations.md",
    "CHANGELOG.md": "changelog.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "PLATFORMS.md": "platforms.md",
    "SECURITY.md": "security.md",
    "LICENCES.md": "licences.md",
}
"""Included files, with the names of their pages."""
MADE_OF: Final = {
    "kling_async/protocol/errors.py": "made/errors.md",
    "kling_async/protocol/create_states.py": "made/machines.md",
    "kling_async/protocol/endpoints": "reference/requests.md",
    "kling_async/protocol/events.py": "reference/events.md",
    "kling_async/current.py": "reference/current.md",
    "kling_async/emulator/faults/fault.py": "reference/emulator.md",
}
"""Source files that pages link to, so that links also work in the repository, with the page generated from each."""
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def pages() -> Iterator[tuple[str, str]]:
    """Yields each page: its file and its text; pictures are linked at their original path."""
    for source, page in REPORTS.items():
        yield page, _with_links((ROOT / source).read_text("utf-8"), (ROOT / source).parent)
    yield "examples.md", _examples()


def led_to_pages(text: str, page: Path) -> str:
    """Returns the text of a written page, with links to source files replaced by links to the generated pages."""

    def led(match: re.Match[str]) -> str:
        picture, words, target, anchor = match.groups()
        path = (page.parent / target).resolve()
        made = _page_of(path.relative_to(ROOT).as_posix()) if path.is_relative_to(ROOT) else None
        if picture or made is None:
            return match[0]
        here = Path(os.path.relpath(ROOT / "docs" / made, page.parent)).as_posix()
        return f"[{words}]({here}{anchor or ''})"

    return _LINK.sub(led, text)


def _page_of(source: str) -> str | None:
    """Returns the page generated from a file, relative to `docs/`."""
    if source in REPORTS:
        return f"made/{REPORTS[source]}"
    if source.startswith("examples/") and source.endswith(".py"):
        return f"made/examples.md#{_anchor(Path(source))}"
    return MADE_OF.get(source)


def _with_links(text: str, folder: Path) -> str:
    """Returns the text of an included page, where links without a page here are replaced by their text."""

    def led(match: re.Match[str]) -> str:
        picture, words, target, anchor = match.groups()
        if re.match(r"\w+:", target):
            return match[0]
        path = (folder / target).resolve()
        here = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else target
        if picture:
            return f"![{words}](../../{here})"
        if here in REPORTS:
            return f"[{words}]({REPORTS[here]}{anchor or ''})"
        if here.startswith("examples/") and here.endswith(".py"):
            return f"[{words}](examples.md#{_anchor(path)})"
        return words if words.startswith("`") else f"{words} (`{here}`)" if words != path.name else f"`{here}`"

    return _LINK.sub(led, text)


def _examples() -> str:
    """Returns the page of the example programs, each with its module docstring."""
    parts = ["# Whole programs", "These programs are in `examples/`; the tests run them."]
    for path in sorted((ROOT / "examples").glob("[a-z]*.py")):
        code = path.read_text("utf-8")
        about = ast.get_docstring(ast.parse(code)) or ""
        body = code.partition('"""\n\n')[2]
        usage = re.findall(r"^ *((?:python|curl) .*)$", about, re.MULTILINE)
        words = re.sub(r"\n(?: *(?:python|curl) .*\n)+", "\n", about).strip()
        parts += [f"({_anchor(path)})=", f"## {path.name}", words]
        parts += ["```bash\n" + "\n".join(usage) + "\n```", f"```python\n{body}```"]
    return "\n\n".join(parts) + "\n"


def _anchor(path: Path) -> str:
    return path.stem.replace("_", "-")
