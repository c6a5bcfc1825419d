import asyncio
import io
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import CapabilityWarning, ImageToVideo, TaskHandle
from kling_async.cli import service as cli_service
from kling_async.emulator import Emulator, mean_generation_seconds

from .conftest import CAT, Run, printed_command, serving

pytestmark = pytest.mark.usefixtures("hurry")


def test_without_a_key(run: Run, here: Path) -> None:
    """`--emulator` needs no key and leaves a real video; progress is on stderr, the result on stdout."""
    ran = run("generate", CAT, "-o", "cat.mp4", "--emulator", "--prompt", "the cat turns")
    assert ran.code == 0
    assert (here / "cat.mp4").read_bytes()[4:8] == b"ftyp"
    assert "would have cost 1.5 units, $0.21; nothing was paid" in ran.out
    assert [line.split()[2] for line in ran.err.splitlines() if " s  " in line][-2] == "succeed"


@pytest.mark.usefixtures("service")
def test_on_the_service(run: Run, here: Path) -> None:
    """With keys in the environment the task is made there, and JSON describes it."""
    ran = run("generate", CAT, "-o", "cat.mp4", "--mode", "pro", "--external-task-id", "mine", "--json")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.data["ok"] is True
    assert ran.data["reference"] == f"image2video:{ran.data['task_id']}"
    assert (ran.data["external_task_id"], ran.data["status"], ran.data["path"]) == ("mine", "succeed", "cat.mp4")
    assert (ran.data["units"], ran.data["usd"], ran.data["emulated"]) == (2.5, 0.35, False)
    assert ran.data["size"] == (here / "cat.mp4").stat().st_size


@pytest.mark.usefixtures("service")
def test_reference_is_shown_before_it_can_be_lost(run: Run) -> None:
    """The reference of the task is shown before the create is sent."""
    ran = run("generate", CAT, "-o", "cat.mp4")
    assert ran.err.index("image2video:kling-async-") < ran.err.index("submitted")


def test_quiet(run: Run) -> None:
    """`--quiet` prints only the path, for `file=$(kling-async ...)`."""
    ran = run("generate", CAT, "-o", "cat.mp4", "--emulator", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "cat.mp4\n", "")


def test_directory(run: Run, here: Path) -> None:
    """In a directory the file is named after its task, so that names do not collide."""
    ran = run("generate", CAT, "-o", "out/", "--emulator", "--json")
    assert ran.data["path"] == f"out/{ran.data['task_id']}.mp4"
    assert (here / ran.data["path"]).exists()
    again = run("generate", CAT, "-o", "out/", "--emulator", "--json")
    assert again.code == 0
    assert again.data["path"] != ran.data["path"]


def test_watermark(run: Run, here: Path) -> None:
    """`--watermark` saves both videos."""
    ran = run("generate", CAT, "-o", "cat.mp4", "--emulator", "--watermark", "--json")
    assert (ran.data["path"], ran.data["watermark_path"]) == ("cat.mp4", "cat-watermark.mp4")
    assert (here / "cat.mp4").read_bytes() != (here / "cat-watermark.mp4").read_bytes()


def test_watermark_in_a_directory(run: Run, here: Path) -> None:
    """In a directory both files have different names."""
    ran = run("generate", CAT, "-o", ".", "--emulator", "--watermark", "--json")
    assert sorted(path.name for path in here.iterdir()) == [
        f"{ran.data['task_id']}-watermark.mp4",
        f"{ran.data['task_id']}.mp4",
    ]


def test_picture_is_piped_in(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the picture from standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(CAT).read_bytes())))
    assert run("generate", "-", "-o", "cat.mp4", "--emulator", "-q").code == 0


def test_tail_alone(run: Run) -> None:
    """IMAGE can be omitted if a tail is given."""
    words = ["--image-tail", CAT, "--model-name", "kling-v1-6", "--mode", "pro", "--emulator", "-q"]
    assert run("generate", "-o", "cat.mp4", *words).code == 0


# ------------------------------------------------------------------------------ before anything is paid


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["old.mp4"], "old.mp4 exists; --overwrite replaces it"),
        (["none/cat.mp4"], "there is no directory none"),
        (["new.mp4", "--watermark"], "new-watermark.mp4 exists"),
    ],
)
def test_target_is_checked_first(run: Run, here: Path, service: Emulator, words: list[str], text: str) -> None:
    """A problem with the output path is reported before anything is sent."""
    (here / "old.mp4").touch()
    (here / "new-watermark.mp4").touch()
    ran = run("generate", CAT, "-o", *words)
    assert ran.code == 2
    assert text in ran.err
    assert not service.ledger.requests


@pytest.mark.usefixtures("service")
def test_overwrite(run: Run, here: Path) -> None:
    """`--overwrite` replaces an existing file."""
    (here / "old.mp4").write_text("old")
    assert run("generate", CAT, "-o", "old.mp4", "--overwrite").code == 0
    assert (here / "old.mp4").stat().st_size > 3


def test_all_problems_at_once(run: Run, service: Emulator) -> None:
    """Documented rules are checked locally, all at once, and nothing is sent."""
    words = ["-o", "a.mp4", "--duration", "7.5", "--cfg-scale", "3", "--json"]
    ran = run("generate", "none.png", *words)
    assert ran.code == 2
    assert ran.data["error"] == "ImageFileMissing"
    assert {"image", "duration", "cfg_scale"} <= {problem["field"] for problem in ran.data["problems"]}
    assert not service.ledger.requests


