"""Makes options from a record's fields, and a record from the parsed options.

Options are parsed only as far as their type requires: the checks decide which values the documentation allows, and
report all problems at once.
"""

import argparse
import os
import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NoReturn, get_args, get_origin, get_type_hints

import attrs

from kling_async.cli.exit_codes import UsageError
from kling_async.cli.option_values import (
    AXES,
    camera_control,
    from_json,
    ids,
    moment,
    number,
    number_or_text,
    text_or_json,
    texts,
)
from kling_async.cli.record_fields import Field, descriptions, fields_of, positional, watermark_field
from kling_async.protocol.converters import Malformed
from kling_async.protocol.record_fields import (
    is_media,
    is_record,
    item_of,
    members_of,
    nested_files,
    only_needed,
    stand_ins,
)
from kling_async.protocol.records import CameraControl


def add_options(parser: argparse.ArgumentParser, group: Any, record: type) -> None:
    """Adds an option for each field, and the first field as a positional argument too.

    Args:
        parser: gets the positional argument.
        group: gets the options.
        record: to make of them.
    """
    first = positional(record)
    if first is not None:
        how = {name: value for name, value in _how(first).items() if name == "type"}
        many = "?" if first.item is None else "*"
        about = f"the same as {first.option}"
        parser.add_argument("positional", nargs=many, metavar=first.name.upper(), help=about, **how)
    add_named(group, fields_of(record))


def add_named(group: Any, fields: Iterable[Field], *, piped: bool = True) -> None:
    """Adds an option for each of these fields; unless `piped`, their help does not offer standard input."""
    for field in fields:
        how = _how(field)
        about = "; ".join(part for part in (field.described, how.pop("more", "")) if part) + _default(field)
        if not piped:
            about = _PIPED.sub("", about)
        names = [f"-{field.name}"] * (len(field.name) == 1) + [field.option]
        group.add_argument(*names, dest=field.dest, help=about.replace("%", "%%"), **how)


_PIPED: Final = re.compile(r"(,| or|;)? - for standard input")


def metavar(field: Field) -> str:
    """Returns the placeholder for the field's value in the usage."""
    how = _how(field)
    return f"{{{','.join(field.choices)}}}" if "choices" in how else str(how.get("metavar", ""))


def _how(field: Field) -> dict[str, Any]:
    """Returns the arguments for argparse, and `more`, the end of the help."""
    first = field.members[0]
    values = [value for member in field.members if get_origin(member) is Literal for value in get_args(member)]
    numbers = {int, float} & {*field.members}
    if field.is_switch:
        return {"action": argparse.BooleanOptionalAction}
    if values and all(get_origin(member) is Literal for member in field.members):
        by_text = {str(value): value for value in values}
        return {"choices": values, "type": lambda text: by_text.get(text, text)}
    if values:
        named = all(re.search(rf"(?<![\w-]){re.escape(str(value))}(?![\w-])", field.about) for value in values)
        how = {"metavar": "NAME", "more": "" if named else f"known: {', '.join(map(str, values))}"}
        return how | ({"metavar": "NUMBER", "type": number_or_text} if numbers else {})
    if field.is_file:
        return {"metavar": "FILE", "more": "" if "standard input" in field.about else "- for standard input"}
    if field.item is not None:
        return _how_list(field)
    if first is CameraControl:
        presets = descriptions(first)["type"].removeprefix("simple, ")
        more = f"zoom=5 (or {', '.join(AXES[:-1])}), {presets}, JSON, or @FILE that holds it"
        return {"metavar": "MOVE", "type": camera_control, "more": more}
    if not {str, int} & {*field.members} and any(attrs.has(member) for member in field.members):
        return _how_record(field)
    if field.is_time:
        return {"metavar": "TIME", "type": moment, "more": "as 2026-11-29, or 2026-11-29T18:00 by this machine's clock"}
    if numbers and str not in field.members:
        return {"metavar": "NUMBER", "type": number}
    return {"metavar": "TEXT"}


def _how_record(field: Field) -> dict[str, Any]:
    more = _json_help(next(member for member in field.members if attrs.has(member)))
    if _reads_text(field):
        return {"metavar": "TEXT", "type": text_or_json, "more": f"or {more}"}
    return {"metavar": "JSON", "type": from_json, "more": more}


