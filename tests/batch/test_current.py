"""Rows of the current generation: in JSONL, CSV, and a folder of pictures."""

import json
from pathlib import Path
from typing import Any

import pytest

from kling_async import current
from kling_async.batch.check import problems_of
from kling_async.batch.endpoints import method_of, names
from kling_async.batch.jobs import read_jobs, rows_of
from kling_async.batch.schema import row_schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "batch" / "current.jsonl"
TURBO = {"endpoint": "current.image_to_video", "model": "kling-3.0-turbo"}


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    """A file of these rows."""
    jobs = folder / "jobs.jsonl"
    jobs.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return jobs


def test_lines(tmp_path: Path) -> None:
    """Each record has its endpoint, also named with dashes; paths are relative to the jobs, also in named materials."""
    jobs = read_jobs(written(
        tmp_path,
        {**TURBO, "first_frame": "cat.jpg", "prompt": "x"},
        {**TURBO, "endpoint": "current.image-to-video", "first_frame": {"url": "cat.jpg", "id": "cat"}},
        {"endpoint": "current.omni_video", "model": "kling-o1", "prompt": "@a", "refer_images": [
            "a.png", {"url": "b.png", "id": "b"}, {"url": "https://files.example/c.png"}]},
        {"endpoint": "current.omni_video", "model": "kling-o1", "prompt": "x", "base_video": "https://files.example/v"},
        {"endpoint": "current.text_to_video", "model": "kling-3.0", "prompt": [{"words": "a cat", "seconds": 5}]},
    ))  # fmt: skip
    assert jobs.problems == ()
    first, second, third, fourth, fifth = jobs.rows
    assert first.request == current.ImageToVideo(tmp_path / "cat.jpg", model="kling-3.0-turbo", prompt="x")
    assert first.endpoint == second.endpoint == "current.image_to_video"
    assert second.pictures == (str(tmp_path / "cat.jpg"),)
    assert third.pictures == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    assert fourth.request.base_video.url == "https://files.example/v"
    assert fifth.request.prompt == (current.Shot("a cat", 5),)
    assert [method_of(row.request) for row in jobs.rows] == [row.endpoint for row in jobs.rows]


def test_materials_by_name(tmp_path: Path) -> None:
    """Materials may be given by their names in the prompt, as in code; their paths are relative to the jobs, too."""
    jobs = read_jobs(written(
        tmp_path,
        {"endpoint": "current.omni_video", "model": "kling-o1", "prompt": "@cat", "refer_images": {
            "cat": "a.png", "dog": "pets/b.png", "far": "https://files.example/c.png"}, "elements": {"hero": 162},
            "first_frame": {"start": "d.png"}, "feature_video": {"walk": "https://files.example/v"}},
    ))  # fmt: skip
    assert jobs.problems == ()
    [row] = jobs.rows
    pictures: dict[str, str | Path] = {
        "cat": tmp_path / "a.png",
        "dog": tmp_path / "pets" / "b.png",
        "far": "https://files.example/c.png",
    }
    assert row.request == current.OmniVideo(
        "@cat",
        model="kling-o1",
        refer_images=pictures,
        elements={"hero": 162},
        first_frame={"start": tmp_path / "d.png"},
        feature_video={"walk": "https://files.example/v"},
    )
    assert row.pictures == tuple(str(tmp_path / name) for name in ("d.png", "a.png", "pets/b.png"))


def test_a_table(tmp_path: Path) -> None:
    """CSV cells are parsed like those of other rows; a prompt is text or a list of shots."""
    shots = '"[{""words"": ""a cat"", ""seconds"": 5}]"'
    lines = ["id,endpoint,model,first_frame,prompt,duration"]
    lines += [f"{name},current.image_to_video,kling-3.0,cat.png,{prompt},5" for name, prompt in (
        ("a", '"[slow] the cat, yawning"'), ("b", shots), ("c", "{x}")
    )]  # fmt: skip
    file = tmp_path / "jobs.csv"
    file.write_text("\n".join(lines), "utf-8")
    jobs = read_jobs(file)
    assert jobs.problems == ()
    prompts = [row.request.prompt for row in jobs.rows]
    assert prompts == ["[slow] the cat, yawning", (current.Shot("a cat", 5),), "{x}"]
    assert [row.request.duration for row in jobs.rows] == [5, 5, 5]


