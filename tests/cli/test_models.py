import re

import pytest

from kling_async.cli.commands.models import grouped, seconds
from kling_async.cli.output import table
from kling_async.protocol.endpoints.videos.image_to_video import CAPABILITIES

from .conftest import Run


def test_every_model_is_shown(run: Run) -> None:
    """The table has every model of the map, and `?` for unknown values."""
    ran = run("models")
    assert ran.code == 0
    assert all(name in ran.out for name in CAPABILITIES.models)
    assert re.search(r"^kling-v2-6 +pro +5, 10 .* 0\.5 / 1 / 1\.2 +0\.07 / 0\.14 / 0\.168$", ran.out, re.MULTILINE)
    assert re.search(r"^kling-v1 .* \? +\?$", ran.out, re.MULTILINE)


def test_one_model(run: Run) -> None:
    """A model's name narrows the table to it."""
    lines = run("models", "kling-v3").out.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [["kling-v3", mode, "3-15"] for mode in ("std", "pro", "4k")]


def test_unknown_model(run: Run) -> None:
    """An unknown model is an error, which suggests the nearest."""
    ran = run("models", "kling-v2.6")
    assert ran.code == 2
    assert "did you mean kling-v2-6?" in ran.err


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("kling-image-o1", "is a model of omni-image: --endpoint omni-image"),
        ("text-to-video", "is no model, but a command: --endpoint text-to-video"),
    ],
)
def test_a_model_of_another_endpoint(run: Run, word: str, text: str) -> None:
    """For a model of another endpoint, or a command, the error names the right option."""
    ran = run("models", word)
    assert (ran.code, text in ran.err) == (2, True)


def test_models_for_programs(run: Run) -> None:
    """Programs get a row for each duration, with true, false and null."""
    rows = run("models", "kling-v2-6", "--json").data["models"]
    [row] = [row for row in rows if (row["mode"], row["duration"]) == ("pro", 10)]
    assert (row["tail"], row["brush"], row["fps"]) == (True, False, 24)
    assert (row["units"], row["units_with_sound"], row["units_with_voices"]) == (5.0, 10.0, 12.0)
    assert rows[0]["fps"] is None


def test_retired_models(run: Run) -> None:
    """Below the table its retired models are listed, with date and replacement; the JSON has both in each row."""
    retired = "kling-v1, kling-v1-5, kling-v1-6, kling-v2-master, kling-v2-1, kling-v2-1-master"
    assert f"\nretired since 2026-09-15, use kling-v2-6: {retired}\n" in run("models").out
    assert "retired" not in run("models", "kling-v3").out
    ends = [run("models", name, "--json").data["models"][0]["retired"] for name in ("kling-v1", "kling-v3")]
    assert ends == [{"since": "2026-09-15", "instead": "kling-v2-6"}, None]


def test_names_of_models_for_scripts(run: Run) -> None:
    """`--quiet` prints only the names, those of legacy paths first."""
    names = run("models", "-q").out.split()
    assert names[: len(CAPABILITIES.models)] == list(CAPABILITIES.models)
    assert "kling-3.0-turbo" in names


def test_rows_together() -> None:
    """Rows that differ only in their durations are one line, and none is lost."""
    groups = grouped(CAPABILITIES.rows)
    assert [row for group in groups for row in group] == list(CAPABILITIES.rows)
    assert len(groups) < len(CAPABILITIES.rows)


@pytest.mark.parametrize(
    ("durations", "text"), [([5], "5"), ([5, 10], "5, 10"), ([3, 4, 5], "3-5"), ([9, 10], "9, 10")]
)
def test_seconds(durations: list[int], text: str) -> None:
    """Durations are abbreviated."""
    assert text == seconds(durations)


def test_narrow_terminal() -> None:
    """Where columns do not fit, each row becomes a paragraph."""
    headers, rows = ("model", "tail", "size"), [("kling-v3", "y", "1080p"), ("kling-v1", "", "720p")]
    assert table(headers, rows) == "model     tail  size\nkling-v3  y     1080p\nkling-v1        720p"
    assert table(headers, rows, 19) == "kling-v3\n  tail y,\n  size 1080p\nkling-v1\n  size 720p"
