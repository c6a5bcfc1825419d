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
    """A caller there; tasks take 20 seconds."""
    async with other(tmp_path, kind=CurrentService, drops_ids=True) as play:
        yield play


async def test_a_task_of_our_own_that_has_ended_is_not_taken_for_a_lost_one(play: Play) -> None:
    """A create that never arrived does not adopt the task of another create of the same client."""
    client = play.client()
    await client.submit(play.request())  # shows that ids are dropped
    play.service.creates, play.service.effect = [None], False
    doubt = asyncio.ensure_future(doubt_of(play, client))
    await asyncio.sleep(1)
    await (await client.submit(play.request()))
    error = await doubt
    assert (error.candidates, play.service.paid) == ((), 2)


async def test_what_a_later_answer_shows_of_the_path_helps_an_earlier_create(play: Play) -> None:
    """If it is known by then that ids are dropped, the only unassigned task is the lost one."""
    client = play.client()
    play.service.creates = [None]
    lost = asyncio.ensure_future(client.submit(play.request()))
    await asyncio.sleep(1)
    other_one = await client.submit(play.request())
    assert ((await lost).task_id, other_one.task_id) == ("1000", "1001")
    assert play.service.paid == 2


async def test_two_that_are_lost_at_once_are_both_in_doubt(play: Play) -> None:
    """Neither is sent again, and neither adopts what may be the other's task; both name the candidate."""
    client = play.client()
    await client.submit(play.request())
    play.service.creates = [None, None]
    first, second = await asyncio.gather(doubt_of(play, client), doubt_of(play, client))
    assert first.candidates == second.candidates == ("tasks:1001", "tasks:1002")
    assert play.service.paid == 3


async def test_what_the_journal_has_under_another_key_is_not_taken(play: Play, tmp_path: Path) -> None:
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


async def test_what_was_sent_again_may_have_made_a_later_task(play: Play) -> None:
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
    """A client dies before it knows whether its create has made a task."""
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
async def test_what_waits_to_be_recovered_may_have_made_a_task(
    play: Play, tmp_path: Path, made: str, apart: float, found: list[str]
) -> None:
    """Of two creates left in doubt by dead clients neither adopts the one task, even if settled one at a time.

    The first one may have been tried again and again, and what a gone client wrote down is as sure as the clock that it
    had; one of a day before is over.
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


async def test_what_a_living_client_is_at_may_have_made_a_task_however_old_it_is(play: Play, tmp_path: Path) -> None:
    """It may be sending it again."""
    journal = tmp_path / "clips.sqlite"
    await left_in_doubt(play, journal, "a", arrives=False)
    await asyncio.sleep(4000)
    await left_in_doubt(play, journal, "b", arrives=True)
    client, neighbour = play.client(journal=journal), play.client(journal=journal)
    await client.submit(play.request(), key="shows that ids are dropped")
    ours = asyncio.ensure_future(client.submit(play.request(), key="b"))
    await asyncio.sleep(30)
    theirs = asyncio.ensure_future(neighbour.submit(play.request(), key="a"))
    for each in (ours, theirs):
        with pytest.raises(CreateInDoubt, match="tasks:1000"):
            await each


async def test_what_is_older_than_ours_is_not_taken(play: Play) -> None:
    """Nor does it adopt a task made two seconds before: an earlier answer has shown the service's clock."""
    client = play.client()
    await client.submit(play.request())
    await asyncio.sleep(60)
    await play.client().submit(play.request())
    await asyncio.sleep(2)
    play.service.creates, play.service.effect = [None], False
    error = await doubt_of(play, client)
    assert (error.candidates, play.service.paid) == ((), 2)


@pytest.mark.parametrize("ahead", [-300, 300])
async def test_a_task_tells_the_clock_where_no_date_does(play: Play, ahead: float) -> None:
    """With the time of an earlier task ours is found; without one, it is a candidate, and nothing is sent again."""
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


async def test_what_hides_for_a_minute_and_a_half_is_paid_once(play: Play) -> None:
    """By its id and in the list: nothing is sent again before two minutes, twice the longest reported delay."""
    assert isinstance(play.service, CurrentService)
    play.service.drops_ids, play.service.creates = False, [None]
    play.service.visible_after = play.service.listed_after = 90
    await play.client().submit(play.request())
    assert (play.service.paid, play.service.posts) == (1, 1)


async def test_closing_while_all_tasks_are_looked_at_is_a_doubt(play: Play) -> None:
    """The error has the reference, and nothing is sent any more."""
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
