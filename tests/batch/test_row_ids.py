"""Ids of rows: given ones, and those derived from contents."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async import Image, ImageToVideo, RawTask, TextToSpeech, TextToVideo
from kling_async.batch.check import problems_of
from kling_async.batch.jobs import read_jobs, rows_of
from kling_async.batch.row import Row
from kling_async.journal.names import file_name
from tests.batch.writing import ids, jsonl, problem_texts, read, table

CAT = {"image": "cat.png"}


def test_a_given_id_is_kept(tmp_path: Path) -> None:
    """Any text of 1 to 200 characters is used unchanged; a number as its text."""
    given = ["a", "Ä b/../c", "猫 🐱", 7, -1, 10**30, "x" * 200, " padded "]
    assert ids(read(tmp_path, *({"id": id_, **CAT} for id_ in given))) == [str(id_) for id_ in given]


NO_IDS = {
    "x" * 201: "has 201 letters; at most 200",
    "   ": "is empty",
    "a\nb": "has a letter that cannot be shown",
    "\x1b[2J": "has a letter that cannot be shown",
    "\0": "has a letter that cannot be shown",
    1.5: "expected text of 1 to 200 letters, got 1.5",
    True: "expected text of 1 to 200 letters, got True",
    (1,): "expected text of 1 to 200 letters, got a value of type",
    10**250: "has more than 200 digits",
}


@pytest.mark.parametrize("given", NO_IDS)
def test_an_invalid_id_is_a_problem(tmp_path: Path, given: Any) -> None:
    """An invalid id is a problem, and the row is not sent under another id."""
    jobs = read(tmp_path, {"id": given, **CAT})
    assert jobs.rows == ()
    [problem] = problem_texts(jobs)
    assert problem.startswith(f"line 1: id: {NO_IDS[given]}")


def test_an_id_twice_is_a_problem_that_names_both_lines(tmp_path: Path) -> None:
    """The first row keeps it; the number 7 and the text "7" are the same id."""
    jobs = read(tmp_path, {"id": "7", **CAT}, CAT, {"id": 7, "image": "b.png"}, {"id": "7", "x": 1})
    assert problem_texts(jobs)[:2] == [
        "line 3 (7): id: '7' is the id of another row in line 1 too; each row needs its own",
        "line 4 (7): id: '7' is the id of another row in line 1 too; each row needs its own",
    ]
    assert [row.line for row in jobs.rows] == [1, 2]


def test_an_id_is_taken_by_a_row_that_is_wrong_too(tmp_path: Path) -> None:
    """Correcting a row must not change the ids of others, given or derived."""
    assert len(problem_texts(read(tmp_path, {"id": "a", "x": 1}, {"id": "a", **CAT}))) == 2
    [made] = ids(read(tmp_path, CAT))
    assert ids(read(tmp_path, {"id": made, "x": 1}, CAT)) == [f"{made}-2"]


# -------------------------------------------------------------------------------------------------- from contents


def test_a_row_without_an_id_gets_one_from_its_contents(tmp_path: Path) -> None:
    """The derived id is the same in every run, in any order of members and rows."""
    row = {"image": "cat.png", "prompt": "ü", "camera_control": {"type": "simple", "config": {"zoom": 1, "pan": 0}}}
    turned = {"camera_control": {"config": {"pan": 0, "zoom": 1}, "type": "simple"}, "prompt": "ü", "image": "cat.png"}
    [first] = ids(read(tmp_path, row))
    assert ids(read(tmp_path, CAT, {**turned, "id": None, "endpoint": "image-to-video", "mode": None}))[1] == first
    assert first == "row-eavdz56fnnpedlhy"  # a change would make existing batches pay again
    assert file_name(first) == first


def test_other_contents_have_another_id(tmp_path: Path) -> None:
    """Each value counts, also the endpoint and the defaults, which are part of the request."""
    rows: list[dict[str, Any]] = [
        CAT,
        {"image": "dog.png"},
        {**CAT, "duration": 10},
        {"endpoint": "expand_image", **CAT},
    ]
    found = ids(read(tmp_path, *rows))
    found += ids(read_jobs(jsonl(tmp_path, CAT), defaults={"prompt": "x"}))
    assert len({*found}) == 5


def test_equal_rows_are_counted_apart(tmp_path: Path) -> None:
    """Writing a row three times makes three videos."""
    [first] = ids(read(tmp_path, CAT))
    [first_too, second, _, third] = ids(read(tmp_path, CAT, CAT, {"image": "dog.png"}, CAT))
    assert [first_too, second, third] == [first, f"{first}-2", f"{first}-3"]
    assert ids(read(tmp_path, {"id": f"{first}-2", "image": "x.png"}, CAT, CAT)) == [
        f"{first}-2",
        first,
        f"{first}-3",
    ]


def test_an_id_does_not_depend_on_where_the_file_is(tmp_path: Path) -> None:
    """A moved folder continues: paths count as written."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert ids(read(tmp_path / "a", CAT)) == ids(read(tmp_path / "b", CAT))


