"""The reference and the start page are complete."""

import inspect
import re

import kling_async
from docs.tools import errors_page, reference
from kling_async import current, emulator, events, testing, web
from kling_async.protocol import errors
from tests.docs.blocks import DOCS, PAGES


def test_each_public_name_is_on_one_page() -> None:
    """Each public name of the package and its public modules is on exactly one page."""
    found = reference.contents()
    for module in (kling_async, current, web, emulator, events, testing):
        pages = [page for page in reference.PAGES if page.module == module.__name__]
        names = [name for page in pages for name in found[page.file]]
        assert sorted(names) == sorted({*module.__all__} - reference.ELSEWHERE)


def test_each_error_documents_what_to_do() -> None:
    """The page of errors has all public errors, and no empty cell."""
    listed = errors_page.classes()
    public = {
        error for error in vars(errors).values() if inspect.isclass(error) and issubclass(error, kling_async.KlingError)
    }
    assert set(listed) == public
    assert [error.__name__ for error in listed if not all(errors_page.meaning_of(error))] == []


def test_each_page_is_in_the_contents() -> None:
    """The start page lists each page that is not generated."""
    listed = set(re.findall(r"^(?:.*<)?([\w/-]+)>?$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE))
    assert {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES} - {"index"} <= listed
