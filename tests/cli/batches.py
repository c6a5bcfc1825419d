"""Files of jobs for the tests of batches, and the parsed output of a batch."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from .conftest import CAT, Ran

FAILS = "a forbidden thing"
"""A prompt for which the emulator's task fails."""


def jobs(folder: Path, *rows: dict[str, Any] | str) -> str:
    """Writes a file of rows: whole rows, or prompts, whose rows are named by their number."""
    whole = [
        {"id": f"clip-{n}", "image": CAT, "prompt": row} if isinstance(row, str) else row for n, row in enumerate(rows)
    ]
    path = folder / "jobs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in whole), "utf-8")
    return path.name


def events(ran: Ran | str) -> list[dict[str, Any]]:
    """The events that a batch printed."""
    return [json.loads(line) for line in (ran if isinstance(ran, str) else ran.out).splitlines()]


def kinds(ran: Ran) -> Counter[str]:
    """The number of events of each kind."""
    return Counter(event["event"] for event in events(ran))


def end(ran: Ran | str) -> dict[str, Any]:
    """The last event."""
    return events(ran)[-1]


def made(folder: Path) -> list[str]:
    """The names of the videos in a directory."""
    return sorted(path.name for path in folder.glob("*.mp4"))
