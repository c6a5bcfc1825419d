"""The fields of a record as the shell command sees them: kinds, names of options, and the description of each."""

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from kling_async.client import KlingClient
from kling_async.methods import calls, submits
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.rules.values import in_words

_MEDIA: Final = "kling_async.protocol.media."
_SHELL_WORDS: Final = {
    ", bytes, or the picture of an earlier task": " or - for standard input",
    ", or the picture of an earlier task": "",
    "or bytes": "or - for standard input",
    " The repr leaves its query out.": "",
    "`kling_async.estimate`": "`kling-async estimate`",
}


@attrs.frozen
class Field:
    """One field of a record, as an option sees it.

    Attributes:
        name: as the documentation has it.
        members: its types, without None.
        about: its description in the record's docstring.
        field: of the record.
    """

    name: str
    members: tuple[Any, ...]
    about: str
    field: "attrs.Attribute[Any]"

    @property
    def option(self) -> str:
        """As it is typed."""
        return option_of(self.name)

    @property
    def dest(self) -> str:
        """Its name among the options; apart from those of the command itself."""
        return f"record.{self.name}"

    @property
    def is_required(self) -> bool:
        """Whether the record cannot be made without it."""
        return self.field.default is attrs.NOTHING

    @property
    def described(self) -> str:
        """Its description, without the word that every required option has."""
        return re.sub(r"([.;] required)+$", "", self.about, flags=re.IGNORECASE) if self.is_required else self.about

    @property
    def is_needed(self) -> bool:
        """Whether a request cannot do without it: by its record, or by its description."""
        return self.is_required or re.search(r"(^|[.;,] )required$", self.about, re.IGNORECASE) is not None

    @property
    def is_file(self) -> bool:
        """Whether it is a picture, sound or another file that the user has."""
        return any(is_media(member) for member in self.members)

    @property
    def is_switch(self) -> bool:
        """Whether it is True or False and nothing else."""
        return self.members == (bool,)

    @property
    def is_time(self) -> bool:
        """Whether it is a moment."""
        return datetime in self.members

    @property
    def choices(self) -> list[str]:
        """The words that the documentation names for it."""
        literals = [member for member in self.members if get_origin(member) is Literal]
        return [str(value) for literal in literals for value in get_args(literal)]

    @property
    def has_files(self) -> bool:
        """Whether there are files in it: it is one, or a list or a record of such."""
        return any(_has_files(member) for member in self.members)

    @property
    def item(self) -> Any:
        """The type of its items; None where it is no list."""
        return item_of(self.members)


def fields_of(record: type) -> list[Field]:
    """The fields of a record, in its order, that a shell can give a value to.

    A watermark is asked for by the command's own option, and an earlier result is an object of Python: its id is given.
    """
    hints = get_type_hints(record)
    about = descriptions(record)
    found = [
        Field(field.name, _accepted(field, hints[field.name]), about.get(field.name, ""), field)
        for field in attrs.fields(record)
    ]
    return [field for field in found if WatermarkInfo not in field.members and field.name not in stand_ins(record)]


def _accepted(field: "attrs.Attribute[Any]", hint: Any) -> tuple[Any, ...]:
    """The types of a field; a moment is given to its converter, whatever the service gets."""
    read: Any = field.converter
    named = getattr(read, "__annotations__", {})
    if not any("datetime" in str(each) for each in named.values()):
        return members_of(hint)
    return members_of(next(iter(get_type_hints(read).values())))


def positional(record: type) -> Field | None:
    """The field that may be given without its name: the first, unless it is a switch."""
    first, *_ = [*fields_of(record), None]
    return None if first is None or first.is_switch else first


def watermark_field(record: type) -> str | None:
    """The field that asks for a watermarked result as well."""
    hints = get_type_hints(record)
    return next((name for name, hint in hints.items() if WatermarkInfo in members_of(hint)), None)


def option_names(record: type) -> dict[str, str]:
    """What is typed for each field; for an earlier result the option of its id."""
    names = {field.name: field.option for field in fields_of(record)}
    names |= {name: option_of(member) for name, member in stand_ins(record).items()}
    mark = watermark_field(record)
    return names | ({mark: "--watermark"} if mark else {})


def option_of(name: str) -> str:
    """What is typed for a field."""
    return "--" + name.replace("_", "-")


# ------------------------------------------------------------------------------------------------------- types


def members_of(hint: Any) -> tuple[Any, ...]:
    """The alternatives of a type, without None."""
    alternatives = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    return tuple(each for each in alternatives if each is not type(None))


def item_of(members: tuple[Any, ...]) -> Any:
    """The type of a list's items; None where it is no list."""
    return next((get_args(member)[0] for member in members if get_origin(member) is tuple), None)


def is_media(hint: Any) -> bool:
    """Whether this is the type of a file that the user has."""
    return isinstance(hint, type) and hint.__module__.startswith(_MEDIA)


def is_record(hint: Any) -> bool:
    """Whether this is a record that is given as JSON."""
    return isinstance(hint, type) and attrs.has(hint) and not is_media(hint)


