"""Pages that open one result, at once or one after the other, each with a separate handle."""

import asyncio
from pathlib import Path

from kling_async import KlingClient
from kling_async.emulator import Emulator
from kling_async.saving import KEPT_SECONDS
from tests.shell.conftest import ClientMaker


async def opened(client: KlingClient, reference: str) -> int:
    """Returns the bytes that one page gets."""
    async with client.attach(reference).open(headers={"Range": "bytes=0-99"}) as video:
        return len(b"".join([chunk async for chunk in video]))


async def test_fifty_pages_make_one_query(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """The service is queried once for all pages within a minute, and once more for later ones."""
    reference = (await make_client().image_to_video(image)).reference
    await asyncio.sleep(1000)
    client = make_client()
    before = emulator.ledger.requests["query"]
    assert await asyncio.gather(*(opened(client, reference) for _ in range(50))) == [100] * 50
    for _ in range(10):
        assert await opened(client, reference) == 100
    assert emulator.ledger.requests["query"] == before + 1
    await asyncio.sleep(KEPT_SECONDS)
    assert await opened(client, reference) == 100
    assert emulator.ledger.requests["query"] == before + 2


async def test_fifty_addresses_that_have_expired(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """New addresses are queried once for all pages."""
    client = make_client()
    handle = await client.image_to_video(image)
    await handle
    before = emulator.ledger.requests["query"]
    await asyncio.sleep(25 * 3600)  # the links last a day
    assert await asyncio.gather(*(opened(client, handle.reference) for _ in range(50))) == [100] * 50
    assert emulator.ledger.requests["query"] <= before + 2
