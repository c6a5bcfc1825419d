"""Pages that stand elsewhere in the repository, and links to what stands there, led to where things are here."""

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
"""What is taken over, and what it is called here."""
MADE_OF: Final = {
    "kling_async/protocol/errors.py": "made/errors.md",
    "kling_async/protocol/create_states.py": "made/machines.md",
    "kling_async/protocol/endpoints": "reference/requests.md",
    "kling_async/protocol/events.py": "reference/events.md",
    "kling_async/current.py": "reference/current.md",
    "kling_async/emulator/faults/fault.py": "reference/emulator.md",
}
"""Code that pages link to, so that a link leads somewhere in the repository as well, and the page made of it here."""
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def pages() -> Iterator[tuple[str, str]]:
    """Each page: its file, and its text; pictures are links to where they stand."""
    for source, page in REPORTS.items():
        yield page, _with_links((ROOT / source).read_text("utf-8"), (ROOT / source).parent)
    yield "examples.md", _examples()


def led_to_pages(text: str, page: Path) -> str:
    """The text of a page that is not made, in which links to what pages are made of lead to these pages."""

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
    """The page that is made of a file, from `docs/` on."""
    if source in REPORTS:
        return f"made/{REPORTS[source]}"
    if source.startswith("examples/") and source.endswith(".py"):
        return f"made/examples.md#{_anchor(Path(source))}"
    return MADE_OF.get(source)


def _with_links(text: str, folder: Path) -> str:
    """The text, in which links that lead nowhere here are their words only."""

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
    """The whole programs, each with what its first lines say."""
    parts = ["# Whole programs", "They stand in `examples/`, and are run by the tests."]
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
