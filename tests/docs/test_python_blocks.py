"""The Python blocks of the documentation, run in order against the emulator, print the output below them."""

import ast
import functools
import itertools
import logging
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from inspect import CO_COROUTINE
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from kling_async import KlingClient, TargetExists
from kling_async.emulator import Emulator
from tests.docs.blocks import DOCS, PAGES, Block, blocks_of, name_of
from tests.shell.conftest import IMAGES, wall

TESTS = DOCS / "guides" / "tests.md"
"""A page whose blocks are modules of tests."""
START = DOCS / "start.md"
"""A page that is followed from top to bottom in the folder of the project."""
FLEET = DOCS / "guides" / "fleet.md"
"""A page that needs Postgres and a worker: `tests/fleet/test_page.py` runs it."""
RUN = [
    page for page in PAGES if page not in {TESTS, FLEET} and any(block.kind == "python" for block in blocks_of(page))
]


@pytest.fixture
def here(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files that the pages use; for the start page, those of the project after its first command."""
    monkeypatch.chdir(tmp_path)
    if page == START:
        shutil.copytree(IMAGES, tmp_path / "examples" / "images")
        (tmp_path / "cat.mp4").touch()
        return
    for name in ("cat.jpg", "cat.png"):
        shutil.copy(IMAGES / "cat.png", tmp_path / name)
    for name in ("pictures", "clips", "out"):
        (tmp_path / name).mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(IMAGES / "cat.png", tmp_path / "pictures" / name)
    jobs = ('{"id": "cat", "image": "cat.png"}', '{"id": "boat", "endpoint": "text-to-video", "prompt": "a boat"}')
    (tmp_path / "jobs.jsonl").write_text("\n".join(jobs))


@pytest.fixture
def same_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restores the logging handlers and levels that the pages change."""
    for name in (None, "kling_async"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", [*logger.handlers])
        monkeypatch.setattr(logger, "level", logger.level)


@asynccontextmanager
async def virtual(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Clients and emulators of the pages use the loop's time; clients that a page leaves open are closed."""
    made: list[KlingClient] = []
    client, emulator = KlingClient.__init__, Emulator.__init__

    @functools.wraps(client)
    def client_(self: KlingClient, **options: Any) -> None:
        client(self, **{"clock": wall(), **options})
        made.append(self)

    @functools.wraps(emulator)
    def emulator_(self: Emulator, **options: Any) -> None:
        emulator(self, **{**options, "clock": wall(), "render": False, "speed": 1.0})

    with monkeypatch.context() as patch:
        patch.setattr(KlingClient, "__init__", client_)
        patch.setattr(Emulator, "__init__", emulator_)
        try:
            yield
        finally:
            for each in made:
                await each.close()


async def run(block: Block, page: Path, names: dict[str, Any]) -> None:
    """Runs a block; `asyncio.run(main())` is awaited, since a loop is already running."""
    code = re.sub(r"\basyncio\.run\((.*)\)$", r"await \1", block.code, flags=re.MULTILINE)
    tree = ast.parse(code, str(page))
    ast.increment_lineno(tree, block.line - 1)
    compiled = compile(tree, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = FunctionType(compiled, names)()
    if compiled.co_flags & CO_COROUTINE:
        await waiting


@pytest.mark.usefixtures("here", "same_log")
@pytest.mark.parametrize("page", RUN, ids=name_of)
async def test_a_page(
    page: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of a page run in one namespace that has `kling`; a text block is the output of the one before."""
    monkeypatch.setenv("KLING_API_KEY", emulator.api_key)
    monkeypatch.setenv("KLING_BASE_URL", emulator.base_url)
    monkeypatch.setenv("KLING_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    blocks = [*blocks_of(page), Block(0, "", "")]
    async with virtual(monkeypatch):
        names: dict[str, Any] = {"__name__": "page", "kling": KlingClient(), "emulator": emulator}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for block, after in itertools.pairwise(blocks):
                if block.kind == "python":
                    capsys.readouterr()
                    await run(block, page, names)
                    if after.kind == "text":
                        assert capsys.readouterr().out == after.code


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("page", [START])
async def test_the_readmes_first_example(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's example runs unchanged after the first command; a second run prints its message."""
    monkeypatch.setenv("KLING_API_KEY", emulator.api_key)
    monkeypatch.setenv("KLING_BASE_URL", emulator.base_url)
    readme = DOCS.parent / "README.md"
    block = next(block for block in blocks_of(readme) if block.kind == "python")
    text = readme.read_text("utf-8")
    [message] = re.findall(r"a second run pays nothing:\s+`([^`]*)`", text)
    async with virtual(monkeypatch):
        await run(block, readme, {"__name__": "readme"})
        assert capsys.readouterr().out == "yawn.mp4\n"
        with pytest.raises(TargetExists, match=re.escape(message)):
            await run(block, readme, {"__name__": "readme"})
    assert emulator.ledger.paid == 1


def test_the_page_about_tests(tmp_path: Path) -> None:
    """The blocks are tests that pass in a separate project, with warnings as errors."""
    for number, block in enumerate(blocks_of(TESTS)):
        if block.kind == "python":
            (tmp_path / f"test_{number}.py").write_text(block.code, "utf-8")
    options = ["-q", "-W", "error", "--strict-markers", "-p", "no:cacheprovider"]
    options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "7 passed" in ran.stdout
