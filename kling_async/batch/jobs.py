"""Reads the rows of a batch, all problems of all rows at once: names, kinds of values, ids. Blocking.

What a request may ask for, and its pictures, is for `check`.
"""

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from kling_async.batch import endpoints, kinds, row_ids, sources
from kling_async.batch.raw_row import RawRow
from kling_async.batch.row import Row, RowProblem
from kling_async.batch.schema import NOT_IN_ROWS, needed, properties
from kling_async.io.paths import text_of
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.errors import BatchError, InvalidRequest, Problem
from kling_async.protocol.media.given import MediaSource
from kling_async.protocol.media.image import Image
from kling_async.protocol.record_fields import fields_of, is_media, nested_files
from kling_async.protocol.rules.nested import each_of
from kling_async.protocol.rules.values import shown
from kling_async.protocol.wire.codec import to_wire

_OWN: Final = ("id", "endpoint")


@attrs.frozen(kw_only=True)
class Jobs:
    """The rows of a batch, as they were read.

    Attributes:
        rows: that can be checked and sent, in their order.
        problems: of all other rows, in the order of their lines.
    """

    rows: tuple[Row, ...]
    problems: tuple[RowProblem, ...] = ()


def read_jobs(
    path: "str | os.PathLike[str]", *, endpoint: str = endpoints.DEFAULT, defaults: Mapping[str, Any] = {}
) -> Jobs:
    """Reads a file of JSONL or CSV, or a folder of pictures. Blocking: thousands of rows take a second.

    Each line of JSONL is an object, each row of CSV below its header has the same: the parameters of the endpoint, as
    `row_schema` has them, and `id` and `endpoint`, both of which may be left out. A path of a picture begins where the
    file of jobs is.

    Args:
        path: of the file or the folder.
        endpoint: what a row makes that names none: the client's method, also with dashes.
        defaults: parameters of all rows of that endpoint that do not give them; null in a row leaves one out. Paths
            among them begin where the program runs.

    Raises:
        BatchError: there is nothing to read, or it is no jobs.
        InvalidRequest: the endpoint or the defaults are wrong.
    """
    text = _text(path)
    name = _endpoint(endpoint)
    _check_defaults(name, defaults)
    folder = text if os.path.isdir(text) else os.path.dirname(text)  # noqa: PTH112, PTH120  (as in `sources`; an empty one stays)
    reader = _Reader(name, defaults, folder)
    with sources.opened(text, name) as raw_rows:
        for raw in raw_rows:
            reader.take(raw)
    if not reader.rows and not reader.problems:
        raise BatchError(f"there is no row in {text!r}")
    return reader.jobs()


def rows_of(items: Iterable[Any]) -> Jobs:
    """The rows of jobs that are given in code.

    Args:
        items: each a record such as `ImageToVideo`, a mapping with the members of a JSON row, or a `Row`. Paths begin
            where the program runs. Without a file there are no lines: a wrong item that has no id is named by its
            place, `jobs[2]`.
    """
    reader = _Reader(endpoints.DEFAULT, {}, "")
    for place, item in enumerate(items):
        reader.at(f"jobs[{place}]")
        match item:
            case Row():
                reader.take_row(item)
            case Mapping():
                reader.take(RawRow(line=None, members=item))
            case _:
                reader.take_record(item)
    return reader.jobs()


