"""The emulator in a thread, for sync and async tests: its clients, ledger and clock."""

import asyncio
import json
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from kling_async import KlingClient, QueueTimeout, Retry, TaskFailed, TaskTimeout, TextToVideo, WrongEventLoop
from kling_async.emulator import Emulator
from kling_async.io import system
from kling_async.testing import POLLING, QUEUE_DEADLINE, FakeClock, Fault, KlingEmulator
from kling_async.testing import emulator as testing_emulator
from tests.virtual_time import VirtualTimeLoop

CAT = TextToVideo("a cat on a skateboard")


async def test_a_generation_takes_three_requests(tmp_path: Path) -> None:
    """With the test settings a task has ended by its first poll: a create, a poll, a download, and no other request."""
    with KlingEmulator() as emulator:
        async with emulator.client() as kling:
            await kling.generate(CAT, tmp_path / "cat.mp4")
        assert emulator.ledger.requests == {"create": 1, "query": 1, "file": 1}


async def test_assert_paid_shows_the_ledger() -> None:
    """If the number of payments differs, the message lists each task, all requests and all faults."""
    with KlingEmulator() as emulator:
        emulator.faults.add(Fault.error(1303), on="create", at=1)
        async with emulator.client() as kling:
            await kling.submit(CAT)
            emulator.assert_paid(1)
            with pytest.raises(AssertionError) as caught:
                emulator.assert_paid(2)
    message = str(caught.value)
    for words in (
        "expected 2 paid, there are 1",
        "text2video kling-v2-6 std: succeed, 1.5 units",
        "create 2",
        "1303 1",
    ):
        assert words in message
    assert "error on create 1" in message


async def test_assert_paid_shows_nothing_of_another_test() -> None:
    """The message of a shared emulator lists only what the failing test did: no earlier task, request or fault."""
    with KlingEmulator() as emulator:
        async with emulator.client() as kling:
            emulator.faults.add(Fault.error(1303), on="create", at=1)
            await (await kling.submit(CAT))
            await kling.text_to_speech("Hello", voice_id="calm_story1", voice_language="en")
            emulator.begin()
            with pytest.raises(AssertionError, match=r"are 0; the emulator's ledger:\n  nothing was asked of it$"):
                emulator.assert_paid(1)
            await kling.submit(CAT)
            with pytest.raises(AssertionError, match=r"requests: create 1\b") as caught:
                emulator.assert_paid(2)
    assert str(caught.value).count("text2video") == 1
    assert not any(words in str(caught.value) for words in ("calls:", "refused:", "faults:"))


@pytest.mark.parametrize("number", ["1", 1.0, True, None])
def test_assert_paid_takes_a_number(number: Any) -> None:
    """A value that is no count is a mistake of the test, not a missing payment."""
    with pytest.raises(TypeError, match="not " + re.escape(repr(number))):
        KlingEmulator().assert_paid(number)


async def test_what_failed_is_not_paid_and_what_answers_at_once_is() -> None:
    """A task that fails costs nothing at the emulator; a call that charges is paid like a task."""
    with KlingEmulator() as emulator:
        async with emulator.client() as kling:
            with pytest.raises(TaskFailed):
                await (await kling.text_to_video("something forbidden"))
            emulator.assert_paid(0)
            await kling.text_to_speech("Hello", voice_id="calm_story1", voice_language="en")
            emulator.assert_paid(1)


async def test_begin_forgets_what_another_test_left() -> None:
    """`begin` resets a shared emulator: no faults, the default account, nothing paid."""
    with KlingEmulator() as emulator:
        async with emulator.client() as kling:
            await kling.submit(CAT)
            emulator.faults.add(Fault.gateway(502))
            emulator.account.limit = 0
            emulator.account.occupy(5)
            emulator.begin()
            emulator.assert_paid(0)
            await (await kling.submit(CAT))
            emulator.assert_paid(1)


async def test_tasks_take_the_time_of_the_clock() -> None:
    """With a fake clock a task runs until the clock has advanced by the service's duration."""
    clock = FakeClock()
    with KlingEmulator(clock=clock) as emulator:
        async with emulator.client() as kling:
            handle = await kling.submit(CAT)
            assert (await kling.get_task(handle.reference)).status == "submitted"
            clock.advance(30)
            assert (await kling.get_task(handle.reference)).status == "processing"
            clock.advance(1000)
            await handle


def test_a_clock_does_not_go_backwards() -> None:
    """A negative advance is refused, and so is a value that is not a number."""
    clock = FakeClock()
    for seconds in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="backwards"):
            clock.advance(seconds)
    clock.advance(0)
    assert clock() == FakeClock()()


async def test_a_task_that_never_ends_is_a_timeout_not_a_hang() -> None:
    """The settings for tests have a deadline, which an option can replace."""
    assert POLLING.deadline <= 60
    with KlingEmulator(clock=FakeClock()) as emulator:
        async with emulator.client() as kling:
            handle = await kling.submit(CAT, deadline=0.05)
            with pytest.raises(TaskTimeout):
                await handle


