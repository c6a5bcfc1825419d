"""Backends that are ended by a signal, as in a deployment."""

import asyncio
import signal
from pathlib import Path

import pytest

from kling_async.emulator import Emulator
from tests.serving.apps.conftest import visitor
from tests.serving.apps.processes import Backend, started


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("aiohttp_app", signal.SIGTERM),
        *(
            pytest.param(name, how, marks=pytest.mark.slow)
            for name, how in (
                ("fastapi_app", signal.SIGTERM),
                ("fastapi_app", signal.SIGINT),
            )
        ),
    ],
)
def test_a_signal_to_end(name: str, how: signal.Signals, tmp_path: Path) -> None:
    """On a signal a backend turns unhealthy, refuses new clips, ends open streams, and exits soon without warnings."""

    async def run() -> None:
        async with Emulator(render=False, speed=1) as emulator:
            backend = Backend.of(name, emulator, tmp_path)
            async with started(backend), visitor(backend.url) as ann:
                assert (await ann.get("/health"))[0] == 200
                [clip, _] = [(await ann.post(prompt=prompt))[1] for prompt in ("first", "second")]
                async with ann.http.get(f"{ann.url}{clip['events']}") as stream:
                    async for line in stream.content:
                        if b'"processing"' in line or b'"submitted"' in line:
                            break
                    ending = asyncio.ensure_future(backend.end(how))
                    while (await ann.get("/health"))[0] == 200:  # noqa: ASYNC110  (polls another process)
                        await asyncio.sleep(0.01)
                    assert (await ann.get("/health"))[1] == {"status": "stopping"}
                    assert (await ann.post())[0] == 503
                    assert b"event: end" not in await stream.read()
                assert await ending in {0, -how}
            assert backend.complaints() == []
            assert emulator.ledger.created == 2

    asyncio.run(run())
