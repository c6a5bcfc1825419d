"""The fixtures in projects of strangers: whatever runs their async tests, and where nothing does."""

from pathlib import Path

import pytest

from tests.kit.projects import AUTO, STRICT, run

STORY = """
    path = await kling.generate(TextToVideo("a cat on a skateboard"), tmp_path / "cat.mp4")
    assert path.stat().st_size > 1000
    kling_emulator.assert_paid(1)
"""
IMPORTS = """
import asyncio
import pytest
from kling_async import KlingClient, TextToVideo
from kling_async.testing import Fault, KlingEmulator
"""

ON_ASYNCIO = f"""{IMPORTS}
pytestmark = MARK

async def test_story(kling: KlingClient, kling_emulator: KlingEmulator, tmp_path):
{STORY}

@pytest.mark.kling_faults(Fault.error(1303), on="create", at=1)
async def test_fault(kling, kling_emulator, tmp_path):
{STORY}
    assert kling_emulator.ledger.refused[1303] == 1

async def test_left_open(kling_emulator):
    handles = [await kling_emulator.client(concurrency=9).text_to_video("a cat") for _ in range(3)]
    kling_emulator.client()

async def test_clock(kling, kling_clock, kling_emulator, tmp_path):
    handle = await kling.text_to_video("a cat")
    await asyncio.sleep(0.01)
    assert not handle.done()
    kling_clock.advance(1000)
    await handle
"""

LOOPS = f"""{IMPORTS}
@pytest.mark.asyncio(loop_scope="session")
class TestOnTheSessionsLoop:
    async def test_story(self, kling, kling_emulator, tmp_path):
    {STORY.replace(chr(10), chr(10) + "    ")}

@pytest.mark.asyncio(loop_scope="module")
async def test_on_the_modules_loop(kling, kling_emulator, tmp_path):
{STORY}

@pytest.mark.asyncio
async def test_on_its_own_loop(kling, kling_emulator, tmp_path):
{STORY}
"""

USERS_FIXTURE = """
import pytest, pytest_asyncio
from kling_async import TextToVideo

@pytest_asyncio.fixture
async def clip(kling, tmp_path):
    return await kling.generate(TextToVideo("a cat"), tmp_path / "cat.mp4")

def test_of_a_result(clip, kling_emulator):
    assert clip.exists()
    kling_emulator.assert_paid(1)
"""


def passed(number: int) -> str:
    """The end of a run in which all is well."""
    return f"{number} passed in"


def test_pytest_asyncio_in_auto_mode(tmp_path: Path) -> None:
    """Where async tests need no marks the fixtures work, on whichever loop a test runs, and leave nothing behind."""
    tests = ON_ASYNCIO.replace("pytestmark = MARK", "") + LOOPS.replace(IMPORTS, "") + USERS_FIXTURE
    done = run(tmp_path, tests, "-p", "pytest_asyncio.plugin", ini=AUTO)
    assert passed(8) in done.output, done.output


def test_pytest_asyncio_in_strict_mode(tmp_path: Path) -> None:
    """Where async tests are marked the same fixtures work."""
    tests = ON_ASYNCIO.replace("MARK", "pytest.mark.asyncio")
    done = run(tmp_path, tests, "-p", "pytest_asyncio.plugin", ini=STRICT)
    assert passed(4) in done.output, done.output


def test_pytest_asyncio_with_other_defaults(tmp_path: Path) -> None:
    """The loop that tests run on by default is the one that the client belongs to."""
    tests = ON_ASYNCIO.replace("MARK", "pytest.mark.asyncio")
    ini = 'asyncio_mode = "auto"\nasyncio_default_fixture_loop_scope = "function"\n'
    done = run(tmp_path, tests, "-p", "pytest_asyncio.plugin", ini=ini + 'asyncio_default_test_loop_scope = "module"')
    assert passed(4) in done.output, done.output


@pytest.mark.parametrize("beside", [(), ("-p", "pytest_asyncio.plugin")], ids=["alone", "beside pytest-asyncio"])
def test_anyio(tmp_path: Path, beside: tuple[str, ...]) -> None:
    """anyio's plugin runs them on asyncio, also where pytest-asyncio is installed for other tests."""
    tests = ON_ASYNCIO.replace("MARK", "pytest.mark.anyio")
    tests += "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    done = run(tmp_path, tests, "-p", "anyio.pytest_plugin", *beside, ini=STRICT if beside else "")
    assert passed(4) in done.output, done.output
