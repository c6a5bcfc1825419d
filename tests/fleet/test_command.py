"""`kling-async fleet`: its output and its error messages."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

from kling_async.cli import main
from kling_async.cli.fleet_status import under_way
from kling_async.fleet import Fleet, Job, JobState, Metrics, NewJob
from kling_async.io import postgres as io_postgres
from kling_async.protocol.errors import ConfigurationError

from .test_database import SECRET


@attrs.frozen
class Ran:
    """Result of a command."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The command's JSON: a single object, with nothing else on stdout."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KLING_FLEET_DSN", raising=False)

    def run_(*words: str) -> Ran:
        capsys.readouterr()
        code = main(["fleet", *words])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_


@pytest.fixture
def at(dsn: str, monkeypatch: pytest.MonkeyPatch, run: Run) -> Run:
    """Runs a command on a fleet."""
    monkeypatch.setenv("KLING_FLEET_DSN", dsn)
    return run


def jobs(*rows: dict[str, Any], name: str = "jobs.jsonl") -> str:
    """Writes a file of jobs."""
    Path(name).write_text("".join(json.dumps({"endpoint": "text-to-video", **row}) + "\n" for row in rows))
    return name


TWO = ({"id": "a", "prompt": "a cat"}, {"id": "b", "prompt": "a dog"})


def test_jobs_are_submitted_once(at: Run) -> None:
    """Ids of rows are keys: submitting the same file again adds nothing, and both runs report the jobs."""
    first = at("submit", jobs(*TWO), "--save-to", "{date}/{key}.mp4", "--priority", "2")
    assert (first.code, first.out) == (0, "2 jobs in the queue default: 2 queued\n")
    again = at("submit", "jobs.jsonl", "--json")
    assert again.data == {"ok": True, "exit_code": 0, "queue": "default", "jobs": 2, "states": {"queued": 2}}
    job = at("status", "a", "--json").data
    assert (job["key"], job["state"], job["save_to"], job["priority"]) == ("a", "queued", "{date}/{key}.mp4", 2)
    assert at("status", "a").out == "a: queued\n"


def test_parameters_of_all_rows(at: Run) -> None:
    """Options set parameters that rows omit, as with a batch."""
    Path("jobs.jsonl").write_text('{"id": "a"}\n')
    ran = at("submit", "jobs.jsonl", "--endpoint", "text-to-video", "--prompt", "a cat")
    assert ran.code == 0, ran.err


def test_problems_of_rows(at: Run) -> None:
    """All problems are reported at once, each with its line and id, and nothing is submitted."""
    rows = ({"id": "a", "prompt": "a cat"}, {"id": "b", "prompt": ""}, {"id": "c", "prompt": "x", "mode": "best"})
    ran = at("submit", jobs(*rows))
    assert ran.code == 2
    assert "line 2 (b): prompt: is required" in ran.err
    assert "line 3 (c): mode: " in ran.err
    assert "2 problems in the jobs; nothing was submitted" in ran.err
    report = at("submit", "jobs.jsonl", "--json").data
    assert [(each["line"], each["id"], each["field"]) for each in report["problems"]] == [
        (3, "c", "mode"),
        (2, "b", "prompt"),
    ]
    assert at("status", "a").code == 2
    wrong = at("submit", jobs(*TWO), "--save-to", "/etc/{key}")
    assert wrong.code == 2
    assert "line 1 (a): save_to: must be below the worker's --out" in wrong.err


def test_a_conflict(at: Run) -> None:
    """The error lists the differences between the requests."""
    at("submit", jobs(*TWO))
    ran = at("submit", jobs({"id": "a", "prompt": "another"}))
    assert ran.code == 1
    assert "the key 'a' belongs to another request (prompt: 'a cat' in the journal, 'another' now)" in ran.err


def test_status(at: Run) -> None:
    """Queues with slots and workers, as text and as JSON."""
    assert at("init", "--limit", "20", "--queue", "other", "--credentials", "second", "--budget", "8.40usd").code == 0
    at("submit", jobs(*TWO))
    ran = at("status")
    assert "queue default: 2 queued\n" in ran.out
    assert "kling-v2-6  0 of 5  2\n" in ran.out
    assert "queue other: no jobs\n  budget: 8.4 of 8.4 usd left, 0 reserved\n" in ran.out
    assert "no worker runs: `kling-async fleet worker --out DIR` is one" in ran.out
    default, other = at("status", "--json").data["queues"]
    assert (default["name"], default["states"], default["limit"]) == ("default", {"queued": 2}, 5)
    (line,) = default["lines"]
    assert (line["line"], line["slots"], line["used"], line["queued"]) == ("kling-v2-6", 5, 0, 2)
    assert default["lag"] >= 0
    assert (other["credentials"], other["spending"]["limit"], other["lag"]) == ("second", 8.4, None)


