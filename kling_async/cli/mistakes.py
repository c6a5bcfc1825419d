"""Hints for words that a command does not accept."""

import os
import re
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Final

from kling_async.cli import endpoints
from kling_async.cli.record_fields import fields_of
from kling_async.methods import having_word, nearest
from kling_async.protocol.rules.values import in_words

_NAMED: Final = 3
"""Maximum number of commands that a hint names."""


def about_command(word: str, known: Iterable[str]) -> str:
    """Returns a hint for a word that is no command: a similar command, or the one with this documented path."""
    by_path = endpoints.by_path(word)
    return f"; did you mean {by_path}?" if by_path else did_you_mean(word.replace("_", "-"), known)


def about_unknown(word: str, command: ArgumentParser) -> str:
    """Returns a hint for a word that a command does not accept."""
    is_batch: bool = command.get_default("module") == "batch"
    if not word.startswith("-") and is_batch:
        return "; give one file of jobs, or one folder of pictures"
    if not word.startswith("-"):
        is_file = os.path.isfile(word)  # noqa: PTH113  (that of Path raises where the word is too long for a name)
        return _about_file(command) if is_file else "; a text with spaces needs quotes around it"
    option = word.partition("=")[0]
    if option in {"-o", "--output"} and not is_batch:
        return "; leave it out: the result of this command is no file"
    own = re.findall(r"--[a-z][a-z-]*", command.format_help())
    if not having_word(option, own) and (others := endpoints.that_take(option)):
        return f"; it is an option of {_some(others)}" + ": --endpoint sets which the rows are for" * is_batch
    return did_you_mean(option, own)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns the nearest known word, as the end of a message."""
    by_letters = {each.lstrip("-"): each for each in known}  # dashes would make all options alike
    near = nearest(word.lstrip("-"), by_letters)
    return f"; did you mean {by_letters[near]}?" if near else ""


def _about_file(command: ArgumentParser) -> str:
    """Returns a hint for a file that a command does not accept without an option."""
    name = command.get_default("endpoint")
    options = [field.option for field in fields_of(endpoints.record(name)) if field.has_files] if name else []
    if options:
        return f"; each file needs its option before it: {in_words(options)}"
    others = endpoints.that_take(None)
    return f"; a file is for {_some(others)}" if others else ""


def _some(names: list[str]) -> str:
    """Returns the first few names: more would hide the message."""
    if len(names) <= _NAMED:
        return in_words(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