def test_wrong_mode(run: Run, service: Emulator) -> None:
    """An unknown mode is reported with the known ones, before anything is sent."""
    ran = run("generate", CAT, "-o", "a.mp4", "--mode", "por")
    assert ran.code == 2
    assert [mode for mode in ("std", "pro", "4k") if mode not in ran.err] == []
    assert not service.ledger.requests


@pytest.mark.parametrize("words", [["none.png", "-o", "a.mp4"], [CAT, "-o", "here.mp4"], [CAT, "-o", "no/a.mp4"]])
def test_submitting_is_shown_after_all_checks(run: Run, here: Path, service: Emulator, words: list[str]) -> None:
    """If a check or the output path fails, neither "submitting" nor a reference is printed."""
    (here / "here.mp4").write_text("precious")
    ran = run("generate", *words)
    assert ran.code == 2
    assert [word for word in ("submitting", "image2video:", "save ") if word in ran.err] == []
    assert not service.ledger.requests


def test_no_strict(run: Run, recwarn: pytest.WarningsRecorder) -> None:
    """A refusal by the capability map alone suggests `--no-strict`, which then warns in one line."""
    words = ["generate", CAT, "-o", "a.mp4", "--emulator", "--image-tail", CAT]
    refused = run(*words)
    assert refused.code == 2
    assert "--no-strict sends it all the same" in refused.err
    ran = run(*words, "--no-strict")
    assert "warning: --image-tail" in ran.err
    assert "generate.py" not in ran.err
    assert not [warning for warning in recwarn if warning.category is CapabilityWarning]


def test_no_credentials(run: Run) -> None:
    """Without keys the error explains how to set them, and names `--emulator`."""
    ran = run("generate", CAT, "-o", "a.mp4")
    assert ran.code == 2
    assert "KLING_ACCESS_KEY" in ran.err
    assert "--emulator" in ran.err
    assert "api_key=" not in ran.err


# ------------------------------------------------------------------------------------ after it was sent


def test_refused(run: Run, service: Emulator) -> None:
    """A refusal by the service exits with 3; nothing was created, so no save command is printed."""
    ran = run("generate", CAT, "-o", "a.mp4", "--prompt", "refused", "--json")
    assert ran.code == 3
    assert (ran.data["error"], ran.data["code"]) == ("ContentRefused", 1301)
    assert ran.data["request_id"]
    assert ran.data["reference"].startswith("image2video:kling-async-")
    assert ran.data["save_command"] is None
    assert service.ledger.created == 0


@pytest.mark.usefixtures("service")
def test_failed(run: Run) -> None:
    """A failed task exits with 4; its reference is shown, but no save command."""
    ran = run("generate", CAT, "-o", "a.mp4", "--prompt", "forbidden")
    assert ran.code == 4
    assert "risk control" in ran.err
    assert "reference: image2video:" in ran.err
    assert "kling-async save" not in ran.err


def test_conflict_and_adoption(run: Run, service: Emulator) -> None:
    """An external task id of an older task is a conflict, unless that task is to be adopted."""
    words = ["--external-task-id", "mine", "--json"]
    first = run("generate", CAT, "-o", "a.mp4", *words).data
    service_tasks = service.ledger.created
    again = run("generate", CAT, "-o", "b.mp4", *words, "--if-exists", "adopt").data
    assert again["reference"] == first["reference"]
    assert (service_tasks, service.ledger.created) == (1, 1)


def test_deadline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that passes exits with 5; the printed command then saves the video."""
    with serving(speed=60.0) as service:
        monkeypatch.setenv("KLING_API_KEY", service.api_key)
        ran = run("generate", CAT, "-o", "a.mp4", "--deadline", "0.1", "--base-url", service.base_url)
        assert ran.code == 5
        assert "--deadline" in ran.err
        assert run(*printed_command(ran.err)).code == 0


@pytest.mark.usefixtures("service")
def test_cannot_be_saved(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished video that cannot be saved exits with 6; the printed command saves it."""
    real = TaskHandle.save

    async def late(handle: TaskHandle, path: str, **more: Any) -> Path:
        await asyncio.to_thread((here / "a.mp4").write_text, "somebody else's")
        return await real(handle, path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(TaskHandle, "save", late)
        ran = run("generate", CAT, "-o", "a.mp4")
    assert ran.code == 6
    assert (here / "a.mp4").read_text() == "somebody else's"
    assert run(*printed_command(ran.err)).code == 0


@pytest.mark.usefixtures("service")
def test_bug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug shows its traceback, and still the command that saves the video."""

    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(TaskHandle, "save", broken)
    ran = run("generate", CAT, "-o", "a.mp4")
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert "kling-async save image2video:" in ran.err


@pytest.mark.parametrize(("model", "mode"), [("kling-v3", "4k"), ("kling-v2-6", "std"), ("kling-v1", "pro")])
def test_emulator_takes_the_same_time_for_all(model: str, mode: Any) -> None:
    """With `--emulator` all requests take about the same time; it refuses unknown models."""
    request = ImageToVideo(model_name=model, mode=mode, duration=10)
    mean = mean_generation_seconds("/v1/videos/image2video", {"model_name": model, "mode": mode, "duration": "10"})
    assert mean is not None
    seconds = mean / cli_service.emulator_speed(request)
    assert seconds == pytest.approx(cli_service.EMULATED_SECONDS)
    assert cli_service.emulator_speed(attrs.evolve(request, model_name="unheard-of")) > 0
