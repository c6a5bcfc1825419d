"""JSONL files, also as written by hand."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async import BatchError, ImageToVideo, InvalidRequest, TextToVideo
from kling_async.batch.jobs import Jobs, read_jobs
from tests.batch.writing import jsonl, lines, parameters, problem_texts, read

CAT = {"image": "cat.png"}


def test_a_row_is_an_object_on_a_line(tmp_path: Path) -> None:
    """Each line becomes a record of its endpoint, with its line, id and pictures."""
    [first, second] = read(
        tmp_path,
        {"id": "cat", "image": "cat.png", "image_tail": "end.png", "prompt": "it jumps", "duration": 10},
        {"id": "sea", "endpoint": "text_to_video", "prompt": "waves"},
    ).rows
    cat, end = str(tmp_path / "cat.png"), str(tmp_path / "end.png")
    assert first.request == ImageToVideo(cat, image_tail=end, prompt="it jumps", duration=10)
    assert (first.id, first.line, first.endpoint, first.pictures) == ("cat", 1, "image_to_video", (cat, end))
    assert second.request == TextToVideo("waves")
    assert (second.id, second.line, second.endpoint, second.pictures) == ("sea", 2, "text_to_video", ())


def test_a_name_of_an_endpoint_may_have_dashes(tmp_path: Path) -> None:
    """A row may name the endpoint with dashes, like the subcommand."""
    jobs = read(tmp_path, {"endpoint": "text-to-video", "prompt": "waves"}, {"endpoint": None, **CAT})
    assert [row.endpoint for row in jobs.rows] == ["text_to_video", "image_to_video"]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """Blank lines are skipped but counted, also with a byte order mark and Windows or old Mac line ends."""
    text = b'\xef\xbb\xbf\r\n{"image": "a.png"}\r\n  \t \r\n\r\n{"image": "b.png"}\r{"image": "c.png"}'
    jobs = read(tmp_path, text)
    assert (lines(jobs), problem_texts(jobs)) == ([2, 5, 6], [])
    assert lines(read(tmp_path, b'\xef\xbb\xbf{"image": "a.png"}')) == [1]


BROKEN = {
    b"{": "line 2: row: is no JSON: Expecting property name enclosed in double quotes (column 2)",
    b"{'image': 'a.png'}": "line 2: row: is no JSON: Expecting property name enclosed in double quotes (column 2)",
    b"a.png": "line 2: row: is no JSON: Expecting value (column 1)",
    b'{"image": "a.png"},': "line 2: row: is no JSON: Extra data (column 19)",
    b'{"image": "a.png"} {"image": "b.png"}': "line 2: row: is no JSON: Extra data (column 20)",
    b'["a.png"]': 'line 2: row: expected a JSON object such as {"image": "cat.png"}, got ["a.png"]',
    b"null": 'line 2: row: expected a JSON object such as {"image": "cat.png"}, got null',
    b"5": 'line 2: row: expected a JSON object such as {"image": "cat.png"}, got 5',
    b'{"image": "a.png", "image": "b.png"}': "line 2: row: has the member 'image' twice",
    b'{"camera_control": {"type": "a", "type": "b"}}': "line 2: row: has the member 'type' twice",
    b'{"cfg_scale": NaN}': "line 2: row: has NaN, which is no JSON",
    b'{"cfg_scale": -Infinity}': "line 2: row: has -Infinity, which is no JSON",
    b'{"cfg_scale": 1e999}': "line 2: cfg_scale: inf is no number that can be sent",
    b'{"duration": ' + b"9" * 5000 + b"}": "line 2: row: has a number that is too long",
    b'{"prompt": "\xe9"}': "line 2: row: is no UTF-8; save the file as UTF-8",
    rb'{"prompt": "\ud800"}': "line 2: row: has half of a surrogate pair (\\ud800 to \\udfff), which cannot be sent",
    rb'{"\udfff": 1}': "line 2: row: has half of a surrogate pair (\\ud800 to \\udfff), which cannot be sent",
    b'{"prompt": "a\nb"}': "line 2: row: is no JSON: Unterminated string starting at (column 12)",
    b'{"image": ' + b"[" * 100_000: "line 2: row: is nested too deep",
    b'{"image": "a.png"}\0': "line 2: row: is no JSON: Extra data (column 19)",
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_line_that_is_no_row_is_a_problem_of_its_line(tmp_path: Path, line: bytes) -> None:
    """The problem states what is wrong, and the rows around it are read."""
    jobs = read(tmp_path, {"image": "before.png"}, line, {"image": "after.png"})
    assert problem_texts(jobs)[0] == BROKEN[line]
    assert lines(jobs)[0] == 1
    assert lines(jobs)[-1] == 3 + line.count(b"\n")


def test_a_file_is_jsonl_by_its_name_too(tmp_path: Path) -> None:
    """An invalid first line is a problem of that line, and not taken for a table's header."""
    jobs = read(tmp_path, "# my jobs", CAT)
    assert problem_texts(jobs) == ["line 1: row: is no JSON: Expecting value (column 1)"]
    assert lines(jobs) == [2]


