"""Failing creates of the current generation: one task is paid, or a doubt names what may be."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from kling_async import (
    ApiError,
    CapabilityWarning,
    CreateInDoubt,
    ExternalTaskIdConflict,
    KlingClient,
    KlingError,
    Retry,
    Task,
    TaskHandle,
    current,
)
from kling_async.emulator import Emulator, Fault
from tests.shell.conftest import ClientMaker, wall

TURBO: Final = "kling-3.0-turbo"
NEW: Final = "kling-4.0"
LOST: Final = {
    "reset": Fault.reset(after_effect=True),
    "500": Fault.error(5000, after_effect=True),
    "502": Fault.gateway(502, after_effect=True),
    "html": Fault.gateway(200, after_effect=True),
    "timeout": Fault.delay(600, after_effect=True),
}


@pytest.fixture
def kling(make_client: ClientMaker, emulator: Emulator) -> KlingClient:
    """A client with an API key."""
    return make_client(api_key=emulator.api_key)


def clip(model: str = TURBO, **options: Any) -> current.TextToVideo:
    """A request."""
    return current.TextToVideo("a cat", model=model, **options)


def lose(emulator: Emulator, at: int = 1, fault: str = "reset") -> None:
    """Loses the response to a create that took effect."""
    emulator.faults.add(LOST[fault], on="create", at=at)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("gap", [0, 20, 59])
async def test_a_lost_answer_is_looked_up(kling: KlingClient, emulator: Emulator, fault: str, gap: float) -> None:
    """A task that becomes visible within a minute is found, and paid once."""
    emulator.account.visible_after = gap
    lose(emulator, fault=fault)
    task = await (await kling.submit(clip()))
    assert emulator.ledger.created == 1
    assert task.external_task_id == emulator.ledger.entries[0].external_task_id


async def test_a_task_visible_after_two_minutes_is_paid_once(kling: KlingClient, emulator: Emulator) -> None:
    """The service refuses the same id when it is sent again, and the first task is adopted."""
    emulator.account.visible_after = 200
    lose(emulator)
    await (await kling.submit(clip()))
    assert (emulator.ledger.created, emulator.ledger.requests["create"]) == (1, 2)


async def test_a_create_that_never_arrived_is_sent_again(kling: KlingClient, emulator: Emulator) -> None:
    """A create is sent again after two minutes of look-ups that find no task."""
    emulator.faults.add(Fault.reset(), on="create", at=1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    handle = await kling.submit(clip())
    assert loop.time() - began >= 120
    assert (emulator.ledger.created, emulator.ledger.requests["create"]) == (1, 2)
    assert handle.external_task_id is not None


async def test_an_id_of_an_older_task_is_a_conflict(kling: KlingClient, emulator: Emulator) -> None:
    """An older task's id is a conflict with its reference, or is adopted; another generation's is a conflict too."""
    old = await kling.submit(clip(external_task_id="job-1"))
    legacy = await kling.text_to_video("a cat", external_task_id="job-2")
    await asyncio.sleep(30)
    for name, first in (("job-1", old), ("job-2", legacy)):
        with pytest.raises(ExternalTaskIdConflict) as caught:
            await kling.submit(clip(external_task_id=name))
        assert caught.value.reference == f"tasks:{first.task_id}"
    adopted = await kling.submit(clip(external_task_id="job-1"), if_exists="adopt")
    assert adopted.reference == old.reference
    assert emulator.ledger.created == 2


async def test_a_wrong_host_is_named_and_nothing_is_paid(kling: KlingClient, emulator: Emulator) -> None:
    """A page in place of a response ends the call, with an error that contains the URL."""
    emulator.account.legacy_only = True
    with pytest.raises(KlingError) as caught:
        await kling.submit(clip())
    assert "base_url" in str(caught.value)
    assert emulator.ledger.created == 0


# ------------------------------------------------------------------------------- paths that drop the external id


@pytest.fixture
def forgetful(emulator: Emulator) -> Emulator:
    """The service has a new model whose path drops external ids."""
    emulator.account.opened = [NEW]
    emulator.account.forgetful = [NEW]
    return emulator


async def one(kling: KlingClient, **options: Any) -> TaskHandle:
    """A request for the new model."""
    with pytest.warns(CapabilityWarning):
        return await kling.submit(clip(NEW, **options))


async def doubt(kling: KlingClient) -> CreateInDoubt:
    """The CreateInDoubt of a create of the new model."""
    (error,) = await doubts(kling, 1)
    return error


async def doubts(kling: KlingClient, count: int) -> list[CreateInDoubt]:
    """The CreateInDoubts of concurrent creates of the new model."""
    with pytest.warns(CapabilityWarning):
        ended = await asyncio.gather(*(kling.submit(clip(NEW)) for _ in range(count)), return_exceptions=True)
    errors = [error for error in ended if isinstance(error, CreateInDoubt)]
    assert len(errors) == count
    return errors


async def test_a_dropped_id_is_logged_once(
    kling: KlingClient, forgetful: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A task whose external id was dropped is followed by its task id, and has no external id."""
    handles = [await one(kling), await one(kling)]
    assert [handle.external_task_id for handle in handles] == [None, None]
    logged = [record for record in caplog.records if getattr(record, "kling_event", "") == "external_id_dropped"]
    assert len(logged) == 1
    assert "/text-to-video/kling-4.0" in logged[0].getMessage()
    assert isinstance(await handles[0], Task)
    assert forgetful.ledger.created == 2


