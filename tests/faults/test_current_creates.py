"""Several creates of one client at once, on a path that drops external ids and a server that refuses no duplicates."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kling_async import CreateInDoubt
from tests.faults.current_service import CurrentService
from tests.faults.current_stories import doubt_of
from tests.faults.ends import Play, other
from tests.faults.other_service import page

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Play]:
    """Yields a caller of such a server; tasks take 20 seconds."""
    async with other(tmp_path, kind=CurrentService, drops_ids=True) as play:
        yield play


async def test_a_finished_task_of_another_create_is_not_adopted(play: Play) -> None:
    """A create that never arrived does not adopt the task of another create of the same client."""
    client = play.client()
    await client.submit(play.request())  # shows that ids are dropped
    play.service.creates, play.service.effect = [None], False
    doubt = asyncio.ensure_future(doubt_of(play, client))
    await asyncio.sleep(1)
    await (await client.submit(play.request()))
    error = await doubt
    assert (error.candidates, play.service.paid) == ((), 2)


async def test_a_later_answer_reveals_that_ids_are_dropped(play: Play) -> None:
    """If a later answer has shown that the path drops ids, the only unassigned task is the lost one."""
    client = play.client()
    play.service.creates = [None]
    lost = asyncio.ensure_future(client.submit(play.request()))
    await asyncio.sleep(1)
    other_one = await client.submit(play.request())
    assert ((await lost).task_id, other_one.task_id) == ("1000", "1001")
    assert play.service.paid == 2


async def test_two_creates_lost_at_once_are_both_in_doubt(play: Play) -> None:
    """Neither create is sent again or adopts a task that may be the other's; both errors name the candidate."""
    client = play.client()
    await client.submit(play.request())
    play.service.creates = [None, None]
    first, second = await asyncio.gather(doubt_of(play, client), doubt_of(play, client))
    assert first.candidates == second.candidates == ("tasks:1001", "tasks:1002")
    assert play.service.paid == 3


async def test_a_task_of_another_journal_key_is_not_adopted(play: Play, tmp_path: Path) -> None:
    """A create that never arrived does not adopt the task that another client made just before, even a finished one."""
    journal = tmp_path / "clips.sqlite"
    neighbour, client = play.client(journal=journal), play.client(journal=journal)
    await client.submit(play.request(), key="shows that ids are dropped")
    await asyncio.sleep(60)
    await (await neighbour.submit(play.request(), key="w"))
    play.service.creates, play.service.effect = [None], False
    lost = asyncio.ensure_future(doubt_of(play, client))
    await asyncio.sleep(0.5)
    play.service.effect = True
    await (await neighbour.submit(play.request(), key="x"))
    error = await lost
    assert (error.candidates, play.service.paid) == ((), 3)


async def sent(play: Play, creates: int) -> None:
    """Waits until a number of creates have reached the service."""
    while play.service.posts < creates:  # noqa: ASYNC110  (it has no event)
        await asyncio.sleep(0.1)


async def test_a_create_sent_again_may_have_made_a_later_task(play: Play) -> None:
    """A create counts by its last send, not by its first: another create does not adopt its task."""
    client = play.client()
    play.service.creates, play.service.effect = [None], False
    again = asyncio.ensure_future(doubt_of(play, client))
    await sent(play, 1)
    play.service.creates, play.service.effect = [None], True
    await sent(play, 2)
    play.service.creates, play.service.effect = [None], False
    lost = asyncio.ensure_future(doubt_of(play, client))
    await sent(play, 3)
    play.service.effect = True
    await client.submit(play.request())  # shows that ids are dropped
    assert [error.candidates for error in await asyncio.gather(again, lost)] == [("tasks:1000",)] * 2
    assert play.service.paid == 2


async def left_in_doubt(play: Play, journal: Path, key: str, *, arrives: bool) -> None:
    """Closes a client while it is in doubt whether its create has made a task."""
    play.service.creates, play.service.effect = [None], arrives
    client, before = play.client(journal=journal), play.service.posts
    lost = asyncio.ensure_future(client.submit(play.request(), key=key))
    await sent(play, before + 1)
    await client.close()
    with pytest.raises(CreateInDoubt):
        await lost
    play.service.effect = True


