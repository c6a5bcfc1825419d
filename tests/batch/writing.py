"""Writes files of jobs for tests, and extracts what was read from them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kling_async.batch.jobs import Jobs, read_jobs


def jsonl(folder: Path, *rows: dict[str, Any] | str | bytes) -> Path:
    """Writes a file of jobs with these lines; values other than text are written as JSON."""
    path = folder / "jobs.jsonl"
    path.write_bytes(b"".join(_line(row) + b"\n" for row in rows))
    return path


def table(folder: Path, text: str | bytes) -> Path:
    """Writes a CSV file."""
    path = folder / "jobs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, *rows: dict[str, Any] | str | bytes) -> Jobs:
    """Reads a file with these lines."""
    return read_jobs(jsonl(folder, *rows))


def problem_texts(jobs: Jobs) -> list[str]:
    """The problems, as text."""
    return [str(problem) for problem in jobs.problems]


def lines(jobs: Jobs) -> list[int | None]:
    """The lines of the rows that were read."""
    return [row.line for row in jobs.rows]


def ids(jobs: Jobs) -> list[str]:
    """The ids of the rows that were read."""
    return [row.id for row in jobs.rows]


def parameters(jobs: Jobs, name: str) -> list[Any]:
    """The values of one parameter in all rows."""
    return [getattr(row.request, name) for row in jobs.rows]


def joined(parts: Iterable[str]) -> str:
    """Joins lines to a text."""
    return "".join(f"{part}\n" for part in parts)


def _line(row: dict[str, Any] | str | bytes) -> bytes:
    match row:
        case bytes():
            return row
        case str():
            return row.encode("utf-8", "surrogatepass")
        case _:
            return json.dumps(row).encode()
