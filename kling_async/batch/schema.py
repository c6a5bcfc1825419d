"""Builds the JSON schema of an endpoint's rows from its record; rows are read by this schema."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, cast, get_args, get_origin, get_type_hints

import attrs

from kling_async.batch import endpoints
from kling_async.protocol.converters import Malformed
from kling_async.protocol.errors import InvalidRequest, Problem
from kling_async.protocol.record_fields import (
    Field,
    descriptions,
    fields_of,
    is_media,
    is_record,
    item_of,
    members_of,
    only_needed,
    stand_ins,
)

Schema = dict[str, Any]

ID_MOST: Final = 200
"""Maximum length of an id in characters."""
NOT_IN_ROWS: Final = {"external_task_id": "the batch gives each task its own; id names the row"}
"""Parameters that rows must not have, each with the reason."""

_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}
_NUMBER: Final = r"-?\d+(?:\.\d+)?"
_RANGE: Final = re.compile(rf"(?:^|, |: )({_NUMBER})(?: \([^)]*\))? to ({_NUMBER})(?=$|[,;.]| \()")
_LENGTH: Final = re.compile(r"at most (\d+) characters")
_OF_PYTHON: Final = {
    ", an `http(s)://` address, or bytes": " or an `http(s)://` address",
    ", an `http(s)://` address or bytes": " or an `http(s)://` address",
    "paths, `http(s)://` addresses or bytes": "paths or `http(s)://` addresses",
    ". The picture of an earlier task will do": "",
    ", or one of an earlier task": "",
    ", or video of an earlier task": "",
    ", or a video of an earlier task in its place": "",
    ", or a video of an earlier task": "",
    ", or the element as an earlier task made it; then what kind it is can be checked as well": "",
    ", or the voice as an earlier task made it": "",
    "True": "true",
    "False": "false",
    "=true`": "`",
}
"""Replacements that adapt descriptions written for Python programmers to authors of files."""


def row_schema(endpoint: str) -> Schema:
    """Returns the JSON schema (2020-12) of a row of a batch.

    A row is readable if its names and kinds of values match the schema; everything else (`minimum`, `maxLength`, rules
    of the model) is checked afterwards.

    Args:
        endpoint: name of the client's method, such as `image_to_video`; may be written with dashes.

    Raises:
        InvalidRequest: there is no such endpoint, or it does not create tasks.
    """
    name = endpoints.read(endpoint)
    if isinstance(name, Problem):
        raise InvalidRequest.of([name])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_row(name)}


@functools.cache
def properties(name: str) -> Mapping[str, Schema]:
    """Returns the schema of each parameter of an endpoint."""
    fields = [field for field in fields_of(endpoints.record(name)) if field.name not in NOT_IN_ROWS]
    return {field.name: _parameter(field) for field in fields}


@functools.cache
def needed(name: str) -> tuple[str, ...]:
    """Returns the required parameters of an endpoint."""
    return tuple(field.name for field in fields_of(endpoints.record(name)) if field.is_needed)


def _row(name: str) -> Schema:
    about = "its name in the batch, after which its files are called; else one is made from its contents"
    id_ = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": ID_MOST}, {"type": "integer"}]}
    own = {"id": id_ | {"description": about}, "endpoint": {"const": name, "description": "what makes it"}}
    required = [*(["endpoint"] * (name != endpoints.DEFAULT)), *needed(name)]
    return {
        "title": f"A row of a batch: {name}",
        "description": _for_files((endpoints.record(name).__doc__ or "").partition("\n")[0].rstrip(".")),
        "type": "object",
        "properties": own | dict(properties(name)),
        "required": required,
        "additionalProperties": False,
    }


# ---------------------------------------------------------------------------------------------------- parameters


def _parameter(field: Field) -> Schema:
    """Returns the schema of a parameter; null omits an optional one."""
    made = _schema(field.members, field.field, field.about)
    return _with_null(made) if not field.is_needed else made


def _schema(members: tuple[Any, ...], field: "attrs.Attribute[Any]", about: str) -> Schema:
    """Returns the schema of a field, by its types and the values that its converter accepts."""
    choices = [choice | _limits(choice, about) for choice in _choices(members, field)]
    made = choices[0] if len(choices) == 1 else {"anyOf": choices}
    open_words = [word for member in members if get_origin(member) is Literal for word in get_args(member)]
    if str in members and open_words:
        made["examples"] = open_words
    return {**({"description": _for_files(about)} if about else {}), **made}


def _choices(members: tuple[Any, ...], field: "attrs.Attribute[Any]") -> Iterator[Schema]:
    reads: Callable[[Any], Any] = field.converter or (lambda value: value)  # type: ignore[assignment]  # attrs types converters more widely
    words = [word for member in members if get_origin(member) is Literal for word in get_args(member)]
    if words and str not in members:
        yield {"enum": words + [""] * (reads("") is None)}
    if (item := item_of(members)) is not None:
        yield {"type": "array", "items": _item(members_of(item), field)}
    for member in members:
        if member in _TYPES:
            yield {"type": _TYPES[member]}
        elif is_media(member):
            yield {"type": "string"}
        elif is_record(member) and str not in members:  # otherwise text represents the record
            yield _record(member)
            if isinstance(reads("x"), member):  # text represents the record's chief member
                yield {"type": "string"}
    yield from _by_name(members, field)
    if int in members and field.converter is not None and isinstance(reads("5"), int):
        yield {"type": "string", "pattern": "^[0-9]{1,19}$"}
    if bool in members and field.converter is not None:
        switches = [word for word in ("on", "off", "yes", "no") if isinstance(reads(word), bool)]
        yield from [{"enum": switches}] * bool(switches)


def _item(members: tuple[Any, ...], field: "attrs.Attribute[Any]") -> Schema:
    """Returns the schema of a list's items: their type, the converter's short forms, and the documented form."""
    reads: Any = field.converter
    choices = list(_choices(members, _BARE))
    record = next((member for member in members if is_record(member) and str not in members), None)
    if record is not None and reads is not None:
        if _is_read(reads, "1"):
            choices.append({"type": "string"})
        if _is_read(reads, 1) and _takes_numbers(record):
            choices.append({"type": "integer"})
    if "each_in" in field.metadata:
        member = field.metadata["each_in"]
        choices.append(_object({member: {"type": "string"}}, [member]))
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _by_name(members: tuple[Any, ...], field: "attrs.Attribute[Any]") -> Iterator[Schema]:
    """Yields the schema of materials by their names in the prompt: `{"cat": "cat.png"}`; none if not supported."""
    item, reads = item_of(members), cast("Callable[[Any], Any] | None", field.converter)
    records = [each for each in (members_of(item) if item is not None else members) if only_needed(each) is not None]
    if reads is None or not records:
        return
    read = reads({"name": "1"})
    [one, *_] = read if isinstance(read, tuple) else [read]
    if getattr(one, "id", None) == "name":
        chief = get_type_hints(records[0])[only_needed(records[0]) or ""]
        values = [choice for choice in _choices(members_of(chief), _BARE) if choice["type"] != "object"]
        made = {"type": "object", "additionalProperties": values[0] if len(values) == 1 else {"anyOf": values}}
        yield made if item is not None else {**made, "minProperties": 1, "maxProperties": 1}


def _record(record: type) -> Schema:
    hints, about = get_type_hints(record), descriptions(record)
    fields = [field for field in attrs.fields(record) if field.name not in stand_ins(record)]
    found = {}
    for field in fields:
        made = _schema(members_of(hints[field.name]), field, about.get(field.name, ""))
        found[field.name] = _with_null(made) if type(None) in get_args(hints[field.name]) else made
    return _object(found, [field.name for field in fields if field.default is attrs.NOTHING])


def _object(members: Mapping[str, Schema], required: list[str]) -> Schema:
    more: Schema = {"required": required} if required else {}
    return {"type": "object", "properties": dict(members), **more, "additionalProperties": False}


@attrs.frozen
class _Bare:
    """A field without a converter or metadata."""

    field: Any = None


_BARE: Final = attrs.fields(_Bare).field


def _is_read(reads: Any, item: object) -> bool:
    items = reads([item])
    return not isinstance(items, Malformed) and not any(isinstance(each, Malformed) for each in items)


def _takes_numbers(record: type) -> bool:
    chief = only_needed(record)
    return chief is not None and int in members_of(get_type_hints(record)[chief])


def _with_null(schema: Schema) -> Schema:
    about = {key: value for key, value in schema.items() if key in {"description", "examples"}}
    rest = {key: value for key, value in schema.items() if key not in about}
    return {**about, "anyOf": [*rest.get("anyOf", [rest]), {"type": "null"}]}


def _limits(choice: Schema, about: str) -> Schema:
    """Returns limits that the description states unconditionally; `kinds` ignores them."""
    if choice == {"type": "string"} and (most := _LENGTH.search(about)):
        return {"maxLength": int(most[1])}
    ranges = _RANGE.findall(about)
    if len(ranges) == 1 and choice.get("type") in {"integer", "number"}:
        low, high = (float(each) if "." in each else int(each) for each in ranges[0])
        return {"minimum": low, "maximum": high}
    return {}


def _for_files(text: str) -> str:
    for python, words in _OF_PYTHON.items():
        text = text.replace(python, words)
    text = re.sub(r"\.? The repr omits [\w ]+", "", text)
    return text.replace("`", "").rstrip(".")