def test_status_of_one_queue(at: Run) -> None:
    """Only the named queue is shown; a missing one is an error, as in other commands."""
    assert at("init", "--limit", "2", "--queue", "other").code == 0
    shown = at("status", "--queue", "other", "--json").data["queues"]
    assert [queue["name"] for queue in shown] == ["other"]
    expected = "the fleet has no queue 'nope' (it has default, other); `kling-async fleet init --queue nope --limit N`"
    for words in (["status"], ["drain"], ["submit", jobs(*TWO)]):
        ran = at(*words, "--queue", "nope")
        assert (ran.code, ran.out) == (1, "")
        assert expected in ran.err


def test_init_of_a_drained_queue(at: Run) -> None:
    """Setting a new limit does not resume a drained queue, and the output states that."""
    assert at("drain").code == 0
    ran = at("init", "--limit", "6")
    back = "`kling-async fleet drain --queue default --off` takes that back"
    assert (ran.code, ran.out) == (0, f"the queue default is ready: 6 at once per model; it stays drained: {back}\n")
    assert at("drain", "--off").code == 0
    assert at("init", "--limit", "7").out == "the queue default is ready: 7 at once per model\n"


def test_drain(at: Run) -> None:
    """A queue without running jobs is drained at once; --off resumes it."""
    ran = at("drain")
    assert ran.out == "the queue default is drained: nothing is under way\n"
    assert "draining: nothing new is begun" in at("status").out
    assert at("drain", "--off", "--json").data["draining"] is False
    assert "draining" not in at("status").out


@pytest.mark.parametrize(
    ("seen", "warning"),
    [
        (0, ""),
        (3600, "no worker of it has sent a heartbeat for 36"),
        (None, "no worker takes from it: without a worker the tasks are not followed or saved"),
    ],
)
def test_a_drain_that_is_interrupted(
    at: Run, dsn: str, monkeypatch: pytest.MonkeyPatch, seen: int | None, warning: str
) -> None:
    """The output states that the queue stays drained, how many tasks are still billed, and whether a worker follows."""

    def stopped(metrics: Metrics, name: str) -> int:
        signal.raise_signal(signal.SIGTERM)
        return under_way(metrics, name)

    monkeypatch.setattr("kling_async.cli.commands.fleet.under_way", stopped)
    assert at("submit", jobs(*TWO)).code == 0
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE kling_fleet.pgqueuer SET status = 'picked'")
        if seen is not None:
            connection.execute(
                "INSERT INTO kling_fleet.workers (id, name, version, queues, seen_at) VALUES (gen_random_uuid(), 'a', "
                "'1', '{default}', now() - make_interval(secs => %s))",
                [seen],
            )
    ran = at("drain")
    assert ran.code == 143
    assert "interrupted: the queue default stays drained (`kling-async fleet drain --queue default --off`" in ran.err
    assert "2 under way go on, and are billed" in ran.err
    assert "nothing is billed" not in ran.err
    assert ("the tasks are not followed" in ran.err) == bool(warning)
    assert warning in ran.err
    assert "draining: nothing new is begun" in at("status").out


