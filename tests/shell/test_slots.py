"""Lines in which creates wait for slots: order, several slots at once, and the message of a timeout."""

import asyncio
import re

import pytest

from kling_async import ClientClosed, InsufficientBalance, QueueTimeout
from kling_async.io.slots import Slot, Slots
from kling_async.protocol.concurrency_limit import BEAT, Limit

LINE = "image/kling-v2"


def slots(ceiling: int, queue_deadline: float | None = None) -> Slots:
    """Lines with a ceiling, and without randomness."""
    return Slots(lambda: Limit(ceiling, BEAT, lambda: 0.5), queue_deadline)


async def grown(ceiling: int, queue_deadline: float | None = None) -> Slots:
    """Lines of which `LINE` has reached its ceiling, with nothing running."""
    lines = slots(ceiling, queue_deadline)
    held = []
    for _ in range(ceiling):
        held.append(await lines.take(LINE))
        held[-1].accepted()
    for slot in held:
        slot.release()
    return lines


async def settle() -> None:
    """Runs all ready callbacks without advancing the clock."""
    for _ in range(5):
        await asyncio.sleep(0)


def granted(*takers: "asyncio.Task[Slot]") -> list[bool]:
    """Which of these hold their slots."""
    return [taker.done() for taker in takers]


async def taken(lines: Slots, *counts: int) -> list[Slot]:
    """Slots of requests that are accepted."""
    held = []
    for count in counts:
        held.append(await lines.take(LINE, count))
        held[-1].accepted()
    return held


async def waiting(lines: Slots, *counts: int) -> "list[asyncio.Task[Slot]]":
    """Requests that wait for slots in this order."""
    takers = [asyncio.ensure_future(lines.take(LINE, count)) for count in counts]
    await settle()
    return takers


async def test_a_request_of_many_slots_is_not_overtaken() -> None:
    """With 3 of 10 slots free, a request of 4 waits, and so does one of 1 behind it; both start after a release."""
    lines = await grown(10)
    held = await taken(lines, 1, 6)
    takers = await waiting(lines, 4, 1)
    assert granted(*takers) == [False, False]
    held[0].release()
    await settle()
    assert granted(*takers) == [True, False]
    held[1].release()
    await settle()
    assert granted(*takers) == [True, True]


async def test_a_request_that_exceeds_the_limit_runs_alone() -> None:
    """With `concurrency` 2, a request of 9 slots starts when nothing runs, and nothing starts beside it."""
    lines = await grown(2)
    (held,) = await taken(lines, 1)
    large, small = await waiting(lines, 9, 1)
    assert granted(large, small) == [False, False]
    held.release()
    await settle()
    assert granted(large, small) == [True, False]
    large.result().accepted()
    large.result().release()
    await settle()
    assert granted(small) == [True]


async def test_a_refused_request_keeps_its_place_before_smaller_ones() -> None:
    """A request of 4 that the account refuses waits at the head of the line: one of 1 that would fit stays behind."""
    lines = await grown(10)
    held = await taken(lines, 5)
    refused = await lines.take(LINE, 4)
    (behind,) = await waiting(lines, 2)
    again = asyncio.ensure_future(refused.wait_again())
    await settle()
    assert not again.done()
    assert granted(behind) == [False]
    held[0].release()
    await asyncio.sleep(20)
    assert again.done()
    refused.accepted()
    await settle()
    assert granted(behind) == [True]


async def test_a_request_that_is_cancelled_frees_the_line() -> None:
    """When the request of many slots at the head is cancelled, the one behind it starts at once."""
    lines = await grown(4)
    await taken(lines, 2)
    large, small = await waiting(lines, 3, 1)
    large.cancel()
    await settle()
    assert granted(small) == [True]


async def test_a_slot_that_is_granted_and_cancelled_at_once_is_free_again() -> None:
    """All slots of a request cancelled in the moment of the grant are free."""
    lines = await grown(4)
    (held,) = await taken(lines, 4)
    large, small = await waiting(lines, 4, 4)
    held.release()
    large.cancel()
    await settle()
    assert large.cancelled()
    assert granted(small) == [True]


@pytest.mark.parametrize("doubtful", [False, True])
async def test_a_line_grows_by_the_slots_of_a_request(*, doubtful: bool) -> None:
    """After the first request of 4, accepted or in doubt, 4 more slots are granted, and no fifth."""
    lines = slots(40)
    first = await lines.take(LINE, 4)
    if doubtful:
        first.in_doubt()
    else:
        first.accepted()
    second, third = await waiting(lines, 4, 1)
    assert granted(second, third) == [True, False]
    lines.close()
    with pytest.raises(ClientClosed):
        await third


