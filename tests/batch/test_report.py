import csv
import errno
import io
import json
import os
import resource
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async.batch.report import COLUMNS, as_csv, as_jsonl, write_report
from kling_async.batch.result import RowResult, RowStatus
from kling_async.protocol.errors import TargetError

from .results import OUT, result, row

NAMES = ["report.csv", "report.html", "report.jsonl"]
FULL = result(
    task_id="123",
    files=(OUT / "cat.mp4", OUT / "cat-2.mp4", Path("/elsewhere/cat.png")),
    units=Decimal("1.5"),
    usd=Decimal("0.21"),
    seconds=151.23456,
)
BARE = result("dog", RowStatus.OVER_BUDGET, error="it would cost 1.5 units, 0.5 are left")


def table(*results: RowResult) -> list[dict[str, str]]:
    """Reads the CSV."""
    return list(csv.DictReader(io.StringIO(as_csv(results, OUT))))


def names(directory: Path) -> list[str]:
    """The names in a directory."""
    return sorted(path.name for path in directory.iterdir())


def objects(*results: RowResult) -> list[dict[str, Any]]:
    """Reads the JSONL."""
    return [json.loads(line) for line in as_jsonl(results, OUT).splitlines()]


def test_the_columns() -> None:
    """Both tables have the same members in the same order, which programs rely on."""
    assert COLUMNS == ("id", "status", "task_id", "files", "units", "usd", "amount", "currency", "seconds", "error")
    assert as_csv([], OUT) == ",".join(f'"{name}"' for name in COLUMNS) + "\n"
    assert list(objects(FULL)[0]) == list(COLUMNS)


def test_a_row_as_csv() -> None:
    """Numbers are plain, files are named relative to the report's directory, and unknown values are empty."""
    files = "cat.mp4|cat-2.mp4|/elsewhere/cat.png"
    known = {"task_id": "123", "files": files, "units": "1.5", "usd": "0.21", "seconds": "151.235"}
    known |= {"amount": "", "currency": "", "error": ""}
    unknown = dict.fromkeys(("task_id", "files", "units", "usd", "amount", "currency", "seconds"), "")
    assert table(FULL, BARE) == [
        {"id": "cat", "status": "done"} | known,
        {"id": "dog", "status": "over budget"} | unknown | {"error": BARE.error},
    ]


def test_a_row_as_json() -> None:
    """Numbers are numbers, files a list, and unknown values null."""
    files = ["cat.mp4", "cat-2.mp4", "/elsewhere/cat.png"]
    known = {"task_id": "123", "files": files, "units": 1.5, "usd": 0.21, "seconds": 151.235}
    known |= {"amount": None, "currency": None, "error": None}
    empty = ("task_id", "units", "usd", "amount", "currency", "seconds")
    unknown: dict[str, Any] = {**dict.fromkeys(empty), "files": []}
    assert objects(FULL, BARE) == [
        {"id": "cat", "status": "done"} | known,
        {"id": "dog", "status": "over budget"} | unknown | {"error": BARE.error},
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\n", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_spreadsheet_computes_nothing(start: str) -> None:
    """Untrusted text that begins like a formula is text in every spreadsheet; the JSON does not change it."""
    formula = f"{start}cmd|' /C calc'!A0"
    shown = table(result(formula, error=formula, task_id=formula))[0]
    assert all(not shown[name].startswith(start) for name in ("id", "error", "task_id"))
    assert objects(result(formula))[0]["id"] == formula


def test_a_file_name_is_no_formula_either() -> None:
    """The same holds for the list of files."""
    assert table(result(files=(OUT / "=1+1.mp4",)))[0]["files"] == "'=1+1.mp4"


@pytest.mark.parametrize("name", ['quo"te', "com,ma", "two\nlines", "a;b|c", "名前", "\u202eevil", "\x85\u2028"])
def test_any_id_stays_in_its_cell(name: str) -> None:
    """For any text in an id, both tables have one row, and the adjacent rows are unchanged."""
    shown = table(result(name), BARE)
    assert [each["id"] for each in shown] == [name.replace("\x85", "\ufffd"), "dog"]
    assert [each["id"] for each in objects(result(name), BARE)] == [name, "dog"]


def test_text_that_no_file_can_hold() -> None:
    """A lone surrogate and a NUL do not prevent a report: the JSON escapes them, the others replace them."""
    odd = result("a\0b\ud800c")
    assert table(odd)[0]["id"] == "a\ufffdb\ufffdc"
    assert objects(odd)[0]["id"] == "a\0b\ud800c"


def test_no_signature_of_an_address_is_shown() -> None:
    """An address in an error loses its query, which may contain signatures."""
    failed = result("cat", RowStatus.FAILED, error="no answer of https://cdn.example/a.mp4?sign=SECRET, twice")
    assert "SECRET" not in as_csv([failed], OUT) + as_jsonl([failed], OUT)
    assert "https://cdn.example/a.mp4" in as_jsonl([failed], OUT)


def test_three_files_are_written(tmp_path: Path) -> None:
    """The directory is created, and contains only the three files."""
    write_report(tmp_path / "new" / "out", [FULL, BARE], title="jobs.jsonl")
    assert names(tmp_path / "new" / "out") == NAMES
    assert "jobs.jsonl" in (tmp_path / "new" / "out" / "report.html").read_text("utf-8")


def test_anything_can_be_written(tmp_path: Path) -> None:
    """Text that cannot be encoded as UTF-8 is still written."""
    odd = result("a\0b\ud800c", row=row("x", "\udce9.png", prompt="\udfff"), files=(tmp_path / "caf\udce9.mp4",))
    write_report(tmp_path, [odd], title="\ud800")
    assert "\ufffd" in (tmp_path / "report.html").read_text("utf-8")
    assert "caf%E9.mp4" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "report.csv").read_text("utf-8").count("\n") == 2


