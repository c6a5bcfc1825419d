import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import ImageToVideo, cli
from kling_async.cli import endpoints

from .conftest import CAT, Run


def test_one_module_knows_endpoints() -> None:
    """All behaviour of a command for an endpoint comes from its record: no other module names an endpoint.

    Except for what `kling-async costs` is about: it puts the account's own lists together.
    """
    records = [endpoints.record(name) for name in endpoints.names()]
    words = [
        *endpoints.names(),
        *(endpoints.described(name).name for name in endpoints.names()),
        *(record.__name__ for record in records),
    ]
    found = re.compile("|".join(words + [word.replace("-", "_") for word in words]))
    folder = Path(cli.__file__).parent
    named = {path.name for path in folder.rglob("*.py") if found.search(path.read_text("utf-8"))}
    assert named == {"endpoints.py", "costs.py"}


@pytest.mark.parametrize("duration", [5, 0, -1, 10**400, 7.5, "long", None])
def test_typical_time(duration: Any) -> None:
    """The display has a typical time for any request, even if the checks refuse it later."""
    assert 10 < endpoints.typical_seconds(attrs.evolve(ImageToVideo(), duration=duration)) < 1000


def test_longer_and_finer_takes_longer() -> None:
    """The typical time is that of the mode and the duration."""
    seconds = [
        endpoints.typical_seconds(request)
        for request in (ImageToVideo(mode="std"), ImageToVideo(mode="pro"), ImageToVideo(mode="pro", duration=10))
    ]
    assert seconds == sorted(set(seconds))


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("name", ["generate", endpoints.DEFAULT])
def test_default_endpoint(run: Run, here: Path, name: str) -> None:
    """`generate` is the command of the default endpoint."""
    ran = run(name, CAT, "-o", "cat.mp4", "--emulator", "--prompt", "the cat turns", "--json")
    assert (ran.code, ran.data["path"]) == (0, "cat.mp4")
    assert (here / "cat.mp4").read_bytes()[4:8] == b"ftyp"
