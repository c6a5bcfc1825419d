"""The documentation page about fleets."""

from pathlib import Path

import pytest

from kling_async.emulator import Emulator
from kling_async.fleet import Fleet
from tests.docs.blocks import blocks_of
from tests.docs.test_python_blocks import FLEET, run
from tests.fleet.workers import working


async def test_its_python(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its code submits jobs, which a worker runs, and prints the documented output."""
    monkeypatch.setenv("KLING_FLEET_DSN", postgres)
    await Fleet.init(postgres, limit=4)
    block, text = (next(block for block in blocks_of(FLEET) if block.kind == kind) for kind in ("python", "text"))
    async with (
        Emulator(render=False, speed=250, concurrency=4) as emulator,
        working(postgres, emulator, tmp_path),
    ):
        await run(block, FLEET, {"__name__": "page"})
        assert capsys.readouterr().out == text.code
        async with Fleet(postgres) as fleet:
            for key in ("cat-above", "cat-below"):
                await fleet.wait(key)
        assert emulator.ledger.paid == 3
