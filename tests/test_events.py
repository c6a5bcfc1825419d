"""The log is structured: programs read its records by their attributes, not by their English."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kling_async

FOLDER = Path(kling_async.__file__).parent
EMULATOR = FOLDER / "emulator"  # shares nothing with the client, and logs for itself
MODULES = [path for path in sorted(FOLDER.rglob("*.py")) if EMULATOR not in path.parents]
LOUD = {"warning", "error", "exception", "critical"}


def records(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each call of a module's logger: the level, and the names of its attributes."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "logger":
            [extra] = [each.value for each in node.keywords if each.arg == "extra"] or [ast.Dict([], [])]
            assert isinstance(extra, ast.Dict)
            yield node.func.attr, [key.value for key in extra.keys if isinstance(key, ast.Constant)]  # type: ignore[misc]  # texts, as all of ours are


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_warning_and_error_is_an_event(path: Path) -> None:
    """Warnings and errors have a `kling_event`; all attributes are prefixed, as an application has its own."""
    for level, names in records(path):
        assert level not in LOUD or "kling_event" in names
        assert [name for name in names if not name.startswith("kling_")] == []
