"""CSV as written by spreadsheets and by hand."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async import BatchError, ImageToVideo
from kling_async.batch.jobs import Jobs, read_jobs
from tests.batch.writing import ids, joined, lines, parameters, problem_texts, table


def read(folder: Path, text: str | bytes, **more: Any) -> Jobs:
    """Reads a table."""
    return read_jobs(table(folder, text), **more)


def test_the_header_names_the_parameters(tmp_path: Path) -> None:
    """Each row is a request; an empty cell omits its parameter; blank and empty rows are skipped."""
    text = "id,image,prompt,mode,endpoint\ncat,cat.png,it jumps,pro,\n\n,,,,\n,,waves,,text-to-video\n"
    jobs = read(tmp_path, text)
    assert problem_texts(jobs) == []
    assert jobs.rows[0].request == ImageToVideo(str(tmp_path / "cat.png"), prompt="it jumps", mode="pro")
    assert [row.endpoint for row in jobs.rows] == ["image_to_video", "text_to_video"]
    assert (ids(jobs)[0], lines(jobs)) == ("cat", [2, 5])


CELLS = [
    ("image_to_video", "duration", "10", 10),
    ("image_to_video", "duration", " 10.0 ", 10),
    ("image_to_video", "cfg_scale", "0.5", 0.5),
    ("image_to_video", "cfg_scale", ".5", 0.5),
    ("image_to_video", "cfg_scale", "1", 1),
    ("text_to_audio", "duration", "5", 5),
    ("image_to_video", "sound", "TRUE", True),
    ("image_to_video", "sound", "yes", True),
    ("image_to_video", "sound", "On", True),
    ("image_to_video", "sound", "FALSE", False),
    ("image_to_video", "sound", "no", False),
    ("image_to_video", "sound", " off", False),
    ("video_to_audio", "asmr_mode", "yes", True),
    ("motion_control", "keep_original_sound", "no", False),
    ("image_to_video", "mode", " pro ", "pro"),
    ("image_to_video", "prompt", "5", "5"),
    ("image_to_video", "prompt", "true", "true"),
    ("image_to_video", "prompt", " [not a list] ", " [not a list] "),
    ("omni_image", "series_amount", "4", 4),
    ("omni_image", "series_amount", "auto", "auto"),
    ("create_element", "tag_list", "o_101", ("o_101",)),
    ("create_element", "tag_list", '["o_101", "o_102"]', ("o_101", "o_102")),
]
NEEDED = {
    "text_to_audio": {"prompt": "x"},
    "motion_control": {"image_url": "a.png", "character_orientation": "image", "mode": "std"},
    "omni_image": {"prompt": "x"},
    "create_element": {"element_name": "n", "element_description": "d", "reference_type": "image_refer"},
}


@pytest.mark.parametrize(("endpoint", "name", "cell", "value"), CELLS)
def test_a_cell_is_read_as_the_kind_of_its_parameter(
    tmp_path: Path, endpoint: str, name: str, cell: str, value: object
) -> None:
    """Numbers, switches, lists and text, each as the row's endpoint requires."""
    quoted = cell.replace('"', '""')
    jobs = read(tmp_path, f'{name}\n"{quoted}"\n', endpoint=endpoint, defaults=NEEDED.get(endpoint, {}))
    assert problem_texts(jobs) == []
    assert parameters(jobs, name) == [value]
    assert type(parameters(jobs, name)[0]) is type(value)


def test_objects_are_json(tmp_path: Path) -> None:
    """A cell can contain JSON, with paths relative to the table."""
    text = 'image,camera_control,dynamic_masks\na.png,"{""type"": ""down_back""}",\n,,"[{""mask"": ""m.png"", '
    jobs = read(tmp_path, text + '""trajectories"": [{""x"": 1, ""y"": 2}]}]"\n')
    assert problem_texts(jobs) == []
    assert parameters(jobs, "camera_control")[0].type == "down_back"
    assert jobs.rows[1].pictures == (str(tmp_path / "m.png"),)


WRONG = {
    "duration\nfive": "line 2: duration: expected a whole number, got 'five'",
    "duration\n1e999": "line 2: duration: expected a whole number, got '1e999'",
    "duration\n5.5": "line 2: duration: expected a whole number, got 5.5",
    "cfg_scale\nnan": "line 2: cfg_scale: expected a number, got 'nan'",
    'cfg_scale\n"0,5"': "line 2: cfg_scale: expected a number, got '0,5'",
    "cfg_scale\n1_0": "line 2: cfg_scale: expected a number, got '1_0'",
    "sound\n1": "line 2: sound: expected true or false, 'on' or 'off', got '1'",
    "mode\nPro": "line 2: mode: 'Pro' is not possible; use std, pro or 4k",
    "camera_control\nsimple": "line 2: camera_control: expected an object, got 'simple'",
    "camera_control\n{": "line 2: camera_control: is no JSON: Expecting property name enclosed in double quotes",
    'camera_control\n"{""a"": 1, ""a"": 2}"': "line 2: camera_control: has the member 'a' twice",
    "camera_control\n[1]": "line 2: camera_control: expected an object, got a list",
    "endpoint\ntext_to_speech": "line 2: endpoint: text_to_speech answers at once",
    "image,aspect_ratio\na.png,1:1": "line 2: aspect_ratio: is unknown",
    "image,mode\na.png": "line 2: row: has 1 cells, and the header has 2; text with a separator",
    "image,mode\na.png,std,x": "line 2: row: has 3 cells, and the header has 2; text with a separator",
    "image,prompt\na.png,\xff": "line 2: row: is no UTF-8; save the file as UTF-8",
    'image,prompt\na.png,"open': "line 2: row: a quotation mark opens a cell and none closes it",
    'image,prompt\na.png,"a"b': "line 2: row: is no CSV: ",
    "image\n" + "x" * 200_000: "line 2: row: a cell is too long",
    "promt\nx": "line 1: header: column 'promt' is unknown; did you mean prompt?",
    "Prompt\nx": "line 1: header: column 'Prompt' is unknown; did you mean prompt?",
    "Negative Prompt\nx": "line 1: header: column 'Negative Prompt' is unknown; did you mean negative_prompt?",
    "zzz\nx": "line 1: header: column 'zzz' is unknown; it is no parameter of any endpoint; take the column out",
    "image,image\na,b": "line 1: header: 'image' is there twice, in columns 1 and 2",
    "image,,prompt\na,b,c": "line 1: header: column 2 has no name",
    "external_task_id\nx": "line 1: header: external_task_id is not for rows: the batch gives each task its own",
    '"image\nx': "line 1: row: a quotation mark opens a cell and none closes it",
    "cat.png\ndog.png": "line 1: header: column 'cat.png' is unknown",
    "{image}": "line 1: row: is no JSON",
}


