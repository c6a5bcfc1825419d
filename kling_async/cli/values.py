"""The value of a call that makes no task, as text for people and scripts, and as JSON data."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.cli.data import as_data, shown
from kling_async.cli.output import number, table
from kling_async.cli.results import Cost, size_text


@attrs.frozen(kw_only=True)
class Value:
    """The result of a call that makes no task.

    Attributes:
        value: of the call.
        paths: of its saved files.
        cost: of the call.
        emulated: whether an emulator answered.
    """

    value: Any
    paths: Sequence[Path] = ()
    cost: Cost
    emulated: bool = False

    def text(self, width: int | None) -> str:
        """Returns text for people; `width` is that of the terminal."""
        rows = [("saved", f"{path} ({size_text(path)})") for path in self.paths]
        rows += [("cost", self.cost.text(emulated=self.emulated))] * (self.cost.units is not None)
        return as_text(self.value, rows, width)

    def short(self) -> str:
        """Returns text for scripts: the saved paths, else the ids."""
        if self.paths:
            return "\n".join(map(str, self.paths))
        values = self.value if isinstance(self.value, list | tuple) else [self.value]
        return "\n".join(_id(value) for value in values if attrs.has(type(value)))

    def data(self) -> dict[str, Any]:
        """Returns JSON data."""
        return {
            "value": as_data(self.value),
            "paths": [str(path) for path in self.paths],
            "units": as_data(self.cost.units),
            "usd": as_data(self.cost.usd),
            "cost_told": self.cost.from_service,
            "emulated": self.emulated,
        }


_SHOWN_ELSEWHERE: Final = {"final_unit_deduction", "final_balance_deduction", "created_at"}
"""Fields shown as the cost, or of no use to people."""
_ADDRESS: Final = re.compile("https?://")
"""Columns of addresses are not shown, since they leave no room for others; `--json` has them."""


def as_text(value: Any, rows: Sequence[tuple[str, str]], width: int | None) -> str:
    """Returns the value of a call as text: a record as lines, a list of records as a table.

    Args:
        value: of the call.
        rows: names and values to show before it.
        width: of the terminal.
    """
    if value is None:
        return _lines([("done", ""), *rows])
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, [_lines(rows), _table(value, width) or "there is none"]))
    fields = _fields(value) if attrs.has(type(value)) else {"answer": value}
    lists = {name: each for name, each in fields.items() if isinstance(each, list | tuple)}
    plain = [(name, _word(each)) for name, each in fields.items() if name not in lists]
    tables = [f"{name}:\n{_table(each, width)}" for name, each in lists.items() if each]
    return "\n".join(filter(None, [_lines([*rows, *((name, word) for name, word in plain if word)]), *tables]))


def _lines(rows: Sequence[tuple[str, str]]) -> str:
    column = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{column}}  {value}".rstrip() for name, value in rows)


def _table(values: Sequence[Any], width: int | None) -> str:
    """Returns a table of records, without columns that are empty or hold addresses; lines of values of other types."""
    if not values or not attrs.has(type(values[0])):
        return "\n".join(map(_word, values))
    cells = [{name: _word(each) for name, each in _fields(value).items()} for value in values]
    names = [name for name in cells[0] if any(cell[name] for cell in cells)]
    names = [name for name in names if not any(_ADDRESS.match(cell[name]) for cell in cells)]
    return table(names, [[cell[name] for name in names] for cell in cells], width)


def _fields(record: Any) -> dict[str, Any]:
    return {name: value for name, value in shown(record).items() if name not in _SHOWN_ELSEWHERE}


def _word(value: Any) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return number(value)
        case datetime():
            return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
        case _ if attrs.has(type(value)):
            return " ".join(filter(None, map(_word, shown(value).values())))
        case _:
            return str(as_data(value))


def _id(record: Any) -> str:
    """Returns the first id of a record, else its first field."""
    fields = shown(record)
    name = next((name for name in fields if name == "id" or name.endswith("_id")), next(iter(fields)))
    return _word(fields[name])
