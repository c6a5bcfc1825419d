"""The files of the page, without a browser."""

import re

import pytest

from .stage import ROOT

PAGE = ROOT / "examples" / "web_page"
FILES = sorted(PAGE.iterdir())


def test_a_strict_policy_is_possible() -> None:
    """The page has no inline script, style or handler, and its own policy allows only its files."""
    text = (PAGE / "index.html").read_text("utf-8")
    assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/script.js" type="module">']
    assert not re.search(r"<style| style=| on\w+=|javascript:", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    assert "require-trusted-types-for 'script'" in policy[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere_or_becomes_markup(path: object) -> None:
    """No file contains an address of another host, or interprets a text as markup or code."""
    text = (PAGE / str(path)).read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|//\w+\.\w|@import|url\(", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", text)
    assert text.count("\n") <= 300
