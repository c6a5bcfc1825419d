"""The backends start as their READMEs say."""

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.apps.conftest import SERVERS, visitor
from tests.serving.apps.processes import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", SERVERS)
def test_the_first_command(name: str, tmp_path: Path) -> None:
    """The README's first command prints an address to open, and a clip posted there is made by the emulator."""
    first = (ROOT / "examples" / name / "README.md").read_text("utf-8").split("```")[1]
    words = shlex.split(first.rpartition("&&")[2])
    assert words == [".venv/bin/python", "-m", f"examples.{name}", "--emulator"]
    command = [sys.executable, *words[1:], "--port", "0"]

    async def post(url: str) -> None:
        async with visitor(url) as ann:
            assert (await ann.ended((await ann.post())[1]))["status"] == "done"

    with subprocess.Popen(
        command, cwd=ROOT, env={"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert told is not None
        asyncio.run(post(told[1]))
        process.terminate()
        process.wait(30)
    assert list(tmp_path.iterdir()) == []


def test_mistakes() -> None:
    """Without a key, and with a budget that is none, it says what to do in one line."""
    command = [sys.executable, "-m", "examples.aiohttp_app", "--port", "0"]
    for environment, says in (({}, "KLING_API_KEY"), ({"KLING_API_KEY": "key", "CLIPS_UNITS": "many"}, "units")):
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert says in ended.stderr
        assert "Traceback" not in ended.stderr
