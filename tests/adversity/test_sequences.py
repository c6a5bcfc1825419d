"""Any sequence of faults, at any calls: what was requested is paid once, and delivered or reachable."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Final

import aiohttp
import attrs
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from kling_async import CreateInDoubt, EntryState, ImageToVideo, Journal, KlingClient, KlingError, TaskNotFound
from kling_async.emulator import Emulator, Fault
from kling_async.emulator.faults.kinds import CallKind
from tests.patience import wait_for_the_thread
from tests.shell.conftest import IMAGES
from tests.virtual_time import VirtualTimeLoop

SEQUENCES: Final = int(os.environ.get("KLING_ASYNC_SEQUENCES", "100"))
"""Number of examples: more in a slow run."""
FEW: Final = 40
"""Number of examples of a quick run."""

SLOTS: Final = 2
"""Slots of the client; the account may have fewer."""

SHORTER: Final = -10
"""Bytes by which a host may announce a file as shorter than it is."""

UNCERTAIN: Final = (5000, 5002)
"""Codes of answers to creates that may have taken effect."""


@attrs.frozen
class Mishap:
    """A fault, and the calls of one kind to which it happens."""

    on: CallKind
    at: tuple[int, ...]
    fault: Fault


@attrs.frozen
class Conditions:
    """The faults of an account, and its load; a client with a journal is closed after a while."""

    mishaps: list[Mishap]
    generations: int
    limit: int
    visible_after: float
    cut_after: float


@attrs.define
class Outcome:
    """The outcome of one generation, as far as its caller knows."""

    file: Path
    reference: str | None = None
    refused: bool = False
    saved: bool = False


shares = st.sampled_from([0.0, 0.3, 0.9])
waits = st.sampled_from([0.0, 0.0, 2.0, 45.0, 100.0, 250.0])

anywhere = st.one_of(
    st.just(Fault.reset()),
    st.builds(lambda share: Fault.reset(share=share), shares),
    st.builds(lambda share: Fault.stall(share=share), shares),
    st.builds(Fault.truncated, shares),
    st.builds(Fault.wrong_length, st.sampled_from([SHORTER, 1000])),
    st.builds(Fault.gateway, st.sampled_from([200, 500, 502, 503, 504])),
    st.builds(Fault.delay, waits),
)
lost_answers = st.one_of(
    st.just(Fault.reset(after_effect=True)),
    st.builds(lambda status: Fault.gateway(status, after_effect=True), st.sampled_from([200, 500, 502, 504])),
    st.builds(lambda code: Fault.error(code, after_effect=True), st.sampled_from(UNCERTAIN)),
    st.builds(lambda wait: Fault.delay(wait, after_effect=True), waits),
)
errors = st.one_of(
    st.builds(Fault.error, st.sampled_from([1000, 1102, 1103, 1201, 1301])),
    st.builds(Fault.error, st.sampled_from([1003, 1004, 1203, 1302, 1303, 5000, 5001])),
    st.builds(lambda code, wait: Fault.error(code).delayed(wait), st.sampled_from(UNCERTAIN), waits),
)
at_files = st.one_of(anywhere, st.just(Fault.no_ranges()), st.just(Fault.expired()))


def numbers(last: int) -> st.SearchStrategy[tuple[int, ...]]:
    """A few calls in a row."""
    return st.builds(
        lambda first, count: tuple(range(first, first + count)), st.integers(1, last), st.sampled_from([1, 1, 2, 5, 20])
    )


mishaps = st.sampled_from([anywhere, lost_answers, errors]).flatmap(
    lambda faults: st.one_of(
        st.builds(Mishap, on=st.just("create"), at=numbers(3), fault=faults),
        st.builds(Mishap, on=st.just("create"), at=numbers(6), fault=faults),
        st.builds(Mishap, on=st.sampled_from(["query", "list"]), at=numbers(10), fault=faults),
        st.builds(Mishap, on=st.just("file"), at=numbers(6), fault=at_files),
    )
)
conditions = st.builds(
    Conditions,
    mishaps=st.lists(mishaps, min_size=1, max_size=8),
    generations=st.integers(1, 4),
    limit=st.integers(1, 4),
    visible_after=st.sampled_from([0.0, 0.0, 3.0, 12.0, 40.0]),
    cut_after=st.sampled_from([0.1, 1.0, 10.0, 30.0, 100.0, 5000.0]),
)


@contextlib.contextmanager
def virtual_time() -> Iterator[asyncio.Runner]:
    """A new event loop for each sequence, without real waits at jumps of the clock, because there are so many."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        patch.setattr("tests.virtual_time.GRACE", 0.0)
        wait_for_the_thread(patch)
        yield runner


async def generate(client: KlingClient, number: int, outcome: Outcome) -> None:
    """Requests one video, and saves it."""
    try:
        handle = await client.image_to_video(IMAGES / "rocket.jpg", external_task_id=f"job-{number}")
    except CreateInDoubt as error:
        outcome.reference = error.reference
        return
    except KlingError:
        outcome.refused = True
        return
    outcome.reference = handle.reference
    try:
        await handle.save(outcome.file)
    except KlingError as error:
        outcome.reference = error.reference
    else:
        outcome.saved = True


