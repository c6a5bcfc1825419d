"""Results of rows, and further runs of the same batch."""

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    Batch,
    Budget,
    ConfigurationError,
    EntryState,
    InvalidBatch,
    KlingClient,
    Polling,
    Retry,
    RowResult,
    RowStatus,
)
from kling_async.batch.runner import Runner
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.concurrency_limit import BEAT, YIELD_MAXIMUM
from tests.shell.conftest import ClientMaker, wall

BAD = "forbidden"
"""A prompt whose task fails."""


def jobs(*rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of text to video, each with its number as its id."""
    usual = {"endpoint": "text_to_video", "prompt": "a cat"}
    return [{"id": str(number), **usual, **row} for number, row in enumerate(rows)]


async def run(batch: Batch, client: KlingClient) -> dict[str, RowResult]:
    """Runs a batch to its end."""
    return {result.id: result async for result in batch.run(client)}


def statuses(results: Mapping[str, RowResult]) -> dict[str, str]:
    """Returns the status of each row."""
    return {id_: result.status.value for id_, result in results.items()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The directory for the files."""
    return tmp_path / "out"


async def test_every_row_is_made_once(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """Each row has its file and its cost; a second run costs nothing, sends no requests and gives the same results."""
    rows = jobs({}, {}, {"duration": 10})
    async with make_client() as client:
        first = await run(Batch(rows, out=out), client)
    assert statuses(first) == dict.fromkeys("012", "done")
    assert [result.files for result in first.values()] == [(out / f"{id_}.mp4",) for id_ in first]
    assert sum(result.units or 0 for result in first.values()) == emulator.ledger.charged
    assert all(result.seconds and not result.estimated and result.attempts == 1 for result in first.values())
    requests = emulator.ledger.requests.total()
    async with make_client() as client:
        second = await run(Batch(rows, out=out), client)
    assert emulator.ledger.requests.total() == requests
    assert {id_: second[id_] for id_ in first} == first


async def test_more_at_once_than_slots(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """The account's slots are all used and never exceeded, but for pauses that leave freed slots to other clients."""
    look = 2.0
    async with make_client(concurrency=5, polling=Polling(first=look, factor=1, maximum=look)) as client:
        await run(Batch(jobs(*[{}] * 20), out=out), client)
    assert emulator.ledger.peak() == 5
    begun = sorted(entry.created_at for entry in emulator.ledger.entries)
    ended = sorted(entry.finished_at or 0 for entry in emulator.ledger.entries)
    waits = sorted(begin - end for begin, end in zip(begun[5:], ended, strict=False))
    assert waits[len(waits) // 2] < look
    assert waits[-1] < 1.1 * look + YIELD_MAXIMUM * BEAT


async def test_wrong_rows_stop_all(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """All problems of all rows are reported, and nothing is sent."""
    rows = jobs({}, {"duration": 7}, {"promt": "a"}, {"image_tail": "no.png", "endpoint": "image_to_video"})
    async with make_client() as client:
        with pytest.raises(InvalidBatch) as caught:
            await run(Batch(rows, out=out), client)
    assert {problem.id for problem in caught.value.problems} == {"1", "2", "3"}
    assert emulator.ledger.requests.total() == 0
    assert not out.exists()


async def test_wrong_rows_can_be_skipped(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """The valid rows run, and the report contains the invalid ones."""
    async with make_client() as client:
        found = await run(Batch(jobs({}, {"duration": 7}), out=out, skip_invalid=True), client)
    assert statuses(found) == {"0": "done", "1": "invalid"}
    assert emulator.ledger.created == 1
    reported = [json.loads(line) for line in (out / "report.jsonl").read_text("utf-8").splitlines()]
    assert [(each["id"], each["status"]) for each in reported] == [("0", "done"), ("1", "invalid")]


async def test_what_failed_is_tried_again_on_demand(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """A failed row stays failed at no cost; `retry_failed` creates another task."""
    rows = jobs({"prompt": BAD}, {})
    async with make_client(concurrency=1) as client:
        assert statuses(await run(Batch(rows, out=out), client)) == {"0": "failed", "1": "done"}
        requests = emulator.ledger.requests.total()
        again = await run(Batch(rows, out=out), client)
        assert (again["0"].status, again["0"].attempts) == ("failed", 1)
        assert again["0"].error
        assert emulator.ledger.requests.total() == requests
        last = await run(Batch(rows, out=out, retry_failed=True), client)
        assert (last["0"].status, last["0"].attempts) == ("failed", 2)
    assert emulator.ledger.created == 3


async def test_another_row_under_the_same_id(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """A changed row is not run under the old one's id; the error lists the differences."""
    async with make_client() as client:
        await run(Batch(jobs({}), out=out), client)
        found = await run(Batch(jobs({"prompt": "a dog"}), out=out), client)
    assert found["0"].status is RowStatus.FAILED
    assert "prompt: 'a cat' in the journal, 'a dog' now" in found["0"].error
    assert emulator.ledger.created == 1


async def test_a_file_in_the_way(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """An unrelated file is never replaced, and nothing is paid for its row."""
    out.mkdir()
    (out / "0.mp4").write_bytes(b"mine")
    async with make_client() as client:
        found = await run(Batch(jobs({}, {}), out=out), client)
    assert statuses(found) == {"0": "failed", "1": "done"}
    assert "0.mp4 exists" in found["0"].error
    assert (out / "0.mp4").read_bytes() == b"mine"
    assert emulator.ledger.created == 1


async def test_a_file_that_was_deleted(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """A deleted file is saved again at no cost."""
    async with make_client() as client:
        await run(Batch(jobs({}), out=out), client)
        (out / "0.mp4").unlink()
        assert statuses(await run(Batch(jobs({}), out=out), client)) == {"0": "done"}
    assert (out / "0.mp4").exists()
    assert emulator.ledger.created == 1


async def test_an_empty_account(make_client: ClientMaker, nothing_is_left: None, out: Path) -> None:  # noqa: ARG001  (a fixture with side effects)
    """Once the account is empty nothing more is sent; paid results are saved, and the other rows contain the reason."""
    rows = jobs(*[{}] * 20)
    async with (
        Emulator(render=False, speed=1.0, balance=3, clock=wall()) as emulator,
        make_client(concurrency=1, base_url=emulator.base_url) as client,
    ):
        batch = Batch(rows, out=out)
        found = await run(batch, client)
        assert batch.counts[RowStatus.DONE] == 2
        assert batch.counts[RowStatus.WAITING] >= 16
        assert all("not sent: " in each.error for each in batch.results if each.status is RowStatus.WAITING)
        assert len([each for each in found.values() if each.status is RowStatus.FAILED]) <= 2
        assert emulator.ledger.requests["create"] <= 4


async def test_one_empty_pack_stops_its_rows_alone(
    make_client: ClientMaker,
    nothing_is_left: None,  # noqa: ARG001  (a fixture with side effects)
    out: Path,
) -> None:
    """Once the video pack is exhausted, video rows wait, and image rows run."""
    pictures = [{"id": f"p{number}", "endpoint": "generate_images", "prompt": "a cat"} for number in range(8)]
    async with (
        Emulator(render=False, speed=1.0, balance={"video": 0, "image": 1000}, clock=wall()) as emulator,
        make_client(concurrency=1, base_url=emulator.base_url) as client,
    ):
        batch = Batch([*jobs(*[{}] * 20), *pictures], out=out)
        await run(batch, client)
        came = {result.id: result.status for result in batch.results}
    assert {came[picture["id"]] for picture in pictures} == {RowStatus.DONE}
    assert [*came.values()].count(RowStatus.DONE) == 8
    assert batch.counts[RowStatus.WAITING] >= 17


async def test_refused_keys_stop_all_rows(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """If the key is refused, the other rows are not sent, and contain the reason."""
    async with make_client(access_key=None, api_key="api-key-of-nobody", concurrency=1) as client:
        batch = Batch(jobs(*[{}] * 20), out=out)
        await run(batch, client)
    assert emulator.ledger.created == 0
    assert batch.counts[RowStatus.WAITING] >= 17
    assert emulator.ledger.requests["create"] <= 3


async def test_every_kind_of_result(make_client: ClientMaker, out: Path) -> None:
    """Pictures, sounds and results without files: each row has all of its files, named by its id."""
    rows = [
        {"id": "cats", "endpoint": "generate_images", "prompt": "cats", "n": 2},
        {"id": "purr", "endpoint": "text_to_audio", "prompt": "a purr", "duration": 5},
        {"id": "voice", "endpoint": "create_voice", "voice_name": "cat", "voice_url": "https://example.com/a.mp3"},
    ]
    async with make_client() as client:
        found = await run(Batch(rows, out=out), client)
        assert statuses(found) == {"cats": "done", "purr": "done", "voice": "done"}
        assert [path.name for path in found["cats"].files] == ["cats.png", "cats.2.png"]
        assert [path.name for path in found["purr"].files] == ["purr.mp3", "purr.wav"]
        assert found["voice"].files == ()
        assert statuses(await run(Batch(rows, out=out), client)) == statuses(found)


async def test_the_watermarked_variants(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """Watermarked variants are requested and saved as well."""
    async with make_client() as client:
        found = await run(Batch(jobs({}), out=out, watermark=True), client)
        assert [path.name for path in found["0"].files] == ["0.mp4", "0.watermark.mp4"]
        again = await run(Batch(jobs({}), out=out, watermark=True), client)
    assert again["0"].files == found["0"].files
    assert emulator.ledger.created == 1


async def test_a_budget(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """Rows that might exceed the budget are not sent; a task that failed at no cost makes room for one."""
    rows = jobs({"prompt": BAD}, *[{}] * 5)
    budget = Budget(units=4.5, failed_is_free=True)
    async with make_client(concurrency=2, budget=budget) as client:
        found = await run(Batch(rows, out=out), client)
    assert sorted(statuses(found).values()) == ["done"] * 3 + ["failed"] + ["over budget"] * 2
    assert emulator.ledger.created == 4
    assert all("needs 1.5" in each.error for each in found.values() if each.status is RowStatus.OVER_BUDGET)


async def test_stopping(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """Nothing more is sent, running rows are saved; running the batch again does the rest."""
    rows = jobs(*[{}] * 12)
    async with make_client(concurrency=2) as client:
        batch = Batch(rows, out=out)
        asyncio.get_running_loop().call_later(100, batch.stop)
        found = await run(batch, client)
        assert [*statuses(found).values()] == ["done"] * 2
        assert batch.counts == {RowStatus.DONE: 2, RowStatus.WAITING: 10}
        assert emulator.ledger.created == 2
        assert set(statuses(await run(Batch(rows, out=out), client)).values()) == {"done"}
    assert emulator.ledger.created == 12


async def test_stopping_with_rows_over_the_budget(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """A row that was over the budget is not sent after a stop, even if there is room for it by then."""
    async with make_client(budget=Budget(units=2, failed_is_free=True)) as client:
        batch = Batch(jobs({"prompt": BAD}, {}), out=out)
        asyncio.get_running_loop().call_later(20, batch.stop)
        found = await run(batch, client)
    assert found["0"].status is RowStatus.FAILED
    assert emulator.ledger.created == 1


async def test_stopping_while_a_create_is_sent(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """A create that may have reached the service is awaited and saved, and not sent again."""
    emulator.faults.add(Fault.delay(60, after_effect=True), on="create", times=1)
    async with make_client(concurrency=1) as client:
        batch = Batch(jobs({}, {}), out=out)
        asyncio.get_running_loop().call_later(20, batch.stop)
        assert [*statuses(await run(batch, client)).values()] == ["done"]  # either may come first
    assert emulator.ledger.created == 1


async def test_stopping_what_never_reached_the_service(make_client: ClientMaker, out: Path) -> None:
    """A create that is retried because the server is unreachable is abandoned at once, and uses none of the budget."""
    async with make_client(base_url="http://127.0.0.1:9", budget=Budget(units=3)) as client:
        batch = Batch(jobs({}), out=out)
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(20, batch.stop)
        assert await run(batch, client) == {}
        assert loop.time() - began < 25
        assert batch.counts == {RowStatus.WAITING: 1}
        assert (await client.spending()).reserved == 0


async def test_leaving_the_loop_early(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """A batch whose loop is left early stops its tasks and writes a report; the next run continues."""
    rows = jobs(*[{}] * 4)
    async with make_client(concurrency=4) as client:
        batch = Batch(rows, out=out)
        results = batch.run(client)
        await anext(results)
        await results.aclose()
        assert batch.counts[RowStatus.DONE] >= 1
        assert (out / "report.html").exists()
        assert set(statuses(await run(Batch(rows, out=out), client)).values()) == {"done"}
    assert emulator.ledger.created == 4


async def test_report_of_an_abandoned_batch(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """The report of an abandoned batch has rows that are, or may be, paid: tasks, and costs by the price table."""
    emulator.faults.add(Fault.delay(20, after_effect=True), on="create", at=2)
    async with make_client(concurrency=2) as client:
        batch = Batch(jobs(*[{}] * 5), out=out)
        running = asyncio.ensure_future(run(batch, client))
        await asyncio.sleep(10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        reported = [json.loads(line) for line in (out / "report.jsonl").read_text("utf-8").splitlines()]
        assert batch.counts == {RowStatus.RUNNING: 2, RowStatus.WAITING: 3}
    assert sorted(each["status"] for each in reported) == ["running"] * 2 + ["waiting"] * 3
    assert sum(each["units"] or 0 for each in reported) == emulator.ledger.charged == 3
    assert {each["task_id"] for each in reported} - {None} < {entry.task_id for entry in emulator.ledger.entries}


async def test_a_row_owned_by_another_process(
    make_client: ClientMaker, out: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Waiting for a row owned by another process, which may be suspended, is logged once."""
    rows = jobs({}, {})
    async with make_client() as stopped, make_client() as client:
        first = asyncio.ensure_future(run(Batch(rows, out=out), stopped))
        await asyncio.sleep(10)
        monkeypatch.setattr(stopped, "save_all", lambda *_, **__: asyncio.Event().wait())
        second = asyncio.ensure_future(run(Batch(rows, out=out), client))
        await asyncio.sleep(400)
        assert not second.done()
        assert [each.message for each in caplog.records if "another process saves it" in each.message]
        assert len([each for each in caplog.records if "another process" in each.message]) == 1
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await stopped.close()
        assert set(statuses(await second).values()) == {"done"}


async def test_one_batch_in_two_clients(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """Two processes that run the same batch concurrently create each row once; both have all results."""
    rows = jobs(*[{}] * 6)
    found = await asyncio.gather(*(run(Batch(rows, out=out), make_client(concurrency=3)) for _ in range(2)))
    assert [set(statuses(each).values()) for each in found] == [{"done"}] * 2
    assert emulator.ledger.created == 6
    assert sorted(path.name for path in out.glob("*.mp4")) == [f"{number}.mp4" for number in range(6)]


async def test_one_batch_twice_in_one_client(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """Two concurrent runs of the same rows in one process create and save each row once, and both report it."""
    rows = jobs(*[{}] * 4)
    async with make_client() as client:
        found = await asyncio.gather(*(run(Batch(rows, out=out), client) for _ in range(2)))
    assert [set(statuses(each).values()) for each in found] == [{"done"}] * 2
    assert emulator.ledger.created == 4


async def test_the_journal_of_another_batch(make_client: ClientMaker, emulator: Emulator, tmp_path: Path) -> None:
    """The journal of a batch is never put where its next run would not find it, which would pay twice."""
    async with make_client() as client:
        await run(Batch(jobs({}), out=tmp_path / "a"), client)
        with pytest.raises(ConfigurationError, match=r"a/journal.sqlite from another batch.*KlingClient\(journal="):
            await run(Batch(jobs({}), out=tmp_path / "b"), client)
        assert statuses(await run(Batch(jobs({}), out=tmp_path / "a"), client)) == {"0": "done"}
    assert emulator.ledger.created == 1


async def test_in_doubt(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """A row whose task may or may not exist is unknown, and its error explains how to continue, which works."""
    emulator.faults.add(Fault.reset(), on="create", probability=1.0)
    emulator.faults.add(Fault.reset(), on="query", probability=1.0)
    async with make_client(retry=Retry(budget=30)) as client:
        found = await run(Batch(jobs({}), out=out), client)
        assert found["0"].status is RowStatus.UNKNOWN
        assert "the same batch, started again" in found["0"].error
    emulator.faults.clear()
    async with make_client() as client:
        assert statuses(await run(Batch(jobs({}), out=out), client)) == {"0": "done"}
    assert emulator.ledger.created == 1


async def test_a_result_that_cannot_be_saved(make_client: ClientMaker, emulator: Emulator, out: Path) -> None:
    """The result is ready and paid for: running the batch again saves it."""
    emulator.faults.add(Fault.missing(), on="file", probability=1.0)
    async with make_client() as client:
        found = await run(Batch(jobs({}), out=out), client)
        assert found["0"].status is RowStatus.UNSAVED
        emulator.faults.clear()
        assert statuses(await run(Batch(jobs({}), out=out), client)) == {"0": "done"}
    assert emulator.ledger.created == 1


async def test_a_bug_in_one_row(
    make_client: ClientMaker, out: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error affects only its row, and is logged."""
    made = Runner._make

    async def broken(self: Runner, row: Any, endpoint: Any) -> None:
        if row.id == "0":
            raise ZeroDivisionError
        await made(self, row, endpoint)

    monkeypatch.setattr(Runner, "_make", broken)
    async with make_client() as client:
        assert statuses(await run(Batch(jobs({}, {}), out=out), client)) == {"0": "failed", "1": "done"}
    assert "row 0 failed unexpectedly" in caplog.text


async def test_a_journal_of_the_clients(make_client: ClientMaker, out: Path, tmp_path: Path) -> None:
    """The client's journal is used if it has one, otherwise the batch's."""
    async with make_client(journal=tmp_path / "mine.sqlite") as client:
        await run(Batch(jobs({}), out=out), client)
        [entry] = [entry async for entry in client.journal.entries()]
    assert (entry.key, entry.state) == ("0", EntryState.SAVED)
    assert not (out / "journal.sqlite").exists()
    async with make_client() as client:
        found = await run(Batch(jobs({}), out=out, journal=tmp_path / "mine.sqlite"), client)
        assert found["0"].attempts == 1


async def test_a_plan(make_client: ClientMaker, out: Path) -> None:
    """A plan contains the rows to send and their cost, without rows already paid for."""
    async with make_client() as client:
        await run(Batch(jobs({}), out=out), client)
    plan = await Batch(jobs({}, {}, {"duration": 10}), out=out).plan()
    assert (plan.rows, plan.done, plan.to_make, plan.units, plan.unpriced) == (3, 1, 2, Decimal("4.5"), 0)
    assert [(share.endpoint, share.model, share.rows, share.units) for share in plan.shares] == [
        ("text_to_video", "kling-v2-6", 2, Decimal("4.5"))
    ]
