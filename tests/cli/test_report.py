import errno
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import (
    Audio,
    AuthenticationError,
    BadResponse,
    ConfigurationError,
    ConnectionFailed,
    CreateInDoubt,
    DownloadError,
    ExternalTaskIdConflict,
    GenerateImages,
    ImageToVideo,
    InvalidReference,
    InvalidRequest,
    KlingError,
    Problem,
    QueueTimeout,
    Remedy,
    ServerError,
    TargetError,
    TargetExists,
    Task,
    TaskFailed,
    TaskNotFound,
    TaskStatus,
    TaskTimeout,
    Video,
)
from kling_async.cli import output, report, results, values
from kling_async.cli.exit_codes import Exit
from kling_async.cli.job import Job, Stage

REFERENCE = "image2video:1"
TASK = Task(
    endpoint="image2video",
    task_id="1",
    status=TaskStatus.SUCCEED,
    videos=(Video(id="2", url="http://h/2.mp4", duration=Decimal("5.041")),),
    final_unit_deduction=Decimal("1.50"),
)
SOUND = Audio(id="3", url="http://h/3.mp3", duration=Decimal("5.041"))


@pytest.mark.parametrize(
    ("error", "stage", "code"),
    [
        (InvalidRequest, Stage.CREATING, Exit.USAGE),
        (InvalidReference, Stage.ATTACHED, Exit.USAGE),
        (ConfigurationError, Stage.UNSENT, Exit.USAGE),
        (TargetExists, Stage.UNSENT, Exit.USAGE),
        (TargetError, Stage.ATTACHED, Exit.USAGE),
        (TargetExists, Stage.MADE, Exit.UNSAVED),
        (DownloadError, Stage.MADE, Exit.UNSAVED),
        (AuthenticationError, Stage.CREATING, Exit.REFUSED),
        (ExternalTaskIdConflict, Stage.CREATING, Exit.REFUSED),
        (TaskNotFound, Stage.ATTACHED, Exit.REFUSED),
        (TaskFailed, Stage.ACCEPTED, Exit.FAILED),
        (TaskFailed, Stage.ATTACHED, Exit.FAILED),
        (TaskTimeout, Stage.ACCEPTED, Exit.UNKNOWN),
        (CreateInDoubt, Stage.CREATING, Exit.UNKNOWN),
        (ConnectionFailed, Stage.CREATING, Exit.UNKNOWN),
        (AuthenticationError, Stage.ACCEPTED, Exit.UNKNOWN),
        (BadResponse, Stage.ACCEPTED, Exit.UNKNOWN),
        (ServerError, Stage.MADE, Exit.UNSAVED),
        (QueueTimeout, Stage.CREATING, Exit.ERROR),
        (KlingError, Stage.UNSENT, Exit.ERROR),
    ],
)
def test_exit_codes(error: type[KlingError], stage: Stage, code: Exit) -> None:
    """A refusal means "nothing was created" only as long as no task was accepted."""
    assert code == report.exit_for(error("x"), stage)


def job(stage: Stage, **more: Any) -> Job:
    """A job with a reference."""
    return attrs.evolve(Job(target="cat.mp4", reference="image2video:own", stage=stage), **more)


@pytest.mark.parametrize(
    ("error", "stage", "command"),
    [
        (TaskTimeout("x", reference=REFERENCE), Stage.ACCEPTED, "kling-async save image2video:1 -o cat.mp4"),
        (CreateInDoubt("x", reference=REFERENCE), Stage.CREATING, "kling-async save image2video:1 -o cat.mp4"),
        (ConnectionFailed("x"), Stage.CREATING, "kling-async save image2video:own -o cat.mp4"),
        (DownloadError("x", reference=REFERENCE), Stage.MADE, "kling-async save image2video:1 -o cat.mp4"),
        (
            TargetExists("x", reference=REFERENCE, remedy=Remedy.OVERWRITE),
            Stage.MADE,
            "kling-async save image2video:1 -o cat.mp4 --overwrite",
        ),
        (ExternalTaskIdConflict("x", reference=REFERENCE), Stage.CREATING, "kling-async save image2video:1 -o cat.mp4"),
        (TaskFailed("x", reference=REFERENCE), Stage.ACCEPTED, None),
        (TaskNotFound("x", reference=REFERENCE), Stage.ACCEPTED, "kling-async save image2video:1 -o cat.mp4"),
        (TaskNotFound("x", reference=REFERENCE), Stage.ATTACHED, None),
        (AuthenticationError("x", reference=REFERENCE), Stage.ATTACHED, None),
        (ConnectionFailed("x", reference=REFERENCE), Stage.ATTACHED, "kling-async save image2video:1 -o cat.mp4"),
        (AuthenticationError("x"), Stage.CREATING, None),
        (InvalidRequest("x", problems=()), Stage.CREATING, None),
        (ConnectionFailed("x", sent=False), Stage.CREATING, None),
        (TargetExists("x"), Stage.UNSENT, None),
    ],
)
def test_how_to_go_on(error: KlingError, stage: Stage, command: str | None) -> None:
    """Every error about a task that may exist contains the command that saves its video."""
    ending = report.of_error(error, job(stage))
    assert command == ending.data["save_command"]
    assert (command or "kling-async save") in ending.text or command is None
    assert ("kling-async save" in ending.text) is (command is not None)


