"""Exported names that are imported on first use."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_async.lazy_exports import exports

PACKAGE = '''
import typing

from kling_async.lazy_exports import import_on_use

if typing.TYPE_CHECKING:
    from {name}.inner import *
    from {name}.records import Private
    from {name}.records import Public as Public
else:
    __getattr__, __dir__ = import_on_use(__name__)


def offered():
    """Is there from the beginning."""


def _hidden():
    """Is nobody's business."""
'''
INNER = """
import typing

if typing.TYPE_CHECKING:
    from {name}.inner.deep import Deep as Deep
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A separate package for each test, imported."""
    name = tmp_path.name
    folder = tmp_path / name
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text(PACKAGE.format(name=name))
    (folder / "inner" / "__init__.py").write_text(INNER.format(name=name))
    (folder / "inner" / "deep.py").write_text("class Deep: ...\n")
    (folder / "records.py").write_text("class Public: ...\nclass Private: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(name)
    for loaded in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[loaded]


def loaded(package: Any) -> set[str]:
    """The package's modules that are imported."""
    return {
        each.removeprefix(f"{package.__name__}.") for each in sys.modules if each.startswith(f"{package.__name__}.")
    }


def test_exports_are_those_of_type_checkers(package: Any) -> None:
    """`Name as Name`, `*` and functions export names, as for type checkers, without an import of their modules."""
    assert package.__all__ == ["Deep", "Public", "offered"]
    assert {"Deep", "Public", "offered", "__name__"} <= set(dir(package))
    assert not {"Private", "_hidden"} & set(exports(package.__name__))
    assert "records" not in loaded(package)


def test_a_name_is_imported_when_it_is_used(package: Any) -> None:
    """Using a name imports its module and no other, and stores the name in the package."""
    assert package.Public.__module__ == f"{package.__name__}.records"
    assert "inner.deep" not in loaded(package)
    assert vars(package)["Public"] is package.Public
    assert package.Deep.__module__ == f"{package.__name__}.inner.deep"


@pytest.mark.parametrize("name", ["Private", "Missing", "_hidden_too", "__wrapped__"])
def test_a_name_that_is_not_exported(package: Any, name: str) -> None:
    """A name that the package does not export is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match=rf"module '{package.__name__}' has no attribute '{name}'"):
        getattr(package, name)


def test_a_star_import_gives_all(package: Any) -> None:
    """`from package import *` imports the names in `__all__`."""
    names: dict[str, Any] = {}
    exec(f"from {package.__name__} import *", names)  # noqa: S102  (what is tested)
    assert {"Deep", "Public", "offered"} <= set(names)
    assert "Private" not in names


def test_without_source_the_error_names_what_is_missing(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a frozen program without the package's source, the error names the file to ship."""
    monkeypatch.setattr(type(package.__loader__), "get_source", lambda *_: None)
    with pytest.raises(ImportError, match=rf"the source of {package.__name__} is needed"):
        _ = package.Public