def test_a_folder(tmp_path: Path) -> None:
    """Each picture is a first frame; all rows have the same model."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    defaults: dict[str, Any] = {"model": "kling-3.0-turbo", "prompt": "it moves"}
    jobs = read_jobs(tmp_path, endpoint="current.image-to-video", defaults=defaults)
    assert [row.id for row in jobs.rows] == ["a", "b"]
    assert jobs.rows[0].request == current.ImageToVideo(tmp_path / "a.png", **defaults)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"endpoint": "current.image_to_video", "first_frame": "cat.jpg"}, "model: is required"),
        ({**TURBO, "first_frame": "cat.jpg", "mode": "pro"}, "mode: is unknown; did you mean model?"),
        ({**TURBO, "first_frame": "cat.jpg", "external_task_id": "x"}, "leave it out"),
        ({**TURBO, "endpoint": "current.avatar"}, "is unknown"),
        ({**TURBO, "first_frame": 5}, "expected text or an object, got 5"),
        ({**TURBO, "first_frame": {"a": "x.png", "b": "y.png"}}, "first_frame.a: is unknown"),
        ({**TURBO, "first_frame": {"url": "x.png", "ids": "y"}}, "first_frame.ids: is unknown; did you mean id?"),
        ({**TURBO, "elements": {"hero": [1]}}, "elements.hero: expected text or a whole number, got a list"),
        ({**TURBO, "elements": 5}, "expected a list or an object, got 5"),
        ({"model": "kling-3.0", "image": "x.png"}, 'a row of that has "endpoint": "current.image_to_video"'),
        ({"model": "kling-3.0", "endpoint": "omni-video"}, 'has "endpoint": "current.omni_video"; omni_video has'),
    ],
)
def test_invalid_rows(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    """Names and kinds are checked as in other rows."""
    problems = read_jobs(written(tmp_path, row)).problems
    assert any(expected in str(problem) for problem in problems), problems


async def test_rows_that_the_checks_refuse() -> None:
    """A row whose model belongs to the other generation, or would be billed differently, is refused."""
    wrong = current.TextToVideo("x", model="kling-2.6", audio="native")
    jobs = rows_of([wrong, {"image": "https://files.example/c.png", "model_name": "kling-3.0-turbo"}])
    texts = " ".join(map(str, await problems_of(jobs.rows, 0)))
    assert "native needs resolution 1080p" in texts
    assert "kling-3.0-turbo is a model of the current generation; use current.ImageToVideo" in texts


def test_records_in_code() -> None:
    """A record is also a row, with an id derived from its contents."""
    one, other = (current.TextToVideo("x", model=name) for name in ("kling-3.0", "kling-2.6"))
    rows = rows_of([one, other]).rows
    assert [row.endpoint for row in rows] == ["current.text_to_video"] * 2
    assert rows[0].id != rows[1].id


def test_schemas() -> None:
    """Each current record has a schema, in which the model is required and may be any text."""
    found = {name: row_schema(name) for name in names() if name.startswith("current.")}
    assert len(found) == 4
    for name, schema in found.items():
        assert {"endpoint", "model"} <= {*schema["required"]}
        assert schema["properties"]["endpoint"] == {"const": name, "description": "what makes it"}
    schema = found["current.omni_video"]["properties"]["feature_video"]
    assert {each["type"] for each in schema["anyOf"]} == {"string", "object", "null"}


async def test_the_example() -> None:
    """The shipped example passes all checks."""
    jobs = read_jobs(EXAMPLE)
    assert (jobs.problems, await problems_of(jobs.rows, 0)) == ((), [])
    assert {row.endpoint.partition(".")[0] for row in jobs.rows} == {"current", "image_to_video"}
