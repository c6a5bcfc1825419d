"""Each shell line of the documentation is valid for the shell and the command."""

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from kling_async.batch.jobs import read_jobs
from kling_async.cli.arguments import read
from tests.docs.blocks import DOCS, PAGES, blocks_of, name_of

ROOT = DOCS.parent
LETTERS = 92
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])
VARIABLES = {"KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_FLEET_DSN"}
LINES = [
    pytest.param(line, id=f"{name_of(page)}:{block.line + number}")
    for page in PAGES
    for block in blocks_of(page)
    if block.kind == "bash"
    for number, line in enumerate(block.code.splitlines())
]


@pytest.mark.parametrize("line", LINES)
def test_a_line(line: str) -> None:
    """The options of `kling-async`, variables and extras in the blocks exist."""
    match shlex.split(line, comments=True):
        case ["kling-async" | ".venv/bin/kling-async", *words]:
            read(words)
        case ["python3", "-m", "venv", ".venv"]:
            pass
        case [".venv/bin/pip" | "pip", "install", *words]:
            package, *others = [word for word in words if not word.startswith("-")]
            assert set(package.partition("[")[2].rstrip("]").split(",")) <= EXTRAS
            assert set(others) <= {"pytest-asyncio", "opentelemetry-sdk"}
        case ["export", variable]:
            assert variable.partition("=")[0] in VARIABLES
        case other:
            pytest.fail(f"nobody looks whether this is right: {other}")


def test_rows_of_a_batch(tmp_path: Path) -> None:
    """The JSON blocks on the pages are valid rows of a batch."""
    rows = [block.code for page in PAGES for block in blocks_of(page) if block.kind == "json"]
    assert rows
    for number, code in enumerate(rows):
        jobs = tmp_path / f"{number}.jsonl"
        jobs.write_text(code)
        assert [row.id for row in read_jobs(jobs).rows] == [json.loads(line)["id"] for line in code.splitlines()]


def test_lines_fit_a_laptop() -> None:
    """No line of code on a page is cut off at the side of a window 1366 pixels wide."""
    blocks = [(name_of(page), block) for page in PAGES for block in blocks_of(page)]
    lines = [(page, line) for page, block in blocks for line in block.code.splitlines()]
    assert [each for each in lines if len(each[1]) > LETTERS] == []


def test_no_other_kinds() -> None:
    """The pages have only blocks that are run or checked."""
    kinds = {block.kind for page in PAGES for block in blocks_of(page)}
    assert kinds <= {"python", "bash", "json", "text"}