@pytest.mark.parametrize("text", WRONG)
def test_problems_are_reported_with_their_lines(tmp_path: Path, text: str) -> None:
    """Problems of cells, rows and the header; with an invalid header no row is read."""
    jobs = read(tmp_path, text.encode("latin-1"))
    assert jobs.rows == ()
    [problem] = problem_texts(jobs)
    assert problem.startswith(WRONG[text])


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """A row of several lines is reported by its first; blank lines before the header count."""
    text = '\n\nimage,prompt\na.png,"one\ntwo\r\n\nthree"\nb.png,\n\n c.png,"x\ny"\nd.png\n'
    jobs = read(tmp_path, text)
    assert lines(jobs) == [4, 8, 10]
    assert problem_texts(jobs)[0].startswith("line 12: row: has 1 cells")
    assert parameters(jobs, "prompt")[0] == "one\ntwo\r\n\nthree"


def test_a_line_that_names_the_delimiter(tmp_path: Path) -> None:
    """A `sep=` line sets the delimiter, and the following lines keep their numbers."""
    jobs = read(tmp_path, "\nSEP=;\n\nimage;prompt\na.png;one\nb.png\n")
    assert lines(jobs) == [5]
    assert problem_texts(jobs)[0].startswith("line 6: row: has 1 cells")


FORMS = {
    "comma": "image,duration,prompt\r\na.png,5,é\r\n",
    "mark": "\ufeffimage,duration,prompt\na.png,5,é\n",
    "mark and quotes": '\ufeff"image","duration","prompt"\n"a.png","5","é"\n',
    "semicolon": "image;duration;prompt\na.png;5;é\n",
    "separator named": "\ufeffsep=;\r\nimage;duration;prompt\r\na.png;5;é\r\n",
    "separator named in quotes": '"sep=\t"\nimage\tduration\tprompt\na.png\t5\té\n',
    "tab": "image\tduration\tprompt\na.png\t5\té\n",
    "old": "image,duration,prompt\ra.png,5,é\r",
    "spaces": " image , duration , prompt \na.png,5,é\n",
    "columns behind": "image,duration,prompt,,\na.png,5,é,,\n,,,,\n",
    "cells behind": "image,duration,prompt\na.png,5,é,,,\n",
    "no end": "image,duration,prompt\na.png,5,é",
}


@pytest.mark.parametrize("form", FORMS)
def test_what_spreadsheets_write_is_read(tmp_path: Path, form: str) -> None:
    """Delimiters of all locales, byte order marks, all line ends and empty trailing columns are accepted."""
    jobs = read(tmp_path, FORMS[form])
    assert problem_texts(jobs) == []
    assert [row.request for row in jobs.rows] == [ImageToVideo(str(tmp_path / "a.png"), duration=5, prompt="é")]


def test_a_comma_is_decimal_where_it_does_not_separate(tmp_path: Path) -> None:
    """Countries that use semicolons as delimiters write numbers with a comma."""
    assert parameters(read(tmp_path, "image;cfg_scale\na.png;0,5\nb.png;0.25\n"), "cfg_scale") == [0.5, 0.25]


def test_a_header_alone_has_no_row(tmp_path: Path) -> None:
    """A table without rows is an error."""
    with pytest.raises(BatchError, match="there is no row"):
        read(tmp_path, "image,prompt\n,\n")


def test_a_table_is_known_by_its_contents(tmp_path: Path) -> None:
    """CSV is recognized with any suffix; JSONL in a file named .csv is still JSONL."""
    (tmp_path / "jobs.txt").write_text("image\na.png\n")
    assert lines(read_jobs(tmp_path / "jobs.txt")) == [2]
    assert lines(read(tmp_path, '{"image": "a.png"}\n')) == [1]


def test_rows_after_a_broken_one_are_read(tmp_path: Path) -> None:
    """There is one problem for each of them, and the others are rows."""
    jobs = read(tmp_path, joined(["image,duration", "a.png,5", "b.png", 'c"c.png,5', "d.png,x", "e.png,10"]))
    assert [problem.line for problem in jobs.problems] == [3, 5]
    assert lines(jobs) == [2, 4, 6]


@given(st.text(st.sampled_from('ab,;\t"\n\r{[1 \0'), max_size=60), st.sampled_from(["", "image,prompt\n", "id;n\n"]))
def test_garbage_raises_nothing_else(tmp_path_factory: pytest.TempPathFactory, text: str, header: str) -> None:
    """Any table gives rows, problems, or the documented error."""
    try:
        jobs = read(tmp_path_factory.getbasetemp(), header + text)
    except BatchError:
        return
    assert jobs.rows or jobs.problems
    assert all(problem.line for problem in jobs.problems)
