"""Pages that stand elsewhere in the repository, with their links led to where things are here."""

import ast
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
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def pages() -> Iterator[tuple[str, str]]:
    """Each page: its file, and its text; pictures are links to where they stand."""
    for source, page in REPORTS.items():
        yield page, _with_links((ROOT / source).read_text("utf-8"), (ROOT / source).parent)
    yield "examples.md", _examples()


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