async def test_an_account_that_stays_full_is_a_timeout_not_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings for tests have a queue deadline, which an option can replace."""
    assert QUEUE_DEADLINE <= 60
    monkeypatch.setattr(testing_emulator, "QUEUE_DEADLINE", 0.05)
    with KlingEmulator() as emulator:
        emulator.faults.add(Fault.error(1303), on="create", times=1000)
        async with emulator.client() as kling:
            with pytest.raises(QueueTimeout):
                await kling.submit(CAT)
        emulator.assert_paid(0)
        emulator.faults.clear()
        emulator.account.limit = 1
        async with emulator.client(queue_deadline=None) as kling:
            await asyncio.gather(*[await each for each in [kling.submit(CAT) for _ in range(4)]])
        emulator.assert_paid(4)


async def test_options_replace_the_settings() -> None:
    """Options of `KlingClient` passed to `client` replace the settings for tests."""
    with KlingEmulator() as emulator:
        key, secret = "emulator-access-key", "emulator-secret-key-0123456789abcdef"
        async with emulator.client(access_key=key, secret_key=secret, retry=Retry(budget=0.0), concurrency=2) as kling:
            assert kling.concurrency == 2
            await kling.submit(CAT)


async def test_another_emulator_is_run_as_it_is() -> None:
    """An emulator that the test has created is served in the thread with all its settings unchanged."""
    with KlingEmulator(Emulator(balance=1, render=False, api_key="mine")) as emulator:
        assert emulator.environment["KLING_API_KEY"] == "mine"
        assert emulator.ledger.balance == 1


def test_start_and_close_in_any_order() -> None:
    """Closing twice is harmless, starting twice is refused, and a closed emulator restarts with its ledger."""
    emulator = KlingEmulator()
    emulator.close()
    emulator.start()
    with pytest.raises(RuntimeError, match="running already"):
        emulator.start()
    address = emulator.base_url
    emulator.close()
    emulator.close()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.base_url
    with emulator:
        assert emulator.base_url == address
    assert not [each for each in threading.enumerate() if each.name == "kling-emulator"]


def test_a_port_in_use() -> None:
    """If the emulator cannot listen, `start` raises the error, which is not lost in the thread."""
    with KlingEmulator() as emulator:
        port = int(emulator.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match="cannot listen"):
            KlingEmulator(Emulator(port=port)).start()
    assert not [each for each in threading.enumerate() if each.name == "kling-emulator"]


def test_other_processes_find_it() -> None:
    """A process with its variables uses the emulator, even if the machine has others."""
    script = "import asyncio, kling_async as k\nasync def main():\n async with k.KlingClient() as kling:\n"
    script += "  print((await kling.submit(k.TextToVideo('a cat'))).reference)\nasyncio.run(main())"
    with KlingEmulator() as emulator:
        command = [sys.executable, "-W", "error", "-c", script]
        done = subprocess.run(command, env=emulator.environment, capture_output=True, text=True, check=True)
        assert done.stdout.startswith("text2video:")
        emulator.assert_paid(1)
        with urllib.request.urlopen(f"{emulator.base_url}/_emulator/ledger") as answer:  # noqa: S310  (the emulator)
            assert json.load(answer)["created"] == 1


def test_clients_of_other_loops_are_left_alone() -> None:
    """`close_clients` closes the clients of the running loop or of none, and no others."""

    async def use(emulator: KlingEmulator) -> None:
        kling = emulator.client()
        await kling.submit(CAT)
        await asyncio.to_thread(other_loop.run_until_complete, emulator.close_clients())
        await kling.get_task((await kling.submit(CAT)).reference)  # still open
        await kling.close()

    other_loop = asyncio.new_event_loop()
    with KlingEmulator() as emulator:
        asyncio.run(use(emulator))
    other_loop.close()


async def test_a_client_belongs_to_one_loop() -> None:
    """A client first used on another loop raises an error instead of waiting for responses that arrive there."""
    with KlingEmulator() as emulator:
        kling = emulator.client()
        await kling.submit(CAT)

        def elsewhere() -> None:
            with pytest.raises(WrongEventLoop):
                asyncio.run(kling.submit(CAT))

        await asyncio.to_thread(elsewhere)
        await emulator.close_clients()


def test_it_serves_a_loop_whose_time_is_not_real() -> None:
    """The emulator's thread has a separate clock, so the time of a test's loop may jump, or the loop be blocked."""
    with KlingEmulator() as emulator:
        loop = VirtualTimeLoop()
        loop.run_until_complete(_blocked(emulator.base_url))
        loop.close()


async def _blocked(address: str) -> None:
    with urllib.request.urlopen(f"{address}/_emulator/ledger") as answer:  # noqa: ASYNC210, S310  (it blocks the loop)
        assert answer.status == 200


async def test_a_file_of_a_test_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of a test do not sync files to disk, as no test needs them after a power cut; other clients do."""
    synced: list[object] = []
    monkeypatch.setattr(system.HERE, "sync", synced.append)
    monkeypatch.setattr(system.HERE, "sync_directory", synced.append)
    with KlingEmulator() as emulator:
        async with emulator.client() as kling:
            await kling.generate(CAT, tmp_path / "quick.mp4")
        assert synced == []
        async with KlingClient(api_key=emulator.api_key, base_url=emulator.base_url, polling=POLLING) as kling:
            await kling.generate(CAT, tmp_path / "safe.mp4")
        assert len(synced) == 2


async def test_the_emulator_of_a_test_has_one_thread() -> None:
    """The emulator of a test uses no further threads, as switching would take longer than their work."""
    before = set(threading.enumerate())
    with KlingEmulator() as emulator:
        async with emulator.client() as kling:
            await (await kling.submit(CAT))
        begun = {each.name.partition("_")[0] for each in set(threading.enumerate()) - before}
        assert "emulator" not in begun  # the name of an emulator's further threads
