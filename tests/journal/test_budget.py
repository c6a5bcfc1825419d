"""A budget, in memory and in a journal: only creates that fit are sent, however many run at once."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest

from kling_async import (
    Budget,
    BudgetExceeded,
    CallInDoubt,
    ConfigurationError,
    ContentRefused,
    CreateInDoubt,
    EntryState,
    ImageToVideo,
    InvalidRequest,
    KlingClient,
    KlingError,
    RawTask,
    Retry,
    Spending,
    TaskFailed,
    TextToSpeech,
    TextToVideo,
)
from kling_async.emulator import Emulator, Fault
from kling_async.journal.sqlite import SqliteStore
from kling_async.protocol.budget import Memory, Reservation
from tests.journal.conftest import Place
from tests.repeatable import same_draws
from tests.shell.conftest import IMAGES, ClientMaker

CAT = TextToVideo("a cat")
PRO = TextToVideo("a cat", mode="pro")
HELLO = TextToSpeech("Hello", voice_id="calm_story1", voice_language="en")
PICTURE = ImageToVideo((IMAGES / "cat.png").read_bytes())
MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)


# ----------------------------------------------------------------------------------------- accounts


class Keeper(Protocol):
    """The interface of an account, in memory or in a journal."""

    def spending(self, now: datetime) -> Spending:
        """Of a window."""
        ...

    def reserve(self, amount: Decimal, now: datetime) -> Reservation:
        """Reserves."""
        ...

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """Settles."""
        ...


class Stored:
    """An account in a journal's store, each step in its own transaction."""

    def __init__(self, store: SqliteStore, budget: Budget) -> None:
        self._store = store
        self._name = budget.terms.name
        with store.together():
            store.budgets.agree(budget.terms, change=budget.change)

    def spending(self, now: datetime) -> Spending:
        """Of a window."""
        with self._store.together():
            return self._store.budgets.spending(self._name, now)

    def reserve(self, amount: Decimal, now: datetime) -> Reservation:
        """Reserves."""
        with self._store.together():
            return self._store.budgets.reserve(self._name, amount, now)

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """Settles."""
        with self._store.together():
            self._store.budgets.settle(reservation, counted)


Keep = Callable[[Budget], Keeper]


@pytest.fixture(params=["memory", "journal"])
def keep(request: pytest.FixtureRequest, path: Path) -> Iterator[Keep]:
    """Creates an account of either kind."""
    if request.param == "memory":
        yield lambda budget: Memory(budget.terms)
        return
    store = SqliteStore(path)
    store.open()
    yield lambda budget: Stored(store, budget)
    store.close()


Step = tuple[str, int, str]
"""`reserve` an amount in an hour, or `settle` the reservation of this number at an amount."""
FITS: list[tuple[list[Step], str, str, bool]] = [
    ([], "4", "0", True),
    ([("reserve", 0, "4")], "0", "4", True),
    ([("reserve", 0, "4.01")], "4", "0", False),
    ([("reserve", 0, "1.5"), ("reserve", 0, "2.5")], "0", "4", True),
    ([("reserve", 0, "1.5"), ("reserve", 0, "1.5"), ("reserve", 0, "1.5")], "1", "3", False),
    ([("reserve", 0, "3"), ("settle", 0, "3"), ("reserve", 0, "1")], "0", "1", True),
    ([("reserve", 0, "3"), ("settle", 0, "0"), ("reserve", 0, "4")], "0", "4", True),
    ([("reserve", 0, "3"), ("settle", 0, "2"), ("reserve", 0, "2")], "0", "2", True),
    ([("reserve", 0, "3"), ("settle", 0, "3"), ("reserve", 0, "1.5")], "1", "0", False),
    ([("reserve", 0, "3"), ("settle", 0, "9"), ("reserve", 0, "0.1")], "0", "0", False),
    ([("reserve", 0, "4"), ("reserve", 24, "4")], "0", "4", True),
    ([("reserve", 0, "4"), ("reserve", 23, "1")], "0", "4", False),
    ([("reserve", 0, "4"), ("reserve", 24, "3"), ("settle", 0, "9"), ("reserve", 24, "1")], "0", "4", True),
    ([("reserve", 24, "4"), ("settle", 0, "1"), ("reserve", 0, "4"), ("reserve", 24, "3")], "0", "3", True),
]


