"""Commands for voices, elements and faces."""

import json
import re
from typing import Any

import pytest

from kling_async.cli.exit_codes import Exit

from .conftest import CAT, Run

CLIP = "https://files.example/clip.mp4"
PICTURES = json.dumps({"frontal_image": CAT, "refer_images": [CAT]})
ELEMENT = ["robot", "--element-description", "small blue robot", "--reference-type", "image_refer"]


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    ("command", "made", "cost"),
    [
        (["create-voice", "narrator", "--voice-url", CLIP], r"made +\d+ narrator", "would have cost 0.05 units"),
        (["create-element", *ELEMENT, "--element-image-list", PICTURES], r"made +\d+ robot", "nothing"),
        (["identify-faces", "--video-url", CLIP], r"session_id +\d+", "would have cost 0.05 units"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_made(run: Run, command: list[str], made: str, cost: str) -> None:
    """A command shows the id of the new resource, and what it would have cost."""
    ran = run(*command, "--emulator")
    assert ran.code == 0, ran.err
    assert re.search(made, ran.out)
    assert re.search(f"cost +{cost}", ran.out)


@pytest.mark.parametrize(
    ("command", "first"), [("preset-voices", "829824295735410756"), ("preset-elements", "829836802793406551")]
)
def test_presets(run: Run, command: str, first: str) -> None:
    """All pages are one table, ids for scripts, or one JSON object for programs."""
    table = run(command, "--emulator", "--page-size", "1")
    assert re.match(rf"\w+_id .*\n{first} ", table.out)
    ids = run(command, "--emulator", "--quiet").out.split()
    assert ids[0] == first
    values: list[dict[str, Any]] = run(command, "--emulator", "--json").data["value"]
    assert [str(next(iter(value.values()))) for value in values] == ids


@pytest.mark.parametrize(("command", "kind"), [("delete-voice", "Voice"), ("delete-element", "Element")])
def test_delete_of_an_unknown_id(run: Run, command: str, kind: str) -> None:
    """Deleting an unknown id shows the service's message."""
    ran = run(command, "5", "--emulator")
    assert ran.code != 0
    assert f"{kind} id not found: 5" in ran.err


def test_all_problems_are_reported_at_once(run: Run) -> None:
    """Each problem is named by its option, and nothing is sent."""
    ran = run("create-element", "x" * 21, "--element-description", "", "--reference-type", "image_refer", "--emulator")
    assert ran.code == Exit.USAGE
    for option in ("--element-name", "--element-description", "--element-image-list"):
        assert option in ran.err
