"""Runs every example as a script in its own process, against an emulator in another one (`nox -s examples`)."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def main() -> None:
    """Exits with an error if an example does."""
    command = [sys.executable, "-m", "kling_async.cli", "emulator", "--port", "0", "--speed", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator, tempfile.TemporaryDirectory() as out:
        environment = os.environ | _variables(emulator)
        cat = str(EXAMPLES / "images" / "cat.png")
        runs: tuple[list[str], ...] = (
            ["one_clip.py", cat, f"{out}/cat.mp4"],
            ["many_clips.py", f"{out}/many/", *map(str, EXAMPLES.glob("images/*.*g"))],
            ["resume.py", "submit", cat, f"{out}/jobs.txt"],
            ["resume.py", "save", f"{out}/jobs.txt", f"{out}/resumed/"],
            ["chain.py", f"{out}/chain/"],
            ["durable.py", str(_prompts(out)), f"{out}/durable/"],
            ["traces.py", f"{out}/spans.jsonl", f"{out}/traced/"],
            ["run_batch.py", str(EXAMPLES / "batch" / "jobs.csv"), f"{out}/batch/", "6.5"],
        )
        for script, *rest in runs:
            subprocess.run([sys.executable, EXAMPLES / script, *rest], env=environment, check=True, timeout=120)
        made = sorted(path.stat().st_size > 100_000 for path in Path(out).rglob("*.mp4"))
        emulator.terminate()
    if made != [True] * 22:
        sys.exit(f"expected 22 videos, found {len(made)}")


def _prompts(directory: str) -> Path:
    path = Path(directory, "prompts.txt")
    path.write_text("a cat\na dog\n", "utf-8")
    return path


def _variables(emulator: subprocess.Popen[str]) -> dict[str, str]:
    """The environment variables that the emulator prints."""
    found: dict[str, str] = {}
    assert emulator.stdout is not None
    for line in emulator.stdout:
        if match := re.match(r"\s*export (KLING_\w+)=(\S+)", line):
            found[match[1]] = match[2].strip("'\"")
        if {"KLING_BASE_URL", "KLING_SECRET_KEY"} <= set(found):
            break
    return found


if __name__ == "__main__":
    main()
