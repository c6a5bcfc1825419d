"""The fields of a record as options of the shell command: their names and descriptions."""

import inspect
import re
from collections.abc import Mapping
from typing import Final, get_type_hints

import attrs

from kling_async.client import KlingClient
from kling_async.methods import calls, submits
from kling_async.protocol import record_fields
from kling_async.protocol.record_fields import members_of, stand_ins, without_stand_ins
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.rules.values import in_words

_SHELL_WORDS: Final = {
    ", bytes, or the picture of an earlier task": " or - for standard input",
    ", or the picture of an earlier task": "",
    "or bytes": "or - for standard input",
    " The repr omits its query.": "",
    "`kling_async.estimate`": "`kling-async estimate`",
}


class Field(record_fields.Field):
    """One field of a record, as an option."""

    @property
    def option(self) -> str:
        """Name of the option."""
        return option_of(self.name)

    @property
    def dest(self) -> str:
        """Name in the parsed options; cannot collide with those of the command itself."""
        return f"record.{self.name}"

    @property
    def described(self) -> str:
        """Description, without `required` at its end, which every required option gets elsewhere."""
        return re.sub(r"([.;] required)+$", "", self.about, flags=re.IGNORECASE) if self.is_required else self.about


def fields_of(record: type) -> list[Field]:
    """Returns the fields of a record that have an option, in the record's order.

    The watermark is left out: it has an option of the command itself.
    """
    about = descriptions(record)
    return [
        Field(field.name, field.members, about.get(field.name, ""), field.field)
        for field in record_fields.fields_of(record)
        if WatermarkInfo not in field.members
    ]


def positional(record: type) -> Field | None:
    """Returns the field that may be given without its name: the first, unless it is a switch."""
    first, *_ = [*fields_of(record), None]
    return None if first is None or first.is_switch else first


def watermark_field(record: type) -> str | None:
    """Returns the field that requests a watermarked result as well; None where there is none."""
    hints = get_type_hints(record)
    return next((name for name, hint in hints.items() if WatermarkInfo in members_of(hint)), None)


def option_names(record: type) -> dict[str, str]:
    """Returns the option for each field; for a field that takes an earlier result, the option of its id."""
    names = {field.name: field.option for field in fields_of(record)}
    names |= {name: option_of(member) for name, member in stand_ins(record).items()}
    mark = watermark_field(record)
    return names | ({mark: "--watermark"} if mark else {})


def option_of(name: str) -> str:
    """Returns the option for a field."""
    return "--" + name.replace("_", "-")


# -------------------------------------------------------------------------------------------------- docstrings


def prose(record: type) -> list[str]:
    """Returns the paragraphs of a record's docstring before its sections."""
    text = inspect.cleandoc(record.__doc__ or "").partition("\nAttributes:\n")[0]
    return [_plain(paragraph, record) for paragraph in text.strip().split("\n\n")]


def summary(record: type) -> str:
    """Returns what a record's endpoint makes: the first paragraph of its docstring, without the path."""
    return re.sub(r": (GET|POST) /\S*$", "", prose(record)[0].rstrip("."))


def descriptions(record: type) -> dict[str, str]:
    """Returns the description of each field, in terms of options."""
    return {name: _plain(text, record) for name, text in record_fields.descriptions(record).items()}


def _plain(text: str, record: type) -> str:
    """Rewrites prose about the Python API in terms of the shell: fields become options."""
    text = without_stand_ins(text, record)
    for python, shell in _SHELL_WORDS.items():
        text = text.replace(python, shell)
    text = re.sub(r"kling_async\.capabilities\(([\w.]*)\)", lambda found: f"the table of {_models(found[1])}", text)
    names = {*attrs.fields_dict(record)} - {*stand_ins(record)}

    def option(found: re.Match[str]) -> str:
        if isinstance(vars(KlingClient).get(found[1]), submits | calls):
            return f"kling-async {found[1].replace('_', '-')}"
        return option_of(found[1]) if found[1] in names else found[1]

    return " ".join(re.sub(r"`(\w+)(?:=True)?`", option, text).replace("`", "").split())


def _models(record: str) -> str:
    """Returns the command that shows what each model can do; the command's name is derived from the record's."""
    command = re.sub("(?<=[a-z])(?=[A-Z])", "-", record).lower()
    return "kling-async models" + f" --endpoint {command}" * bool(record)


def in_options(text: str, names: Mapping[str, str]) -> str:
    """Rewrites a message about fields in terms of options: `cfg_scale: ...` becomes `--cfg-scale: ...`.

    Args:
        text: of one line or more, each about a field.
        names: option for each field.
    """

    def option(found: re.Match[str]) -> str:
        return found[1] + names.get(found[2], found[2])

    text = re.sub(r"expected \w+ or a dict with", "expected JSON with", text)
    text = re.sub(r"(?<=give )\w+(?:, \w+)* or \w+(?=: )", lambda found: _choice(found[0], names), text)
    text = re.sub(r"(^(?:warning: |  - )?)(\w+)(?=[\w.\[\]]*: )", option, text, flags=re.MULTILINE)
    # Within a line only names with an underscore, which cannot be English words.
    return re.sub(r"((?<![\w./-]))([a-z]+_\w+)(?!\w|\.\w|/)", option, text)


def _choice(text: str, names: Mapping[str, str]) -> str:
    """Rewrites `a, b or c` in options, without fields that have no option; unchanged if not all words are fields."""
    words = re.split(r", | or ", text)
    if not names.keys() >= {*words}:
        return text
    return in_words([names[word] for word in words if names[word] == option_of(word)])
