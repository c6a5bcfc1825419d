"""The check of the built pages finds dead links and resources of other hosts."""

from pathlib import Path

import pytest

from docs.tools.built import problems_of

GOOD = """<!doctype html><html id=top><head>
<link rel=stylesheet href="_static/a.css"><link rel=canonical href="https://x.example/">
<script src="_static/a.js"></script></head><body><img src="data:image/png;base64,AA=="><h1 id="here">x</h1>
<a href="#here">x</a><a href="other.html#there">x</a><a href="#top">x</a>
<a href="https://klingai.com">x</a><a href="mailto:a@x.example">x</a></body></html>"""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Pages without problems."""
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.css").write_text("p { background: url(data:image/png;base64,AA==) }")
    (tmp_path / "_static" / "a.js").write_text('console.log("https://x.example/ is a text")')
    (tmp_path / "other.html").write_text('<p id="there"></p>')
    (tmp_path / "page.html").write_text(GOOD)
    return tmp_path


def test_good_pages(pages: Path) -> None:
    """Links to other hosts are allowed; loaded resources are among the pages."""
    assert problems_of(pages) == []


@pytest.mark.parametrize(
    "loads",
    [
        '<script src="https://x.example/a.js"></script>',
        '<script src="//x.example/a.js"></script>',
        '<link rel="stylesheet" href="https://x.example/a.css">',
        '<link rel="preconnect" href="https://x.example">',
        '<link rel="shortcut icon" href="https://x.example/a.ico">',
        '<img src="http://x.example/a.png">',
        '<img srcset="_static/a.css 1x, https://x.example/a.png 2x">',
        '<iframe src="https://x.example"></iframe>',
        '<object data="https://x.example/a.svg"></object>',
        '<p style="background: url(https://x.example/a.png)">',
        "<style>@import 'https://x.example/a.css';</style>",
        "<style>@font-face { src: url(//x.example/a.woff2) }</style>",
    ],
)
def test_resources_of_other_hosts(pages: Path, loads: str) -> None:
    """Scripts, styles, fonts, pictures and frames of other hosts are reported, each with its page."""
    (pages / "page.html").write_text(GOOD + loads)
    assert [each.partition(" ")[0] for each in problems_of(pages)] == ["page.html:"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.css", "@import url(https://x.example/b.css);"),
        ("a.js", 'import("https://x.example/b.js")'),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"><image href="https://x.example/a.png"/></svg>'),
    ],
)
def test_resources_of_other_hosts_in_files(pages: Path, file: str, text: str) -> None:
    """Styles, scripts and drawings are checked as well."""
    (pages / "_static" / file).write_text(text)
    assert [each.partition(":")[0] for each in problems_of(pages)] == [f"_static/{file}"]


@pytest.mark.parametrize("link", ["gone.html", "#gone", "other.html#here", "_static/gone.js", "../page.html"])
def test_dead_links(pages: Path, link: str) -> None:
    """A link to a missing page, or to a missing anchor, is reported."""
    (pages / "page.html").write_text(GOOD + f'<a href="{link}">x</a>')
    assert [each.split()[:2] for each in problems_of(pages)] == [["page.html:", link]]


def test_no_pages(tmp_path: Path) -> None:
    """An empty folder is a problem, too."""
    assert len(problems_of(tmp_path)) == 1
