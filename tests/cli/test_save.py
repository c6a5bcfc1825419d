from pathlib import Path
from typing import Any

import pytest

from kling_async import AimedPolling, KlingClient, Polling
from kling_async.cli import service as cli_service
from kling_async.cli.commands import save
from kling_async.emulator import Emulator

from .conftest import CAT, Run

pytestmark = pytest.mark.usefixtures("hurry")


def beat(seconds: float, deadline: float) -> Polling:
    """Sets all polling delays to the same value."""
    return Polling(first=seconds, maximum=seconds, deadline=deadline)


@pytest.fixture
def reference(run: Run, service: Emulator) -> str:  # noqa: ARG001  (what `run` talks to)
    """A finished task."""
    return str(run("generate", CAT, "-o", "made.mp4", "--json").data["reference"])


def test_saves_what_was_made_before(run: Run, here: Path, service: Emulator, reference: str) -> None:
    """A reference is enough to save a video again; no task is created."""
    ran = run("save", reference, "-o", "again.mp4")
    assert ran.code == 0
    assert (here / "again.mp4").read_bytes() == (here / "made.mp4").read_bytes()
    assert "cost       1.5 units, $0.21 at list price" in ran.out
    assert service.ledger.created == 1


@pytest.mark.usefixtures("service")
def test_a_task_of_a_path_without_a_record(run: Run, here: Path, reference: str) -> None:
    """`raw:PATH:ID` saves too, with the suffix of the content; its price per unit is unknown."""
    ran = run("save", f"raw:/v1/videos/{reference}", "-o", "out/")
    assert ran.code == 0, ran.err
    task_id = reference.partition(":")[2]
    assert (here / "out" / f"{task_id}.mp4").read_bytes() == (here / "made.mp4").read_bytes()
    assert "cost       1.5 units, of which no price is known\n" in ran.out
    assert f"raw:/v1/videos/image2video:{task_id}" in ran.out


@pytest.mark.usefixtures("service")
def test_a_reference_by_the_name_of_the_command(run: Run, here: Path, reference: str) -> None:
    """A reference may begin with the command in place of the path."""
    assert run("save", reference.replace("image2video", "image_to_video"), "-o", "again.mp4").code == 0
    assert (here / "again.mp4").read_bytes() == (here / "made.mp4").read_bytes()


def test_goes_on_where_it_broke_off(run: Run, here: Path, service: Emulator, reference: str) -> None:
    """A download continues from the partial file of an earlier attempt."""
    before = service.ledger.requests["file"]
    (here / "again.mp4.part").write_bytes(b"garbage")
    assert run("save", reference, "-o", "again.mp4", "--json").data["size"] == (here / "made.mp4").stat().st_size
    assert service.ledger.requests["file"] > before
    assert not (here / "again.mp4.part").exists()


def test_existing_file(run: Run, service: Emulator, reference: str) -> None:
    """An existing file is reported before any request."""
    requests = service.ledger.requests.total()
    ran = run("save", reference, "-o", "made.mp4")
    assert ran.code == 2
    assert "--overwrite replaces it" in ran.err
    assert requests == service.ledger.requests.total()
    assert run("save", reference, "-o", "made.mp4", "--overwrite", "-q").out == "made.mp4\n"


def test_no_watermarked_video(run: Run, reference: str) -> None:
    """Saving a watermarked video that was not requested exits with 6."""
    ran = run("save", reference, "-o", "mark.mp4", "--watermark")
    assert ran.code == 6
    assert "no watermarked video" in ran.err


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ("cat.mp4", 2, "InvalidReference"),
        ("raw:/v1/videos/image2video", 2, "InvalidReference"),
        ("raw:v1/videos/image2video:8", 2, "InvalidReference"),
        ("/v1/videos/image2video:8", 2, "InvalidReference"),
        ("image2video:nobody", 3, "TaskNotFound"),
        ("raw:/v1/videos/image2video:8", 3, "TaskNotFound"),
    ],
)
def test_wrong_reference(run: Run, text: str, code: int, error: str) -> None:
    """An invalid reference exits with 2, an unknown task with 3."""
    ran = run("save", text, "-o", "a.mp4", "--json")
    assert (ran.code, ran.data["error"]) == (code, error)
    assert ("raw:<path>" in ran.data["message"]) is (code == 2 and "/" in text)


@pytest.mark.parametrize(("words", "expected"), [([], AimedPolling(deadline=60)), (["--poll", "2.5"], beat(2.5, 60))])
def test_fixed_interval(
    run: Run,
    service: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: Polling | AimedPolling,
) -> None:
    """`--poll` sets a fixed interval in each waiting command, with the emulator too; the default is aimed polling."""
    monkeypatch.setattr(cli_service, "AimedPolling", AimedPolling)
    used: list[Polling | AimedPolling] = []

    def client(**options: Any) -> KlingClient:
        used.append(options["polling"])
        quick: dict[str, Any] = options | {"polling": Polling(first=0.01, maximum=0.05)}
        return KlingClient(**quick)

    monkeypatch.setattr(save, "KlingClient", client)
    monkeypatch.setattr(cli_service, "KlingClient", client)
    words = ["--deadline", "60", *words]
    made = run("generate", CAT, "-o", "a.mp4", "--json", *words).data["reference"]
    assert run("save", made, "-o", "b.mp4", *words).code == 0
    assert used == [expected, expected]
    assert run("generate", CAT, "-o", "c.mp4", "--emulator", *words).code == 0
    assert (used[-1] == expected) is ("--poll" in words)
    assert service.ledger.created == 1


def test_too_short_an_interval(run: Run, service: Emulator) -> None:
    """An interval that would flood the service with polls is refused before anything is sent."""
    ran = run("generate", CAT, "-o", "a.mp4", "--poll", "0.00001")
    assert ran.code == 2
    assert "0.001" in ran.err
    assert not service.ledger.requests


def test_wrong_key(run: Run, reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused credentials exit with 3, and the secret is not shown."""
    monkeypatch.setenv("KLING_SECRET_KEY", "wrong-secret-0123456789abcdefghijklmn")
    ran = run("save", reference, "-o", "a.mp4")
    assert ran.code == 3
    assert "wrong-secret" not in ran.err
