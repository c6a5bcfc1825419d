"""Never pay twice, never lose what was paid for, never fail because the account is full: the stories' outcomes."""

import asyncio
import logging
import re
import statistics
from pathlib import Path

import pytest

from kling_async import InsufficientBalance, Polling
from kling_async.emulator import Fault
from tests.faults import stories
from tests.faults.stage import stage

pytestmark = pytest.mark.usefixtures("nothing_is_left")
GENERATIONS = pytest.mark.parametrize("is_current", [False, True], ids=["legacy", "current"])


@GENERATIONS
@pytest.mark.parametrize("name", stories.LOST)
async def test_an_answer_that_is_lost(tmp_path: Path, name: str, *, is_current: bool) -> None:
    """For each way of losing the answer to a create, one task is paid and its file saved."""
    end = await stories.answer_lost(tmp_path, stories.LOST[name], is_current=is_current)
    assert end.faults == 1
    assert (end.paid, end.whole, end.creates, end.endings) == (1, 1, 1, {"saved": 1})


async def test_a_create_that_takes_effect_after_the_timeout(tmp_path: Path) -> None:
    """A create that takes the service longer than the client waits is found, and not sent again."""
    end = await stories.answer_lost(tmp_path, Fault.delay(100))
    assert end.faults == 1
    assert (end.paid, end.whole, end.creates, end.endings) == (1, 1, 1, {"saved": 1})


@pytest.mark.parametrize("name", stories.LOST)
@pytest.mark.parametrize("visible_after", [pytest.param(0, marks=pytest.mark.slow), 250, 800])
async def test_ten_answers_that_are_lost(tmp_path: Path, name: str, visible_after: float) -> None:
    """After ten lost answers one task is paid; the file is saved, or `CreateInDoubt` has a valid reference."""
    end = await stories.answer_lost_ten_times(tmp_path, stories.LOST[name], visible_after=visible_after)
    slow = name in {"504", "client timeout"}
    assert end.faults == end.creates
    assert end.creates in ({1} if visible_after == 0 else {2, 3} if slow else {3})
    assert (end.paid, end.whole) == (1, 1)
    assert end.endings == {"in doubt, then saved" if visible_after == 800 else "saved": 1}


@pytest.mark.parametrize("code", [1102, 1303, 1301])
@pytest.mark.parametrize("visible_after", [25, 40])
async def test_a_second_send_that_is_refused(tmp_path: Path, code: int, visible_after: float) -> None:
    """A refusal of the second send proves nothing about the first: its task is found, or in doubt after `settle`.

    1303 is not a refusal: the client waits.
    """
    end = await stories.second_send_refused(tmp_path, code, visible_after=visible_after)
    assert end.injected == {("create", "reset"): 1, ("create", "error"): 1}
    doubt = visible_after == 40 and code != 1303
    assert (end.paid, end.whole) == (1, 1)
    assert end.endings == {"in doubt, then saved" if doubt else "saved": 1}


async def test_a_task_that_is_shown_late(tmp_path: Path) -> None:
    """A task that is shown only after 10 seconds is found, and nothing is sent again."""
    end = await stories.shows_late(tmp_path)
    assert end.faults == 1
    assert (end.paid, end.whole, end.creates) == (1, 1, 1)


async def test_an_id_that_an_old_task_has(tmp_path: Path) -> None:
    """An external id of an old task is a conflict, which names the task; nothing is adopted."""
    end = await stories.id_of_an_old_task(tmp_path)
    assert end.faults == 1
    assert (end.paid, end.endings) == (1, {"saved": 1, "ExternalTaskIdConflict": 1})


async def test_an_account_smaller_than_configured(tmp_path: Path) -> None:
    """20 tasks on 5 slots instead of 20: all finish, near the ideal time, with at most 30 create requests."""
    end = await stories.account_smaller_than_configured(tmp_path)
    assert (end.paid, end.whole, end.endings) == (20, 20, {"saved": 20})
    assert end.creates <= 30
    assert end.over_ideal <= 1.15
    assert end.peaks == {stories.MODEL: 5}


@pytest.mark.slow
async def test_two_clients_share_an_account(tmp_path: Path) -> None:
    """All of both clients' tasks finish, and the slower client has its share (median of 3 runs)."""
    directories = [tmp_path / str(seed) for seed in range(3)]
    for directory in directories:
        directory.mkdir()
    ends = await asyncio.gather(*(stories.two_clients(each, seed) for seed, each in enumerate(directories)))
    assert all((end.paid, end.whole, end.endings) == (40, 40, {"saved": 40}) for end in ends)
    assert statistics.median(end.share for end in ends) >= 0.25


async def test_a_limit_of_one_model(tmp_path: Path) -> None:
    """A full model does not delay another one."""
    end, ended = await stories.limit_of_one_model(tmp_path)
    assert (end.paid, end.whole) == (12, 12)
    assert end.peaks == {stories.MODEL: 1, stories.OTHER_MODEL: 6}
    assert ended[-4:] == [stories.MODEL] * 4