async def test_the_only_task_that_fits_is_taken(kling: KlingClient, forgetful: Emulator) -> None:
    """If the path drops ids, the only matching task that was created since and is not followed is adopted."""
    first = await one(kling)
    lose(forgetful, at=1)
    second = await one(kling)
    assert second.task_id not in {None, first.task_id}
    assert (forgetful.ledger.created, forgetful.ledger.requests["create"]) == (2, 2)
    await second


async def test_several_that_fit_are_a_doubt_that_names_them(
    kling: KlingClient, make_client: ClientMaker, forgetful: Emulator
) -> None:
    """If several tasks match, nothing is sent again, and the error lists them."""
    await one(kling)
    lose(forgetful, at=1)
    waits = asyncio.ensure_future(doubt(kling))
    await asyncio.sleep(3)
    others = await one(make_client(api_key=forgetful.api_key))
    error = await waits
    assert error.reference is not None
    assert others.reference in str(error)
    assert {f"tasks:{entry.task_id}" in str(error) for entry in forgetful.ledger.entries[1:]} == {True}
    assert forgetful.ledger.created == 3


async def test_none_that_fits_is_a_doubt(kling: KlingClient, forgetful: Emulator) -> None:
    """If the path drops ids, a create without a matching task is not sent again, since it could be paid twice."""
    await one(kling)
    forgetful.faults.add(Fault.reset(), on="create", at=1)
    await doubt(kling)
    assert forgetful.ledger.created == 1


async def test_two_lost_answers_at_once_are_not_mixed_up(kling: KlingClient, forgetful: Emulator) -> None:
    """Neither of two concurrent creates adopts a task that may be the other's."""
    await one(kling)
    forgetful.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    forgetful.faults.add(Fault.reset(), on="create", at=2)
    await doubts(kling, 2)
    assert forgetful.ledger.created == 2


async def test_an_unknown_path_is_never_paid_twice(kling: KlingClient, forgetful: Emulator) -> None:
    """After a lost first response of a path, a task that matches keeps the create from being sent again."""
    lose(forgetful)
    error = await doubt(kling)
    assert f"tasks:{forgetful.ledger.entries[0].task_id}" in str(error)
    assert forgetful.ledger.created == 1


async def test_an_unknown_path_without_a_matching_task_is_sent_again(kling: KlingClient, forgetful: Emulator) -> None:
    """After a lost first response of a path, a create without a matching task is sent again."""
    forgetful.faults.add(Fault.reset(), on="create", at=1)
    await one(kling)
    assert forgetful.ledger.created == 1


