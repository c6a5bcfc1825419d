"""The page of the errors, generated from their docstrings and the table of the service's codes."""

import inspect
import re
from typing import Final

from kling_async.protocol import error_codes, errors
from kling_async.protocol.errors import KlingError, Remedy

HEAD: Final = """# Errors

All errors are `KlingError`; a few are also built-in errors, so that `except TimeoutError` or `except FileExistsError`
catches them. Each has `code`, `http_status`, `request_id`, `reference` where there is or may be a task, and `remedy`,
if one of the remedies below applies. Whether something was paid: [When something goes wrong](../guides/trouble.md).
"""


def page() -> tuple[str, str]:
    """Returns the page: its file and its text."""
    tree = (errors.__doc__ or "").partition("\n\n")[2].rstrip()
    parts = [HEAD, "## The tree", f"```text\n{tree}\n```", "## Meaning and remedy", _table()]
    parts += ["## The service's codes", CODES_HEAD, _codes(), "## Remedies", REMEDIES_HEAD, _remedies()]
    return "errors.md", "\n\n".join(parts) + "\n"


CODES_HEAD: Final = """The code of a response decides, not its HTTP status: 429 is used for six of these. "Transient"
are codes after which reads are retried automatically; "may exist" are codes after which a create is looked up, since it
may have created a task."""
REMEDIES_HEAD: Final = """`error.remedy` is one of these, for programs. Its value is the text of the message."""


def classes() -> list[type[KlingError]]:
    """Returns all errors in the order of the tree: each class, followed by its subclasses."""
    found: dict[type[KlingError], None] = {}

    def add(each: type[KlingError]) -> None:
        if each.__module__ == errors.__name__:
            found[each] = None
            for below in each.__subclasses__():
                add(below)

    add(KlingError)
    return list(found)


def meaning_of(error: type[KlingError]) -> tuple[str, str]:
    """Returns what an error means and what to do: the first paragraph of its docstring, and the one with `DO`."""
    text = inspect.getdoc(error) or ""
    first, *others = text.partition("\n\nAttributes:")[0].split("\n\n")
    do = next((each for each in others if each.startswith(DO)), "").removeprefix(DO)
    return _line(first), _line(do[:1].upper() + do[1:])


DO: Final = "What to do: "


def _table() -> str:
    rows = ["| error | meaning | what to do |", "|---|---|---|"]
    for error in classes():
        means, do = meaning_of(error)
        rows.append(f"| [`{error.__name__}`](#kling_async.{error.__name__}) | {means} | {do} |")
    return "\n".join(rows)


def _codes() -> str:
    rows = ["| code | error | transient | may exist | what to do |", "|--:|---|:-:|:-:|---|"]
    for code, row in error_codes.CODES.items():
        marks = f"{'yes' if row.transient else ''} | {'yes' if row.in_doubt else ''}"
        hint = row.hint[:1].upper() + row.hint[1:]
        rows.append(f"| {code} | `{row.error.__name__}` | {marks} | {_line(hint)} |")
    return "\n".join(rows)


def _remedies() -> str:
    rows = ["| remedy | |", "|---|---|"]
    rows += [f"| `Remedy.{each.name}` | {_line(_marked(each.value))} |" for each in Remedy]
    return "\n".join(rows)


def _marked(text: str) -> str:
    """Adds backticks around code in a message, which has none."""
    return text if "`" in text else re.sub(r"(\w+\([^)]*\)|\w+='?\w+'?|\w+=\{.*\}|KLING_\w+)", r"`\1`", text)


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