def _how_list(field: Field) -> dict[str, Any]:
    again = {"action": "append"}
    shape = f"JSON such as [{_shape(field.item)}, ...], or @FILE that holds it"
    if field.item is str or is_media(field.item):
        more = "may be repeated" + "; - for standard input" * (
            is_media(field.item) and "standard input" not in field.about
        )
        return again | {"metavar": "TEXT" if field.item is str else "FILE", "type": texts, "more": more}
    if _short_form(field) is None:
        return again | {"metavar": "JSON", "type": from_json, "more": f"{shape}; may be repeated"}
    if field.has_files:
        return again | {"metavar": "FILE", "type": texts, "more": f"may be repeated; or {shape}"}
    if _is_id(field):
        return again | {"metavar": "ID[,ID...]", "type": ids, "more": "may be repeated"}
    return again | {"metavar": "TEXT", "type": texts, "more": f"may be repeated; or {shape}"}


def _short_form(field: Field) -> Callable[[str], Any] | None:
    """Returns a function that makes an item of a text such as an id, by the field's converter or an item's only field.

    None where there is no such way.
    """
    if field.field.converter is not None:
        read: Any = field.field.converter
        items = read(["1"])
        if not isinstance(items, Malformed) and not any(isinstance(item, Malformed) for item in items):
            return lambda text: text
    if (only := only_needed(field.item)) is None:
        return None
    return lambda text: {only: text}


def _reads_text(field: Field) -> bool:
    """Whether the field's converter makes a record of a text, such as a video of an address."""
    read: Any = field.field.converter
    return read is not None and attrs.has(type(made := read("1"))) and not isinstance(made, Malformed)


def _is_id(field: Field) -> bool:
    return (only_needed(field.item) or "").endswith("_id")


def _default(field: Field) -> str:
    if field.is_required:
        return " (required)"
    default = field.field.default
    return "" if default is None or default == () else f" (default: {default})"


def _json_help(hint: Any) -> str:
    return f"JSON such as {_shape(hint)}, or @FILE that holds it"


def _shape(hint: Any) -> str:
    """Returns the JSON of a nested value, with the type in the place of each value."""
    members = members_of(hint)
    first = next((member for member in members if is_record(member)), members[0])
    if (item := item_of(members)) is not None:
        return f"[{_shape(item)}, ...]"
    if is_record(first) and str not in members:
        hints = get_type_hints(first)
        names = [field.name for field in attrs.fields(first) if field.name not in stand_ins(first)]
        return "{" + ", ".join(f'"{name}": {_shape(hints[name])}' for name in names) + "}"
    if first is bool:
        return "true"
    if get_origin(first) is Literal:
        return f'"{get_args(first)[0]}"'
    return "0" if first in {int, float} else f'"{"FILE" if is_media(first) else "TEXT"}"'


# -------------------------------------------------------------------------------------------------- the request


def request_from(record: type, options: Namespace, read_stdin: Callable[[], bytes]) -> Any:
    """Returns the record made from the options; fields that were not given have their defaults.

    Args:
        record: to make.
        options: as parsed by argparse.
        read_stdin: reads standard input, for a file given as `-`.

    Raises:
        UsageError: something is missing, given twice, or a file in place of text.
    """
    hint = f"see `{options.parser.prog} --help`"
    values = dict(_given(record, options, hint))
    fields = fields_of(record)
    missing = [field.option for field in fields if field.is_required and field.name not in values]
    missing += ["-o FILE"] * (options.needs_output and options.output is None)
    if missing:
        raise UsageError(f"needed as well: {', '.join(missing)}", hint)
    _check_words(fields, values, hint)
    _read_piped(fields, values, read_stdin, hint)
    mark = watermark_field(record)
    if mark is not None and options.watermark:
        values[mark] = {"enabled": True}
    return record(**values)


def defaults_from(fields: Sequence[Field], options: Namespace) -> dict[str, Any]:
    """Returns the options' values as defaults of the rows of a batch.

    Args:
        fields: that have an option.
        options: as parsed by argparse.

    Raises:
        UsageError: a file is given as standard input, or a file in place of text.
    """
    hint = f"see `{options.parser.prog} --help`"

    def refuse() -> NoReturn:
        raise UsageError("a batch reads no standard input, which is gone when it is run again: give a file", hint)

    given = {field.name: _listed(field, getattr(options, field.dest)) for field in fields}
    values = {name: value for name, value in given.items() if value is not None}
    _check_words(fields, values, hint)
    _read_piped(list(fields), values, refuse, hint)
    return values