def test_csv_and_jsonl_agree(tmp_path: Path) -> None:
    """The same row has the same id in every kind of file."""
    from_table = ids(read_jobs(table(tmp_path, "image,duration,sound,prompt\ncat.png,5,yes,5\n")))
    assert from_table == ids(read(tmp_path, {"image": "cat.png", "duration": 5, "sound": True, "prompt": "5"}))


# ------------------------------------------------------------------------------------------------- file names


@given(st.sets(st.text(st.sampled_from("aA1-_ ä.\u0301"), min_size=1, max_size=6), min_size=2))
def test_file_names_of_two_ids_differ(given: set[str]) -> None:
    """The files of two ids never have the same name, even on case-insensitive file systems."""
    assert len({file_name(id_).casefold() for id_ in given}) == len(given)
    assert not any("." in file_name(id_) for id_ in given)  # suffixes distinguish the files of one id


# ------------------------------------------------------------------------------------------------------ jobs in code


def test_jobs_in_code(tmp_path: Path) -> None:
    """Records, mappings and rows; a mapping has the id that the same line in a file would have."""
    row = Row(id="mine", endpoint="text_to_video", request=TextToVideo("waves"))
    items = [ImageToVideo("cat.png"), CAT, {"id": "b", **CAT}, row, {"image": Path("cat.png")}, RawTask("/v1/x", {})]
    jobs = rows_of(iter(items))
    assert problem_texts(jobs) == []
    assert [each.endpoint for each in jobs.rows] == [
        "image_to_video",
        "image_to_video",
        "image_to_video",
        "text_to_video",
        "image_to_video",
        "raw:/v1/x",
    ]
    assert [each.line for each in jobs.rows] == [None] * 6
    assert jobs.rows[0].pictures == ("cat.png",)
    [from_file] = ids(read(tmp_path, CAT))
    assert ids(jobs)[1:5] == [from_file, "b", "mine", f"{from_file}-2"]
    assert ids(rows_of(items)) == ids(jobs)


def test_records_have_ids_by_their_contents() -> None:
    """Equal records are numbered, and pictures count by path, address or contents."""
    pictures: list[Any] = ["a.png", "https://example.com/a.png", b"a", b"b", Image.of("b.png")]
    jobs = rows_of([*map(ImageToVideo, pictures), ImageToVideo("a.png", duration=10), ImageToVideo("a.png")])
    assert len({*ids(jobs)}) == 7
    assert ids(jobs)[6] == f"{ids(jobs)[0]}-2"


def test_wrong_jobs_in_code_are_named_by_their_place() -> None:
    """Without lines, an item without an id is `jobs[2]`."""
    circle: list[Any] = []
    circle.append(circle)
    jobs = rows_of(
        [
            {"promt": "x"},
            {"id": "a", 5: "x"},
            TextToSpeech("x", voice_id="v", voice_language="en"),
            "cat.png",
            ImageToVideo("cat.png", external_task_id="mine"),
            {"image": object(), "element_list": circle},
            Row(id="", endpoint="x", request=ImageToVideo("a")),
        ]
    )
    assert [text[:40] for text in problem_texts(jobs)] == [
        "(jobs[0]): promt: is unknown; did you me",
        "(a): 5: is unknown; known: image, model_",
        "(jobs[2]): row: expected a request that ",
        "(jobs[3]): row: expected a request that ",
        "(jobs[4]): external_task_id: leave it ou",
        "(jobs[5]): element_list[0]: expected an ",
        "(jobs[6]): id: is empty; leave it out, a",
    ]
    assert jobs.rows == ()


def test_what_was_given_in_code_is_not_changed() -> None:
    """Given mappings and their lists are not modified."""
    item = {"image": "a.png", "voice_list": [{"voice_id": "v"}]}
    before = json.dumps(item)
    rows_of([item])
    assert json.dumps(item) == before


async def test_records_of_anything_are_for_the_checks() -> None:
    """A record with values of the wrong types becomes a row, whose problems the checks report."""
    broken: list[Any] = [5, "x", object()]
    items: list[Any] = [ImageToVideo(value, camera_control=value, element_list=value) for value in broken]
    items += [Row(id="a", endpoint="x", request=5), Row(id="a-2", endpoint="x", request=5)]
    rows = rows_of(items).rows
    assert len(rows) == 5
    assert {problem.id for problem in await problems_of(rows, 0.0)} == {row.id for row in rows}
