"""Commands of endpoints without tasks: the response is the result."""

import signal
import socket
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from kling_async import CallInDoubt, UnexpectedAnswer
from kling_async.cli import report
from kling_async.cli.exit_codes import Exit
from kling_async.cli.job import Job, Stage
from kling_async.cli.results import Cost
from kling_async.cli.values import Value
from kling_async.emulator import Emulator

from .conftest import Run, started

pytestmark = pytest.mark.usefixtures("hurry")

SPEECH = ("text-to-speech", "hello, my friend", "--voice-id", "calm_story1", "--voice-language", "en")
COSTS = ("account-costs", "2026-01-01", "--end-time", "2100-12-31T18:00")


def test_speech_is_saved(run: Run, here: Path) -> None:
    """Speech is saved as a file at once, and its cost is shown."""
    ran = run(*SPEECH, "-o", "hello.mp3", "--emulator")
    assert ran.code == 0, ran.err
    assert (here / "hello.mp3").stat().st_size > 100
    assert "would have cost 0.05 units, $0.007; nothing was paid" in ran.out
    assert "http" not in ran.out
    assert run(*SPEECH, "-o", "again.mp3", "--emulator", "-q").out == "again.mp3\n"


def test_speech_in_a_directory(run: Run) -> None:
    """In a directory the file is named by its id."""
    data = run(*SPEECH, "-o", "out/", "--emulator", "--json").data
    assert data["paths"] == [f"out/{data['value']['audios'][0]['id']}.mp3"]
    assert (data["units"], data["cost_told"]) == (0.05, True)


def test_the_target_is_checked_before_anything_is_sent(run: Run, here: Path, service: Emulator) -> None:
    """An existing file and invalid options are errors before anything is sent."""
    (here / "hello.mp3").touch()
    ran = run(*SPEECH, "-o", "hello.mp3")
    assert (ran.code, "--overwrite replaces it" in ran.err) == (2, True)
    ran = run(*SPEECH, "--voice-speed", "9", "-o", "new.mp3")
    assert (ran.code, "--voice-speed: " in ran.err) == (2, True)
    assert "unrecognized arguments: --deadline 5" in run(*SPEECH, "-o", "new.mp3", "--deadline", "5").err
    assert not service.ledger.requests


@pytest.mark.usefixtures("service")
def test_refused(run: Run) -> None:
    """A refusal by the service exits with 3."""
    ran = run("delete-voice", "nobodys", "--json")
    assert (ran.code, ran.data["error"], ran.data["code"]) == (3, "RequestRefused", 1201)


@pytest.mark.usefixtures("service")
def test_a_call_without_a_value(run: Run) -> None:
    """A call without a value prints `done`."""
    voice = run("create-voice", "anna", "--voice-url", "https://example.com/a.mp3", "-q").out.strip()
    ran = run("delete-voice", voice)
    assert (ran.code, ran.out) == (0, "done\n")


@pytest.mark.usefixtures("service")
def test_a_table(run: Run) -> None:
    """A list of records is a table, ids for scripts, and records for programs; dates are in local time."""
    ran = run(*COSTS)
    assert ran.code == 0
    header, first, *_ = ran.out.splitlines()
    assert header.split()[0] == "resource_pack_name"
    assert first.split()[0].startswith("Emulated-")
    assert "cost" not in ran.out
    packs = run(*COSTS, "--json").data["value"]
    assert [pack["resource_pack_id"] for pack in packs] == run(*COSTS, "-q").out.split()


def test_invalid_times(run: Run) -> None:
    """A time is a day, a day and an hour, or milliseconds; other text is an error."""
    assert run("account-costs", "0", "--end-time", "4000000000000", "--emulator").code == 0
    ran = run("account-costs", "yesterday", "--end-time", "4000000000000", "--emulator")
    assert (ran.code, "must be a time such as 2026-11-29" in ran.err) == (2, True)


@pytest.mark.parametrize("error", [CallInDoubt("lost"), UnexpectedAnswer("odd")])
def test_a_lost_answer(error: CallInDoubt | UnexpectedAnswer) -> None:
    """A call that may have been billed exits with 5, and names no task."""
    ending = report.of_error(error, Job(target="a.mp3", stage=Stage.CHARGING))
    assert (ending.code, ending.data["reference"], ending.data["save_command"]) == (Exit.UNKNOWN, None, None)


@pytest.mark.parametrize(("words", "text"), [(SPEECH, "may bill it"), (COSTS, "bills nothing")], ids=["paid", "free"])
def test_ctrl_c_without_a_response(
    monkeypatch: pytest.MonkeyPatch, here: Path, words: tuple[str, ...], text: str
) -> None:
    """A call interrupted without a response exits at once, and the message names what may be billed."""
    monkeypatch.setenv("KLING_API_KEY", "key")
    target = ["-o", "a.mp3"] if words is SPEECH else []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with started(*words, *target, "--base-url", address) as process:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1)
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert text in err
    assert [*here.iterdir()] == []


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (Stage.CALLING, "bills nothing"),
        (Stage.CHARGING, "may bill it"),
        (Stage.ANSWERED, "is not saved"),
    ],
)
def test_interrupted(stage: Stage, text: str) -> None:
    """After Ctrl-C the message names what the call may have done."""
    ending = report.of_stop(signal.SIGINT, Job(target="a.mp3", stage=stage))
    assert text in ending.text
    assert "kling-async save" not in ending.text


@attrs.frozen
class Face:
    """An item."""

    face_id: str
    note: str = ""


@attrs.frozen
class Faces:
    """Any record."""

    session_id: str
    faces: tuple[Face, ...] = ()
    final_unit_deduction: Decimal | None = None


def test_any_value() -> None:
    """A record is shown as lines, a list in it as a table of non-empty columns; the cost is shown once."""
    faces = Faces("7", (Face("1"), Face("2")), Decimal("0.05"))
    done = Value(value=faces, cost=Cost(Decimal("0.05"), Decimal("0.007"), from_service=True))
    expected = "cost        0.05 units, $0.007 at list price\nsession_id  7\nfaces:\nface_id\n1\n2"
    assert done.text(None) == expected
    assert done.short() == "7"
    assert done.data()["value"]["faces"] == [{"face_id": "1", "note": ""}, {"face_id": "2", "note": ""}]
    assert Value(value=[], cost=Cost()).text(None) == "there is none"


def test_no_options_of_tasks(run: Run) -> None:
    """Commands of calls have no options for waiting or adopting."""
    text = run("account-costs", "--help").out
    assert [word for word in ("--deadline", "--poll", "--if-exists", "--output") if word in text] == []
