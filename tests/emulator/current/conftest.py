from collections.abc import AsyncIterator

import aiohttp
import pytest

from kling_async.emulator import Emulator
from tests.emulator.conftest import Caller, Clock


@pytest.fixture
async def strict(clock: Clock) -> AsyncIterator[Caller]:
    """Yields a caller of a strict emulator."""
    async with (
        Emulator(clock=clock, speed=1.0, render=False, strict=True) as emulator,
        aiohttp.ClientSession() as session,
    ):
        yield Caller(emulator, session)
