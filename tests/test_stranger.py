"""A separate project, with a service, a batch and tests, that uses only the wheel."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "tests" / "stranger"


def run(folder: Path, *command: str | Path) -> str:
    """What a command prints, in a folder outside the repository."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("KLING", "PYTHON", "PYTEST"))
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_strangers_project(tmp_path: Path) -> None:
    """The tests of another project pass with the wheel and its extra alone, warnings as errors, fully typed."""
    folder, place = tmp_path / "project", tmp_path / "environment"
    shutil.copytree(PROJECT, folder)
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    run(tmp_path, sys.executable, "-m", "venv", place)
    reached = subprocess.run(
        [python, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path / "reached", "hatchling>=1.27"],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    if reached.returncode:
        pytest.skip(f"the wheel cannot be built: no package index is reached ({reached.stderr.strip()[-100:]})")
    run(tmp_path, python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(tmp_path, python, "-m", "pip", "install", "-q", f"{wheel}[testing]", "pytest-asyncio>=1.4")
    output = run(
        folder,
        python,
        "-c",
        "import kling_async, pytest_kling_async as plugin; print(kling_async.__file__, plugin.__file__)",
    )
    assert str(ROOT) not in output
    assert "8 passed" in run(folder, python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    if find_spec("mypy"):
        run(folder, sys.executable, "-m", "mypy", "--strict", f"--python-executable={python}", ".")
    if find_spec("pyright"):
        run(folder, sys.executable, "-m", "pyright", "--pythonpath", python)