def test_what_just_failed_is_not_advised() -> None:
    """If a task has no watermarked video, the command saves the plain one."""
    error = DownloadError("x", reference=REFERENCE, remedy=Remedy.WATERMARK)
    ending = report.of_error(error, job(Stage.MADE, watermark=True))
    assert ending.data["save_command"] == "kling-async save image2video:1 -o cat.mp4"


def test_command_can_be_pasted() -> None:
    """The command keeps the relevant options and quotes shell metacharacters."""
    made = job(Stage.MADE, target="my cat.mp4", overwrite=True, watermark=True, base_url="http://h:1")
    assert made.save_command() == (
        "kling-async save image2video:own -o 'my cat.mp4' --watermark --overwrite --base-url http://h:1"
    )
    assert job(Stage.MADE, target="-cat.mp4").save_command() == "kling-async save image2video:own --output=-cat.mp4"


def test_emulated_tasks_end_with_the_command() -> None:
    """For a task whose emulator has ended, no command to continue is printed."""
    ending = report.of_error(TaskTimeout("x", reference=REFERENCE), job(Stage.ACCEPTED, emulated=True))
    assert ending.data["save_command"] is None
    assert "nothing was billed" in report.of_stop(signal.SIGINT, job(Stage.ACCEPTED, emulated=True)).text


def test_error_has_the_data_for_support() -> None:
    """Code, HTTP status and request id are in the text and the JSON."""
    error = AuthenticationError("no", code=1002, http_status=401, request_id="r")
    ending = report.of_error(error, job(Stage.CREATING))
    assert ending.text == "error: AuthenticationError: no\n  code 1002, HTTP 401, request_id r"
    assert (ending.data["code"], ending.data["http_status"], ending.data["request_id"]) == (1002, 401, "r")


def test_no_strict_is_offered_for_the_map_only() -> None:
    """`--no-strict` is suggested for a refusal by the capability map, not for a documented rule."""
    by_map = InvalidRequest.of([Problem("sound", "no", by_map=True)])
    documented = InvalidRequest.of([Problem("sound", "no", by_map=True), Problem("prompt", "too long")])
    assert "--no-strict" in report.of_error(by_map, job(Stage.CREATING)).text
    ending = report.of_error(documented, job(Stage.CREATING))
    assert "--no-strict" not in ending.text
    assert [problem["field"] for problem in ending.data["problems"]] == ["sound", "prompt"]


@pytest.mark.parametrize(
    ("number", "stage", "code", "words"),
    [
        (signal.SIGINT, Stage.UNSENT, 130, "nothing was sent"),
        (signal.SIGTERM, Stage.UNSENT, 143, "nothing was sent"),
        (signal.SIGINT, Stage.CREATING, 130, "may be billed"),
        (signal.SIGINT, Stage.ACCEPTED, 130, "goes on at the service, and is billed"),
        (signal.SIGTERM, Stage.MADE, 143, "not saved"),
    ],
)
def test_signals(number: signal.Signals, stage: Stage, code: int, words: str) -> None:
    """The message for a signal names what continues, and the command that saves it."""
    ending = report.of_stop(number, job(stage))
    assert code == ending.code
    assert words in ending.text
    assert ("kling-async save image2video:own -o cat.mp4" in ending.text) is (stage is not Stage.UNSENT)
    assert ending.data["reference"] == (None if stage is Stage.UNSENT else "image2video:own")


def test_bugs_keep_the_reference() -> None:
    """After a bug, the reference of the paid task is still shown."""
    ending = report.of_bug(ZeroDivisionError("division"), job(Stage.ACCEPTED))
    assert "kling-async save image2video:own" in ending.text
    assert ending.code == Exit.ERROR


def test_words_of_the_shell() -> None:
    """The library's messages are rewritten in terms of options."""
    error = TargetExists("x exists", remedy=Remedy.OVERWRITE)
    assert report.of_error(error, job(Stage.UNSENT)).data["message"] == "x exists; --overwrite replaces it"


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_has_its_words(remedy: Remedy) -> None:
    """Each remedy has a text for the shell, without Python."""
    words = report.SHELL_WORDS[remedy]
    assert not any(python in words for python in ("=True", "attach(", "api_key=", "polling.", "='", "base_url "))


