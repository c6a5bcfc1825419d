"""Writes files of jobs for tests, and shows what was read of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kling_async.batch.jobs import Jobs, read_jobs


def jsonl(folder: Path, *rows: dict[str, Any] | str | bytes) -> Path:
    """A file of jobs with these lines; what is no text already is written as JSON."""
    path = folder / "jobs.jsonl"
    path.write_bytes(b"".join(_line(row) + b"\n" for row in rows))
    return path


def table(folder: Path, text: str | bytes) -> Path:
    """A file of CSV."""
    path = folder / "jobs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, *rows: dict[str, Any] | str | bytes) -> Jobs:
    """What is read of a file with these lines."""
    return read_jobs(jsonl(folder, *rows))


def said(jobs: Jobs) -> list[str]:
    """The problems, as they are shown."""
    return [str(problem) for problem in jobs.problems]


def lines(jobs: Jobs) -> list[int | None]:
    """The lines of the rows that were read."""
    return [row.line for row in jobs.rows]


def ids(jobs: Jobs) -> list[str]:
    """The ids of the rows that were read."""
    return [row.id for row in jobs.rows]


def asked(jobs: Jobs, name: str) -> list[Any]:
    """One parameter of each row."""
    return [getattr(row.request, name) for row in jobs.rows]


def joined(parts: Iterable[str]) -> str:
    """The lines of a text."""
    return "".join(f"{part}\n" for part in parts)


def _line(row: dict[str, Any] | str | bytes) -> bytes:
    match row:
        case bytes():
            return row
        case str():
            return row.encode("utf-8", "surrogatepass")
        case _:
            return json.dumps(row).encode()