def test_pictures_are_found_from_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture with a path relative to the current directory is linked from the report's directory."""
    monkeypatch.chdir(tmp_path)
    write_report(Path("out"), [result(row=row("cat", "pictures/cat.png"))], title="")
    assert 'src="../pictures/cat.png"' in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_report_is_written_where_the_working_directory_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures with absolute paths are linked; others, which were deleted with the directory, are ignored."""

    def gone() -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    pictures = row("cat", str(tmp_path / "cat.png")), row("dog", "dog.png")
    monkeypatch.setattr(os, "getcwd", gone)
    write_report(tmp_path / "out", [result(each.id, row=each) for each in pictures], title="")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert 'src="../cat.png"' in page
    assert "dog.png" not in page


def test_permissions(tmp_path: Path) -> None:
    """A report is readable by other users, as far as the umask allows."""
    before = os.umask(0o027)
    try:
        write_report(tmp_path, [FULL], title="")
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in NAMES} == {0o640}


def test_a_full_disk_leaves_the_old_report(tmp_path: Path) -> None:
    """If the new report does not fit, the three old files and no draft stay, and the error names the cause."""
    write_report(tmp_path, [FULL], title="old")
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    many = [result(str(number), error="x" * 1000) for number in range(300)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, limits[1]))
    try:
        with pytest.raises(TargetError, match=r"the report in .* cannot be written: File too large"):
            write_report(tmp_path, many, title="new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_disk_that_is_full_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Whichever of the three no longer fits, none of the older ones was replaced."""
    write_report(tmp_path, [FULL], title="old")
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}
    calls = iter(range(1, 4))

    def full(_: int) -> None:
        if next(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("kling_async.batch.report.os.fsync", full)
    with pytest.raises(TargetError, match="No space left"):
        write_report(tmp_path, [BARE], title="new")
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_a_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    """While two writers write the same report repeatedly, each file is complete at every read, and no draft stays."""
    many = [result(str(number), error="x" * 100) for number in range(50)]

    def write() -> None:
        for _ in range(20):
            write_report(tmp_path, many, title="")

    with ThreadPoolExecutor(2) as pool:
        write_report(tmp_path, many, title="")
        writers = [pool.submit(write) for _ in range(2)]
        while not all(writer.done() for writer in writers):
            assert (tmp_path / "report.html").read_text("utf-8").endswith("</html>\n")
            assert (tmp_path / "report.jsonl").read_text("utf-8").count("\n") == len(many)
        for writer in writers:
            writer.result()
    assert names(tmp_path) == NAMES


def test_a_target_that_is_not_a_directory(tmp_path: Path) -> None:
    """A file in place of the directory is reported as an unwritable target."""
    (tmp_path / "out").write_text("")
    with pytest.raises(TargetError, match="cannot be written"):
        write_report(tmp_path / "out", [FULL], title="")


def test_drafts_of_killed_processes_are_removed(tmp_path: Path) -> None:
    """The draft of a dead process is removed; that of a process which may still be writing stays."""
    old, young = (tmp_path / f"report.html.{name}.new" for name in ("01234567", "89abcdef"))
    old.write_text("")
    young.write_text("")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    write_report(tmp_path, [FULL], title="")
    assert names(tmp_path) == sorted([*NAMES, young.name])
