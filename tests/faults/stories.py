"""Stories of faults: the unmodified client against the emulator, over real connections."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kling_async import ExternalTaskIdConflict, Polling
from kling_async.emulator import Call, Fault
from tests.faults.stage import Outcome, objects_of_the_client, stage
from tests.repeatable import same_draws

FINE: Final = Polling(first=4, maximum=4)
MODEL: Final = "kling-v2-6"
OTHER_MODEL: Final = "kling-v2-5-turbo"

# A client waits for the answer to a create for a minute, and as long as its body takes.
LOST: Final = {
    "reset": Fault.reset(after_effect=True),
    "500": Fault.error(5000, after_effect=True),
    "502": Fault.gateway(502, after_effect=True),
    "504": Fault.gateway(504, after_effect=True),
    "client timeout": Fault.delay(600, after_effect=True),
}
"""Ways in which the answer to a create that took effect is lost."""

POLLS: Final[dict[str, tuple[Fault, Sequence[int] | None, int | None]]] = {
    "4 drops in a row": (Fault.reset(), range(2, 6), None),
    "one 500": (Fault.error(5000), [2], None),
    "one 401/1004": (Fault.error(1004), [2], None),
    "1302 at each third": (Fault.error(1302), None, 3),
}
"""Faults of polls: the fault, at which of them, every n-th."""

DOWNLOADS: Final = {
    "half a body, clean end": Fault.truncated(0.5),
    "reset at half": Fault.reset(share=0.5),
    "HTML with 200": Fault.gateway(200),
    "stall at half": Fault.stall(share=0.5),
}
"""Faults of the first request for a file."""

_CALL_FAULTS: Final = (
    Fault.reset(),
    Fault.error(5000),
    Fault.error(5001),
    Fault.error(5002),
    Fault.error(1302),
    Fault.error(1003),
    Fault.error(1004),
    Fault.gateway(500),
    Fault.gateway(502),
    Fault.gateway(503),
    Fault.gateway(504),
    Fault.gateway(200),
    Fault.delay(5),
    Fault.delay(600, after_effect=True),
    Fault.stall(share=0.5),
    Fault.truncated(),
    Fault.wrong_length(),
    Fault.wrong_length(-10),
)
_CREATE_FAULTS: Final = (*_CALL_FAULTS, *LOST.values(), Fault.error(1303), Fault.delay(100))
# None announces too few bytes: the client accepts such a file as complete, and logs a warning.
_FILE_FAULTS: Final = (
    Fault.reset(),
    Fault.reset(share=0.5),
    Fault.gateway(502),
    Fault.gateway(503),
    Fault.gateway(200),
    Fault.delay(5),
    Fault.stall(share=0.3),
    Fault.truncated(0.7),
    Fault.wrong_length(),
    Fault.changed(),
    Fault.no_ranges(),
    Fault.expired(),
)


async def answer_lost(directory: Path, fault: Fault, *, is_current: bool = False) -> Outcome:
    """The answer to a create is lost, once; the task was made."""
    async with stage(directory, is_current=is_current) as play:
        play.emulator.faults.add(fault, on="create", at=1)
        await play.work(play.client())
        return await play.outcome()


async def answer_lost_ten_times(directory: Path, fault: Fault, *, visible_after: float) -> Outcome:
    """The answers to ten creates in a row are lost; at most three are sent, fewer if the task is shown before."""
    async with stage(directory) as play:
        play.emulator.account.visible_after = visible_after
        play.emulator.faults.add(fault, on="create", at=range(1, 11))
        await play.work(play.client())
        return await play.outcome()


async def second_send_refused(directory: Path, code: int, *, visible_after: float = 25) -> Outcome:
    """The answer to a create is lost, the task is not shown for a while, and the second send is refused."""
    async with stage(directory) as play:
        play.emulator.account.visible_after = visible_after
        play.emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
        play.emulator.faults.add(Fault.error(code), on="create", at=2)
        await play.work(play.client())
        return await play.outcome()


async def shows_late(directory: Path) -> Outcome:
    """The answer to a create is lost, and the task is shown only after 10 seconds."""
    async with stage(directory) as play:
        play.emulator.account.visible_after = 10
        play.emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
        await play.work(play.client())
        return await play.outcome()


async def id_of_an_old_task(directory: Path) -> Outcome:
    """The answer to a create with the external id of an old task is lost."""
    async with stage(directory) as play:
        client = play.client()
        await play.one(client, external_task_id="job-1")
        play.emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
        await play.one(client, external_task_id="job-1")
        old = play.emulator.ledger.entries[0].task_id
        names_it = [isinstance(each, ExternalTaskIdConflict) and old in str(each.reference) for each in play.errors]
        assert names_it == [True]
        return await play.outcome()


async def account_smaller_than_configured(directory: Path) -> Outcome:
    """20 tasks at `concurrency=20`, on an account that runs 5."""
    async with stage(directory) as play:
        play.emulator.account.limit = 5
        await play.work(play.client(concurrency=20, polling=FINE, downloads=20), 20)
        return await play.outcome(peaks={MODEL: play.emulator.ledger.peak()})


async def short_tasks(directory: Path) -> Outcome:
    """80 tasks of about a second, whose creates take a second, on 20 slots."""
    async with stage(directory, speed=150.0) as play:
        play.emulator.faults.add(Fault.delay(1), on="create")
        polling = Polling(first=0.1, factor=1, maximum=0.1)
        await play.work(play.client(concurrency=20, polling=polling, downloads=20), 80)
        return await play.outcome()


async def two_clients(directory: Path, seed: int) -> Outcome:
    """Two clients with 20 tasks each, on an account that runs 6."""
    async with stage(directory, concurrency=6, seed=seed) as play:
        clients = [play.client(concurrency=20, polling=Polling(first=10, maximum=10)) for _ in range(2)]
        works = [asyncio.ensure_future(play.work(client, 20)) for client in clients]
        await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        done = sum(entry.finished_at is not None for entry in play.emulator.ledger.entries)
        await asyncio.gather(*works)
        return await play.outcome(share=(done - 20) / 20)


async def limit_of_one_model(directory: Path) -> tuple[Outcome, list[str]]:
    """Runs six tasks of a model that allows one at a time, and six of another; also returns the models as they end."""
    async with stage(directory) as play:
        play.emulator.account.limits = {MODEL: 1}
        client = play.client(concurrency=6)
        models = (MODEL, OTHER_MODEL)
        await asyncio.gather(*(play.work(client, 6, model_name=name) for name in models))
        ended = sorted((entry.finished_at or 0.0, entry.model_name) for entry in play.emulator.ledger.entries)
        peaks = {name: play.emulator.ledger.peak(name) for name in models}
        return await play.outcome(peaks=peaks), [name for _, name in ended]


async def empty_account(directory: Path) -> tuple[Outcome, Outcome]:
    """20 tasks at `concurrency=5`; the account is emptied while 5 run, and filled again afterwards.

    Returns:
        The outcome when all had ended, and the one after another task.
    """
    async with stage(directory, concurrency=5) as play:
        empty = True
        play.emulator.faults.add(
            Fault.error(1102), on="create", when=lambda _: empty and play.emulator.ledger.created >= 5
        )
        client = play.client(concurrency=5)
        await play.work(client, 20)
        before = await play.outcome()
        empty = False
        await play.one(client)
        return before, await play.outcome()


async def failing_polls(directory: Path, name: str, count: int, *, is_current: bool = False) -> Outcome:
    """Faults happen to polls, of single tasks or of the list."""
    fault, at, every = POLLS[name]
    async with stage(directory, is_current=is_current, concurrency=count) as play:
        play.emulator.faults.add(fault, on=("query", "list"), at=at, every=every)
        await play.work(play.client(concurrency=count), count)
        return await play.outcome()


async def failing_download(directory: Path, fault: Fault, *, is_current: bool = False) -> Outcome:
    """A fault happens to the first request for a file."""
    async with stage(directory, is_current=is_current) as play:
        play.emulator.faults.add(fault, on="file", at=1)
        await play.work(play.client())
        return await play.outcome()


async def failing_stream(directory: Path, fault: Fault) -> Outcome:
    """A fault happens to the first request of a stream, whose bytes its consumer stores."""
    async with stage(directory) as play:
        play.emulator.faults.add(fault, on="file", at=1)
        await play.stream(play.client())
        return await play.outcome()


async def everything_at_once(
    directory: Path,
    count: int,
    *,
    seed: int = 1,
    polling: Polling | None = None,
    journal: Path | None = None,
    is_current: bool = False,
) -> Outcome:
    """`count` tasks, and a fifth of all calls has one of the temporary faults."""
    draws = same_draws(f"which fault {seed}")
    loop = asyncio.get_running_loop()
    refused_at = loop.time()

    def any_fault(call: Call) -> Fault:
        nonlocal refused_at
        if call.kind == "file":
            return draws.choice(_FILE_FAULTS)
        fault = draws.choice(_CREATE_FAULTS if call.kind == "create" else _CALL_FAULTS)
        if fault.code in {1003, 1004}:
            if is_current or loop.time() < refused_at + 5:
                return Fault.reset()  # neither a second refusal of a new token nor a refusal of an API key is temporary
            refused_at = loop.time()
        return fault

    async with stage(directory, is_current=is_current) as play:
        client = play.client(concurrency=20, downloads=20, polling=polling, journal=journal)
        if journal is not None:
            await client.__aenter__()  # the journal's objects exist
        before = await objects_of_the_client()
        play.emulator.faults.add(any_fault, on=("create", "query", "list", "file"), probability=0.2, seed=seed)
        await play.work(client, count)
        if journal is not None:
            await client.works.journal.do(lambda _: None)  # its last records are written
        return await play.outcome(kept=await objects_of_the_client() - before - len(play.errors))