async def test_another_generations_refusal_is_an_error_of_its_class(kling: KlingClient, emulator: Emulator) -> None:
    """An unknown model raises the error class of the service's refusal, and nothing is paid."""
    with pytest.warns(CapabilityWarning), pytest.raises(ApiError, match="model is not supported"):
        await kling.submit(clip("kling-9.0"))
    assert emulator.ledger.created == 0


# ---------------------------------------------------------------------------------------------- with a journal


async def test_a_key_is_paid_once_across_processes(
    make_client: ClientMaker, emulator: Emulator, tmp_path: Path, image: Path
) -> None:
    """A create whose client is gone is found by the next one with the same key, also from a picture."""
    request = current.ImageToVideo(image, model=TURBO, prompt="a cat")
    emulator.faults.add(Fault.delay(600, after_effect=True), on="create", at=1)
    first = make_client(api_key=emulator.api_key, journal=tmp_path / "work.sqlite")
    creating = asyncio.ensure_future(first.submit(request, key="cat", save_to=tmp_path / "cat.mp4"))
    while not emulator.ledger.created:  # noqa: ASYNC110  (the emulator has no event for it)
        await asyncio.sleep(0.1)
    await first.close()
    with pytest.raises(KlingError):
        await creating
    second = make_client(api_key=emulator.api_key, journal=tmp_path / "work.sqlite")
    recovered = [handle async for handle in second.recover()]
    assert [handle.key for handle in recovered] == ["cat"]
    assert (await recovered[0].save()).exists()
    again = await second.submit(request, key="cat")
    assert again.reference == recovered[0].reference
    assert emulator.ledger.created == 1


async def test_a_journal_of_an_api_key_does_not_stop_a_pair_of_keys(
    make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """Recovery skips tasks that a client cannot query, and recovers the rest."""
    first = make_client(api_key=emulator.api_key, journal=tmp_path / "work.sqlite")
    await first.submit(clip(), key="current")
    await first.text_to_video("a cat")
    await first.close()
    second = make_client(journal=tmp_path / "work.sqlite")
    assert [handle.reference.partition(":")[0] async for handle in second.recover()] == ["text2video"]
    third = make_client(api_key=emulator.api_key, journal=tmp_path / "work.sqlite")
    assert "current" in [handle.key async for handle in third.recover()]


@pytest.mark.parametrize("later", [0, 8 * 3600])
async def test_a_create_sent_by_a_clock_ahead_is_paid_once(
    make_client: ClientMaker, forgetful: Emulator, tmp_path: Path, later: float
) -> None:
    """If the sender's clock was ahead, a new process raises a doubt that lists the matching tasks."""
    now, journal = wall(), tmp_path / "work.sqlite"
    forgetful.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    forgetful.faults.add(Fault.reset(), on="query")
    options: dict[str, Any] = {"api_key": forgetful.api_key, "journal": journal}
    async with make_client(clock=lambda: now() + 8 * 3600, retry=Retry(settle=1, budget=2), **options) as first:
        with pytest.warns(CapabilityWarning), pytest.raises(CreateInDoubt):
            await first.submit(clip(NEW), key="cat")
    forgetful.faults.clear()
    await asyncio.sleep(later)
    with pytest.raises(CreateInDoubt) as raised:
        await make_client(**options).submit(clip(NEW), key="cat")
    assert raised.value.candidates == tuple(f"tasks:{entry.task_id}" for entry in forgetful.ledger.entries)
    assert forgetful.ledger.created == 1


async def test_a_clock_that_is_set_back_during_a_look_up(make_client: ClientMaker, emulator: Emulator) -> None:
    """A task created while the clock was ahead is not taken for an older one, and is paid once."""
    now, ahead = wall(), [3600.0]
    kling = make_client(api_key=emulator.api_key, clock=lambda: now() + ahead[0])
    lose(emulator)
    emulator.account.visible_after = 5
    asyncio.get_running_loop().call_later(3, ahead.clear)
    asyncio.get_running_loop().call_later(3, ahead.append, 0.0)
    handle = await kling.submit(clip(external_task_id="mine"))
    assert [entry.task_id for entry in emulator.ledger.entries] == [handle.task_id]
