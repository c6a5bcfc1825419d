"""Changes to a batch's files between two runs."""

import asyncio
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import Batch, EntryState, ImageToVideo, InvalidBatch, KlingClient, MediaFileMissing, RowResult
from kling_async.emulator import Emulator
from kling_async.journal.sqlite import SqliteStore
from tests.shell.conftest import ClientMaker


@pytest.fixture
def jobs(tmp_path: Path, image: Path) -> Path:
    """Jobs with a row of a picture in the same directory."""
    shutil.copy(image, tmp_path / "cat.png")
    return write(tmp_path, {"id": "0", "image": "cat.png"})


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    """A file with these rows."""
    path = folder / "jobs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


async def run(batch: Batch, client: KlingClient) -> dict[str, RowResult]:
    """Runs a batch to its end."""
    return {result.id: result async for result in batch.run(client)}


async def begun(jobs: Path, out: Path, client: KlingClient) -> None:
    """Abandons a batch once its tasks are created."""
    running = asyncio.ensure_future(run(Batch(jobs, out=out), client))
    await asyncio.sleep(30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()


@pytest.mark.parametrize("in_clients", [False, True])
async def test_a_picture_that_is_gone(
    make_client: ClientMaker, emulator: Emulator, jobs: Path, tmp_path: Path, *, in_clients: bool
) -> None:
    """The result of a picture is saved even if the picture has changed or is gone; no new task is created."""
    more = {"journal": tmp_path / "j.sqlite"} if in_clients else {}
    await begun(jobs, tmp_path / "out", make_client(**more))
    (tmp_path / "cat.png").unlink()
    async with make_client(**more) as client:
        found = await run(Batch(jobs, out=tmp_path / "out"), client)
        assert (found["0"].status, found["0"].files) == ("done", (tmp_path / "out" / "0.mp4",))
        again = await run(Batch(jobs, out=tmp_path / "out"), client)
        assert again == found
        write(tmp_path, {"id": "0", "image": "cat.png"}, {"id": "1", "image": "cat.png"})
        with pytest.raises(InvalidBatch) as caught:
            await run(Batch(jobs, out=tmp_path / "out"), client)
        assert [problem.id for problem in caught.value.problems] == ["1"]
    assert emulator.ledger.created == 1


async def test_a_key_whose_picture_is_gone(
    make_client: ClientMaker, emulator: Emulator, tmp_path: Path, image: Path
) -> None:
    """A key finds its task without the input picture; without a task, the missing picture is an error."""
    picture = tmp_path / "cat.png"
    shutil.copy(image, picture)
    async with make_client(journal=tmp_path / "j.sqlite") as client:
        request = ImageToVideo(image=picture)
        first = await client.submit(request, key="a")
        picture.unlink()
        assert (await client.submit(request, key="a")).reference == first.reference
        with pytest.raises(MediaFileMissing):
            await client.submit(request, key="b")
    assert emulator.ledger.created == 1


async def test_a_deleted_picture_differs_from_its_replacement(
    make_client: ClientMaker, emulator: Emulator, jobs: Path, tmp_path: Path
) -> None:
    """A row with another picture under the same id is a different row, even if neither picture exists any more."""
    async with make_client() as client:
        await run(Batch(jobs, out=tmp_path / "out"), client)
        write(tmp_path, {"id": "0", "image": "dog.png"})
        found = await run(Batch(jobs, out=tmp_path / "out"), client)
    assert found["0"].status == "failed"
    assert "image: 'cat.png (SHA-256 " in found["0"].error
    assert "'dog.png (gone)' now" in found["0"].error
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("moves", [True, False], ids=["moved", "copied"])
async def test_a_directory_that_was_moved(
    make_client: ClientMaker, emulator: Emulator, jobs: Path, tmp_path: Path, *, moves: bool
) -> None:
    """After the directory of a batch is moved, its results are found there, and nothing is paid."""
    here, there = tmp_path / "out", tmp_path / "elsewhere"
    async with make_client() as client:
        await run(Batch(jobs, out=here), client)
    if moves:
        here.rename(there)
    else:
        shutil.copytree(here, there)
    async with make_client() as client:
        found = await run(Batch(jobs, out=there), client)
        assert (found["0"].status, found["0"].files) == ("done", (there / "0.mp4",))
        assert await run(Batch(jobs, out=there), client) == found
        assert [entry.state async for entry in client.journal.entries()] == [EntryState.SAVED]
    assert emulator.ledger.created == 1


async def test_both_variants_in_a_directory_that_was_moved(
    make_client: ClientMaker, emulator: Emulator, jobs: Path, tmp_path: Path
) -> None:
    """Each variant is recognized after the move, and none is downloaded again."""
    async with make_client() as client:
        await run(Batch(jobs, out=tmp_path / "out", watermark=True), client)
    there = (tmp_path / "out").rename(tmp_path / "elsewhere")
    delivered = emulator.ledger.delivered
    for _ in range(2):
        async with make_client() as client:
            found = await run(Batch(jobs, out=there, watermark=True), client)
            assert found["0"].files == (there / "0.mp4", there / "0.watermark.mp4")
            [entry] = [entry async for entry in client.journal.entries()]
            assert [file.watermark for file in entry.files] == [False, True]
    assert (emulator.ledger.created, emulator.ledger.delivered) == (1, delivered)


async def test_another_file_where_the_directory_was_moved(
    make_client: ClientMaker, emulator: Emulator, jobs: Path, tmp_path: Path
) -> None:
    """A file other than the saved one is never mistaken for it, nor replaced."""
    async with make_client() as client:
        await run(Batch(jobs, out=tmp_path / "out"), client)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "0.mp4").write_bytes(b"mine")
    async with make_client() as client:
        found = await run(Batch(jobs, out=tmp_path / "elsewhere"), client)
    assert (found["0"].status, found["0"].files) == ("unsaved", ())
    assert (tmp_path / "elsewhere" / "0.mp4").read_bytes() == b"mine"
    assert emulator.ledger.created == 1


