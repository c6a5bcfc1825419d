"""Links between the files of the repository, as seen in a clone, without the generated pages."""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.tools.reports import MADE_OF, REPORTS, ROOT, led_to_pages

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def committed() -> set[str]:
    """The files that git tracks, and their folders; empty outside a clone."""
    git = shutil.which("git")
    if git is None:
        return set()
    ran = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    files = [Path(name) for name in ran.stdout.decode().split("\0") if name]
    return {path.as_posix() for file in files for path in (file, *file.parents)}


def test_links_lead_to_tracked_files() -> None:
    """Each relative link leads to a tracked file, and each anchor to a heading of it."""
    known = committed()
    if "README.md" not in known:
        pytest.skip("no clone")
    dead = []
    for name in sorted(each for each in known if each.endswith(".md")):
        page = ROOT / name
        for link in _LINK.findall(_FENCED.sub("", page.read_text("utf-8"))):
            target, _, place = unquote(link).partition("#")
            path = (page.parent / target).resolve() if target else page
            if re.match(r"\w+:", link):
                continue
            here = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
            if here not in known or (place and place not in _headings(path)):
                dead.append(f"{name}: {link}")
    assert dead == []


def _headings(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    words = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in words}


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("start.md", "../ENDPOINTS.md#video", "made/endpoints.md#video"),
        ("guides/crash.md", "../../examples/recovering_service.py", "../made/examples.md#recovering-service"),
        ("guides/many.md", "../../kling_async/protocol/errors.py", "../made/errors.md"),
        ("start.md", "../kling_async/protocol/endpoints/", "reference/requests.md"),
        ("guides/many.md", "batch.md#rows", "batch.md#rows"),
        ("guides/many.md", "https://klingai.com/ENDPOINTS.md", "https://klingai.com/ENDPOINTS.md"),
    ],
)
def test_links_of_built_pages(page: str, link: str, led: str) -> None:
    """In the built pages, a link to the source of a page leads to that page; any other is unchanged."""
    assert led_to_pages(f"See [this]({link}).", ROOT / "docs" / page) == f"See [this]({led})."


@pytest.mark.parametrize("source", [*REPORTS, *MADE_OF])
def test_sources_of_pages_exist(source: str) -> None:
    """Each source whose links are replaced exists."""
    assert (ROOT / source).exists()