WRONG = {
    '{"image": "a.png", "promt": "x"}': ["promt: is unknown; did you mean prompt?"],
    '{"image": "a.png", "model": "x"}': [
        'model: is of the current generation: a row of that has "endpoint": "current.image_to_video"; image_to_video,'
    ],
    '{"image": "a.png", "aspect-ratio": "1:1", "prompt": 5}': [
        "aspect-ratio: is unknown; known: ",
        "prompt: expected text, got 5",
    ],
    '{"image": 7}': ["image: expected text, got 7"],
    '{"image": ["a.png"]}': ["image: expected text, got a list"],
    '{"image": "a.png", "duration": 5.5}': ["duration: expected a whole number, got 5.5"],
    '{"image": "a.png", "duration": "five"}': ["duration: expected a whole number, got 'five'"],
    '{"image": "a.png", "duration": true}': ["duration: expected a whole number, got True"],
    '{"image": "a.png", "cfg_scale": "0.5"}': ["cfg_scale: expected a number, got '0.5'"],
    '{"image": "a.png", "mode": "fast"}': ["mode: 'fast' is not possible; use std, pro or 4k"],
    '{"image": "a.png", "sound": "loud"}': ["sound: expected true or false, 'on' or 'off', got 'loud'"],
    '{"image": "a.png", "sound": 1}': ["sound: expected true or false, 'on' or 'off', got 1"],
    '{"image": "a.png", "camera_control": {"typ": "simple"}}': [
        "camera_control.typ: is unknown; did you mean type?",
        "camera_control.type: is required",
    ],
    '{"image": "a.png", "camera_control": {"type": "simple", "config": {"zoom": "5"}}}': [
        "camera_control.config.zoom: expected a number, got '5'"
    ],
    '{"image": "a.png", "element_list": [1, "2", {"element_id": 3}, {"id": 4}, 5.5]}': [
        "element_list[3].id: is unknown; did you mean element_id?",
        "element_list[3].element_id: is required",
        "element_list[4]: expected an object, text or a whole number, got 5.5",
    ],
    '{"endpoint": "omni_video", "image_list": [5, "a.png"], "video_list": [{"video_url": 7}]}': [
        "image_list[0]: expected an object or text, got 5",
        "video_list[0].video_url: expected text, got 7",
    ],
    '{"image": "a.png", "external_task_id": "mine"}': ["external_task_id: leave it out: the batch gives each task"],
    '{"endpoint": "image_to_vidoe"}': ["endpoint: 'image_to_vidoe' is unknown; did you mean image_to_video?"],
    '{"endpoint": "zzz"}': ["endpoint: 'zzz' is unknown; known: image_to_video, text_to_video"],
    '{"endpoint": 5}': ["endpoint: expected the name of one, such as image_to_video, got 5"],
    '{"endpoint": false}': ["endpoint: expected the name of one, such as image_to_video, got False"],
    '{"endpoint": "text_to_speech"}': ["endpoint: text_to_speech answers at once and is not for batches: "],
    '{"endpoint": "preset-voices"}': ["endpoint: preset_voices answers at once and is not for batches: "],
    '{"endpoint": "submit"}': ["endpoint: 'submit' is unknown"],
    '{"endpoint": "avatar", "sound_file": "a.mp3"}': ["image: is required"],
    '{"endpoint": "generate_images", "prompt": null}': ["prompt: is required"],
    '{"endpoint": "video_to_audio", "video": {"id": "1"}}': ["video: is unknown; did you mean video_id?"],
    "{}": [],
}


