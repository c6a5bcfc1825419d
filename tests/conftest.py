"""Configuration for all tests."""

from importlib.util import find_spec
from typing import Final

import pytest
from hypothesis import settings

pytest_plugins = ["tests.postgres"]

settings.register_profile("tests", deadline=None)  # a busy machine is no mistake of what is tested
settings.load_profile("tests")

RENDERS: Final = find_spec("av") is not None
NEED_RENDERING: Final = [f"emulator/test_{name}.py" for name in ("page", "placeholder", "render", "results")]
collect_ignore = ["stranger", *([] if RENDERS else NEED_RENDERING)]  # a stranger's tests run in their own environment


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Reports which tests were left out."""
    if not RENDERS:
        terminalreporter.write_line(f"left out without PyAV: {', '.join(NEED_RENDERING)}")
