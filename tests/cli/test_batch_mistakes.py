"""Mistakes in the command line of a batch: the error suggests a correction, and nothing is sent."""

import errno
import os
from pathlib import Path

import pytest

from kling_async.cli import endpoints
from kling_async.cli.arguments import read
from kling_async.cli.batch_options import endpoint_that_makes
from kling_async.cli.exit_codes import UsageError
from kling_async.protocol.endpoint import Endpoint

from .batches import jobs
from .conftest import CAT, Run


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "needed as well: JOBS, --out DIR"),
        (["jobs.jsonl"], "needed as well: --out DIR"),
        (["--out", "out"], "needed as well: JOBS"),
        (["jobs.jsonl", "--out", "jobs.jsonl"], "--out jobs.jsonl is a file; give a directory"),
        (["-", "--out", "out"], "reads no standard input"),
        (["jobs.jsonl", "--out", "out", "--image", "-"], "reads no standard input"),
        (["missing.jsonl", "--out", "out"], "there is no file or folder 'missing.jsonl'"),
        ([CAT, "--out", "out"], "is a picture, not a file of jobs; give the folder that it is in"),
        (["empty", "--out", "out"], "there is no picture in the folder 'empty'"),
        (["a.png", "b.png", "--out", "out"], "give one file of jobs, or one folder of pictures"),
        (["jobs.jsonl", "--out", "out", "--endpoint", "text-to-vide"], "did you mean text-to-video?"),
        (["jobs.jsonl", "--out", "out", "--endpoint", "nothing"], "use one of image-to-video, "),
        (["jobs.jsonl", "--out", "out", "--endpoint", "text-to-speech"], "answers at once, and is not for batches"),
        (["--schema", "image2vido"], "there is no endpoint 'image2vido'"),
        (["jobs.jsonl", "--out", "out", "--aspect-ratio", "1:1"], "--endpoint sets which the rows are for"),
        (["jobs.jsonl", "--output", "out"], "did you mean --out?"),
        (["jobs.jsonl", "--out", "out", "--external-task-id", "mine"], "unrecognized arguments: --external-task-id"),
        (["jobs.jsonl", "--out", "out", "--mode", "best"], "invalid choice: 'best'"),
        (["jobs.jsonl", "--out", "out", "--assume", "2"], "give --budget as well"),
        (["jobs.jsonl", "--out", "out", "--budget", "much"], "units such as 60, or dollars such as 8.40usd"),
        (["jobs.jsonl", "--out", "out", "--budget", ".40"], "quote the $, which the shell reads"),
        (["jobs.jsonl", "--out", "out", "--budget", "0"], "must be more than 0"),
        (["jobs.jsonl", "--out", "out", "--concurrency", "0"], "must be 1 or more"),
        (["jobs.jsonl", "--out", "out", "--emulator", "--journal", "j"], "--emulator takes no --journal"),
        (["jobs.jsonl", "--out", "out", "--journal", ""], "--journal: is empty"),
        (["jobs.jsonl", "--out", "out", "--concurrency", "9" * 30], "must be 1000000000 or less"),
        (["jobs.jsonl", "--out", "out", "--budget", "9" * 30], "must be 1000000000000000 or less"),
        (["jobs.jsonl", "--out", "out", "--budget", "5", "--assume", "9" * 30], "must be 1000000000000000 or less"),
        (["jobs.jsonl", "--out", "out", "--prompt", "-"], "--prompt takes the words, not where they are"),
        (["x" * 300, "--out", "out"], "cannot be read: File name too long"),
    ],
)
def test_mistakes(run: Run, here: Path, words: list[str], error: str) -> None:
    """A mistake exits with 2, and the error suggests a correction."""
    jobs(here, "one")
    (here / "empty").mkdir()
    before = {path.name for path in here.iterdir()}
    ran = run("batch", *words)
    assert ran.code == 2, ran.err
    assert error in ran.err
    assert {path.name for path in here.iterdir()} == before


def test_a_working_directory_that_is_gone(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted current directory is an error for relative paths only."""
    rows = str(here / jobs(here, "one"))

    def gone() -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    for words in (["--out", "out"], ["--out", str(here / "out"), "--journal", "a.sqlite"]):
        ran = run("batch", rows, *words)
        assert ran.code == 2
        assert "has no place: the directory that this process is in is gone" in ran.err
    assert run("batch", rows, "--out", str(here / "out"), "--dry-run").code == 0


@pytest.mark.parametrize("words", [["--out", "x" * 300], ["--out", "out", "--journal", "x" * 300]])
def test_names_that_no_file_can_have(run: Run, here: Path, words: list[str]) -> None:
    """A file name that the system refuses is reported before any plan is shown."""
    ran = run("batch", jobs(here, "one"), *words, "--dry-run")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot be opened: File name too long" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("60", ("units", "60")),
        ("8.5 units", ("units", "8.5")),
        ("1unit", ("units", "1")),
        ("$8.40", ("usd", "8.40")),
        ("8.40USD", ("usd", "8.40")),
        ("$8usd", ("usd", "8")),
    ],
)
def test_budgets(text: str, meant: tuple[str, str]) -> None:
    """A budget is given in units or in dollars."""
    unit, limit = read(["batch", "jobs.jsonl", "--budget", text]).budget
    assert (unit, str(limit)) == meant


@pytest.mark.parametrize("name", endpoints.names())
def test_every_endpoint(run: Run, name: str) -> None:
    """The options of each endpoint that makes tasks do not clash with those of the command; others are refused."""
    if isinstance(endpoints.described(name), Endpoint):
        ran = run("batch", "--help", "--endpoint", name)
        assert ran.code == 0
        assert f"defaults for rows of {name}" in " ".join(ran.out.split())
        assert "standard input" not in ran.out
    else:
        with pytest.raises(UsageError, match="answers at once"):
            endpoint_that_makes(name)


def test_listed(run: Run) -> None:
    """`kling-async --help` names the command."""
    assert "\n  batch " in run("--help").out
