"""The first commands of the README work as written there."""

import re
import shlex
from pathlib import Path

import pytest

from .conftest import CAT, Run

pytestmark = pytest.mark.usefixtures("hurry")

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def first_command() -> list[str]:
    """The arguments of the first command, with the path of the picture."""
    [line] = [line for line in README.splitlines() if line.startswith("python3 -m venv") and "generate" in line]
    words = shlex.split(line[line.index("kling-async generate") :])[1:]
    return [_where_it_is(word) for word in words]


def _where_it_is(word: str) -> str:
    return str(Path(CAT).parents[2] / word) if word.startswith("examples/") else word


def test_the_first_command(run: Run, here: Path) -> None:
    """The first command makes a video without a key, more than once."""
    for _ in range(2):
        assert run(*first_command()).code == 0
    assert (here / "cat.mp4").read_bytes()[4:8] == b"ftyp"


def test_the_hint_beside_it(run: Run) -> None:
    """The options that the README adds to the first command make another video, without a warning."""
    [hint] = re.findall(r"Put `([^`]*)`\s+behind it", README)
    ran = run(*first_command(), *[_where_it_is(word) for word in shlex.split(hint)])
    assert ran.code == 0
    assert "warning" not in ran.err


def test_the_first_example_is_ten_lines() -> None:
    """The README's first Python example is at most ten lines, and compiles."""
    example = README.partition("```python\n")[2].partition("```")[0]
    assert len(example.splitlines()) <= 10
    compile(example, "README.md", "exec")