@pytest.mark.parametrize(
    ("made", "apart", "found"), [("a", 0, []), ("b", 0, []), ("b", 4000, []), ("b", 100_000, ["b"])]
)
async def test_an_unrecovered_create_may_have_made_a_task(
    play: Play, tmp_path: Path, made: str, apart: float, found: list[str]
) -> None:
    """Of two creates left in doubt by dead clients neither adopts the one task, even if settled one at a time.

    The first one may have been sent several times, and the dead client's clock may have been wrong; a create of the day
    before has no effect any more.
    """
    journal = tmp_path / "clips.sqlite"
    await left_in_doubt(play, journal, "a", arrives=made == "a")
    await asyncio.sleep(apart)
    await left_in_doubt(play, journal, "b", arrives=made == "b")
    client = play.client(journal=journal, concurrency=1)
    await (await client.submit(play.request(), key="shows that ids are dropped"))
    assert [handle.key async for handle in client.recover()] == found
    assert [entry.task_id async for entry in client.journal.entries(key="b")] == ["1000" if "b" in found else None]
    assert play.service.paid == 2


async def test_an_old_create_of_a_live_client_may_have_made_a_task(play: Play, tmp_path: Path) -> None:
    """A live client may be sending its create again, so both creates are in doubt, whatever their age."""
    journal = tmp_path / "clips.sqlite"
    await left_in_doubt(play, journal, "a", arrives=False)
    await asyncio.sleep(4000)
    await left_in_doubt(play, journal, "b", arrives=True)
    client, neighbour = play.client(journal=journal), play.client(journal=journal)
    await client.submit(play.request(), key="shows that ids are dropped")
    ours = asyncio.ensure_future(client.submit(play.request(), key="b"))
    await asyncio.sleep(30)
    neighbours_create = asyncio.ensure_future(neighbour.submit(play.request(), key="a"))
    for each in (ours, neighbours_create):
        with pytest.raises(CreateInDoubt, match="tasks:1000"):
            await each


async def test_a_task_older_than_the_create_is_not_adopted(play: Play) -> None:
    """A task made two seconds before the create is not adopted: an earlier answer has shown the service's clock."""
    client = play.client()
    await client.submit(play.request())
    await asyncio.sleep(60)
    await play.client().submit(play.request())
    await asyncio.sleep(2)
    play.service.creates, play.service.effect = [None], False
    error = await doubt_of(play, client)
    assert (error.candidates, play.service.paid) == ((), 2)


@pytest.mark.parametrize("ahead", [-300, 300])
async def test_a_task_reveals_the_clock_if_answers_have_no_date(play: Play, ahead: float) -> None:
    """The time of an earlier task identifies the lost one; without it, the task is only a candidate."""
    assert isinstance(play.service, CurrentService)
    play.service.ahead = ahead
    play.service.creates = [None]
    error = await doubt_of(play, play.client())
    assert (error.candidates, play.service.posts) == (("tasks:1000",), 1)
    await asyncio.sleep(3600)
    client = play.client()
    await client.submit(play.request())
    play.service.creates = [None]
    assert (await client.submit(play.request())).task_id == "1002"
    assert play.service.paid == 3


async def test_a_task_hidden_for_90_seconds_is_paid_once(play: Play) -> None:
    """No create is sent again before two minutes, twice the longest delay after which a task was reported to appear."""
    assert isinstance(play.service, CurrentService)
    play.service.drops_ids, play.service.creates = False, [None]
    play.service.visible_after = play.service.listed_after = 90
    await play.client().submit(play.request())
    assert (play.service.paid, play.service.posts) == (1, 1)


async def test_closing_during_a_listing_is_create_in_doubt(play: Play) -> None:
    """A client closed while it lists all tasks raises an error with the reference, and sends no more creates."""
    client = play.client()
    play.service.creates.append(None)
    assert isinstance(play.service, CurrentService)
    play.service.lists.extend([page(502)] * 100)
    doubt = asyncio.ensure_future(doubt_of(play, client))
    await asyncio.sleep(100)
    await client.close()
    error = await doubt
    assert (error.reference or "").startswith("tasks:external:kling-async-")
    assert play.service.posts == 1