@pytest.mark.parametrize("way", ["accepted", "in doubt", "refused", "failed"])
async def test_release_frees_all_slots_once(way: str) -> None:
    """`release` frees all slots of a create in any state; a second `release` changes nothing."""
    lines = await grown(4)
    slot = await lines.take(LINE, 3)
    if way == "accepted":
        slot.accepted()
    elif way == "in doubt":
        slot.in_doubt()
    elif way == "refused":
        await slot.wait_again()
    slot.release()
    slot.release()
    first, second = await waiting(lines, 4, 1)
    assert granted(first, second) == [True, False]
    lines.close()
    with pytest.raises(ClientClosed):
        await second


async def test_an_attached_task_counts_as_one_slot_for_all_of_its_pack() -> None:
    """With one attached task 3 of 4 slots are left, until it ends; a request of another pack has all 4."""
    lines = await grown(4)
    lines.attach("image")
    large = asyncio.ensure_future(lines.take(LINE, 4, pack="image"))
    other = asyncio.ensure_future(lines.take("another", 4, pack="video"))
    await settle()
    assert granted(large, other) == [False, True]
    lines.detach("image")
    await settle()
    assert granted(large) == [True]


@pytest.mark.parametrize(("pack", "failed"), [(None, [True] * 3), ("video", [True, False, False])])
async def test_a_refusal_fails_the_requests_it_concerns(pack: str | None, failed: list[bool]) -> None:
    """A missing pack fails the requests of that pack in any line; the account's own refusal fails all."""
    lines = await grown(1)
    await taken(lines, 1)
    (held,) = [await lines.take("another")]
    held.accepted()
    places = ((LINE, "video"), (LINE, "raw:/x"), ("another", "image"))
    takers = [asyncio.ensure_future(lines.take(line, pack=paid)) for line, paid in places]
    await settle()
    lines.fail(InsufficientBalance("empty"), pack)
    await settle()
    assert granted(*takers) == failed
    for taker in takers:
        if taker.done():
            assert isinstance(taker.exception(), InsufficientBalance)
        taker.cancel()
    await settle()


async def test_those_behind_a_failed_one_move_up() -> None:
    """If the request at the head fails, one behind it that fits the free slots starts."""
    lines = await grown(4)
    await taken(lines, 2)
    large = asyncio.ensure_future(lines.take(LINE, 3, pack="video"))
    small = asyncio.ensure_future(lines.take(LINE, 1, pack="raw:/x"))
    await settle()
    lines.fail(InsufficientBalance("empty"), "video")
    await settle()
    assert granted(large, small) == [True, True]
    assert isinstance(large.exception(), InsufficientBalance)


@pytest.mark.parametrize(
    ("count", "wanted"), [(1, "no slot of image/kling-v2 came"), (3, "no 3 slots of image/kling-v2 came")]
)
async def test_a_timeout_names_the_line_and_what_is_held(count: int, wanted: str) -> None:
    """The message contains the line, the seconds waited, and how many slots this client holds."""
    lines = await grown(4, queue_deadline=20)
    await taken(lines, 3, 1)
    with pytest.raises(QueueTimeout, match=wanted) as caught:
        await lines.take(LINE, count)
    assert "within 20 s (queue_deadline); nothing was sent." in str(caught.value)
    assert "hold 4 slots, at most 4 may be held (concurrency)" in str(caught.value)


async def test_refusals_do_not_prolong_the_wait() -> None:
    """A request refused repeatedly, while other clients hold all slots, fails at its deadline."""
    lines = slots(5, queue_deadline=60)
    slot, loop = await lines.take(LINE), asyncio.get_running_loop()
    begun = loop.time()

    async def refused() -> None:
        while loop.time() < begun + 600:
            await slot.wait_again()

    with pytest.raises(QueueTimeout, match="within 60 s") as caught:
        await refused()
    assert loop.time() - begun == pytest.approx(60)
    assert "nothing was sent" not in str(caught.value)
    assert re.search(r"full each time it was sent \(\d+\); nothing was created", str(caught.value))


async def test_lines_are_independent() -> None:
    """A full line does not delay another one."""
    lines = slots(1)
    await lines.take(LINE)
    other = await lines.take("video/kling-v2")
    other.accepted()


async def test_more_slots_than_the_account_has(caplog: pytest.LogCaptureFixture) -> None:
    """A request for several slots that is refused while nothing else runs is logged, once; one slot is not."""
    lines = slots(5)
    single = await lines.take("kling-v3")
    again = asyncio.ensure_future(single.wait_again())
    await again
    assert not caplog.records
    several = await lines.take("kling-v3 (image)", 9)
    for _ in range(3):
        await asyncio.ensure_future(several.wait_again())
    [record] = caplog.records
    assert "refuses 9 slots of kling-v3 (image)" in record.getMessage()