def test_a_submit_that_is_interrupted(at: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output does not claim that nothing is billed, as all jobs may already be in the queue."""
    submit_all = Fleet.submit_all

    async def stopped(self: Fleet, given: Iterable[NewJob]) -> list[Job]:
        there = await submit_all(self, given)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()
        return there

    monkeypatch.setattr(Fleet, "submit_all", stopped)
    ran = at("submit", jobs(*TWO))
    assert ran.code == 143
    assert "either all jobs are in the queue default, to be made and billed, or none is" in ran.err
    assert "nothing is billed" not in ran.err
    assert at("status", "a").code == 0


def test_drained_and_not_saved(at: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no running jobs, results that are paid for but not saved yet are reported."""
    measured = Fleet.metrics

    async def metrics(self: Fleet) -> Metrics:
        (queue,) = (found := await measured(self)).queues
        return attrs.evolve(found, queues=(attrs.evolve(queue, states={JobState.SAVING: 2}),))

    monkeypatch.setattr(Fleet, "metrics", metrics)
    ran = at("drain")
    assert ran.out == "the queue default is drained: nothing is under way, and 2 results are made, and not saved yet\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["status"], "which database? set KLING_FLEET_DSN, or give --dsn"),
        (["statsu"], "there is no command fleet statsu; did you mean status?"),
        (["init"], "the following arguments are required: --limit"),
        (["init", "--limit", "0"], "must be 1 or more"),
        (["init", "--limit", "3", "--dsn", "x=y", "--assume", "3"], "give --budget as well"),
        (["submit"], "the following arguments are required: JOBS"),
        (["submit", "missing.jsonl", "--dsn", "host=x"], "there is no file or folder 'missing.jsonl'"),
        (["worker", "--dsn", "host=x"], "the following arguments are required: -o/--out"),
        (["status", "--dsn", f"postgresql://u:{SECRET}@more@host/db"], "dsn cannot be read: give it as postgresql://"),
        (["status", "--queue", "A b", "--dsn", "host=x"], "queue must be a name of 1 to 41 small letters"),
        (["status", "--queue", "", "--dsn", "host=x"], "queue must be a name of 1 to 41 small letters"),
        (["--dsn", f"postgresql://u:{SECRET}@host/db", "status"], "invalid choice: 'postgresql://…@host/db'"),
        ([f"postgresql://u:{SECRET}@host/db"], "there is no command fleet postgresql://…@host/db"),
        (["drain", f"postgresql://u:{SECRET}@host/db"], "unrecognized arguments: postgresql://…@host/db"),
        (["drain", f"host=x password={SECRET}"], "unrecognized arguments: host=x password=…"),
        (["drain", f"host=x password = '{SECRET} {SECRET}'"], "unrecognized arguments: host=x password = …"),
        (
            ["submit", f"postgresql://u:{SECRET}@host/db", "--dsn", "host=x"],
            "expected a path on this machine, got an address (postgresql://)",
        ),
        (["submit", f"postgresql://u:{SECRET}@host/db", "--dsn", "host=x", "--json"], ""),
    ],
)
def test_mistakes(run: Run, words: list[str], expected: str) -> None:
    """A mistake ends with exit code 2 and a correction, without the password."""
    ran = run(*words)
    assert ran.code == 2, ran.err
    assert expected in ran.err
    assert SECRET not in ran.err + ran.out


def test_a_server_that_is_not_there(run: Run) -> None:
    """If the server is not reachable, the error names its address."""
    ran = run("status", "--dsn", f"postgresql://u:{SECRET}@127.0.0.1:1/clips", "--json")
    assert (ran.code, ran.data["error"]) == (1, "FleetError")
    assert "clips on 127.0.0.1:1 cannot be reached" in ran.data["message"]
    assert SECRET not in ran.out + ran.err


def test_an_unknown_job(at: Run) -> None:
    """The error states that there is no such job."""
    ran = at("status", "cat", "--json")
    assert (ran.code, ran.data["message"]) == (2, "the queue default has no job 'cat'")


def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error explains how to install the extra."""

    def driver() -> None:
        raise ConfigurationError(f"Postgres needs what an extra installs: {io_postgres.EXTRA}")

    monkeypatch.setattr("kling_async.cli.commands.fleet.driver", driver)
    ran = run("status", "--dsn", "host=x")
    assert ran.code == 2
    assert "pip install 'kling-async[fleet]'" in ran.err


def test_help_names_all_commands(run: Run) -> None:
    """The help lists all commands, and each has its own help."""
    for words in ([], ["init"], ["submit"], ["worker"], ["status"], ["drain"]):
        ran = run(*words, "--help")
        assert ran.code == 0
        assert "kling-async fleet" in ran.out


def test_a_worker_without_a_key(at: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that can serve no queue ends at once, and names the missing variable."""
    monkeypatch.delenv("KLING_API_KEY", raising=False)
    ran = at("worker", "--out", "clips")
    assert ran.code == 2
    assert "set KLING_API_KEY of the queue default" in ran.err


def test_a_worker_with_an_invalid_key(at: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid key ends the worker at once, too, and is not shown."""
    monkeypatch.setenv("KLING_API_KEY", "my secret\nkey")
    ran = at("worker", "--out", "clips")
    assert ran.code == 2
    assert "api_key" in ran.err
    assert "secret" not in ran.err
