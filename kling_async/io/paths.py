"""Paths as callers give them, as text; what is no path is refused before anything is done."""

import os
import re
from typing import Any, Final

_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""An address such as `s3://bucket/cat.mp4`; `Path` leaves it one slash. One letter is a drive of Windows."""


def text_of(path: Any) -> str:
    """A path as text.

    Raises:
        ValueError: it is something else, or empty, which would be the working directory, or an address, which may
            contain a password and is not repeated.
    """
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise ValueError(f"expected a path, got {type(path).__name__}") from None
    address = _ADDRESS.match(text)
    if address is not None:
        raise ValueError(f"expected a path on this machine, got an address ({address[1]}://)")
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is no path")
    return text


def absolute(path: Any) -> str:
    """A path from the root; links stay as they were given, and so does a separator at the end, which names a directory.

    Raises:
        ValueError: as `text_of`, or the working directory in which it begins was deleted.
    """
    text = text_of(path)
    try:
        whole = os.path.abspath(text)  # noqa: PTH100  (`Path.absolute` keeps `..`)
    except FileNotFoundError:
        raise ValueError(f"{text!r} has no place: the directory that this process is in is gone") from None
    return f"{whole}{os.sep}" if is_directory_name(text) else whole


def is_directory_name(text: str) -> bool:
    """Whether text names a directory even where there is none yet: it ends in a separator."""
    return text.endswith(("/", os.sep))
