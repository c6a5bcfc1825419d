import json
import re
from pathlib import Path

import pytest

from kling_async.emulator import Emulator
from kling_async.io.transport import Transport

from .batches import FAILS, end, events, jobs, kinds, made
from .conftest import CAT, Run

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "batch" / "jobs.jsonl")

pytestmark = pytest.mark.usefixtures("hurry")


def test_all_done(run: Run, here: Path, service: Emulator) -> None:
    """Each row makes a video named after its id, and a report; stdout gets the sums, stderr the progress."""
    ran = run("batch", jobs(here, "one", "two"), "--out", "out")
    assert ran.code == 0
    assert made(here / "out") == ["clip-0.mp4", "clip-1.mp4"]
    assert (here / "out" / "report.html").resolve().as_uri() in ran.out
    assert "2 done" in ran.out
    assert "3 units, $0.42" in ran.out
    assert ran.err.startswith("2 rows; 2 to make: about 3 units, $0.42 (price table)")
    assert service.ledger.created == 2


def test_units_of_two_packs(run: Run, here: Path, service: Emulator) -> None:
    """Units of image and video packs, which have different prices, are not added up."""
    rows = [{"endpoint": "generate_images", "prompt": "a cat"}, {"endpoint": "text_to_video", "prompt": "a cat"}]
    (here / "jobs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ran = run("batch", "jobs.jsonl", "--out", "out", "--dry-run")
    assert ran.code == 0
    assert "2 to make: about 8 units (image pack), 1.5 units, $0.24 (price table)" in ran.err + ran.out
    assert "1 generate_images" in ran.err + ran.out
    assert service.ledger.created == 0


def test_again(run: Run, here: Path, service: Emulator) -> None:
    """Running the same command again pays nothing and succeeds."""
    words = ["batch", jobs(here, "one", "two"), "--out", "out"]
    run(*words)
    ran = run(*words)
    assert ran.code == 0
    assert ran.err.startswith("2 rows, 2 of them sent before; 0 to make\n")
    assert "2 done" in ran.out
    assert service.ledger.created == 2


def test_some_failed(run: Run, here: Path, service: Emulator) -> None:
    """A failed row is shown with line and reason; the exit code is 1, and the command to retry it is printed."""
    words = ["batch", jobs(here, "one", FAILS, "this is refused"), "--out", "my out"]
    ran = run(*words)
    assert ran.code == 1
    assert "failed: line 2 (clip-1): " in ran.err
    assert "failed: line 3 (clip-2): " in ran.err
    assert "1 done, 2 failed" in ran.out
    assert "kling-async batch --retry-failed jobs.jsonl --out 'my out'" in ran.err
    assert run(*words).code == 1
    assert service.ledger.created == 2


def test_retry_failed(run: Run, here: Path, service: Emulator) -> None:
    """`--retry-failed` retries failed rows only."""
    words = ["batch", jobs(here, "one", FAILS), "--out", "out"]
    run(*words)
    ran = run(*words, "--retry-failed", "--json")
    assert [event["to_make"] for event in events(ran) if event["event"] == "plan"] == [1]
    assert service.ledger.created == 3
    assert end(ran)["command"] == "kling-async batch jobs.jsonl --out out --retry-failed --json"


def test_invalid(run: Run, here: Path, service: Emulator) -> None:
    """All invalid rows are reported with line and parameter, and nothing is sent."""
    name = jobs(here, "one", {"image": "missing.png"}, {"image": CAT, "duration": 7, "mode": "best"})
    ran = run("batch", name, "--out", "out")
    assert ran.code == 2
    first, second, _ = ran.err.splitlines()
    assert re.fullmatch(r"line 2 \(row-\w+\): image: .*missing.png'", first)
    assert second.startswith("line 3: mode: 'best' is not possible")
    assert "nothing was sent. --skip-invalid goes on without these rows" in ran.err
    assert service.ledger.requests["create"] == 0
    assert not (here / "out").exists()


def test_skip_invalid(run: Run, here: Path, service: Emulator) -> None:
    """`--skip-invalid` makes the valid rows, which determine the exit code."""
    name = jobs(here, "one", {"image": "missing.png"})
    ran = run("batch", name, "--out", "out", "--skip-invalid")
    assert ran.code == 0
    assert "1 done, 1 invalid" in ran.out
    assert service.ledger.created == 1


@pytest.mark.parametrize("rows", [("one", "two"), ("one", {"image": "missing.png"})])
def test_dry_run(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, rows: tuple[str, ...]) -> None:
    """`--dry-run` shows what is to be made and its price, without a key, a connection or a file."""

    def refuse(*_: object) -> None:
        raise AssertionError("it has asked the service")

    monkeypatch.setattr(Transport, "send", refuse)
    before = {jobs(here, *rows)}
    ran = run("batch", "jobs.jsonl", "--out", "out", "--dry-run", "--skip-invalid", "--budget", "1")
    assert ran.code == 0
    assert "to make: about" in ran.out
    assert "the budget of 1 units is not enough for all" in ran.out
    assert ran.out.endswith("nothing was sent\n")
    assert {path.name for path in here.iterdir()} == before


def test_folder(run: Run, here: Path, service: Emulator) -> None:
    """Each picture of a folder becomes a video, with the same options."""
    pictures = here / "pictures"
    pictures.mkdir()
    for name in ("b.png", "a.png"):
        (pictures / name).write_bytes(Path(CAT).read_bytes())
    ran = run("batch", "pictures", "--out", "out", "--prompt", "it moves", "--mode", "pro")
    assert ran.code == 0
    assert made(here / "out") == ["a.mp4", "b.mp4"]
    assert {entry.mode for entry in service.ledger.entries} == {"pro"}


def test_options_of_the_endpoint(run: Run, here: Path, service: Emulator) -> None:
    """`--endpoint` sets the endpoint of the rows; its parameters are options, and those of a row take precedence."""
    name = jobs(here, {"id": "a", "prompt": "waves"}, {"id": "b", "prompt": "waves", "mode": "std"})
    ran = run("batch", name, "--out", "out", "--endpoint", "text_to_video", "--mode", "pro", "--aspect-ratio", "9:16")
    assert ran.code == 0
    assert sorted((entry.endpoint, entry.mode) for entry in service.ledger.entries) == [
        ("text2video", "pro"),
        ("text2video", "std"),
    ]


def test_watermark(run: Run, here: Path, service: Emulator) -> None:
    """`--watermark` saves both videos of a row."""
    assert run("batch", jobs(here, "one"), "--out", "out", "--watermark").code == 0
    assert len(made(here / "out")) == 2
    assert service.ledger.created == 1


# ------------------------------------------------------------------------------------------------------- money


def test_budget(run: Run, here: Path, service: Emulator) -> None:
    """A budget applies to all runs together; with a larger one the same command continues."""
    words = ["batch", jobs(here, "one", "two", "three"), "--out", "out", "--budget"]
    ran = run(*words, "4")
    assert ran.code == 1
    assert "2 done, 1 over budget" in ran.out
    assert "another --budget" in ran.err
    assert run(*words, "4").code == 1
    assert service.ledger.charged == 3.0
    assert run(*words, "0.7usd").code == 2  # the journal counts units
    assert run(*words, "4.5").code == 0
    assert service.ledger.charged == 4.5


def test_budget_in_dollars(run: Run, here: Path, service: Emulator) -> None:
    """A budget can be in dollars."""
    ran = run("batch", jobs(here, "one", "two"), "--out", "out", "--budget", "$0.25", "--json")
    assert ran.code == 1
    assert end(ran)["counts"]["over budget"] == 1
    assert service.ledger.created == 1


# -------------------------------------------------------------------------------------------------------- output


@pytest.mark.usefixtures("service")
def test_events(run: Run, here: Path) -> None:
    """With `--json` each line is an event: problems, the plan, each row, progress, and the end with its code."""
    ran = run("batch", jobs(here, "one", FAILS, {"image": "missing.png"}), "--out", "out", "--json", "--skip-invalid")
    assert ran.err == ""
    assert kinds(ran)["problem"] == 1
    assert kinds(ran)["plan"] == 1
    rows = {event["line"]: event for event in events(ran) if event["event"] == "row"}
    assert {line: row["status"] for line, row in rows.items()} == {1: "done", 2: "failed", 3: "invalid"}
    assert rows[1]["files"] == [str(here / "out" / "clip-0.mp4")]
    assert rows[2]["error"]
    last = end(ran)
    assert (last["event"], last["ok"], last["exit_code"], ran.code) == ("end", False, 1, 1)
    assert last["counts"]["done"] == 1
    assert (last["units"], last["usd"]) == (1.5, 0.21)
    assert last["report"] == str(here / "out" / "report.html")


@pytest.mark.usefixtures("service")
def test_quiet(run: Run, here: Path) -> None:
    """`--quiet` shows only the end."""
    ran = run("batch", jobs(here, "one"), "--out", "out", "-q")
    assert ran.err == ""
    assert ran.out.startswith("rows    1 done\n")


def test_untrusted_text_is_escaped(run: Run, here: Path, service: Emulator) -> None:
    """Untrusted text cannot move the cursor or imitate a line of the command."""
    name = jobs(here, {"id": "a", "image": "no\x1b[2J\nline 1: all is well.png"})
    ran = run("batch", name, "--out", "out")
    assert ran.code == 2
    assert "\x1b" not in ran.err
    assert len(ran.err.splitlines()) == 2
    assert service.ledger.requests["create"] == 0


# ------------------------------------------------------------------------------------------------------- emulator


def test_with_the_emulator_inside(run: Run) -> None:
    """The shipped example runs without a key on the built-in emulator; a second run makes nothing."""
    ran = run("batch", EXAMPLE, "--out", "out", "--emulator")
    assert ran.code == 0, ran.err
    assert "7 done" in ran.out
    assert "nothing was paid" in ran.out
    again = run("batch", EXAMPLE, "--out", "out", "--emulator", "--json")
    assert again.code == 0
    assert next(event for event in events(again) if event["event"] == "plan")["to_make"] == 0


def test_directories_of_emulator_and_service_are_not_mixed(run: Run, here: Path, service: Emulator) -> None:
    """A directory with results of an emulator is refused for the service, and vice versa."""
    name = jobs(here, "one")
    assert run("batch", name, "--out", "try", "--emulator").code == 0
    ran = run("batch", name, "--out", "try")
    assert (ran.code, "what an emulator made" in ran.err) == (2, True)
    assert run("batch", name, "--out", "out").code == 0
    assert run("batch", name, "--out", "out", "--emulator").code == 2
    assert service.ledger.created == 1


def test_without_a_key(run: Run, here: Path) -> None:
    """Without a key nothing is sent, and the error names the sources of keys."""
    ran = run("batch", jobs(here, "one"), "--out", "out")
    assert ran.code == 2
    assert "KLING_API_KEY" in ran.err


# ---------------------------------------------------------------------------------------------------------- schema


@pytest.mark.parametrize("words", [("text-to-video",), ("text_to_video", "--json")])
def test_schema(run: Run, words: tuple[str, ...]) -> None:
    """`--schema` prints the schema of a row and nothing else, for people and programs."""
    ran = run("batch", "--schema", *words)
    assert ran.code == 0
    assert json.loads(ran.out)["properties"]["endpoint"] == {"const": "text_to_video", "description": "what makes it"}


def test_progress_without_a_terminal(run: Run, here: Path, service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, progress is shown as lines."""
    monkeypatch.setattr("kling_async.cli.batch_progress.BEAT", 0.01)
    ran = run("batch", jobs(here, *map(str, range(4))), "--out", "out", "--budget", "60")
    lines = [line for line in ran.err.splitlines() if line.startswith("   0:0")]
    assert len(lines) >= 2
    assert "of 60 units left" in lines[-1]
    assert service.ledger.created == 4


def test_unknown_price(run: Run, here: Path, service: Emulator) -> None:
    """With a budget, a row of unknown price is sent only if `--assume` sets its price."""
    row = {"id": "a", "endpoint": "video_effect", "image": CAT, "effect_scene": "squish"}
    words = ["batch", jobs(here, row), "--out", "out", "--budget", "6"]
    ran = run(*words)
    assert ran.code == 1
    assert "the price of 1 of them is not known; --assume sets what such a row takes of the budget" in ran.err
    assert "invalid: line 1 (a): budget: no price of this request is known" in ran.err
    assert "with --assume, rows of unknown price are sent as well" in ran.err
    assert service.ledger.created == 0
    assert run(*words, "--assume", "7").code == 1
    assert service.ledger.created == 0
    ran = run(*words, "--assume", "5")
    assert ran.code == 0
    assert "is not known; each takes 5 of the budget" in ran.err
    assert service.ledger.created == 1
