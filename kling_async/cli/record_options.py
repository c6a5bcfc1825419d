"""Options made from a record: names, types and help come from its fields; the words of the command line make one.

An option is read no further than its kind needs: what the documentation allows is for the checks to say, which report
every problem at once.
"""

import argparse
import inspect
import re
import types
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from kling_async.cli.exit_codes import UsageError
from kling_async.cli.option_values import AXES, camera_control, from_json, ids, number, texts
from kling_async.protocol.converters import Malformed
from kling_async.protocol.records import CameraControl, WatermarkInfo

_MEDIA: Final = "kling_async.protocol.media."
_SHELL_WORDS: Final = {
    "or bytes": "or - for standard input",
}


@attrs.frozen
class Field:
    """One field of a record, as an option sees it.

    Attributes:
        name: as the documentation has it.
        members: its types, without None.
        about: what the record's docstring says of it.
        field: of the record.
    """

    name: str
    members: tuple[Any, ...]
    about: str
    field: "attrs.Attribute[Any]"

    @property
    def option(self) -> str:
        """As it is typed."""
        return _option(self.name)

    @property
    def dest(self) -> str:
        """Its name among the options; apart from those of the command itself."""
        return f"record.{self.name}"

    @property
    def is_required(self) -> bool:
        """Whether the record cannot be made without it."""
        return self.field.default is attrs.NOTHING

    @property
    def is_file(self) -> bool:
        """Whether it is a picture or another file that the user has."""
        return any(_is_media(member) for member in self.members)

    @property
    def has_files(self) -> bool:
        """Whether it is a file or a list of files, each of which may be all of an item or a part of it."""
        parts = get_type_hints(self.item).values() if attrs.has(self.item) else [self.item]
        return self.is_file or any(_is_media(member) for part in parts for member in _members(part))

    @property
    def item(self) -> Any:
        """The type of its items; None where it is no list."""
        [first, *_] = self.members
        return get_args(first)[0] if get_origin(first) is tuple else None


def fields_of(record: type) -> list[Field]:
    """The fields of a record, in its order; a watermark is asked for by the command's own option."""
    hints = get_type_hints(record)
    about = descriptions(record)
    found = [
        Field(field.name, _members(hints[field.name]), about.get(field.name, ""), field)
        for field in attrs.fields(record)
    ]
    return [field for field in found if WatermarkInfo not in field.members]


def positional(record: type) -> Field | None:
    """The field that is given without its name: the first, if it is a file."""
    first = fields_of(record)[0]
    return first if first.is_file else None


def watermark_field(record: type) -> str | None:
    """The field that asks for a watermarked result as well."""
    hints = get_type_hints(record)
    return next((name for name, hint in hints.items() if WatermarkInfo in _members(hint)), None)


# -------------------------------------------------------------------------------------------------- docstrings


def prose(record: type) -> list[str]:
    """The paragraphs of a record's docstring before its sections."""
    text = inspect.cleandoc(record.__doc__ or "").partition("\nAttributes:\n")[0]
    return [_plain(paragraph, record) for paragraph in text.strip().split("\n\n")]


