"""Folders of pictures, with parameters for all rows."""

import os
from pathlib import Path

import pytest

from kling_async import BatchError, ImageToVideo
from kling_async.batch.jobs import read_jobs
from tests.batch.writing import ids, problem_texts


def fill(folder: Path, *names: str) -> None:
    """Creates files with these names."""
    for name in names:
        (folder / name).write_bytes(b"")


def test_each_picture_is_a_row(tmp_path: Path) -> None:
    """Each row has the common parameters and is named after its picture, in natural order."""
    fill(tmp_path, "shot10.png", "shot9.jpg", "Shot1.JPEG", "a.webp", "猫.png")
    jobs = read_jobs(tmp_path, defaults={"prompt": "it jumps", "duration": 10})
    assert problem_texts(jobs) == []
    assert ids(jobs) == ["a", "Shot1", "shot9", "shot10", "猫"]
    assert jobs.rows[1].request == ImageToVideo(str(tmp_path / "Shot1.JPEG"), prompt="it jumps", duration=10)
    assert jobs.rows[1].pictures == (str(tmp_path / "Shot1.JPEG"),)
    assert {row.line for row in jobs.rows} == {None}


def test_only_pictures_are_rows(tmp_path: Path) -> None:
    """Hidden files, other files, subfolders, and a folder named like a picture are skipped."""
    fill(tmp_path, "a.png", ".hidden.png", "._a.png", ".DS_Store", "notes.txt", "README", "b.png.part", "jobs.csv")
    (tmp_path / "more").mkdir()
    fill(tmp_path / "more", "b.png")
    (tmp_path / "c.png").mkdir()
    assert ids(read_jobs(tmp_path)) == ["a"]


def test_pictures_of_one_name_are_called_in_full(tmp_path: Path) -> None:
    """`cat.png` and `cat.jpg` need two ids."""
    fill(tmp_path, "cat.png", "cat.jpg", "dog.png")
    assert ids(read_jobs(tmp_path)) == ["cat.jpg", "cat.png", "dog"]


def test_ids_are_unique(tmp_path: Path) -> None:
    """However unusual the names, no two rows share an id."""
    fill(tmp_path, "cat.png", "cat.jpg", "cat.png.png")
    assert len({*ids(read_jobs(tmp_path))}) == 3


def test_a_name_that_is_no_id_gets_one(tmp_path: Path) -> None:
    """A name with a line break, undecodable bytes or excessive length does not keep a picture from being sent."""
    for name in [b"a\nb.png", b"\xe9.png", b"x" * 240 + b".png"]:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"")
    jobs = read_jobs(tmp_path)
    assert problem_texts(jobs) == []
    assert [id_.startswith("row-") for id_ in ids(jobs)] == [True] * 3


@pytest.mark.parametrize(
    ("endpoint", "field"),
    [
        ("motion_control", "image_url"),
        ("video_effect", "image"),
        ("generate_images", "image"),
        ("avatar", "image"),
        ("omni_video", "image_list"),
        ("omni_image", "image_list"),
        ("multi_image_to_image", "subject_image_list"),
    ],
)
def test_the_picture_goes_where_the_endpoint_takes_one(tmp_path: Path, endpoint: str, field: str) -> None:
    """The first parameter that takes a picture gets it, alone or as a list."""
    fill(tmp_path, "a.png")
    more = {"motion_control": {"character_orientation": "image", "mode": "std"}, "video_effect": {"effect_scene": "x"}}
    prompt = {} if endpoint == "video_effect" else {"prompt": "x"}
    [row] = read_jobs(tmp_path, endpoint=endpoint, defaults={**prompt, **more.get(endpoint, {})}).rows
    assert row.pictures == (str(tmp_path / "a.png"),)
    assert getattr(row.request, field)


def test_folders_that_cannot_be_a_batch(tmp_path: Path) -> None:
    """A folder without pictures, and an endpoint without a picture parameter, are errors."""
    with pytest.raises(BatchError, match="there is no picture in the folder"):
        read_jobs(tmp_path)
    fill(tmp_path, "a.png")
    with pytest.raises(BatchError, match="text_to_video is made from no picture"):
        read_jobs(tmp_path, endpoint="text_to_video")


def test_ids_stay_when_pictures_come_and_go(tmp_path: Path) -> None:
    """A growing folder can be continued: existing rows keep their ids."""
    fill(tmp_path, "a.png", "c.png")
    before = ids(read_jobs(tmp_path))
    fill(tmp_path, "b.png")
    assert ids(read_jobs(tmp_path)) == [before[0], "b", before[1]]
