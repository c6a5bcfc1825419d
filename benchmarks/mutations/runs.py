"""Runs mutants against the tests, each in a copy of the tree, and stores the results."""

import ast
import contextlib
import hashlib
import json
import multiprocessing
import os
import py_compile
import queue
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.mutations import child
from benchmarks.mutations.operators import Mutant

PARTS: Final = ("kling_async", "tests", "benchmarks", "examples", "pyproject.toml", "README.md", "noxfile.py")
LEFT_OUT: Final = ("tests/benchmarks", "tests/cli", "tests/emulator", "tests/test_layers.py")
"""Tests of other code."""
LAST: Final = ("tests/adversity",)
"""Tests that each run nearly all lines many times: only mutants that survive all others are run against them."""
STAGE_SECONDS: Final = 1800
FIRST: Final = 20
"""Number of tests of the first stage: the fastest ones that run the changed lines."""
_PRELOADED: Final = ["pytest", "coverage", "aiohttp", "attrs", "cattrs", "jwt", "backoff", "rich.table"]
"""Imported once for all processes; no plugins of pytest, which must rewrite them on import."""


@attrs.frozen
class Result:
    """The result of one mutant.

    Attributes:
        id: of the mutant.
        verdict: "caught", "hung" or "survived".
        by: the test that failed; "" if none did.
        tests: number of tests that run the changed lines.
        seconds: duration.
    """

    id: str
    verdict: str
    by: str
    tests: int
    seconds: float


class Trees:
    """Copies of the tree, each used for one mutant at a time.

    Args:
        root: directory to copy.
        work: directory of the copies.
        count: number of copies.
    """

    def __init__(self, root: Path, work: Path, count: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        self.digest = _digest(root)
        for number in range(count):
            tree = work / f"tree{number}"
            shutil.rmtree(tree, ignore_errors=True)
            tree.mkdir(parents=True)
            for part in PARTS:
                source = root / part
                if source.is_dir():
                    shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
                elif source.exists():
                    shutil.copy(source, tree / part)
            for module in (tree / "kling_async").rglob("*.py"):
                # Checked by hash, since a change within the same second and of the same length would be missed.
                py_compile.compile(str(module), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
            self._free.put(tree)

    @contextlib.contextmanager
    def one(self, mutant: Mutant | None = None) -> Iterator[Path]:
        """Yields a free tree with this change applied."""
        tree = self._free.get()
        shutil.rmtree(tree / ".hypothesis", ignore_errors=True)  # failing examples of another mutant
        try:
            if mutant is None:
                yield tree
                return
            path = tree / mutant.path
            original = path.read_text()
            path.write_text(mutant.applied(original))
            try:
                yield tree
            finally:
                path.write_text(original)
        finally:
            self._free.put(tree)


@attrs.frozen
class Reached:
    """The tests that run each line.

    Attributes:
        seconds: duration of each test.
        lines: tests by file and line.
    """

    seconds: Mapping[str, float]
    lines: Mapping[str, Mapping[str, Sequence[str]]]

    def tests_of(self, mutant: Mutant, source: str) -> dict[str, float]:
        """Returns the tests that run the changed lines, fastest first; all tests for lines that run only at import."""
        lines = self.lines[mutant.path]
        wanted = range(mutant.line, mutant.last_line + 1)
        found = {test for line in wanted for test in lines.get(str(line), ()) if test}
        if not found and not _in_function(source, mutant.line):
            found = {test for tests in lines.values() for test in tests if test}
        return {test: self.seconds[test] for test in sorted(found, key=lambda test: self.seconds[test])}


class Runner:
    """Runs mutants.

    Args:
        trees: for the mutants.
        work: directory of logs and the map.
        quick: whether to skip the tests of `LAST`.
    """

    def __init__(self, trees: Trees, work: Path, *, quick: bool = False) -> None:
        self._last: Sequence[str] = () if quick else LAST
        self._trees = trees
        self._work = work
        work.mkdir(parents=True, exist_ok=True)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)

    def map_tests(self, files: Sequence[str], jobs: int) -> Reached:
        """Runs the tests once without any change, in two groups per job: they must pass."""
        target = self._work / "map.json"
        if not target.exists():
            with self._trees.one() as tree:
                groups = _dealt(tree, 2 * jobs)
            with ThreadPoolExecutor(jobs) as pool:
                maps = list(pool.map(lambda number: self._mapped(number, files, groups[number]), range(len(groups))))
                if self._last:
                    self._pass("last", child.run, self._last, None)
            lines: dict[str, dict[str, list[str]]] = {file: {} for file in files}
            for of_group in maps:
                for file, by_line in of_group["lines"].items():
                    for line, tests in by_line.items():
                        lines[file].setdefault(line, []).extend(tests)
            seconds = {test: took for of_group in maps for test, took in of_group["seconds"].items()}
            target.write_text(json.dumps({"seconds": seconds, "lines": lines}))
        return Reached(**json.loads(target.read_text()))

    def _mapped(self, number: int, files: Sequence[str], group: Sequence[str]) -> Any:
        out = self._work / f"map{number}.json"
        self._pass(f"map{number}", child.map_tests, files, group, str(out))
        return json.loads(out.read_text())

    def _pass(self, name: str, target: Any, *arguments: Any) -> None:
        """Runs tests that must pass."""
        log = self._work / f"{name}.log"
        with self._trees.one() as tree:
            code = self._process(target, str(tree), str(log), *arguments)
        if code != 0:
            raise SystemExit(f"the tests fail without any change: {log}")

    def run(self, mutant: Mutant, tests: Mapping[str, float]) -> Result:
        """Runs tests on a mutant until one of them fails: first the fastest few, then all others."""
        began = time.monotonic()
        verdict, by = "survived", ""
        with self._trees.one(mutant) as tree:
            log = self._work / f"{mutant.id}.log"
            for files, chosen in self._stages(tests):
                code = self._process(child.run, str(tree), str(log), files, chosen)
                verdict, by = _judged(code, log)
                if verdict != "survived":
                    break
        return Result(mutant.id, verdict, by, len(tests), round(time.monotonic() - began, 1))

    def run_all(self, wanted: Mapping[Mutant, Mapping[str, float]], jobs: int) -> Iterator[tuple[Mutant, Result]]:
        """Runs `jobs` mutants at a time; yields each with its result when it ends."""
        with ThreadPoolExecutor(jobs) as pool:
            under_way = {pool.submit(self.run, mutant, tests): mutant for mutant, tests in wanted.items()}
            for done in as_completed(under_way):
                yield under_way[done], done.result()

    def _stages(self, tests: Mapping[str, float]) -> Iterator[tuple[Sequence[str], Mapping[str, float] | None]]:
        """Yields files, with the tests of these files to run."""
        every = list(tests.items())
        for stage in (every[:FIRST], every[FIRST:]):
            if stage:
                yield list(dict.fromkeys(test.partition("::")[0] for test, _ in stage)), dict(stage)
        if self._last:
            yield self._last, None

    def _process(self, target: Any, *arguments: Any) -> int | None:
        """Runs a function in a process; returns the exit code, None after a timeout."""
        process = self._context.Process(target=target, args=arguments)
        process.start()
        process.join(STAGE_SECONDS)
        code = process.exitcode
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid or 0, signal.SIGKILL)  # with processes that its tests started
        process.join()
        return code


