"""Reads rows of CSV: the header names the parameters; cells are converted to the kinds of their parameters."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kling_async.batch import endpoints
from kling_async.batch.jsonl import NOT_UTF8, parsed
from kling_async.batch.kinds import Schema, alternatives
from kling_async.batch.raw_row import RawRow, unreadable
from kling_async.batch.schema import NOT_IN_ROWS, properties
from kling_async.methods import nearest
from kling_async.protocol.errors import Problem

OWN: Final = ("id", "endpoint")
"""Columns that are not parameters."""

_DELIMITERS: Final = ",;\t"
_NUMBER: Final = re.compile(r"\s*[+-]?(\d{1,20}|\d{0,20}\.\d{1,20}|\d{1,20}\.)([eE][+-]?\d{1,2})?\s*", re.ASCII)
_SWITCH: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def rows_in(lines: Iterable[str], default: str) -> Iterator[RawRow]:
    """Yields the rows below the header, and skips empty ones.

    If the header is invalid, yields only its problems, because no cell could be interpreted reliably.

    Args:
        lines: the lines with their line ends, decoded with `surrogateescape`.
        default: endpoint of rows that do not name one.
    """
    lines = iter(lines)
    numbered = enumerate(lines, 1)
    line, first = _next_full(numbered)
    named = _NAMED.fullmatch(first.strip("\ufeff \r\n"))
    if named:
        line, first = _next_full(numbered)
    delimiter = named[1] if named else _delimiter(first)
    table = csv.reader(_joined(first, lines), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        begins = line + table.line_num
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield unreadable(begins, _reason(error))
            if header is None:
                return
            continue
        if header is None:
            header = _header(cells)
            if problems := tuple(_of_header(header)):
                yield RawRow(line=begins, members=None, problems=problems)
                return
        elif any(cell.strip() for cell in cells):
            yield _row(begins, header, cells, default, decimal_comma=delimiter == ";")


_EMPTY: Final = "\ufeff \t\r\n,;"
_NAMED: Final = re.compile(r'"?sep=([,;\t])"?', re.IGNORECASE)
"""A line before the header that specifies the delimiter for spreadsheets."""


def _next_full(numbered: Iterator[tuple[int, str]]) -> tuple[int, str]:
    return next(((number, text) for number, text in numbered if text.strip(_EMPTY)), (1, ""))


def _joined(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first.lstrip("\ufeff")
    yield from rest


def _delimiter(header: str) -> str:
    """Returns the most frequent delimiter: column names contain none of them."""
    return max(_DELIMITERS, key=header.count)


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:  # spreadsheets also write columns that are empty by now
        names.pop()
    return names


def _of_header(names: list[str]) -> Iterator[Problem]:
    known = [*OWN, *dict.fromkeys(name for each in endpoints.names() for name in properties(each))]
    for place, name in enumerate(names, 1):
        if not name:
            yield Problem("header", f"column {place} has no name; give it that of a parameter, or take it out")
        elif names.index(name) < place - 1:
            yield Problem("header", f"{_shown(name)} is there twice, in columns {names.index(name) + 1} and {place}")
        elif name in NOT_IN_ROWS:
            yield Problem("header", f"{name} is not for rows: {NOT_IN_ROWS[name]}")
        elif name not in known:
            near = nearest(name.lower().replace(" ", "_").replace("-", "_"), known)
            advice = f"did you mean {near}?" if near else "it is no parameter of any endpoint; take the column out"
            yield Problem("header", f"column {_shown(name)} is unknown; {advice}")


def _row(line: int, header: list[str], cells: list[str], default: str, *, decimal_comma: bool) -> RawRow:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return unreadable(line, NOT_UTF8)
    while len(cells) > len(header) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(header):
        return unreadable(
            line,
            f"has {len(cells)} cells, and the header has {len(header)}; "
            "text with a separator or a line break needs quotation marks around it",
        )
    texts = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
    endpoint = endpoints.read(texts.get("endpoint", default))
    schemas: Mapping[str, Schema] = properties(endpoint) if isinstance(endpoint, str) else {}
    members: dict[str, Any] = {}
    problems = []
    for name, text in texts.items():
        try:
            schema = schemas.get(name)
            members[name] = text if schema is None else value_of(text, schema, decimal_comma=decimal_comma)
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return RawRow(line=line, members=members, problems=tuple(problems))


def value_of(text: str, schema: Schema, *, decimal_comma: bool = False) -> Any:
    """Returns the value of a cell; plain text if it does not match the parameter, which is reported later.

    Args:
        text: text of the cell.
        schema: schema of the parameter.
        decimal_comma: whether `0,5` is a number.

    Raises:
        ValueError: the text begins like JSON but is not valid JSON.
    """
    kinds = {each.get("type") for each in alternatives(schema)}
    if kinds & {"array", "object"}:
        is_text = {"array", "string"} <= kinds  # a prompt, or a list of shots
        if text.lstrip().startswith("[{" if is_text else ("[", "{")):
            return parsed(text.strip())
        return [text] if "array" in kinds and not is_text else text
    if "boolean" in kinds and (switch := _SWITCH.get(text.strip().lower())) is not None:
        return switch
    if kinds & {"integer", "number"}:
        number = text.replace(",", ".") if decimal_comma else text
        if _NUMBER.fullmatch(number):
            return int(number) if number.strip().lstrip("+-").isdecimal() else float(number)
    return text.strip() if any("enum" in each for each in alternatives(schema)) else text


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quotation mark opens a cell and none closes it"
    if "field larger" in text:
        return "a cell is too long; was a quotation mark forgotten before this?"
    return f"is no CSV: {text}; quotation marks within a cell are written twice"


def _shown(name: str) -> str:
    return repr(name[:40])
