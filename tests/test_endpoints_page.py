"""The page of the endpoints is complete, and its code is run as tests."""

import ast
import re
from pathlib import Path

from kling_async import KlingClient
from kling_async.protocol.catalog import all_calls, all_endpoints
from kling_async.protocol.endpoint import Generation
from kling_async.protocol.endpoints.current import table

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "ENDPOINTS.md").read_text("utf-8")
LINES = (ROOT / "tests" / "shell" / "test_raw_lines.py").read_text("utf-8")


def test_all_endpoints_are_listed() -> None:
    """Each legacy endpoint has one row with its method, its record and its path, and there are no others."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `([\w/.-]+)` \|", PAGE, re.MULTILINE)
    known = {
        (each.record.__module__.rpartition(".")[2], each.record.__name__, each.path)
        for each in (*all_endpoints(), *all_calls())
        if each.generation is Generation.LEGACY
    }
    assert sorted(rows) == sorted(known)
    assert all(callable(getattr(KlingClient, method)) for method, _, _ in rows)


def test_the_current_generation_is_listed() -> None:
    """Each record of the current generation has a row with its path and its documented models."""
    rows = re.findall(r"^\| `current\.(\w+)` \| `([\w/-]+)/\{model\}` \| (.*) \|", PAGE, re.MULTILINE)
    listed = {(record, path, *re.findall("`(.*?)`", models)) for record, path, models in rows}
    assert listed == {
        (each.record.__name__, each.path, *(row.model for row in table.VERIFIED if row.family == each.path))
        for each in all_endpoints()
        if each.generation is Generation.CURRENT
    }


def dumped(source: str) -> str:
    """Code without its comments and without the place where a value is stored."""
    tree = ast.parse(re.sub(r"^(handle|rows|address|areas) = ", "return ", source, flags=re.MULTILINE))
    return ast.unparse(tree)


def test_the_lines_without_a_record_are_run() -> None:
    """Each block of the last section is the body of a function that a test runs."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.partition("## Paths without a record")[2], re.DOTALL)
    functions = [node for node in ast.parse(LINES).body if isinstance(node, ast.AsyncFunctionDef)]
    bodies = {ast.unparse(ast.Module(body=node.body[1:], type_ignores=[])) for node in functions}
    assert len(blocks) >= 7
    for block in blocks:
        assert dumped(block) in bodies