@pytest.mark.parametrize("line", WRONG)
def test_all_problems_of_a_row_are_reported(tmp_path: Path, line: str) -> None:
    """Each problem names its line and parameter, and suggests what was probably meant."""
    jobs = read(tmp_path, line)
    found = problem_texts(jobs)
    assert len(found) == len(WRONG[line])
    assert all(text.startswith(f"line 1: {start}") for text, start in zip(found, WRONG[line], strict=True))
    assert len(jobs.rows) == (not WRONG[line])


def test_problems_of_all_rows_are_reported_at_once(tmp_path: Path) -> None:
    """They are ordered by line, with the id if the row has one; the rows between them are read."""
    jobs = read(tmp_path, {"id": "a", "promt": "x"}, CAT, "x", {"id": 7, "mode": "q"}, CAT)
    assert [(each.line, each.id, each.problem.field) for each in jobs.problems] == [
        (1, "a", "promt"),
        (3, None, "row"),
        (4, "7", "mode"),
    ]
    assert lines(jobs) == [2, 5]


def test_forms_of_the_documentation_are_read(tmp_path: Path) -> None:
    """Values from official examples are accepted unchanged, and so are short forms."""
    jobs = read(
        tmp_path,
        {"image": "a.png", "duration": "10", "sound": "on", "watermark_info": {"enabled": True}, "callback_url": ""},
        {"image": "a.png", "duration": 10.0, "sound": True, "voice_list": ["v", {"voice_id": "w"}]},
        {"endpoint": "omni_image", "prompt": "x", "image_list": [{"image": "a.png"}, "b.png"]},
    )
    assert problem_texts(jobs) == []
    assert parameters(Jobs(rows=jobs.rows[:2]), "duration") == [10, 10]
    assert parameters(Jobs(rows=jobs.rows[:2]), "sound") == [True, True]
    assert jobs.rows[2].pictures == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))


def test_null_is_left_out(tmp_path: Path) -> None:
    """In a row with all members, as programs write them, null members are ignored."""
    assert read(tmp_path, {"id": None, **CAT, "prompt": None, "duration": None}).rows[0].request == ImageToVideo(
        str(tmp_path / "cat.png")
    )


# ----------------------------------------------------------------------------------------------------- paths


def test_paths_begin_at_the_file_of_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to the jobs wherever the program runs, at any depth and in any field; other values stay."""
    monkeypatch.chdir(os.sep)
    jobs = read(
        tmp_path,
        {"image": "a.png", "dynamic_masks": [{"mask": "m.png", "trajectories": [{"x": 1, "y": 2}, {"x": 2, "y": 3}]}]},
        {"image": "https://example.com/a.png", "image_tail": "/elsewhere/b.png"},
        {"image": "data:image/png;base64,iVBORw0KGgo="},
        {"endpoint": "avatar", "image": "../c.png", "sound_file": "s.mp3"},
        {
            "endpoint": "create_element",
            "element_name": "n",
            "element_description": "d",
            "reference_type": "image_refer",
            "element_image_list": {"frontal_image": "f.png", "refer_images": [{"image_url": "r.png"}, "q.png"]},
        },
    )
    assert problem_texts(jobs) == []
    within = [str(tmp_path / name) for name in ("a.png", "m.png", "f.png", "r.png", "q.png")]
    assert [row.pictures for row in jobs.rows] == [
        (within[0], within[1]),
        ("/elsewhere/b.png",),
        (),
        (f"{tmp_path}/../c.png",),
        tuple(within[2:]),
    ]
    assert jobs.rows[1].request.image.url == "https://example.com/a.png"
    assert jobs.rows[2].request.image.complaint is not None
    assert jobs.rows[3].request.sound_file.path == str(tmp_path / "s.mp3")


def test_jobs_beside_the_program_keep_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of jobs given without a directory adds nothing to its paths."""
    jsonl(tmp_path, CAT)
    monkeypatch.chdir(tmp_path)
    assert read_jobs("jobs.jsonl").rows[0].pictures == ("cat.png",)


# -------------------------------------------------------------------------------------------------- defaults


def test_defaults_are_for_rows_of_the_default_endpoint(tmp_path: Path) -> None:
    """A row's own values take precedence, null removes a default, and rows of other endpoints get none."""
    path = jsonl(
        tmp_path,
        {"prompt": "own"},
        {"prompt": None, "endpoint": "text_to_video"},
        {},
        {"endpoint": "image_to_video", **CAT},
    )
    jobs = read_jobs(path, endpoint="text-to-video", defaults={"prompt": "all", "aspect_ratio": "1:1"})
    assert [row.endpoint for row in jobs.rows] == ["text_to_video"] * 3 + ["image_to_video"]
    assert parameters(jobs, "prompt") == ["own", None, "all", None]
    assert parameters(Jobs(rows=jobs.rows[:3]), "aspect_ratio") == ["1:1"] * 3