@pytest.mark.parametrize(("steps", "left", "reserved", "fits"), FITS)
def test_what_fits(keep: Keep, steps: list[Step], left: str, reserved: str, *, fits: bool) -> None:
    """Memory and journal give the same answers; only the last step may not fit, and then changes nothing."""
    keeper = keep(Budget(units=4, per="day"))
    made: list[Reservation] = []
    fitted, refusal, now = True, None, MIDNIGHT
    for what, number, amount in steps:
        if what == "settle":
            keeper.settle(made[number], Decimal(amount))
            continue
        assert fitted
        now = MIDNIGHT + timedelta(hours=number)
        try:
            made.append(keeper.reserve(Decimal(amount), now))
        except BudgetExceeded as error:
            fitted, refusal = False, (error.left, error.reserved, error.asked)
    assert fitted is fits
    spending = keeper.spending(now)
    assert (spending.left, spending.reserved) == (Decimal(left), Decimal(reserved))
    assert refusal is None or refusal == (spending.left, spending.reserved, Decimal(steps[-1][2]))


@pytest.mark.parametrize("draw", range(20))
def test_random_interleavings(keep: Keep, draw: int) -> None:
    """In any order of steps the limit is never exceeded, and no amount that fits is refused."""
    rng = same_draws(draw)
    keeper, limit = keep(Budget(units=20)), Decimal(20)
    open_, settled = list[Reservation](), Decimal(0)
    for _ in range(150):
        if open_ and rng.random() < 0.45:
            one = open_.pop(rng.randrange(len(open_)))
            counted = one.amount * rng.choice([Decimal(share) for share in ("0", "1", "1", "0.5")])
            keeper.settle(one, counted)
            settled += counted
            continue
        price, taken = rng.choice([Decimal("1.5"), Decimal("2.5"), Decimal("0.05")]), sum(each.amount for each in open_)
        try:
            open_.append(keeper.reserve(price, MIDNIGHT))
        except BudgetExceeded:
            assert taken + settled + price > limit
        else:
            assert taken + settled + price <= limit
    reserved = sum((each.amount for each in open_), Decimal(0))
    assert keeper.spending(MIDNIGHT) == Spending("units", limit, reserved, settled)


# ------------------------------------------------------------------------------------------- clients


@pytest.fixture(params=["memory", "journal"])
def make(request: pytest.FixtureRequest, make_client: ClientMaker, path: Path) -> ClientMaker:
    """Creates clients, with a journal or without."""
    return make_client if request.param == "memory" else lambda **options: make_client(journal=path, **options)


async def spent(client: KlingClient) -> tuple[float, float]:
    """Returns the reserved and the settled amount."""
    spending = await client.spending()
    return float(spending.reserved), float(spending.settled)


async def test_what_does_not_fit_is_not_sent(make: ClientMaker, emulator: Emulator) -> None:
    """A create is sent only after its reservation; one that does not fit takes no slot."""
    client = make(budget=Budget(units=4), concurrency=3)
    first, second = await client.submit(CAT), await client.submit(PRO)
    for _ in range(5):
        with pytest.raises(BudgetExceeded, match="nothing was sent") as caught:
            await client.submit(CAT)
        error = caught.value
        assert (float(error.left), float(error.reserved), float(error.asked)) == (0, 4, 1.5)
        assert error.reference is None
    assert await spent(client) == (4, 0)
    await asyncio.gather(first, second)
    assert await spent(client) == (0, 4)
    assert (await client.spending()).left == 0
    with pytest.raises(BudgetExceeded):
        await client.submit(CAT)
    assert emulator.ledger.requests["create"] == 2
    assert emulator.ledger.charged == 4


async def test_many_at_once(make: ClientMaker, emulator: Emulator) -> None:
    """Of fifty concurrent creates in two clients that share a budget, as many are made as fit."""
    budget = Budget(usd="2.1")
    clients = [make(budget=budget), make(budget=budget)]
    creates = (clients[number % 2].submit(CAT) for number in range(50))
    made = await asyncio.gather(*creates, return_exceptions=True)
    assert sum(isinstance(each, BudgetExceeded) for each in made) == 40
    assert emulator.ledger.charged == 15


