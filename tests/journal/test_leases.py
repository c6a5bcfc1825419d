"""The journal in Postgres, whose owners are leases."""

from pathlib import Path

from kling_async import EntryState, ImageToVideo, TextToVideo
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")


async def test_a_client_with_a_journal_in_postgres(
    make_client: ClientMaker, emulator: Emulator, postgres: str, tmp_path: Path, image: Path
) -> None:
    """What one client submits, another one finds, and goes on with once the first one is closed."""
    async with make_client(journal=postgres) as first:
        handle = await first.submit(CAT, key="cat", save_to=tmp_path / "cat.mp4")
        await first.submit(ImageToVideo(image), key="image")
        assert repr(first.journal) == f"PostgresJournal({first.journal.place!r})"
    async with make_client(journal=postgres) as second:
        assert {each.reference async for each in second.recover()} >= {handle.reference}
        assert await (await second.submit(CAT, key="cat")).save() == tmp_path / "cat.mp4"
        states = {entry.key: entry.state async for entry in second.journal.entries()}
    assert states == {"cat": EntryState.SAVED, "image": EntryState.ENDED}
    assert emulator.ledger.created == 2