class Results:
    """Results so far: an interrupted run is resumed, if nothing has changed meanwhile.

    Args:
        path: file of the results.
        digest: of the tree that they belong to.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self.known: dict[str, Result] = {}
        first, *rest = path.read_text().splitlines() if path.exists() else [""]
        if first == digest:
            self.known = {result.id: result for result in (Result(**json.loads(line)) for line in rest)}
        else:
            path.write_text(f"{digest}\n")

    def add(self, result: Result) -> None:
        """Stores a result."""
        self.known[result.id] = result
        with self._path.open("a") as file:
            file.write(json.dumps(attrs.asdict(result)) + "\n")


def _judged(code: int | None, log: Path) -> tuple[str, str]:
    if code is None or code == -signal.SIGALRM:
        return "hung", ""
    if code == 0:
        return "survived", ""
    lines = log.read_text(errors="replace").splitlines()
    if code in {1, 2} or code < 0:  # 2: it cannot be imported any more
        failed = [line.split(" ")[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
        return "caught", failed[0] if failed else ""
    raise RuntimeError(f"pytest ended with {code}: {log}")


def _in_function(source: str, line: int) -> bool:
    """Whether a line is in the body of a function; its signature, with the defaults, runs at import."""
    return any(
        node.body[0].lineno <= line <= (node.end_lineno or 0)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _dealt(tree: Path, groups: int) -> list[list[str]]:
    """Deals the files of all tests except `LEFT_OUT` and `LAST` into groups."""
    files = [str(path.relative_to(tree)) for path in sorted(tree.glob("tests/**/test_*.py"))]
    files = [file for file in files if not file.startswith((*LEFT_OUT, *LAST))]
    return [files[number::groups] for number in range(groups)]


def _digest(root: Path) -> str:
    """Returns a digest of all files on which results depend."""
    digest = hashlib.sha256()
    for pattern in ("kling_async/**/*.py", "tests/**/*.py", "pyproject.toml"):
        for path in sorted(root.glob(pattern)):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
