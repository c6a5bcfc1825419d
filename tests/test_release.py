"""Checks of a release that need no build; the rest is `nox -s build`."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import kling_async

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_version_is_stated_once() -> None:
    """One module states the version; the installed metadata match, and nothing else in the package repeats it."""
    assert kling_async.__version__ == importlib.metadata.version("kling-async")
    stated = f'"{kling_async.__version__}"'
    pages = [ROOT / "pyproject.toml", *(ROOT / "kling_async").rglob("*.py")]
    assert [path.name for path in pages if stated in path.read_text("utf-8")] == ["version.py"]


def test_the_oldest_classifier_is_the_minimum_python() -> None:
    """`requires-python` is the oldest version among the classifiers."""
    named = [each.rpartition(" :: ")[2] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert f">={named[0]}" == PROJECT["requires-python"]


def test_each_dependency_has_its_licence_listed() -> None:
    """Every dependency, of the package or of an extra, has its licence in the list."""
    page = (ROOT / "LICENCES.md").read_text("utf-8")
    given = [*PROJECT["dependencies"], *(each for extra in PROJECT["optional-dependencies"].values() for each in extra)]
    names = {re.split(r"[^A-Za-z0-9-]", each, maxsplit=1)[0].lower() for each in given} - {"kling-async"}
    assert {name for name in names if not re.search(rf"^\| {name} \| \S.* \|", page, re.MULTILINE)} == set()