async def test_an_empty_account(tmp_path: Path) -> None:
    """Waiters fail at once, with no more requests than were in flight; the next caller tries again."""
    end, later = await stories.empty_account(tmp_path)
    assert (end.paid, end.whole, end.endings) == (5, 5, {"saved": 5, "InsufficientBalance": 15})
    assert all(isinstance(error, InsufficientBalance) for error in end.errors)
    assert 1 <= end.faults <= 5
    assert (later.paid, later.whole, later.creates) == (6, 6, end.creates + 1)


@pytest.mark.parametrize("count", [1, 12, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", stories.POLLS)
async def test_polls_that_fail(tmp_path: Path, name: str, count: int) -> None:
    """A failed poll does not fail its tasks: the client continues to poll."""
    end = await stories.failing_polls(tmp_path, name, count)
    assert end.faults >= (4 if name.startswith("4") else 1)
    assert (end.paid, end.whole, end.endings) == (count, count, {"saved": count})


@pytest.mark.parametrize("name", stories.POLLS)
async def test_polls_of_the_current_generation_that_fail(tmp_path: Path, name: str) -> None:
    """A failed query of many tasks at once does not fail them, either."""
    end = await stories.failing_polls(tmp_path, name, 12, is_current=True)
    assert end.faults >= (4 if name.startswith("4") else 1)
    assert (end.paid, end.whole, end.endings) == (12, 12, {"saved": 12})


@GENERATIONS
@pytest.mark.parametrize("name", stories.DOWNLOADS)
async def test_downloads_that_fail(tmp_path: Path, name: str, *, is_current: bool) -> None:
    """The file is whole in the end, and received parts are not fetched again."""
    end = await stories.failing_download(tmp_path, stories.DOWNLOADS[name], is_current=is_current)
    assert end.faults == 1
    assert (end.whole, end.files, end.endings["saved"]) == (1, 1, 1)
    first, second = end.ranges
    assert first is None
    if name == "HTML with 200":
        assert end.endings["save failed"] == 1  # the error reports it, and saving again works
    else:
        assert re.fullmatch("bytes=[1-9][0-9]+-", second or "")


@pytest.mark.parametrize("name", stories.DOWNLOADS)
async def test_streams_that_fail(tmp_path: Path, name: str) -> None:
    """A stream resumes, or raises an error: half a video never ends without one."""
    end = await stories.failing_stream(tmp_path, stories.DOWNLOADS[name])
    assert end.faults == 1
    if name == "HTML with 200":
        assert (end.files, end.endings) == (0, {"DownloadError": 1})
    else:
        assert (end.whole, end.endings, end.ranges[0]) == (1, {"streamed": 1}, None)


@pytest.mark.parametrize("name", stories.DOWNLOADS)
async def test_downloads_that_always_fail(tmp_path: Path, name: str) -> None:
    """If all requests fail, there is no file, and the error has the reference."""
    async with stage(tmp_path) as play:
        play.emulator.faults.add(Fault.gateway(502), on="file", when=lambda call: "range" in call.headers)
        play.emulator.faults.add(stories.DOWNLOADS[name], on="file")
        await play.work(play.client())
        end = await play.outcome()
    assert end.whole == 0
    assert not list(tmp_path.glob("*.mp4"))
    assert [error.reference for error in end.errors] == [
        f"image2video:{entry.task_id}" for entry in play.emulator.ledger.entries
    ]


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.many])])
@pytest.mark.parametrize("journalled", [False, True], ids=["", "journal"])
async def test_everything_at_once(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
    count: int,
    *,
    journalled: bool,
) -> None:
    """With a fault in a fifth of all calls, each task is paid once and its file is whole, and no objects leak."""
    caplog.set_level(logging.ERROR, logger="kling_async")  # log records keep references to their errors
    journal = tmp_path_factory.mktemp("journal") / "clips.sqlite" if journalled else None
    end = await stories.everything_at_once(tmp_path, count, polling=Polling(first=30, maximum=30), journal=journal)
    assert end.faults > 0.75 * count
    assert len(end.injected) >= 15
    assert (end.requested, end.paid, end.whole, end.files) == (count, count, count, count)
    assert not end.errors
    # The client itself and its journal's last records are some twenty objects. A leak for each task, or for each
    # fault, would be more than one object for ten tasks.
    assert end.kept <= (30 if journalled else 20) + count // 10


async def test_everything_at_once_in_the_current_generation(tmp_path: Path) -> None:
    """With the same faults on paths of the current generation, each task is paid once and its file is whole."""
    polling = Polling(first=30, maximum=30)
    end = await stories.everything_at_once(tmp_path, 40, polling=polling, is_current=True)
    assert end.faults > 15
    assert (end.requested, end.paid, end.whole, end.files) == (40, 40, 40, 40)
    assert not end.errors
