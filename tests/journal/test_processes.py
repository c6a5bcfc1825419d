"""Several processes with one journal: the work of a living process is never taken, that of a dead one is."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from kling_async import EntryState, Journal
from kling_async.emulator import Call, Emulator, Fault


class Process:
    """A process that runs `work.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """Returns the next line that it prints."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().strip()

    async def kill(self) -> None:
        """Kills it, as in a power cut."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


Start = Callable[..., Awaitable[Process]]


@contextlib.asynccontextmanager
async def processes(path: Path | str) -> AsyncIterator[tuple[Emulator, Start]]:
    """Starts the emulator; yields it and a function that starts processes, which are killed at the end."""
    started: list[Process] = []

    async def start(*steps: str) -> Process:
        script = Path(__file__).with_name("work.py")
        command = [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            str(script),
            emulator.base_url,
            str(path),
            *steps,
        ]
        pipe = asyncio.subprocess.PIPE
        started.append(Process(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)))
        return started[-1]

    async with Emulator(render=False, speed=400, concurrency=8) as emulator:
        try:
            yield emulator, start
        finally:
            for each in started:
                with contextlib.suppress(ProcessLookupError):
                    each.process.kill()
                await each.process.wait()


def test_the_work_of_a_killed_process_is_taken_by_one(path: Path) -> None:
    """A stopped process still owns its work; once it is killed, one of those that recover gets it at once."""

    async def run() -> None:
        async with processes(path) as (_, start):
            first = await start("submit", "hold")
            reference = await first.line()
            assert await first.line() == "holds"
            assert await (await start("recover")).line() == ""
            first.process.send_signal(signal.SIGSTOP)
            assert await (await start("recover")).line() == ""
            await first.kill()
            found = [await (await start("recover", "hold")).line() for _ in range(3)]
            assert sorted(found) == ["", "", reference]

    asyncio.run(run())


def test_two_that_recover_at_once(path: Path) -> None:
    """Of two processes that recover at the same time exactly one gets the work."""

    async def run() -> None:
        async with processes(path) as (_, start):
            first = await start("submit", "submit", "hold")
            references = {await first.line(), await first.line()}
            await first.kill()
            both = await asyncio.gather(start("recover", "hold"), start("recover", "hold"))
            found = [set((await each.line()).split()) for each in both]
            assert found[0] | found[1] == references
            assert found[0] & found[1] == set()

    asyncio.run(run())


def test_one_key_in_two_processes(path: Path) -> None:
    """A key submitted by forty callers at once, in two processes, is one create; the others follow its task."""

    async def run() -> None:
        async with processes(path) as (emulator, start):
            both = await asyncio.gather(start("same", "hold"), start("same", "hold"))
            assert len({await each.line() for each in both}) == 1
            assert emulator.ledger.created == 1

    asyncio.run(run())


def test_a_forked_child(path: Path) -> None:
    """In a forked child, a client raises an error; a child that lives on owns nothing."""

    async def run() -> None:
        async with processes(path) as (emulator, start):
            first = await start("submit", "fork", "child", "hold")
            reference = await first.line()
            assert (await first.line()).startswith("WrongEventLoop: this process was forked")
            assert await first.line() == "holds"
            assert await (await start("recover")).line() == ""
            await first.kill()
            assert await (await start("recover")).line() == reference
            assert emulator.ledger.created == 1

    asyncio.run(run())


def test_dead_locks_are_cleared_away(path: Path) -> None:
    """The lock file of a killed process is deleted once its work has another owner."""

    async def run() -> None:
        async with processes(path) as (_, start):
            first = await start("submit", "hold")
            await first.line()
            await first.kill()
            await (await start("recover")).process.wait()
            await (await start("recover")).process.wait()
            assert list(path.with_name("clips.sqlite.files").iterdir()) == []
            states = [entry.state async for entry in Journal(path).entries()]
            assert set(states) <= {EntryState.ACCEPTED, EntryState.ENDED}

    asyncio.run(run())


async def owners_of(path: Path, references: set[str]) -> set[int | None]:
    """Returns the owners of these tasks' entries."""
    return {entry.owner async for entry in Journal(path).entries() if entry.reference in references}


def test_three_of_which_one_is_killed(path: Path) -> None:
    """The work of a killed process is continued at once by the two others, each piece by one of them."""

    async def run() -> None:
        async with processes(path) as (emulator, start):
            first = await start(*["submit"] * 4, "hold")
            others = [await start("submit", "watch") for _ in range(2)]
            references = {await first.line() for _ in range(4)}
            own = {await each.line() for each in others}
            assert [await each.line() for each in others] == ["watches"] * 2
            before = await owners_of(path, references)
            await first.kill()
            async with asyncio.timeout(30):
                while await owners_of(path, references) & before:  # noqa: ASYNC110  (other processes)
                    await asyncio.sleep(0.1)
            found = []
            for each in others:
                assert each.process.stdin is not None
                each.process.stdin.write(b"end\n")
                found += (await each.line()).split()
            for each in others:
                assert each.process.stdin is not None
                each.process.stdin.close()
            assert sorted(found) == sorted(references)
            assert len(references | own) == emulator.ledger.created == 6
            assert [await each.process.wait() for each in others] == [0, 0]

    asyncio.run(run())


def test_recovering_and_submitting_the_key_at_once(path: Path) -> None:
    """A process that recovers and one that submits the key of a create in doubt send it once."""

    async def run() -> None:
        async with processes(path) as (emulator, start):
            arrived = await delayed(emulator)
            first = await start("key", "hold")
            await arrived.wait()
            await first.kill()
            emulator.faults.clear()
            both = await asyncio.gather(start("recover", "hold"), start("key", "hold"))
            recovered, submitted = [await each.line() for each in both]
            assert submitted.startswith("text2video:")
            assert recovered in {"", submitted}
            assert emulator.ledger.created == 1

    asyncio.run(run())


def test_the_create_of_a_process_that_is_stopped(path: Path) -> None:
    """Others wait for a key whose create a stopped process has under way, and never send it."""

    async def run() -> None:
        async with processes(path) as (emulator, start):
            arrived = await delayed(emulator)
            first = await start("key", "hold")
            await arrived.wait()
            first.process.send_signal(signal.SIGSTOP)
            calls = emulator.faults.calls["create"]
            second = await start("key", "hold")
            line = asyncio.ensure_future(second.line())
            assert not (await asyncio.wait([line], timeout=2))[0]
            assert emulator.faults.calls["create"] == calls
            first.process.send_signal(signal.SIGCONT)
            assert await line == await first.line()
            assert emulator.ledger.created == 1

    asyncio.run(run())


async def delayed(emulator: Emulator) -> asyncio.Event:
    """Delays the effect of creates by a second; returns an event that is set when one arrives."""
    arrived = asyncio.Event()

    def came(_: Call) -> Fault:
        arrived.set()
        return Fault.delay(1)

    emulator.faults.add(came, on="create")
    return arrived
