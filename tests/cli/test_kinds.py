"""Commands for results of every kind: several files, ids, and one of several files."""

from pathlib import Path

import pytest

from kling_async.cli.job import Job, Stage
from kling_async.emulator import Emulator

from .conftest import CAT, Run

pytestmark = pytest.mark.usefixtures("hurry")

PICTURES = ("generate-images", "a fox", "--n", "3")
VOICE = ("create-voice", "anna", "--voice-url", "https://example.com/anna.mp3")
PNG = b"\x89PNG"


def heads(folder: Path) -> list[bytes]:
    """The first bytes of all files in a directory."""
    return [path.read_bytes()[:4] for path in folder.iterdir()]


# ------------------------------------------------------------------------------------------------ several files


def test_one_picture_goes_to_a_file(run: Run, here: Path) -> None:
    """A picture is saved under the given name."""
    ran = run("generate-images", "a fox", "-o", "fox.png", "--emulator")
    assert ran.code == 0
    assert heads(here) == [PNG]
    assert "saved      fox.png (" in ran.out


def test_several_go_to_a_directory(run: Run, here: Path) -> None:
    """All pictures are saved, and each is listed, in all output formats."""
    ran = run(*PICTURES, "-o", "out/", "--emulator", "--json")
    assert ran.code == 0
    task_id = ran.data["task_id"]
    names = [f"out/{task_id}{number}.png" for number in ("", "-2", "-3")]
    assert ran.data["paths"] == names
    assert heads(here / "out") == [PNG] * 3
    assert ran.data["size"] == sum(Path(name).stat().st_size for name in names)
    assert ran.data["path"] == names[0]
    assert len(run(*PICTURES, "-o", "quiet/", "--emulator", "-q").out.splitlines()) == 3
    assert run(*PICTURES, "-o", "told/", "--emulator").out.count("saved  ") == 3


@pytest.mark.parametrize("target", ["fox.png", "out", "here.png"])
def test_several_do_not_go_to_a_file(run: Run, here: Path, service: Emulator, target: str) -> None:
    """Several files need a directory, which is reported before anything is sent."""
    (here / "here.png").write_text("precious")
    ran = run(*PICTURES, "-o", target)
    assert ran.code == 2
    assert "several files" in ran.err
    assert not service.ledger.requests
    assert [path.read_text() for path in here.iterdir()] == ["precious"]


@pytest.mark.usefixtures("service")
def test_save_of_several(run: Run, here: Path) -> None:
    """`save` gets all into a directory, and the first into a file; then it prints the command for the others."""
    reference = run(*PICTURES, "-o", "out/", "--json").data["reference"]
    assert run("save", reference, "-o", "again/").code == 0
    assert len(heads(here / "again")) == 3
    ran = run("save", reference, "-o", "one.png")
    assert f"the task has 2 more files; a directory gets all: kling-async save {reference} -o out/" in ran.err
    assert run("save", reference, "-o", "two.png", "-q").err == ""


def test_watermarks_of_several(run: Run, here: Path) -> None:
    """In a directory each file has its watermarked variant beside it."""
    ran = run(*PICTURES, "-o", "out/", "--watermark", "--emulator", "--json")
    assert ran.data["watermark_paths"][0] == f"out/{ran.data['task_id']}-watermark.png"
    assert len(heads(here / "out")) == 6


def test_a_series_whose_length_the_service_chooses(run: Run, here: Path) -> None:
    """The built-in emulator accepts a series of automatic length."""
    words = ("--result-type", "series", "--series-amount", "auto", "--aspect-ratio", "1:1")
    assert run("omni-image", "a cat", *words, "-o", "out/", "--emulator").code == 0
    assert len(heads(here / "out")) > 1


def test_ids_for_other_requests(run: Run) -> None:
    """The video id that other commands take is shown; it differs from the task id."""
    ran = run("text-to-video", "a cat", "-o", "cat.mp4", "--emulator", "--json")
    [video_id] = ran.data["video_ids"]
    assert video_id not in ran.data["reference"]
    assert "video id   " in run("text-to-video", "a cat", "-o", "dog.mp4", "--emulator").out


# ------------------------------------------------------------------------------------------------ no files


@pytest.mark.usefixtures("service")
def test_what_stays_at_the_service(run: Run) -> None:
    """A voice is shown by its id and name, with its whole record in JSON; nothing is saved."""
    made = run(*VOICE, "--json").data
    [voice] = made["voices"]
    assert (voice["voice_name"], made["path"], made["paths"]) == ("anna", None, [])
    again = run("save", made["reference"])
    assert f"made       {voice['voice_id']} anna" in again.out
    assert run("save", made["reference"], "-q").out == f"{voice['voice_id']}\n"


@pytest.mark.usefixtures("service")
def test_output_of_results_without_files(run: Run) -> None:
    """`-o` is refused for results without files, and required for others."""
    assert "unrecognized arguments: -o x; leave it out" in run(*VOICE, "-o", "x").err
    reference = run(*VOICE, "--json").data["reference"]
    ran = run("save", reference, "-o", "x")
    assert (ran.code, "is no file: leave out -o" in ran.err) == (2, True)
    ran = run("save", "image2video:1")
    assert (ran.code, "needed as well: -o FILE" in ran.err) == (2, True)


def test_waiting_later() -> None:
    """The command that waits for a voice later has no `-o`."""
    job = Job(reference="general/custom-voices:1", stage=Stage.ACCEPTED)
    assert job.save_command() == "kling-async save general/custom-voices:1"


@pytest.mark.usefixtures("service")
def test_list_shows_results(run: Run) -> None:
    """The list shows the number of pictures and the ids of voices, and no signed address."""
    run(*PICTURES, "-o", "out/")
    assert " 3 pictures " in run("list", "generate-images").out
    voice = run(*VOICE, "--json").data["voices"][0]
    assert f" {voice['voice_id']} anna " in run("list", "create-voice").out
    [task] = run("list", "create-voice", "--json").data["tasks"]
    assert (task["files"], task["voices"]) == (0, [{"voice_id": voice["voice_id"], "voice_name": "anna"}])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("create_voise", "did you mean create-voice?"),
        ("delete-voice", "there is no list of 'delete-voice'"),
        ("account-costs", "raw:PATH is for any other path"),
    ],
)
def test_no_such_list(run: Run, name: str, text: str) -> None:
    """Endpoints without tasks have no list, which is reported before keys are read."""
    ran = run("list", name)
    assert (ran.code, text in ran.err) == (2, True)


# --------------------------------------------------------------------------------------------- files as options


def test_pictures_without_a_name(run: Run, service: Emulator) -> None:
    """If the first parameter is a list, all its files may be given without an option."""
    assert run("multi-image-to-image", CAT, CAT, "-o", "a.png").code == 0
    [entry] = service.ledger.entries
    assert len(entry.parameters["subject_image_list"]) == 2


@pytest.mark.usefixtures("service")
def test_files_within_json(run: Run) -> None:
    """Files in JSON are relative to the current directory; problems are reported with their option."""
    words = ("create-element", "cat", "--element-description", "a cat", "--reference-type", "image_refer")
    good = f'{{"frontal_image": "{CAT}", "refer_images": ["{CAT}"]}}'
    assert run(*words, "--element-image-list", good).code == 0
    ran = run(*words, "--element-image-list", '{"frontal_image": "none.png", "refer_images": []}')
    assert ran.code == 2
    assert "--element-image-list.frontal_image: there is no file 'none.png'" in ran.err