def cut(path: Path) -> None:
    """A file truncated by an interrupted copy."""
    path.write_bytes(path.read_bytes()[:100])


def directory(path: Path) -> None:
    """A directory in place of the file."""
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    """A dangling link in place of the file."""
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (cut, "0.mp4 exists, and is not what was saved there: it was changed since; move it away, then the same batch"),
        (directory, "0.mp4 is not a regular file; put that right, then the same batch"),
        (link, "0.mp4 is a link to nothing, and is not what was saved there: it was changed since; move it away, "),
    ],
)
async def test_a_name_that_is_taken(
    make_client: ClientMaker,
    emulator: Emulator,
    jobs: Path,
    tmp_path: Path,
    *,
    change: Callable[[Path], None],
    expected: str,
) -> None:
    """Anything that blocks the target has to be removed first, as no run can do so; then the batch saves the file."""
    out = tmp_path / "out"
    async with make_client() as client:
        await run(Batch(jobs, out=out), client)
        change(out / "0.mp4")
        found = await run(Batch(jobs, out=out), client)
        assert found["0"].status == "unsaved"
        assert expected in found["0"].error
        assert "that costs nothing" in found["0"].error
        (out / "0.mp4").rename(tmp_path / "away")
        assert (await run(Batch(jobs, out=out), client))["0"].files == (out / "0.mp4",)
    assert emulator.ledger.created == 1


async def test_a_picture_that_was_changed(
    make_client: ClientMaker, emulator: Emulator, jobs: Path, tmp_path: Path, image: Path
) -> None:
    """What was paid under the id of a changed row counts, and until it is saved the error explains how to get it."""
    await begun(jobs, tmp_path / "out", make_client())
    shutil.copy(image.with_name("coffee.png"), tmp_path / "cat.png")
    async with make_client() as client:
        found = await run(Batch(jobs, out=tmp_path / "out"), client)
    [paid] = emulator.ledger.entries
    assert (found["0"].status, found["0"].task_id, found["0"].units) == ("failed", None, Decimal(str(paid.units)))
    assert f"kling-async save image2video:{paid.task_id}" in found["0"].error


async def test_a_row_that_is_no_longer_there(
    make_client: ClientMaker, emulator: Emulator, jobs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If the row of an unsaved result is removed, a warning explains how to save it; after that there is none."""
    write(tmp_path, {"id": "0", "image": "cat.png"}, {"id": "1", "image": "cat.png"})
    await begun(jobs, tmp_path / "out", make_client())
    write(tmp_path, {"id": "0", "image": "cat.png"})
    async with make_client() as client:
        assert set(await run(Batch(jobs, out=tmp_path / "out"), client)) == {"0"}
    [warning] = [record.message for record in caplog.records if "no longer among the rows" in record.message]
    assert any(f"1 (image2video:{entry.task_id})" in warning for entry in emulator.ledger.entries)
    write(tmp_path, {"id": "0", "image": "cat.png"}, {"id": "1", "image": "cat.png"})
    caplog.clear()
    async with make_client() as client:
        assert set(await run(Batch(jobs, out=tmp_path / "out"), client)) == {"0", "1"}
        write(tmp_path, {"id": "0", "image": "cat.png"})
        await run(Batch(jobs, out=tmp_path / "out"), client)
    assert "no longer among" not in caplog.text
    assert emulator.ledger.created == 2


async def test_a_row_whose_outcome_stays_unknown(make_client: ClientMaker, emulator: Emulator, tmp_path: Path) -> None:
    """If it can never be determined whether a task exists, the error suggests remedies other than a new run."""
    rows = [{"id": "0", "endpoint": "text_to_video", "prompt": "a cat"}]
    async with make_client() as client:
        await run(Batch(rows, out=tmp_path / "out"), client)
    store = SqliteStore(tmp_path / "out" / "journal.sqlite")
    store.open()
    with store.together():
        store.run("UPDATE entries SET state = 'intent', external_task_id = NULL, task_id = NULL")
    store.close()
    (tmp_path / "out" / "0.mp4").unlink()
    for _ in range(2):
        async with make_client() as client:
            found = (await run(Batch(rows, out=tmp_path / "out"), client))["0"]
        assert (found.status, found.lost) == ("unknown", True)
        assert found.error.endswith("another id for the row makes it anew, which may pay twice")
    assert emulator.ledger.created == 1
