"""Sample projects: a folder with a test module, run by pytest in a separate process."""

import os
import subprocess
import sys
from pathlib import Path

import attrs

ASYNCIO = 'asyncio_default_fixture_loop_scope = "function"\nasyncio_mode = '
AUTO, STRICT = f'{ASYNCIO}"auto"', f'{ASYNCIO}"strict"'
# These change the output of pytest: if `CI` is set, it does not shorten the lines of its summary.
PRESENTATION = {"CI", "BUILD_NUMBER", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "PY_COLORS"}
OPTIONS = 'addopts = ["--strict-markers", "--strict-config", "-ra"]\nfilterwarnings = ["error"]\n'


@attrs.frozen
class Outcome:
    """The exit code and output of a run of pytest."""

    code: int
    output: str

    def lines(self, word: str) -> list[str]:
        """Returns the printed lines that contain a word."""
        return [line for line in self.output.splitlines() if word in line]


def run(folder: Path, tests: str, *arguments: str, ini: str = "") -> Outcome:
    """Runs a test module in a folder, where warnings and unknown markers are errors.

    Args:
        folder: an empty folder.
        tests: the source of the module.
        *arguments: further arguments of pytest; besides the package's plugin, only those that `-p` names are loaded.
        ini: further lines of the configuration.
    """
    (folder / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{OPTIONS}{ini}\n", "utf-8")
    # pytest does this by itself for all modules of an installed distribution that has a plugin.
    (folder / "conftest.py").write_text("import pytest\npytest.register_assert_rewrite('kling_async')\n", "utf-8")
    (folder / "test_it.py").write_text(tests, "utf-8")
    dropped = [name for name in os.environ if name in PRESENTATION or name.startswith(("KLING", "PYTEST"))]
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    ours = ("-p", "pytest_kling_async", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *ours, *arguments],
        cwd=folder,
        env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Outcome(done.returncode, done.stdout + done.stderr)