async def check(emulator: Emulator, client: KlingClient, outcomes: dict[str, Outcome], *, lies: bool) -> None:
    """Checks that each request was paid once, or was refused and not paid."""
    paid = [entry.external_task_id for entry in emulator.ledger.entries]
    assert sorted(paid) == sorted({*paid}), "paid twice"
    assert {*paid} <= {*outcomes}
    for external_task_id, outcome in outcomes.items():
        delivered = outcome.saved
        if outcome.refused:
            event("refused")
            assert external_task_id not in paid, "refused, and yet paid for"
            continue
        assert outcome.reference is not None
        if external_task_id not in paid:  # it was in doubt, and no task exists
            event("in doubt, and not there")
            assert not outcome.saved
            with contextlib.suppress(TaskNotFound):
                raise AssertionError(await client.get_task(outcome.reference))
            continue
        if not outcome.saved:
            await client.attach(outcome.reference).save(outcome.file)
        task = await client.get_task(outcome.reference)
        async with aiohttp.ClientSession() as session, session.get(task.videos[0].url) as answer:
            saved, whole = outcome.file.read_bytes(), await answer.read()
        # A file cannot be seen to be shorter if its host always announces and sends the shorter length.
        assert saved == whole or (lies and saved == whole[:SHORTER])
        event("delivered" if delivered else "reachable")
    assert not client.unsettled


async def run_faults(given: Conditions, directory: Path) -> None:
    """Runs the faults."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    async with Emulator(render=False, speed=5, concurrency=given.limit, clock=loop.wall) as emulator:
        emulator.account.visible_after = given.visible_after
        for mishap in given.mishaps:
            emulator.faults.add(mishap.fault, on=mishap.on, at=mishap.at)
        async with KlingClient(
            access_key=emulator.access_key,
            secret_key=emulator.secret_key,
            base_url=emulator.base_url,
            concurrency=SLOTS,
            clock=loop.wall,
        ) as client:
            outcomes = {f"job-{number}": Outcome(directory / f"{number}.mp4") for number in range(given.generations)}
            await asyncio.gather(*(generate(client, number, each) for number, each in enumerate(outcomes.values())))
            emulator.faults.clear()
            await asyncio.sleep(1000)  # delayed calls take effect
            lies = any(mishap.fault == Fault.wrong_length(SHORTER) for mishap in given.mishaps)
            await check(emulator, client, outcomes, lies=lies)
            assert [line.limit.running for line in client._slots._lines.values()] == [0], "a slot is lost"


def run_story(given: Conditions, story: Callable[[Conditions, Path], Coroutine[None, None, None]] = run_faults) -> None:
    """Runs a story in virtual time."""
    place = os.environ.get("PYTEST_DEBUG_TEMPROOT")  # the parent of pytest's directories
    with virtual_time() as runner, tempfile.TemporaryDirectory(dir=place) as directory:
        runner.run(story(given, Path(directory)))


async def run_faults_with_a_journal(given: Conditions, directory: Path) -> None:
    """Runs the faults with a journalled client, and continues with another client of the same journal."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    requests = {f"job-{number}": ImageToVideo(IMAGES / "rocket.jpg") for number in range(given.generations)}
    async with Emulator(render=False, speed=5, concurrency=given.limit, clock=loop.wall) as emulator:
        emulator.account.visible_after = given.visible_after
        for mishap in given.mishaps:
            emulator.faults.add(mishap.fault, on=mishap.on, at=mishap.at)
        ends: list[object] = []
        for seconds in (given.cut_after, None, None):  # the last client has no faults, and all tasks are visible
            async with KlingClient(
                access_key=emulator.access_key,
                secret_key=emulator.secret_key,
                base_url=emulator.base_url,
                concurrency=SLOTS,
                clock=loop.wall,
                journal=directory / "clips.sqlite",
            ) as client:
                left = [handle async for handle in client.recover()]
                assert len(left) <= emulator.ledger.created
                working = [
                    asyncio.ensure_future(client.generate(request, f"{directory}/out/", key=key))
                    for key, request in requests.items()
                ]
                await asyncio.wait(working, timeout=seconds)
                if seconds is not None:
                    for each in working:
                        each.cancel()
                ends = await asyncio.gather(*working, return_exceptions=True)
            emulator.faults.clear()
            await asyncio.sleep(1000)  # delayed calls take effect
        for key, end in zip(requests, ends, strict=True):
            assert end == directory / "out" / f"{key}.mp4"
        assert emulator.ledger.created == given.generations, "paid twice, or not at all"
        entries = [entry async for entry in Journal(directory / "clips.sqlite").entries()]
        assert {entry.state for entry in entries} == {EntryState.SAVED}
        assert sum(entry.units or 0 for entry in entries) == emulator.ledger.charged
        assert not any(path.suffix != ".lock" for path in (directory / "clips.sqlite.files").iterdir())


@settings(max_examples=FEW, suppress_health_check=[HealthCheck.too_slow])
@given(conditions)
def test_each_request_is_paid_once(given: Conditions) -> None:
    """For any faults of any calls, nothing is paid twice, and everything paid is delivered or reachable."""
    run_story(given)


@pytest.mark.slow
@pytest.mark.many
@settings(max_examples=SEQUENCES, suppress_health_check=[HealthCheck.too_slow])
@given(conditions)
def test_each_request_is_paid_once_in_many_sequences(given: Conditions) -> None:
    """The same, many times."""
    run_story(given)


@settings(max_examples=FEW // 4, suppress_health_check=[HealthCheck.too_slow])
@given(conditions)
def test_a_journalled_task_is_paid_once_and_saved(given: Conditions) -> None:
    """For any faults, and a client closed at any time, a task with a key is paid once and saved."""
    run_story(given, run_faults_with_a_journal)


@pytest.mark.slow
@pytest.mark.many
@settings(max_examples=SEQUENCES // 2, suppress_health_check=[HealthCheck.too_slow])
@given(conditions)
def test_a_journalled_task_is_paid_once_and_saved_in_many_sequences(given: Conditions) -> None:
    """The same, many times."""
    run_story(given, run_faults_with_a_journal)