@pytest.mark.parametrize("draw", range(3))
async def test_everything_at_once(make: ClientMaker, emulator: Emulator, draw: int) -> None:
    """Whatever fails or is lost, the limit is never exceeded, and in the end the charged amount counts."""
    rng = same_draws(draw)
    budget = Budget(units=20)
    clients = [make(budget=budget, concurrency=8, retry=Retry(first=0.1, settle=1)) for _ in range(2)]
    emulator.faults.add(Fault.reset(after_effect=True), on="create", probability=0.2)

    async def one() -> None:
        await asyncio.sleep(rng.random() * 300)
        client = rng.choice(clients)
        request = TextToVideo(rng.choice(["a cat", "forbidden", "refused"]), mode=rng.choice(["std", "pro"]))
        try:
            handle = await client.submit(request)
        except BudgetExceeded:
            return
        else:
            spending = await client.spending()
            assert spending.reserved + spending.settled <= 20
            assert emulator.ledger.charged <= 20
            await handle

    ended = await asyncio.gather(*(one() for _ in range(60)), return_exceptions=True)
    assert {type(each) for each in ended} <= {type(None), TaskFailed, ContentRefused, CreateInDoubt}
    await clients[1].close()  # and has recorded everything
    reserved, settled = await spent(clients[0])
    in_doubt = [each for each in ended if isinstance(each, CreateInDoubt)]
    assert 1.5 * len(in_doubt) <= reserved <= 2.5 * len(in_doubt)
    assert settled <= emulator.ledger.charged <= settled + reserved
    assert 10 < settled + reserved <= 20


async def test_what_was_refused_is_given_back(make: ClientMaker, emulator: Emulator) -> None:
    """A create that the service refuses costs nothing, and the next one finds the budget as it was."""
    client = make(budget=Budget(units="1.5"))
    for _ in range(3):
        with pytest.raises(ContentRefused):
            await client.submit(TextToVideo("refused"))
    await client.submit(CAT)
    assert await spent(client) == (1.5, 0)
    assert emulator.ledger.created == 1


@pytest.mark.parametrize(("failed_is_free", "reports_cost"), [(True, False), (False, False), (False, True)])
async def test_a_failed_task(
    make: ClientMaker, emulator: Emulator, *, failed_is_free: bool, reports_cost: bool
) -> None:
    """A failed task counts as the service reports; else at its price, or nothing if failed tasks are free."""
    if not reports_cost:
        emulator.faults.add(Fault.reshaped(without=["/data/final_unit_deduction", "/data/final_balance_deduction"]))
    client = make(budget=Budget(units="1.5", failed_is_free=failed_is_free))
    handle = await client.submit(TextToVideo("forbidden"))
    with pytest.raises(TaskFailed):
        await handle
    assert await spent(client) == (0, 0 if failed_is_free or reports_cost else 1.5)