class _Reader:
    """Makes rows, and keeps what is wrong with the others.

    Args:
        endpoint: of rows that name none.
        defaults: of the rows of that endpoint.
        folder: that paths in rows begin in; empty for where the program runs.
    """

    def __init__(self, endpoint: str, defaults: Mapping[str, Any], folder: str) -> None:
        self._endpoint = endpoint
        self._defaults = defaults
        self._folder = folder
        self._lines: dict[str, int | None] = {}  # of the ids that were given
        self._place: str | None = None
        self.rows: list[tuple[Row, bool]] = []  # with whether its id still has to be counted apart
        self.problems: list[RowProblem] = []

    def at(self, place: str) -> None:
        """What comes next stands here, where there are no lines."""
        self._place = place

    def take(self, raw: RawRow) -> None:
        """A row of a file, or a mapping."""
        if raw.members is None:
            self._refuse(raw.line, None, raw.problems)
            return
        problems = [*raw.problems]
        id_ = None if raw.members.get("id") in (None, "") else self._id(raw.members["id"], raw.line, problems)
        named = raw.members.get("endpoint")
        endpoint = endpoints.read(self._endpoint if named in (None, "") else named)
        if isinstance(endpoint, Problem):
            self._refuse(raw.line, id_, [*problems, endpoint])
            return
        values = {
            name: value
            for name, value in raw.members.items()
            if name not in _OWN and (value is not None or name not in properties(endpoint))
        }
        asked = self._with_defaults(endpoint, raw.members, values)
        known = {problem.field for problem in problems}
        problems += (each for each in _problems(endpoint, asked, named) if each.field not in known)
        made = id_ or (None if problems else self._made_id(raw, endpoint, asked, problems))
        if problems or made is None:
            self._refuse(raw.line, id_, problems)
            return
        request = endpoints.record(endpoint)(**self._with_paths(endpoint, values, asked))
        row = Row(id=made, line=raw.line, endpoint=endpoint, request=request, pictures=_pictures(endpoint, request))
        self.rows.append((row, id_ is None))

    def take_record(self, request: Any) -> None:
        """A request that is given in code."""
        found = endpoint_of(request)
        if found is None:
            such = endpoints.record(endpoints.DEFAULT).__name__
            wanted = f"a request that makes a task, such as {such}(...), a mapping or a Row"
            self._refuse(None, None, [Problem("row", f"expected {wanted}, got {shown(request)}")])
            return
        if getattr(request, "external_task_id", None) is not None:
            self._refuse(None, None, [Problem(name, f"leave it out: {why}") for name, why in NOT_IN_ROWS.items()])
            return
        endpoint = endpoints.method_of(request) or found.name
        try:
            id_ = row_ids.from_contents(endpoint, _members(request))
        except ValueError as error:
            self._refuse(None, None, [Problem("row", str(error))])
            return
        self.rows.append((Row(id=id_, endpoint=endpoint, request=request, pictures=_pictures(endpoint, request)), True))

    def take_row(self, row: Row) -> None:
        """A row that is one already."""
        problems: list[Problem] = []
        id_ = self._id(row.id, row.line, problems)
        if problems or id_ is None:
            self._refuse(row.line, id_ or None, problems)
        else:
            self.rows.append((attrs.evolve(row, id=id_), False))

    def jobs(self) -> Jobs:
        """All that was taken."""
        taken = {row.id for row, counts in self.rows if not counts} | {*self._lines}
        rows = []
        for row, counts in self.rows:
            id_ = row_ids.counted(row.id, taken) if counts else row.id
            taken.add(id_)
            rows.append(row if id_ == row.id else attrs.evolve(row, id=id_))
        return Jobs(rows=tuple(rows), problems=tuple(self.problems))

    def _refuse(self, line: int | None, id_: str | None, problems: Sequence[Problem]) -> None:
        self.problems += (RowProblem(line=line, id=id_ or self._place, problem=problem) for problem in problems)

    def _id(self, given: Any, line: int | None, problems: list[Problem]) -> str | None:
        """The id that a row gives itself; None where it will not do."""
        if (complaint := row_ids.complaint(given)) is not None:
            problems.append(Problem("id", complaint))
            return None
        id_ = str(given)
        if id_ in self._lines:
            where = f" in line {self._lines[id_]}" if line is not None else ""
            problems.append(Problem("id", f"{shown(id_)} is the id of another row{where} too; each row needs its own"))
        self._lines.setdefault(id_, line)
        return id_

    def _made_id(self, raw: RawRow, endpoint: str, asked: Mapping[str, Any], problems: list[Problem]) -> str | None:
        if raw.id is not None and row_ids.complaint(raw.id) is None:
            return raw.id
        try:
            return row_ids.from_contents(endpoint, asked)
        except ValueError as error:
            problems.append(Problem("row", str(error)))
            return None

    def _with_defaults(self, endpoint: str, members: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        if endpoint != self._endpoint:
            return values
        return {name: value for name, value in self._defaults.items() if name not in members} | values

    def _with_paths(self, endpoint: str, own: Mapping[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        """The values with the paths of the row's own files as they can be opened from here."""
        if not self._folder:
            return asked
        for name, members in _fields_with_files(endpoint):
            if name not in own:
                continue
            is_file = isinstance(asked[name], str) and any(map(is_media, members))
            places = [(asked, name)] if is_file else nested_files(asked[name], members)
            for holder, key in places:
                if isinstance(holder[key], str) and Image.of(holder[key]).source is MediaSource.PATH:
                    holder[key] = os.path.join(self._folder, holder[key])  # noqa: PTH118  (as it was written)
        return asked


def _problems(endpoint: str, values: Mapping[str, Any], named: object = "") -> Iterator[Problem]:
    """What is wrong with the names and kinds of a row's parameters.

    Args:
        endpoint: of the row.
        values: its parameters.
        named: what the row says of its endpoint; None or "" where nothing.
    """
    known = properties(endpoint)
    if "model" in values and "model" not in known and (hint := _other_generation(endpoint, named)):
        yield Problem("model", hint)
        values = {name: value for name, value in values.items() if name in known}
    yield from (Problem(name, f"leave it out: {why}") for name, why in NOT_IN_ROWS.items() if name in values)
    asked = {name: value for name, value in values.items() if name not in NOT_IN_ROWS}
    yield from kinds.members("", asked, {"properties": known, "required": needed(endpoint)})
    for name, value in asked.items():
        if name in known:
            yield from kinds.problems_in(name, value, known[name])


def _other_generation(endpoint: str, named: object) -> str | None:
    """Says how a row of the current generation is written; None where its endpoint has no counterpart there."""
    other = f"{endpoints.CURRENT}{endpoint}"
    if other not in endpoints.names():
        return None
    here = f"{endpoint}, which is meant where a row names none," if named in (None, "") else endpoint
    return f'is of the current generation: a row of that has "endpoint": "{other}"; {here} has model_name'


def _members(request: Any) -> dict[str, Any]:
    """What a request would send; nothing where it cannot be sent."""
    try:
        return to_wire(request)
    except Exception:  # noqa: BLE001  (of values that its types do not allow: the checks say which)
        return {}


def _pictures(endpoint: str, request: object) -> tuple[str, ...]:
    """The pictures of a request that are on this machine."""
    found = (each_of(getattr(request, name), Image).values() for name, _ in _fields_with_files(endpoint))
    return tuple(image.path for images in found for image in images if image.path is not None)


@functools.cache
def _fields_with_files(endpoint: str) -> list[tuple[str, tuple[Any, ...]]]:
    fields = fields_of(endpoints.record(endpoint)) if endpoint in endpoints.names() else []
    return [(field.name, field.members) for field in fields if field.has_files]


def _text(path: Any) -> str:
    try:
        return text_of(path)
    except ValueError as error:
        raise BatchError(f"{error}; give a file of jobs, or a folder of pictures") from None


def _endpoint(given: object) -> str:
    """The method that is meant.

    Raises:
        InvalidRequest: none is.
    """
    name = endpoints.read(given)
    if isinstance(name, Problem):
        raise InvalidRequest.of([name])
    return name


def _check_defaults(endpoint: str, defaults: Mapping[str, Any]) -> None:
    """Refuses defaults that would be wrong in each row.

    Raises:
        InvalidRequest: there are such.
    """
    problems = [each for each in _problems(endpoint, defaults) if each.message != "is required"]
    if problems:
        raise InvalidRequest.of(problems)