def test_paths_of_defaults_begin_where_the_program_runs(tmp_path: Path) -> None:
    """Paths in defaults are relative to the current directory, not to the file of jobs."""
    jobs = read_jobs(jsonl(tmp_path, CAT), defaults={"image_tail": "end.png"})
    assert jobs.rows[0].pictures == (str(tmp_path / "cat.png"), "end.png")


def test_invalid_defaults_are_reported_once(tmp_path: Path) -> None:
    """All problems are reported before any row is read; required parameters may be missing."""
    path = jsonl(tmp_path, CAT, CAT)
    with pytest.raises(InvalidRequest, match=r"(?s)external_task_id: leave it out.*promt: .*prompt\?.*mode: 'x'"):
        read_jobs(path, defaults={"promt": 1, "mode": "x", "external_task_id": "y"})
    with pytest.raises(InvalidRequest, match="text_to_speech answers at once"):
        read_jobs(path, endpoint="text_to_speech")
    assert len(read_jobs(path, endpoint="avatar", defaults={"mode": "std"}).rows) == 2


# ------------------------------------------------------------------------------------------------ other files

OTHER = {
    b"": "is empty",
    b"\n \r\n\t": "there is no row",
    b'[{"image": "a.png"}]': "is one JSON list",
    b'[\n  {"image": "a.png"}\n]': "is one JSON list",
    b'{\n  "image": "a.png"\n}': "has an object over several lines",
    '{"image": "a.png"}'.encode("utf-16"): "is UTF-16",
    b"\x89PNG\r\n\x1a\n1234": "is a picture",
    b"\xff\xd8\xff\xe0": "is a picture",
    b"PK\x03\x04": "is a ZIP or a spreadsheet",
    b"%PDF-1.7": "is no text",
    b"\x7fELF\0\0": "is no text",
    b"<!DOCTYPE html><html>": "is a page or XML",
}


@pytest.mark.parametrize("content", OTHER)
@pytest.mark.parametrize("name", ["jobs.jsonl", "jobs.csv", "jobs"])
def test_files_that_are_not_jobs(tmp_path: Path, content: bytes, name: str) -> None:
    """One error suggests the probable mistake, instead of a problem for each line."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BatchError, match=OTHER[content]):
        read_jobs(tmp_path / name)


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    """A missing path, or one that is no file, is reported as such."""
    with pytest.raises(BatchError, match=r"there is no file or folder '.*gone\.jsonl'"):
        read_jobs(tmp_path / "gone.jsonl")
    with pytest.raises(BatchError, match="cannot be read"):
        read_jobs(jsonl(tmp_path, CAT) / "x")
    with pytest.raises(BatchError, match="is no path"):
        read_jobs("a\0b")
    with pytest.raises(BatchError, match="is no regular file"):
        read_jobs(os.devnull)
    with pytest.raises(BatchError, match="expected a path"):
        read_jobs(None)  # type: ignore[arg-type]  # invalid on purpose


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="it has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe without a writer is refused, as opening it would block forever."""
    os.mkfifo(tmp_path / "jobs.jsonl")
    opened = []

    def open_(path: str, flags: int, *_: object) -> int:
        opened.append(flags)
        return os_open(path, flags | os.O_NONBLOCK)  # a failing test must not hang

    os_open = os.open
    monkeypatch.setattr(os, "open", open_)
    with pytest.raises(BatchError, match="is no regular file"):
        read_jobs(tmp_path / "jobs.jsonl")
    assert [flags & os.O_NONBLOCK for flags in opened] == [os.O_NONBLOCK]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    """The message contains the system's reason."""
    path = jsonl(tmp_path, CAT)
    path.chmod(0)
    with pytest.raises(BatchError, match="Permission denied"):
        read_jobs(path)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: ("{" + text).encode("utf-8", "replace")))
def test_garbage_raises_nothing_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Any file gives rows, problems, or the documented error."""
    for name in ("jobs.jsonl", "jobs.csv"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(content)
        try:
            jobs = read_jobs(path)
        except BatchError:
            continue
        assert jobs.rows or jobs.problems
        assert all(problem.line for problem in jobs.problems)
