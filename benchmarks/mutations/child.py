"""Runs some tests of one tree in a separate process, with freshly imported modules."""

import contextlib
import importlib.util
import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import coverage
import pytest

TEST_SECONDS: Final = 600
"""Real seconds that a test of unknown duration may take. Then SIGALRM ends the process, which counts as caught."""
SHORTEST: Final = 10
TIMES: Final = 20
"""Other tests may take this many times their usual duration, and at least `SHORTEST` seconds."""
CONTEXT: Final = "running_test"


class Chosen:
    """Runs these tests only, in this order, each with a time limit.

    Args:
        tests: usual seconds by test id; None for all tests.
    """

    def __init__(self, tests: Mapping[str, float] | None) -> None:
        self._seconds = tests
        self._rank = {test: rank for rank, test in enumerate(tests or ())}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Selects and orders the tests."""
        if self._seconds is not None:
            chosen = [item for item in items if item.nodeid in self._rank]
            items[:] = sorted(chosen, key=lambda item: self._rank[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Ends the process if a test hangs."""
        known = (self._seconds or {}).get(item.nodeid)
        signal.alarm(TEST_SECONDS if known is None else math.ceil(max(SHORTEST, TIMES * known)))
        try:
            return (yield)
        finally:
            signal.alarm(0)


class Touched:
    """Finds out which test runs which line of some files, and how long it takes."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=list(files))
        self._seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Attributes the lines that run from here to this test."""
        began = time.perf_counter()
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("")
            self._seconds[item.nodeid] = time.perf_counter() - began

    @contextlib.contextmanager
    def measured(self, target: Path) -> Iterator[None]:
        """Measures the code that runs inside, and writes the result as JSON."""
        self._coverage.start()
        yield
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {file: data.contexts_by_lineno(str(Path(file).resolve())) for file in self._files}
        target.write_text(json.dumps({"seconds": self._seconds, "lines": lines}))


def enter(tree: str, log: str) -> None:
    """Makes this process and its children import the package and the tests from the tree."""
    sys.dont_write_bytecode = False  # pytest's rewriting of all tests takes longer than running some
    os.setsid()  # so that processes started by the tests can be killed with them
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.chdir(tree)
    sys.path.insert(0, tree)
    os.environ["PYTHONPATH"] = tree
    for name in [name for name in sys.modules if name.partition(".")[0] in {"benchmarks", "kling_async", "tests"}]:
        del sys.modules[name]
    found = importlib.util.find_spec("kling_async")
    assert found is not None
    assert str(found.origin).startswith(tree), found.origin


def run(tree: str, log: str, files: Sequence[str], tests: Mapping[str, float] | None) -> None:
    """Runs tests until the first one fails; the exit code is pytest's."""
    enter(tree, log)
    sys.exit(_pytest(["-x", *files], Chosen(tests)))


def map_tests(tree: str, log: str, files: Sequence[str], tests: Sequence[str], target: str) -> None:
    """Runs all tests of some files, and records which tests run which lines of `files`."""
    enter(tree, log)
    touched = Touched(files)
    with touched.measured(Path(target)):
        code = _pytest(tests, Chosen(None), touched)
    sys.exit(code)


def _pytest(arguments: Sequence[str], *plugins: Any) -> int:
    fixed = ["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--tb=line"]
    return int(pytest.main([*fixed, *arguments], plugins=list(plugins)))