def _has_files(hint: Any) -> bool:
    if get_origin(hint) is tuple:
        return any(_has_files(member) for member in members_of(get_args(hint)[0]))
    if not is_record(hint):
        return is_media(hint)
    return any(_has_files(member) for part in get_type_hints(hint).values() for member in members_of(part))


# -------------------------------------------------------------------------------------------------- docstrings


def prose(record: type) -> list[str]:
    """The paragraphs of a record's docstring before its sections."""
    text = inspect.cleandoc(record.__doc__ or "").partition("\nAttributes:\n")[0]
    return [_plain(paragraph, record) for paragraph in text.strip().split("\n\n")]


def summary(record: type) -> str:
    """What it makes, in a few words: the first line of its docstring, without the path."""
    return re.sub(r": (GET|POST) /\S*$", "", prose(record)[0].rstrip("."))


def descriptions(record: type) -> dict[str, str]:
    """The description of each field, from the `Attributes:` section of a record's docstring."""
    section = inspect.cleandoc(record.__doc__ or "").partition("\nAttributes:\n")[2].split("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section, re.MULTILINE)
    found = {name: _plain(text, record).removesuffix(".") for name, text in entries}
    for name, member in stand_ins(record).items():
        # The object cannot be typed here: its description says what its id is the id of.
        found[member] = re.sub(r"^its (\w+), in its place$", rf"\1 of {found.get(name, '')}", found.get(member, ""))
    return found


def stand_ins(record: type) -> dict[str, str]:
    """The fields that take an earlier result, each with the field that takes its id."""
    found = {field.name: field.metadata.get("instead_of") for field in attrs.fields(record)}
    return {name: stand_in.member for name, stand_in in found.items() if stand_in}


def _plain(text: str, record: type) -> str:
    """Prose for programmers as people at a shell read it: fields are options there."""
    for python, shell in _SHELL_WORDS.items():
        text = text.replace(python, shell)
    text = re.sub(r"kling_async\.capabilities\((\w*)\)", lambda found: f"the table of {_models(found[1])}", text)
    names = {*attrs.fields_dict(record)} - {*stand_ins(record)}
    for name in stand_ins(record):
        text = re.sub(rf"`{name}`, (?=`)|,? and `{name}`(?= is)|(?<=equired), or `{name}`", "", text)
    text = re.sub(r"(of `\w+`), (?=`\w+` is )", r"\1 and ", text)

    def option(found: re.Match[str]) -> str:
        if isinstance(vars(KlingClient).get(found[1]), submits | calls):
            return f"kling-async {found[1].replace('_', '-')}"
        return option_of(found[1]) if found[1] in names else found[1]

    return " ".join(re.sub(r"`(\w+)(?:=True)?`", option, text).replace("`", "").split())


def _models(record: str) -> str:
    """The command that shows what each model can do; a record is called as its command, in other letters."""
    command = re.sub("(?<!^)(?=[A-Z])", "-", record).lower()
    return "kling-async models" + f" --endpoint {command}" * bool(record)


def in_options(text: str, names: Mapping[str, str]) -> str:
    """A message about fields in the words of the shell: `cfg_scale: ...` is about `--cfg-scale`.

    Args:
        text: of one line or more, each about a field.
        names: what is typed for each field.
    """

    def option(found: re.Match[str]) -> str:
        return found[1] + names.get(found[2], found[2])

    text = re.sub(r"expected \w+ or a dict with", "expected JSON with", text)
    text = re.sub(r"(?<=give )\w+(?:, \w+)* or \w+(?=: )", lambda found: _choice(found[0], names), text)
    text = re.sub(r"(^(?:warning: |  - )?)(\w+)(?=[\w.\[\]]*: )", option, text, flags=re.MULTILINE)
    # Within a line only what cannot be a word of English.
    return re.sub(r"((?<![\w./-]))([a-z]+_\w+)(?!\w|\.\w|/)", option, text)


def _choice(text: str, names: Mapping[str, str]) -> str:
    """`a, b or c` in options, without what cannot be typed; unchanged where it is not of fields."""
    words = re.split(r", | or ", text)
    if not names.keys() >= {*words}:
        return text
    return in_words([names[word] for word in words if names[word] == option_of(word)])


def nested_files(value: Any, members: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """The places of files within a field's value, as it was given: each a container and the key in it."""
    item = item_of(members)
    if isinstance(value, list) and item is not None:
        for index, each in enumerate(value):
            if isinstance(each, str) and any(_has_files(member) for member in members_of(item)):
                yield value, index
            else:
                yield from nested_files(each, members_of(item))
    record = next((member for member in members if is_record(member)), None)
    if isinstance(value, dict) and record is not None:
        for name, hint in get_type_hints(record).items():
            inner = members_of(hint)
            if name not in value:
                continue
            if isinstance(value[name], str) and any(is_media(member) for member in inner):
                yield value, name
            else:
                yield from nested_files(value[name], inner)
