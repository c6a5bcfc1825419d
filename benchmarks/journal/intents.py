"""Measures how long an intent waits for the disk while several processes use one journal.

    python -m benchmarks.journal.intents JOURNAL COUNT SECONDS NAME

Such a process writes COUNT intents, one every SECONDS, and an acceptance for each; it prints the waits.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.work.runs import REPOSITORY
from kling_async import Estimate, Journal
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.store import Work
from kling_async.protocol.tasks import Task, TaskStatus

PROCESSES: Final = (1, 3)
COUNT: Final = 500
APART: Final = 0.01
"""Seconds."""


def measure(*, processes: tuple[int, ...] = PROCESSES, count: int = COUNT, apart: float = APART) -> dict[str, Any]:
    """Lets several processes write at once; returns the waits of all, in seconds, by the number of processes."""
    waits: dict[str, list[float]] = {}
    for number in processes:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
            arguments = [str(Path(directory) / "journal.sqlite"), str(count), str(apart)]
            command = [sys.executable, "-m", "benchmarks.journal.intents", *arguments]
            writing = [
                subprocess.Popen([*command, str(name)], cwd=REPOSITORY, stdout=subprocess.PIPE)
                for name in range(number)
            ]
            waits[str(number)] = sorted(wait for each in writing for wait in json.loads(each.communicate()[0]))
    return {"waits": waits, "apart": apart}


async def write(journal: Path, count: int, apart: float, name: str) -> list[float]:
    """Writes the intents; returns the wait of each, in seconds."""
    mine = ClientJournal(Journal(journal), time.time)
    await mine.open()

    async def one(number: int) -> float:
        await asyncio.sleep(apart * number)
        work, owner, now = _work(f"{name}-{number}"), mine.owner, mine.now()
        began = time.perf_counter()
        entry = await mine.do(lambda store: store.intend(work, owner, now))
        wait = time.perf_counter() - began
        assert entry is not None
        task = Task(task_id=work.key or "", status=TaskStatus.SUBMITTED, endpoint=work.endpoint)
        mine.enqueue(lambda store: store.accepted(entry.id, task, now))
        return wait

    try:
        return await asyncio.gather(*(one(number) for number in range(count)))
    finally:
        await mine.close()


def _work(key: str) -> Work:
    return Work(
        key=key,
        endpoint="image2video",
        external_task_id=f"ka-{key}",
        request={"prompt": "the cat turns its head"},
        known=None,
        line="",
        slots=1,
        save_to=f"/videos/{key}.mp4",
        estimate=Estimate(units=None, usd=None),
    )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))))
