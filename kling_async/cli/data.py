"""Values of this package as JSON data."""

import enum
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs


def as_data(value: Any) -> Any:
    """Converts any value of this package to JSON data: records to objects, amounts to numbers, times to text."""
    match value:
        case enum.Enum():
            return value.value
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat()
        case Path():
            return str(value)
        case Mapping():
            return {str(name): as_data(each) for name, each in value.items()}
        case list() | tuple():
            return [as_data(each) for each in value]
        case _ if attrs.has(type(value)):
            return {name: as_data(each) for name, each in shown(value).items()}
        case _:
            return value


def shown(record: Any) -> dict[str, Any]:
    """Returns the fields of a record that are data; without callables and its `saver`."""
    fields = {field.name: getattr(record, field.name) for field in attrs.fields(type(record))}
    return {name: value for name, value in fields.items() if not callable(value) and name != "saver"}