async def test_more_than_was_reserved(make: ClientMaker, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """A task that costs more than its price is logged, and past the limit nothing more is sent."""
    emulator.faults.add(Fault.reshaped({"/data/final_unit_deduction": "61"}), on="query")
    client = make(budget=Budget(units=60))
    await (await client.submit(CAT))
    assert await spent(client) == (0, 61)
    (record,) = [each for each in caplog.records if getattr(each, "kling_event", "") == "over_estimate"]
    assert record.levelno == logging.WARNING
    assert "took 61 units, more than the 1.5 that were reserved from the budget 'default'" in record.getMessage()
    with pytest.raises(BudgetExceeded) as caught:
        await client.submit(CAT)
    assert caught.value.left == 0
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("after_effect", [True, False])
async def test_a_create_in_doubt(make: ClientMaker, emulator: Emulator, *, after_effect: bool) -> None:
    """The reserved amount of a create in doubt stays reserved."""
    client = make(budget=Budget(units=2), retry=Retry(first=0.1, settle=1, budget=2))
    emulator.faults.add(Fault.reset(after_effect=after_effect), on="create")
    emulator.faults.add(Fault.reset(), on="query")
    with pytest.raises(CreateInDoubt):
        await client.submit(CAT)
    assert await spent(client) == (1.5, 0)
    with pytest.raises(BudgetExceeded):
        await client.submit(CAT)


async def test_a_client_that_closes_while_its_create_is_in_doubt(make: ClientMaker, emulator: Emulator) -> None:
    """The reservation stays for other clients of the budget, however the create was interrupted."""
    budget = Budget(units=2)
    client, other = make(budget=budget), make(budget=budget)
    emulator.faults.add(Fault.delay(3600, after_effect=True), on="create")
    creating = asyncio.ensure_future(client.submit(CAT))
    await asyncio.sleep(5)
    await client.close()
    assert isinstance((await asyncio.gather(creating, return_exceptions=True))[0], KlingError)
    assert emulator.ledger.created == 1
    assert await spent(other) == (1.5, 0)
    with pytest.raises(BudgetExceeded):
        await other.submit(CAT)


async def test_a_task_that_has_ended_when_it_is_found(make: ClientMaker, emulator: Emulator) -> None:
    """If a create's response is lost and its task has ended before it is looked up, it counts as usual."""
    client = make(budget=Budget(units=2), retry=Retry(first=600, maximum=600, budget=3600))
    emulator.faults.add(Fault.reset(after_effect=True), on="create", times=1)
    await (await client.submit(CAT))
    assert await spent(client) == (0, 1.5)
    assert emulator.ledger.created == 1


async def test_a_create_without_a_task(make: ClientMaker, emulator: Emulator) -> None:
    """A response that names no task may be billed, and counts."""
    emulator.faults.add(Fault.reshaped({"/data": {}}), on="create")
    client = make(budget=Budget(units=5, assume=2))
    with pytest.raises(KlingError):
        await client.submit(RawTask("/v1/videos/text2video", {"prompt": "a cat"}))
    assert await spent(client) == (0, 2)


async def test_a_price_that_is_not_known(make: ClientMaker, emulator: Emulator) -> None:
    """Without a known price the budget sets the reserved amount, or the create is refused before it queues."""
    request = RawTask("/v1/videos/text2video", {"prompt": "a cat"})
    with pytest.raises(InvalidRequest, match=r"Budget\(..., assume=...\)"):
        await make(budget=Budget(units=60)).submit(request)
    assert emulator.ledger.requests["create"] == 0
    client = make(budget=Budget(units=60, assume=5, change=True))
    handle = await client.submit(request)
    assert await spent(client) == (5, 0)
    await handle
    assert await spent(client) == (0, 1)


async def test_a_day(make: ClientMaker, emulator: Emulator) -> None:
    """A task counts on the day it was begun, whenever it ends; the next day has the full limit again."""
    loop: Any = asyncio.get_running_loop()
    await asyncio.sleep(86_400 - loop.wall() % 86_400 - 30)
    client = make(budget=Budget(units="1.5", per="day"))
    handle = await client.submit(CAT)
    with pytest.raises(BudgetExceeded):
        await client.submit(CAT)
    await asyncio.sleep(30)
    assert await spent(client) == (0, 0)
    await client.submit(CAT)
    await handle
    assert await spent(client) == (1.5, 0)
    assert emulator.ledger.created == 2


async def test_what_is_adopted_costs_nothing(make: ClientMaker, make_client: ClientMaker, emulator: Emulator) -> None:
    """An existing task is adopted even if the budget is used up, and does not count."""
    request = TextToVideo("a cat", external_task_id="cat-1")
    await make_client().submit(request)
    client = make(budget=Budget(units=1))
    await (await client.submit(request, if_exists="adopt"))
    assert await spent(client) == (0, 0)
    assert emulator.ledger.created == 1


async def test_a_call_that_charges(make: ClientMaker, emulator: Emulator) -> None:
    """A charged call is paid from the budget like a task; if it does not fit it is not sent. Free calls always are."""
    client = make(budget=Budget(units="0.1"))
    await client.submit(HELLO)
    assert await spent(client) == (0, 0.05)
    await client.submit(HELLO)
    with pytest.raises(BudgetExceeded):
        await client.submit(HELLO)
    await client.account_costs(1, end_time=2)
    assert emulator.ledger.calls["audio/tts"] == 2


async def test_a_call_that_is_refused_or_in_doubt(make: ClientMaker, emulator: Emulator) -> None:
    """The amount of a refused call is released, that of a call in doubt stays reserved."""
    client = make(budget=Budget(units="0.1"))
    emulator.faults.add(Fault.error(1301), on="call", times=1)
    with pytest.raises(KlingError):
        await client.submit(HELLO)
    assert await spent(client) == (0, 0)
    emulator.faults.add(Fault.reset(after_effect=True), on="call", times=1)
    with pytest.raises(CallInDoubt):
        await client.submit(HELLO)
    assert await spent(client) == (0.05, 0)


async def test_no_budget(make: ClientMaker) -> None:
    """A client without a budget reports that; a value of another type is refused."""
    with pytest.raises(ConfigurationError, match="has no budget"):
        await make().spending()
    with pytest.raises(ConfigurationError, match="budget must be Budget"):
        make(budget=60)


# ------------------------------------------------------------------------------------- in a journal


async def test_it_holds_over_restarts(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """A later client finds earlier reservations; the one that sees the end settles them, even without a budget."""
    async with make_client(journal=any_place(), budget=Budget(units=4)) as first:
        await first.submit(CAT, key="cat")
    later = make_client(journal=any_place(), budget=Budget(units=4))
    assert await spent(later) == (1.5, 0)
    assert (await later.submit(CAT, key="cat")).reference  # an existing task reserves nothing
    await later.submit(PRO)
    with pytest.raises(BudgetExceeded):
        await later.submit(CAT, key="dog")
    await later.close()
    async with make_client(journal=any_place()) as without:
        for handle in [handle async for handle in without.recover()]:
            await handle
    assert await spent(make_client(journal=any_place(), budget=Budget(units=4))) == (0, 4)
    assert emulator.ledger.created == 2


async def test_an_attempt_more(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """A key refused for lack of budget is free; another attempt reserves again, also after a refusal."""
    client = make_client(journal=any_place(), budget=Budget(units=2))
    await client.submit(TextToVideo("forbidden"), key="cat")
    with pytest.raises(BudgetExceeded):
        await client.submit(CAT, key="dog")
    assert [entry.key async for entry in client.journal.entries()] == ["cat"]
    with pytest.raises(TaskFailed):
        await (await client.submit(TextToVideo("forbidden"), key="cat"))
    with pytest.raises(ContentRefused):
        await client.submit(TextToVideo("refused"), key="dog")
    await client.submit(CAT, key="dog")
    with pytest.raises(BudgetExceeded):
        await client.submit(TextToVideo("forbidden"), key="cat", again="failed")
    assert await spent(client) == (1.5, 0)
    assert emulator.ledger.created == 2


async def test_what_settles_by_its_key(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """A create in doubt is reserved once and counted once, however it is settled."""
    options: dict[str, Any] = {"budget": Budget(units=2), "retry": Retry(first=0.1, settle=1, budget=2)}
    client = make_client(journal=any_place(), **options)
    emulator.faults.add(Fault.reset(), on="create", times=1)
    emulator.faults.add(Fault.reset(), on="query")
    with pytest.raises(CreateInDoubt):
        await client.submit(CAT, key="cat")
    emulator.faults.clear()
    handle = await client.submit(CAT, key="cat")
    assert await spent(client) == (1.5, 0)
    await handle
    assert await spent(client) == (0, 1.5)
    assert emulator.ledger.created == 1


async def test_an_end_seen_by_two_clients(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """However many clients see the end of a task, it counts once."""
    clients = [make_client(journal=any_place(), budget=Budget(units=2)) for _ in range(3)]
    handles = [await client.submit(CAT, key="cat") for client in clients]
    await asyncio.gather(*handles)
    await asyncio.gather(*(client.close() for client in clients[1:]))
    assert await spent(clients[0]) == (0, 1.5)
    assert emulator.ledger.created == 1


async def test_what_is_lost_counts(any_place: Place, make_client: ClientMaker) -> None:
    """A lost entry counts at its price."""
    async with make_client(journal=any_place(), budget=Budget(units=4)) as first:
        await first.submit(CAT)
    await asyncio.sleep(31 * 86_400)
    client = make_client(journal=any_place(), budget=Budget(units=4))
    assert [handle async for handle in client.recover()] == []
    assert [entry.state async for entry in client.journal.entries()] == [EntryState.LOST]
    assert await spent(client) == (0, 1.5)


async def test_other_terms(any_place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """Another limit under a known name is refused before anything is paid, and applies to all clients once changed."""
    old = make_client(journal=any_place(), budget=Budget(units=2))
    await old.submit(CAT)
    with pytest.raises(ConfigurationError, match="is 2 units in this journal, not 6 units"):
        await make_client(journal=any_place(), budget=Budget(units=6)).submit(CAT)
    with pytest.raises(ConfigurationError, match="change=True"):
        await make_client(journal=any_place(), budget=Budget(units=2, per="day")).__aenter__()
    assert emulator.ledger.created == 1
    assert await spent(make_client(journal=any_place(), budget=Budget(units=6, name="other"))) == (0, 0)
    new = make_client(journal=any_place(), budget=Budget(units=3, change=True))
    await new.submit(CAT)
    with pytest.raises(BudgetExceeded, match="0 of 3 units"):
        await old.submit(CAT)
    assert emulator.ledger.created == 2


async def test_bytes_of_what_is_refused(make_client: ClientMaker, path: Path, image: Path) -> None:
    """A request that does not fit leaves no bytes beside the journal."""
    client = make_client(journal=path, budget=Budget(units=1))
    with pytest.raises(BudgetExceeded):
        await client.image_to_video(image.read_bytes())
    assert [each.name for each in path.with_name("clips.sqlite.files").iterdir() if "owner" not in each.name] == []


@pytest.mark.parametrize("request_", [HELLO, CAT, PICTURE], ids=["call", "task", "bytes"])
async def test_cancelled_before_it_was_sent(
    make_client: ClientMaker, emulator: Emulator, path: Path, request_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A create cancelled while its intent is written costs nothing, and is not sent by a recovery either."""
    client = make_client(journal=path, budget=Budget(units=2))
    await client.spending()
    together, creates = SqliteStore.together, list[asyncio.Future[object]]()
    loop = asyncio.get_running_loop()

    @contextlib.contextmanager
    def cancelling(self: SqliteStore) -> Iterator[None]:
        with together(self):
            yield
            loop.call_soon_threadsafe(creates[0].cancel)

    creates.append(asyncio.ensure_future(client.submit(request_)))
    monkeypatch.setattr(SqliteStore, "together", cancelling)
    with pytest.raises(asyncio.CancelledError):
        await creates[0]
    monkeypatch.undo()
    await asyncio.sleep(1)  # the reservation is released in the background
    assert await spent(client) == (0, 0)
    await client.close()
    async with make_client(journal=path) as later:
        assert [handle async for handle in later.recover()] == []
    assert (emulator.ledger.created, emulator.ledger.calls.total()) == (0, 0)
    assert [each.name for each in path.with_name("clips.sqlite.files").iterdir() if "owner" not in each.name] == []


async def test_a_journal_of_version_1(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """A journal without budgets gets the tables; its old entries are unchanged and do not count."""
    shutil.copyfile(Path(__file__).with_name("version-1.sqlite"), path)
    client = make_client(journal=path, budget=Budget(units=2))
    assert await spent(client) == (0, 0)
    entries = {entry.key: entry async for entry in client.journal.entries()}
    assert {key: entry.state.value for key, entry in entries.items()} == {
        "saved": "saved",
        "failed": "ended",
        "refused": "refused",
        "accepted": "accepted",
        "intent": "intent",
    }
    saved = entries["saved"]
    assert (saved.request["prompt"], saved.estimate.units, saved.units) == ("a cat", Decimal("1.5"), Decimal("1.5"))
    assert [file.path for file in saved.files] == ["/srv/clips/saved.mp4"]
    assert [handle async for handle in client.recover()] == []  # older than the service's retention
    await client.submit(CAT, key="refused")
    assert await spent(client) == (1.5, 0)
    await client.close()
    async with make_client(journal=path, budget=Budget(units=2)) as later:
        assert await spent(later) == (1.5, 0)
    assert emulator.ledger.created == 1