def test_cost_from_the_service() -> None:
    """The cost from the service is used, in units and dollars."""
    cost = results.cost_of(TASK, ImageToVideo(model_name="kling-v3", duration=15))
    assert cost.text(emulated=False) == "1.5 units, $0.21 at list price"
    assert cost.text(emulated=True) == "would have cost 1.5 units, $0.21; nothing was paid"


def test_cost_by_the_table() -> None:
    """Without a cost from the service, that of the price table is used, and marked as such."""
    silent = attrs.evolve(TASK, final_unit_deduction=None, cost=None)
    request = ImageToVideo(mode="pro", duration=10, sound=True)
    assert results.cost_of(silent, request).text(emulated=False) == "about 10 units, $1.40 (price table)"
    assert results.cost_of(silent, ImageToVideo(model_name="new")).units is None
    assert "not known" in results.cost_of(silent).text(emulated=False)


def test_saved_video(here: Path) -> None:
    """A result shows the file, the cost and the reference of the task."""
    path = here / "cat.mp4"
    path.write_bytes(bytes(1_234_567))
    done = results.Result(
        task=TASK,
        paths=[Path("cat.mp4")],
        watermark_paths=[Path("cat-watermark.mp4")],
        cost=results.cost_of(TASK),
        seconds=61.23,
    )
    assert done.text().splitlines() == [
        "saved      cat.mp4 (1.2 MB, 5.041 s of video)",
        "watermark  cat-watermark.mp4",
        "video id   2",
        f"open       {path.as_uri()} in a browser, or the file in any player",
        "took       61.2 s",
        "cost       1.5 units, $0.21 at list price",
        "reference  image2video:1",
    ]
    assert done.data() == {
        "reference": "image2video:1",
        "task_id": "1",
        "external_task_id": None,
        "status": "succeed",
        "path": "cat.mp4",
        "paths": ["cat.mp4"],
        "watermark_path": "cat-watermark.mp4",
        "watermark_paths": ["cat-watermark.mp4"],
        "size": 1_234_567,
        "duration": 5.041,
        "video_ids": ["2"],
        "audio_ids": [],
        "voices": [],
        "elements": [],
        "units": 1.5,
        "usd": 0.21,
        "amount": None,
        "currency": None,
        "cost_told": True,
        "emulated": False,
        "seconds": 61.23,
    }


@pytest.mark.parametrize(
    ("target", "audios", "what"),
    [
        ("cat.txt", (), "video"),
        ("cat.mp3", (), "video"),
        ("cat.txt", (SOUND,), "video"),
        ("cat.mp3", (SOUND,), "sound"),
    ],
)
def test_seconds_of_what_was_saved(target: str, audios: tuple[Audio, ...], what: str) -> None:
    """The duration of a file is described by its content, independent of its name."""
    Path(target).write_bytes(b"")
    task = attrs.evolve(TASK, audios=audios)
    text = results.Result(task=task, paths=[Path(target)], cost=results.cost_of(task), seconds=1).text()
    assert text.startswith(f"saved      {target} (0 bytes, 5.041 s of {what})")


def test_a_file_that_was_moved_after_the_save(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process moves right after the save is no error of the task."""
    (here / "b.mp4").write_bytes(bytes(10))
    paths = [here / "a.mp4", here / "b.mp4"]
    done = results.Result(task=TASK, paths=paths, cost=results.cost_of(TASK), seconds=1)
    assert f"saved      {paths[0]} (no longer there" in done.text()
    assert f"saved      {paths[1]} (10 bytes)" in done.text()
    assert (done.data()["paths"], done.data()["size"]) == ([str(path) for path in paths], None)
    assert "(no longer there)" in values.Value(value=None, paths=paths, cost=done.cost).text(None)

    def gone() -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    assert "reference  image2video:1" in attrs.evolve(done, paths=[Path("a.mp4")]).text()


def test_units_of_pictures() -> None:
    """Units that are not of the video pack are shown with their pack: they cost less."""
    cost = results.cost_of(None, GenerateImages("a cat"))
    assert cost.text(emulated=True) == "would have cost 8 units (image pack), $0.028; nothing was paid"


def test_small_numbers() -> None:
    """Sizes and amounts are short, and exact where that matters."""
    sizes = [output.file_size(size) for size in (0, 999, 45_200, 3_000_000)]
    assert sizes == [
        "0 bytes",
        "999 bytes",
        "45 kB",
        "3.0 MB",
    ]
    assert [output.number(Decimal(text)) for text in ("10", "1.50", "0.0")] == ["10", "1.5", "0"]
    assert [output.dollars(Decimal(text)) for text in ("0", "0.042", "1.4")] == ["$0.00", "$0.042", "$1.40"]