def _listed(field: Field, value: Any) -> Any:
    """Returns the value of a field; of a list, each occurrence of the option is one item or several."""
    if field.item is None or value is None:
        return value
    return [_item(field, each) for several in value for each in _items(field, several)]


def _read_piped(fields: list[Field], values: dict[str, Any], read_stdin: Callable[[], bytes], hint: str) -> None:
    """Replaces the one file given as `-` by the bytes of standard input.

    Raises:
        UsageError: there are several.
    """
    piped: list[tuple[str, Any, Any]] = []
    for field in fields:
        value = values.get(field.name)
        places = [(values, field.name)] if field.is_file else nested_files(value, field.members)
        piped += [(field.name, holder, key) for holder, key in places if _at(holder, key) == "-"]
    if len(piped) > 1:
        names = " and ".join(name for name, _, _ in piped)
        raise UsageError(f"only one file can come from standard input, not {names}", hint)
    for _, holder, key in piped:
        holder[key] = read_stdin()


def _at(holder: Any, key: Any) -> Any:
    return holder[key] if isinstance(holder, list) else holder.get(key)


def _given(record: type, options: Namespace, hint: str) -> Iterator[tuple[str, Any]]:
    first = positional(record)
    for field in fields_of(record):
        value = getattr(options, field.dest)
        unnamed = options.positional if field == first else None
        if unnamed not in (None, []):
            _check_no_switch(unnamed, record, options, hint)
            if value is not None:
                twice = f"{field.name} is given twice: {_shown(unnamed)} and {field.option} {_shown(value)}"
                raise UsageError(twice, hint)
            value = unnamed
        if value is not None:
            yield field.name, _listed(field, value)


_OF_SWITCHES: Final = {"on", "off", "yes", "no", "true", "false"}


def _check_no_switch(unnamed: Any, record: type, options: Namespace, hint: str) -> None:
    """Refuses a positional word that was meant as the value of a switch, such as `on`.

    Switches take no value, so the word would become a prompt, and be paid for.

    Raises:
        UsageError: it is one.
    """
    given = [
        field.option for field in fields_of(record) if field.is_switch and getattr(options, field.dest) is not None
    ]
    if given and isinstance(unnamed, str) and unnamed.lower() in _OF_SWITCHES:
        off = "--no-" + given[0].removeprefix("--")
        raise UsageError(f"{given[0]} takes no {unnamed!r}: {given[0]} is on, {off} is off", hint)


_WORDS: Final = ("prompt", "text", "description")
"""Suffixes of the names of fields for free text; other fields, such as ids, may be a dash."""


def _check_words(fields: Iterable[Field], values: Mapping[str, Any], hint: str) -> None:
    """Refuses `-` and `@FILE` in place of text: other options read files, but here they would be sent as a prompt.

    Raises:
        UsageError: a value is one of these. Text that begins with `@` and names no file is allowed.
    """
    for field in fields:
        value = values.get(field.name)
        if not field.name.endswith(_WORDS) or not isinstance(value, str):
            continue
        place = value[1:].strip() if value.startswith("@") else ""
        if value.strip() == "-" or os.path.isfile(place):  # noqa: PTH113  (Path.is_file raises where it is too long)
            instead = f"$(cat {shlex.quote(place)})" if place else "$(cat)"
            raise UsageError(f'{field.option} takes the words, not where they are: {field.option} "{instead}"', hint)


def _item(field: Field, given: Any) -> Any:
    made = _short_form(field) if isinstance(given, str) else None
    return given if made is None else made(given)


def _items(field: Field, value: Any) -> list[Any]:
    """Returns the items of a value; an object may contain several by name, such as `{"cat": ..., "dog": ...}`."""
    by_name = isinstance(value, dict) and is_record(field.item) and not value.keys() & attrs.fields_dict(field.item)
    return [{name: each} for name, each in value.items()] if by_name else value if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    """Returns a value for a message, shortened to 60 letters."""
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
