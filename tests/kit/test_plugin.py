"""The fixtures in sample projects, with each plugin for async tests, and without one."""

import subprocess
import sys
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
    """Returns the summary of a run in which this number of tests passed."""
    return f"{number} passed in"


def test_pytest_asyncio_in_auto_mode(tmp_path: Path) -> None:
    """The fixtures work for async tests without marks, on any loop, and leave nothing behind."""
    tests = ON_ASYNCIO.replace("pytestmark = MARK", "") + LOOPS.replace(IMPORTS, "") + USERS_FIXTURE
    done = run(tmp_path, tests, "-p", "pytest_asyncio.plugin", ini=AUTO)
    assert passed(8) in done.output, done.output


@pytest.mark.slow
def test_pytest_asyncio_in_strict_mode(tmp_path: Path) -> None:
    """The same fixtures work for async tests with marks."""
    tests = ON_ASYNCIO.replace("MARK", "pytest.mark.asyncio")
    done = run(tmp_path, tests, "-p", "pytest_asyncio.plugin", ini=STRICT)
    assert passed(4) in done.output, done.output


@pytest.mark.slow
def test_pytest_asyncio_with_other_defaults(tmp_path: Path) -> None:
    """The client belongs to the loop that tests run on by default."""
    tests = ON_ASYNCIO.replace("MARK", "pytest.mark.asyncio")
    ini = 'asyncio_mode = "auto"\nasyncio_default_fixture_loop_scope = "function"\n'
    done = run(tmp_path, tests, "-p", "pytest_asyncio.plugin", ini=ini + 'asyncio_default_test_loop_scope = "module"')
    assert passed(4) in done.output, done.output


@pytest.mark.slow
@pytest.mark.parametrize("beside", [(), ("-p", "pytest_asyncio.plugin")], ids=["alone", "beside pytest-asyncio"])
def test_anyio(tmp_path: Path, beside: tuple[str, ...]) -> None:
    """anyio's plugin runs async tests on asyncio, even if pytest-asyncio runs other tests."""
    tests = ON_ASYNCIO.replace("MARK", "pytest.mark.anyio")
    tests += "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    done = run(tmp_path, tests, "-p", "anyio.pytest_plugin", *beside, ini=STRICT if beside else "")
    assert passed(4) in done.output, done.output


TWO_RUNNERS = f"""{IMPORTS}
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_story(kling, kling_emulator, tmp_path):
{STORY}
"""


@pytest.mark.slow
def test_two_plugins_that_run_one_test(tmp_path: Path) -> None:
    """If pytest-asyncio and anyio both claim a test, the error names them, and recommends to use one."""
    done = run(tmp_path, TWO_RUNNERS, "-p", "pytest_asyncio.plugin", "-p", "anyio.pytest_plugin", ini=AUTO)
    assert "two plugins run this test: pytest-asyncio" in done.output, done.output
    assert "use one of them" in done.output
    assert "was left open on an event loop" not in done.output


NO_RUNNER = f"""{IMPORTS}
import os, subprocess, sys
from kling_async import InsufficientBalance

def submit(kling_server):
    async def main():
        async with kling_server.client() as kling:
            await kling.submit(TextToVideo("a cat"))
    asyncio.run(main())

@pytest.mark.kling_faults(Fault.error(1102), on="create")
def test_fault(kling_server):
    with pytest.raises(InsufficientBalance):
        submit(kling_server)
    kling_server.assert_paid(0)

def test_no_fault_is_left(kling_server, kling_emulator):
    submit(kling_server)
    submit(kling_server)
    kling_server.assert_paid(2)
    submit(kling_emulator)
    kling_emulator.assert_paid(1)

def test_faults_of_its_own(kling_server):
    kling_server.faults.add(Fault.error(1102), on="create")

def test_asks_for_it_later(request):
    submit(request.getfixturevalue("kling_server"))
    request.getfixturevalue("kling_server").assert_paid(1)

@pytest.mark.kling_faults(Fault.error(1102), on="create")
def test_fault_again(kling_server):
    kling_server.assert_paid(0)
    with pytest.raises(InsufficientBalance):
        submit(kling_server)

def test_needs_a_runner(kling):
    pass

@pytest.mark.kling_faults(Fault.error(1102))
def test_fault_of_nothing():
    pass

@pytest.mark.kling_faults(Fault.error(1102), on="moon")
def test_fault_elsewhere(kling_emulator):
    pass

@pytest.mark.kling_faults(Fault.error(1102), on="moon")
def test_fault_elsewhere_too(kling_server):
    pass
"""

FAILS = f"""{IMPORTS}
async def test_fails(kling, kling_emulator):
    handles = [await kling.text_to_video("a cat") for _ in range(3)]
    await kling_emulator.client(concurrency=1).text_to_video("a cat")
    assert 1 == 2

@pytest.mark.kling_faults(Fault.gateway(502), on="create")
async def test_fails_in_doubt(kling):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await kling.text_to_video("a cat")
    assert 3 == 4

async def test_passes(kling, kling_emulator, tmp_path):
{STORY}
"""


def test_no_plugin_for_async_tests(tmp_path: Path) -> None:
    """Without a plugin for async tests, sync fixtures work, and async ones fail with instructions."""
    done = run(tmp_path, NO_RUNNER)
    assert "5 passed, 4 errors" in done.output, done.output
    for name, words in {
        "needs_a_runner": "pip install pytest-asyncio, or mark the test",
        "fault_of_nothing": "kling_faults has no effect: the test uses none of kling_emulator, kling_server",
        "fault_elsewhere": "kling_faults: this can happen to",
        "fault_elsewhere_too": "kling_faults: this can happen to",
    }.items():
        assert len(done.lines(f"ERROR test_it.py::test_{name} - Failed: ")) == 1, done.output
        assert words in done.output


