"""Sphinx configuration of the documentation; `nox -s docs` builds it."""

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from docs.tools import write_pages  # noqa: E402  (needs the path added above)
from docs.tools.reports import led_to_pages  # noqa: E402  (as above)

project = "kling_async"
author = "the authors of kling_async"
release = version = version_of("kling-async")
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "tools"]
default_role = "py:obj"
nitpicky = False  # a word in single backticks need not be a name

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
suppress_warnings = ["myst.header"]  # heading levels of included reports

autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"kling_async {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False


def fences_to_blocks(_app: object, _what: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Turns fenced code in docstrings, as shown by help() and editors, into directives."""
    made: list[str] = []
    fenced = False
    for line in lines:
        fence = re.match(r"( *)```(\w*)$", line)
        if fence and not fenced:
            made += [f"{fence[1]}.. code-block:: {fence[2] or 'text'}", ""]
        elif fence:
            made.append("")
        else:
            made.append(f"    {line}" if fenced and line else line)
        fenced ^= fence is not None
    lines[:] = [re.sub(r"(?<!`)(`[^`]+`)(?=\w)", r"\1\\ ", line) for line in made]  # `Row`s


def links_to_pages(_app: object, name: str, text: list[str]) -> None:
    """Redirects links to files of the repository, where the pages can be read too, to the pages generated from them."""
    if not name.startswith(("made/", "reference/")):
        text[0] = led_to_pages(text[0], HERE / f"{name}.md")


def setup(app: Any) -> None:
    """Generates the pages, and connects the handlers for pages and docstrings."""
    write_pages(HERE)
    app.connect("source-read", links_to_pages)
    app.connect("autodoc-process-docstring", fences_to_blocks, priority=400)
