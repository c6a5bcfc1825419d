"""Checks names and kinds of values against the schema of a row; everything else is left to the checks.

Rows are read with the same schema that is printed, so that both always agree. Supports only what `row_schema` uses of
JSON schema.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kling_async.methods import nearest
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import in_words, shown

Schema = Mapping[str, Any]

_WORDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def kind_of(value: object) -> str | None:
    """Returns the JSON schema type of a value; None for a type that JSON does not have, which is accepted."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case Mapping():
            return "object"
        case list() | tuple():
            return "array"
        case _:
            return None


def alternatives(schema: Schema) -> Sequence[Schema]:
    """Returns the alternatives of a schema, each with one type."""
    found: Sequence[Schema] = schema.get("anyOf", (schema,))
    return found


def problems_in(path: str, value: Any, schema: Schema) -> Iterator[Problem]:
    """Yields the problems with the names and kinds in a value.

    Args:
        path: path of the field.
        value: the given value.
        schema: schema of the field.
    """
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"{value} is no number that can be sent")
        return
    kind = kind_of(value)
    if kind is None:
        return
    choices = alternatives(schema)
    fitting = [each for each in choices if _fits(value, kind, each)]
    if not fitting:
        yield Problem(path, _complaint(value, kind, choices))
    elif isinstance(value, Mapping):
        found = [[*_in_object(path, value, each)] for each in fitting]
        yield from [] if [] in found else found[0]
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from problems_in(f"{path}[{place}]", item, fitting[0]["items"])


def members(path: str, value: Mapping[Any, Any], schema: Schema) -> Iterator[Problem]:
    """Yields the problems with the names of an object's members.

    Args:
        path: path of the object, followed by a dot; empty for the row itself.
        value: the object.
        schema: schema of the object.
    """
    known = schema["properties"]
    for name in value:
        if name not in known:
            close = nearest(name, known) if isinstance(name, str) else None
            yield Problem(
                f"{path}{_name(name)}", "is unknown; " + (f"did you mean {close}?" if close else _known(known))
            )
    yield from (Problem(f"{path}{name}", "is required") for name in schema.get("required", ()) if name not in value)


def _in_object(path: str, value: Mapping[Any, Any], schema: Schema) -> Iterator[Problem]:
    if "properties" not in schema:  # the members are named by the prompt
        for name, each in value.items():
            yield from problems_in(f"{path}.{_name(name)}", each, schema["additionalProperties"])
        if "maxProperties" in schema and len(value) != schema["maxProperties"]:
            yield Problem(path, f"expected one, with its name, got {len(value)}")
        return
    yield from members(f"{path}.", value, schema)
    for name, inner in schema["properties"].items():
        if name in value:
            yield from problems_in(f"{path}.{name}", value[name], inner)


def _fits(value: Any, kind: str, schema: Schema) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    if "pattern" in schema and not (isinstance(value, str) and re.fullmatch(schema["pattern"], value)):
        return False
    wanted = schema["type"]
    return kind == wanted or (kind == "integer" and wanted == "number")


def _complaint(value: Any, kind: str, choices: Sequence[Schema]) -> str:
    words = [repr(word) for each in choices for word in each.get("enum", ())]
    named = [each for each in choices if not each.keys() & {"enum", "pattern"} and each["type"] != "null"]
    kinds = [*dict.fromkeys(_WORDS[each["type"]] for each in named)]
    if kind == "string" and words and not kinds:
        return f"{shown(value)} is not possible; use {in_words(_bare(words))}"
    return f"expected {in_words([*kinds, *words])}, got {_WORDS[kind] if kind in {'array', 'object'} else shown(value)}"


def _bare(words: Sequence[str]) -> list[str]:
    return [word.strip("'") for word in words if word != "''"]


def _name(name: object) -> str:
    return str(name)[:60] if isinstance(name, str) and name.isprintable() and name else shown(name)


def _known(names: Mapping[str, Any]) -> str:
    return f"known: {', '.join(names)}"