LEFT_OPEN = f"""{IMPORTS}
import gc

def test_of_the_fixture(kling):
    asyncio.run(kling.submit(TextToVideo("a cat")))

def test_of_a_client(kling_emulator):
    async def main():
        await kling_emulator.client().submit(TextToVideo("a cat"))
    asyncio.run(main())

def test_of_the_server(kling_server):
    async def main():
        await kling_server.client().submit(TextToVideo("a cat"))
    asyncio.run(main())

def test_of_nothing(kling, kling_server):
    gc.collect()
"""


def test_a_client_that_cannot_be_closed(tmp_path: Path) -> None:
    """Clients that a sync test leaves open fail that test and no other; unused clients are harmless."""
    done = run(tmp_path, LEFT_OPEN, "-p", "pytest_asyncio.plugin", ini=AUTO)
    assert "4 passed, 3 errors" in done.output, done.output
    for name, emulator in (("the_fixture", "emulator"), ("a_client", "emulator"), ("the_server", "server")):
        assert len(done.lines(f"ERROR test_it.py::test_of_{name} - Failed: a client of kling_{emulator} ")) == 1
        assert f"`async with kling_{emulator}.client() as kling`" in done.output


OWN_EMULATOR = f"""{IMPORTS}
from kling_async import ClientClosed
from kling_async.emulator import Emulator

@pytest.fixture
def kling_emulator():
    with KlingEmulator(Emulator(balance=2, speed=1e6, render=False)) as emulator:
        yield emulator

@pytest.mark.kling_faults(Fault.error(1303), on="create", at=1)
async def test_of_a_fault(kling, kling_emulator, tmp_path):
{STORY}
    assert kling_emulator.ledger.balance < 2
    assert kling_emulator.faults.injected["create", "error"] == 1

def test_left_open(kling_emulator):
    async def main():
        await kling_emulator.client().submit(TextToVideo("a cat"))
    asyncio.run(main())

class TestShared:
    @pytest.fixture(scope="class")
    @classmethod
    def kling_emulator(cls):
        with KlingEmulator() as emulator:
            yield emulator

    async def test_closes(self, kling, kling_emulator):
        await kling.submit(TextToVideo("a cat"))
        type(self).earlier = kling

    async def test_closed(self, kling, kling_emulator):
        with pytest.raises(ClientClosed):
            await self.earlier.submit(TextToVideo("a cat"))
        await kling.submit(TextToVideo("a cat"))
        kling_emulator.assert_paid(2)

    @pytest.mark.kling_faults(Fault.error(1303), on="create", at=1)
    async def test_of_a_fault(self, kling_emulator):
        pass
"""


def test_a_project_that_has_its_own_emulator(tmp_path: Path) -> None:
    """An override of `kling_emulator` gets the faults, and open clients are reported; `kling` is always closed.

    A shared override takes no faults, since it would keep them; a test that needs them fails with a message.
    """
    done = run(tmp_path, OWN_EMULATOR, "-p", "pytest_asyncio.plugin", "-p", "no:randomly", ini=AUTO)
    assert "4 passed, 2 errors" in done.output, done.output
    assert len(done.lines("ERROR test_it.py::test_left_open - Failed: a client of kling_emulator ")) == 1
    assert len(done.lines("kling_emulator is a fixture of this project which tests share")) == 1
    assert not done.lines("unclosed")


@pytest.mark.slow
def test_a_test_that_fails_shows_its_failure(tmp_path: Path) -> None:
    """Clients left open by a failing test are closed silently: no errors at teardown or in the next test."""
    done = run(tmp_path, FAILS, "-p", "pytest_asyncio.plugin", ini=AUTO)
    assert "2 failed, 1 passed" in done.output, done.output
    assert "assert 1 == 2" in done.output
    assert "assert 3 == 4" in done.output
    assert not [*done.lines("ERROR "), *done.lines("Traceback"), *done.lines("pytest_kling_async.py")]


@pytest.mark.slow
def test_each_process_of_xdist_has_its_server(tmp_path: Path) -> None:
    """Tests in different processes share neither emulator nor ledger."""
    tests = NO_RUNNER.partition("def test_needs_a_runner")[0]
    done = run(tmp_path, tests, "-p", "xdist", "-n", "2")
    assert passed(5) in done.output, done.output


def test_the_plugin_imports_nothing() -> None:
    """Loading the plugin imports no other module of the package."""
    script = "import sys, pytest\nbefore = {*sys.modules}\nimport pytest_kling_async\nprint({*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "{'pytest_kling_async'}\n"


def test_nothing_is_imported_where_nothing_is_used(tmp_path: Path) -> None:
    """Without use of a fixture, a run imports nothing of the package and has no new warnings, with any plugin."""
    tests = "import sys\ndef test_it():\n    assert not {'kling_async', 'aiohttp'} & {*sys.modules}\n"
    done = run(tmp_path, tests, "-p", "pytest_asyncio.plugin", "-p", "anyio.pytest_plugin", ini=AUTO)
    assert passed(1) in done.output, done.output


def test_the_readmes_example(tmp_path: Path) -> None:
    """The README's section about tests passes unchanged, in ten lines."""
    section = (Path(__file__).parents[2] / "README.md").read_text("utf-8").partition("## In your tests\n")[2]
    kit = section.partition("```python\n")[2].partition("```")[0]
    assert len(kit.splitlines()) <= 10
    done = run(tmp_path, kit, "-p", "pytest_asyncio.plugin", ini=AUTO)
    assert passed(1) in done.output, done.output