def descriptions(record: type) -> dict[str, str]:
    """What the `Attributes:` section of a record's docstring says of each field."""
    section = inspect.cleandoc(record.__doc__ or "").partition("\nAttributes:\n")[2].split("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section, re.MULTILINE)
    return {name: _plain(text, record).removesuffix(".") for name, text in entries}


def _plain(text: str, record: type) -> str:
    """Prose for programmers as people at a shell read it: fields are options there."""
    for python, shell in _SHELL_WORDS.items():
        text = text.replace(python, shell)
    text = re.sub(r"kling_async\.capabilities\((\w*)\)", lambda found: f"the table of {_models(found[1])}", text)
    names = attrs.fields_dict(record)

    def option(found: re.Match[str]) -> str:
        return _option(found[1]) if found[1] in names else found[0]

    return " ".join(re.sub(r"`(\w+)(?:=True)?`", option, text).replace("`", "").split())


def _models(record: str) -> str:
    """The command that shows what each model can do; a record is called as its command, in other letters."""
    command = re.sub("(?<!^)(?=[A-Z])", "-", record).lower()
    return "kling-async models" + f" --endpoint {command}" * bool(record)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


# ------------------------------------------------------------------------------------------------ into argparse


def add_options(parser: argparse.ArgumentParser, group: Any, record: type) -> None:
    """Adds an option for each field, and the first file without its name.

    Args:
        parser: gets what has no name.
        group: gets the options.
        record: to be made of them.
    """
    file = positional(record)
    if file is not None:
        parser.add_argument("positional", nargs="?", metavar=file.name.upper(), help=f"the same as {file.option}")
    for field in fields_of(record):
        how = _how(field)
        about = "; ".join(part for part in (field.about, how.pop("more", "")) if part) + _default(field)
        group.add_argument(field.option, dest=field.dest, help=about.replace("%", "%%"), **how)


def _how(field: Field) -> dict[str, Any]:
    """How argparse reads the field; `more` ends its help."""
    [first, *others] = field.members
    values = [value for member in field.members if get_origin(member) is Literal for value in get_args(member)]
    if first is bool and not others:
        return {"action": argparse.BooleanOptionalAction}
    if values and all(get_origin(member) is Literal for member in field.members):
        by_text = {str(value): value for value in values}
        return {"choices": values, "type": lambda text: by_text.get(text, text)}
    if values:
        named = all(re.search(rf"(?<![\w-]){re.escape(str(value))}(?![\w-])", field.about) for value in values)
        return {"metavar": "NAME", "more": "" if named else f"known: {', '.join(map(str, values))}"}
    if field.is_file:
        return {"metavar": "FILE", "more": "" if "standard input" in field.about else "- for standard input"}
    if field.item is not None:
        return _how_list(field)
    if first is CameraControl:
        presets = descriptions(first)["type"].removeprefix("simple, ")
        more = f"zoom=5 (or {', '.join(AXES[:-1])}), {presets}, JSON, or @FILE that holds it"
        return {"metavar": "MOVE", "type": camera_control, "more": more}
    if attrs.has(first):
        return {"metavar": "JSON", "type": from_json, "more": _json_help(first)}
    if first in {int, float} and not others:
        return {"metavar": "NUMBER", "type": number}
    return {"metavar": "TEXT"}


def _how_list(field: Field) -> dict[str, Any]:
    again = {"action": "append"}
    if field.item is str or _is_media(field.item):
        return again | {"metavar": "TEXT" if field.item is str else "FILE", "type": texts, "more": "may be repeated"}
    if not _takes_text(field):
        more = f"{_json_help(field.members[0])}; may be repeated"
        return again | {"metavar": "JSON", "type": from_json, "more": more}
    if field.has_files:
        return again | {"metavar": "FILE", "type": texts, "more": f"may be repeated; or {_json_help(field.members[0])}"}
    return again | {"metavar": "ID[,ID...]", "type": ids, "more": "may be repeated"}


def _takes_text(field: Field) -> bool:
    """Whether the record reads a mere text as one of its list's items, such as an id."""
    if field.field.converter is None:
        return False
    read: Any = field.field.converter
    items = read(["1"])
    return not isinstance(items, Malformed) and not any(isinstance(item, Malformed) for item in items)


def _default(field: Field) -> str:
    if field.is_required:
        return " (required)"
    default = field.field.default
    return "" if default is None or default == () else f" (default: {default})"


def _json_help(hint: Any) -> str:
    return f"JSON such as {_shape(hint)}, or @FILE that holds it"


def _shape(hint: Any) -> str:
    """The JSON of a nested value, with the kind in the place of each value."""
    [first, *_] = _members(hint)
    if get_origin(first) is tuple:
        return f"[{_shape(get_args(first)[0])}, ...]"
    if attrs.has(first) and not _is_media(first):
        hints = get_type_hints(first)
        return "{" + ", ".join(f'"{field.name}": {_shape(hints[field.name])}' for field in attrs.fields(first)) + "}"
    if first is bool:
        return "true"
    return "0" if first in {int, float} else f'"{"FILE" if _is_media(first) else "TEXT"}"'


def _members(hint: Any) -> tuple[Any, ...]:
    alternatives = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    return tuple(each for each in alternatives if each is not type(None))


def _is_media(hint: Any) -> bool:
    return isinstance(hint, type) and hint.__module__.startswith(_MEDIA)


# -------------------------------------------------------------------------------------------------- the request


def request_from(record: type, options: Namespace, read_stdin: Callable[[], bytes]) -> Any:
    """The record that the options make; what was not given is left to its defaults.

    Args:
        record: to be made.
        options: as argparse read them.
        read_stdin: reads the file that `-` stands for.

    Raises:
        UsageError: something is missing, or given twice.
    """
    hint = f"see `kling-async {options.command} --help`"
    values = dict(_given(record, options, hint))
    missing = [field for field in fields_of(record) if field.is_required and field.name not in values]
    if missing:
        raise UsageError(f"needed as well: {', '.join(field.option for field in missing)}", hint)
    files = {field.name: values[field.name] for field in fields_of(record) if field.has_files and field.name in values}
    piped = [name for name, value in files.items() for each in _items(value) if each == "-"]
    if len(piped) > 1:
        raise UsageError(f"only one file can come from standard input, not {' and '.join(piped)}", hint)
    for name in piped:
        read = [read_stdin() if each == "-" else each for each in _items(files[name])]
        values[name] = read if isinstance(files[name], list) else read[0]
    mark = watermark_field(record)
    if mark is not None and options.watermark:
        values[mark] = {"enabled": True}
    return record(**values)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _given(record: type, options: Namespace, hint: str) -> Iterator[tuple[str, Any]]:
    file = positional(record)
    for field in fields_of(record):
        value = getattr(options, field.dest)
        if field == file and options.positional is not None:
            if value is not None:
                twice = f"{field.name} is given twice: {options.positional} and {field.option} {value}"
                raise UsageError(twice, hint)
            value = options.positional
        if field.item is not None and value is not None:  # each time one item, or a list of them
            value = [item for each in value for item in _items(each)]
        if value is not None:
            yield field.name, value
