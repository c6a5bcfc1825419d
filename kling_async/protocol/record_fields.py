"""The fields of a record as data: the types of values that each accepts, its description, and the files within it.

Command-line options and rows of a batch are generated from these.
"""

import inspect
import re
import types
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

_MEDIA: Final = "kling_async.protocol.media."


@attrs.frozen
class Field:
    """One field of a record.

    Attributes:
        name: as documented.
        members: its types, without None.
        about: its description.
        field: the attribute of the record.
    """

    name: str
    members: tuple[Any, ...]
    about: str
    field: "attrs.Attribute[Any]"

    @property
    def is_required(self) -> bool:
        """Whether the record cannot be made without it."""
        return self.field.default is attrs.NOTHING

    @property
    def is_needed(self) -> bool:
        """Whether a request cannot do without it: by its record, or by its description."""
        return self.is_required or re.search(r"(^|[.;,] )required$", self.about, re.IGNORECASE) is not None

    @property
    def is_file(self) -> bool:
        """Whether it is a picture, sound or another file of the user."""
        return any(is_media(member) for member in self.members)

    @property
    def is_switch(self) -> bool:
        """Whether it is a plain boolean."""
        return self.members == (bool,)

    @property
    def is_time(self) -> bool:
        """Whether it is a date and time."""
        return datetime in self.members

    @property
    def choices(self) -> list[str]:
        """The documented words for it."""
        literals = [member for member in self.members if get_origin(member) is Literal]
        return [str(value) for literal in literals for value in get_args(literal)]

    @property
    def has_files(self) -> bool:
        """Whether it contains files: it is a file, or a list or a record of files."""
        return any(_has_files(member) for member in self.members)

    @property
    def item(self) -> Any:
        """The type of its items; None if it is not a list, or also accepts text."""
        return None if str in self.members else item_of(self.members)


def fields_of(record: type) -> list[Field]:
    """Returns the fields of a record, in order, whose values can be given as text.

    Fields for earlier results are left out, since these are Python objects: their ids are given instead.
    """
    hints = get_type_hints(record)
    about = descriptions(record)
    return [
        Field(field.name, _accepted(field, hints[field.name]), about.get(field.name, ""), field)
        for field in attrs.fields(record)
        if field.name not in stand_ins(record)
    ]


def _accepted(field: "attrs.Attribute[Any]", hint: Any) -> tuple[Any, ...]:
    """Returns the types of a field; a time has those of its converter's argument, not those that are sent."""
    read: Any = field.converter
    named = getattr(read, "__annotations__", {})
    if not any("datetime" in str(each) for each in named.values()):
        return members_of(hint)
    return members_of(next(iter(get_type_hints(read).values())))


def descriptions(record: type) -> dict[str, str]:
    """Returns the description of each field in one line, from the `Attributes:` section of a record's docstring.

    An id that an earlier result can stand in for is described without that, since texts can only give the id.
    """
    section = inspect.cleandoc(record.__doc__ or "").partition("\nAttributes:\n")[2].split("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section, re.MULTILINE)
    found = {name: " ".join(text.split()).removesuffix(".") for name, text in entries}
    for name, member in stand_ins(record).items():
        if its := re.fullmatch(r"its (\w+), in its place", found.get(member, "")):
            found[member] = f"{its[1]} of {found.get(name, '')}"
    return {name: without_stand_ins(text, record) for name, text in found.items()}


def without_stand_ins(text: str, record: type) -> str:
    """Removes the fields that accept an earlier result from prose about a record."""
    for name in stand_ins(record):
        text = re.sub(rf"`{name}`, (?=`)|,? and `{name}`(?= is)|(?<=equired), or `{name}`", "", text)
    return re.sub(r"(of `\w+`), (?=`\w+` is )", r"\1 and ", text)


def stand_ins(record: type) -> dict[str, str]:
    """Returns the fields that accept an earlier result, each with the field that accepts its id."""
    found = {field.name: field.metadata.get("instead_of") for field in attrs.fields(record)}
    return {name: stand_in.member for name, stand_in in found.items() if stand_in}


# ------------------------------------------------------------------------------------------------------- types


def members_of(hint: Any) -> tuple[Any, ...]:
    """Returns the alternatives of a type, without None."""
    alternatives = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    return tuple(each for each in alternatives if each is not type(None))


def item_of(members: tuple[Any, ...]) -> Any:
    """Returns the type of a list's items; None if it is not a list."""
    return next((get_args(member)[0] for member in members if get_origin(member) is tuple), None)


def is_media(hint: Any) -> bool:
    """Whether this is the type of a file of the user."""
    return isinstance(hint, type) and hint.__module__.startswith(_MEDIA)


def is_record(hint: Any) -> bool:
    """Whether this is a record that is given as JSON."""
    return isinstance(hint, type) and attrs.has(hint) and not is_media(hint)


def only_needed(item: Any) -> str | None:
    """Returns the single required field of a record; None if there are several, or if it is not a text or a file."""
    needed = [each for each in attrs.fields(item) if each.default is attrs.NOTHING] if is_record(item) else []
    if len(needed) != 1:
        return None
    members = members_of(get_type_hints(item)[needed[0].name])
    return needed[0].name if {str, int} & {*members} or any(map(is_media, members)) else None


def _has_files(hint: Any) -> bool:
    if get_origin(hint) is tuple:
        return any(_has_files(member) for member in members_of(get_args(hint)[0]))
    if not is_record(hint):
        return is_media(hint)
    return any(_has_files(member) for part in get_type_hints(hint).values() for member in members_of(part))


def nested_files(value: Any, members: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """Yields the places of files within a field's given value: each a container and the key in it."""
    item = item_of(members)
    if isinstance(value, list) and item is not None:
        for index, each in enumerate(value):
            if isinstance(each, str) and any(_has_files(member) for member in members_of(item)):
                yield value, index
            elif isinstance(each, dict) and len(each) == 1 and any(map(is_media, members_of(item))):
                yield each, next(iter(each))  # the documented object that contains only the file
            else:
                yield from nested_files(each, members_of(item))
    of_item = members_of(item) if item is not None else members
    named = next((member for member in of_item if is_record(member)), None)
    if isinstance(value, dict) and _is_by_name(value, named, several=item is not None):
        yield from ((value, name) for name, each in value.items() if isinstance(each, str))
        return
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


def _is_by_name(value: dict[Any, Any], record: Any, *, several: bool) -> bool:
    """Whether these are files by names: `{"cat": "cat.png"}`."""
    chief = only_needed(record)
    if chief is None or not any(map(is_media, members_of(get_type_hints(record)[chief]))):
        return False
    return several or (len(value) == 1 and chief not in value)
