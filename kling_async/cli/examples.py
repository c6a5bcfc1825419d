"""Examples of an endpoint's command: the shortest ones that pass the checks."""

import re
from typing import Any, Final

from kling_async.cli import endpoints, record_options
from kling_async.cli.record_fields import Field, fields_of, positional

_ROUNDS: Final = 3
"""How often the checks run to find missing fields: adding one field may require another."""


def examples(name: str, prog: str) -> str:
    """Returns two lines to paste: one for the emulator, one for a program.

    Args:
        name: of the endpoint.
        prog: the command as it is typed.
    """
    record, suffix = endpoints.record(name), endpoints.suffix(name)
    fields = {field.name: field for field in fields_of(record)}
    first = positional(record)
    given = _needed(name, fields, first)
    words = [prog, *(_words(field, first) for field in given)]
    prompt = [_words(fields["prompt"], first)] if "prompt" in fields and fields["prompt"] not in given else []
    free = fields.keys() - {field.name for field in given}
    more = ["--mode pro"] * ("mode" in free) + ["--duration 10"] * ("duration" in free and suffix == ".mp4")
    file, folder = ([f"-o cat{suffix}"], ["-o out/"]) if suffix is not None else ([], [])
    lines = [[*words, *file, *prompt, "--emulator"], [*words, *folder, *more, "--json"]]
    return "examples:\n" + "".join(f"  {' '.join(line)}\n" for line in lines)


def _needed(name: str, fields: dict[str, Field], first: Field | None) -> list[Field]:
    """Returns the positional field, fields documented as needed, and others that the checks require."""
    given = [field for field in fields.values() if field == first or field.is_needed]
    for _ in range(_ROUNDS):
        request = endpoints.record(name)(**{field.name: _value(field) for field in given})
        problems = endpoints.described(name).problems(request, {})
        roots = [re.split(r"[.\[]", problem.field)[0] for problem in problems if not problem.only_warns]
        missing = [fields[root] for root in roots if root in fields and fields[root] not in given]
        if not missing:
            break
        given.append(missing[0])
    return given


def _words(field: Field, first: Field | None) -> str:
    return _text(field) if field == first else f"{field.option} {_text(field)}"


def _text(field: Field) -> str:
    value = _value(field)
    if record_options.metavar(field) == "JSON":
        return f"@{field.name}.json"
    text = str(value[0] if isinstance(value, list) else value)
    return f'"{text}"' if re.search(r"[^\w./:-]", text) or text == "..." else text


def _value(field: Field) -> Any:
    """Returns an example value of a field."""
    kind = record_options.metavar(field)
    if kind == "JSON":
        return {}
    if kind == "NUMBER":
        return 5
    text = _plausible(field)
    return text if field.item is None else [text]


def _plausible(field: Field) -> str:
    if field.has_files:
        return "cat.jpg"
    if field.name == "prompt":
        return "the cat turns its head"
    if field.is_time:
        return "2026-11-01" if field.name.startswith("start") else "2026-12-01"
    if field.name.endswith("_url"):
        return "https://example.com/cat.mp4"
    named = re.search(r"such as (\w+)", field.about)
    return named[1] if named else next(iter(field.choices), "...")
